/**
 * What all runs of the matrix have found so far, in one file that git ignores: a run of a part puts what it found in the place of what
 * was known of that part.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '../../../examples/ledger/place.js';
import { CHAPTERS, type Chapter } from './classes.js';
import type { Finding, Run } from './findings.js';
import { MAJORS } from './node-versions.js';
import { TIERS } from './tiers.js';

const FILE = join(ROOT, '.cache/walls.json');

export const majorOf = (version: string): number => Number(version.split('.')[0]);

const sameCell = (a: Finding, b: Finding): boolean => a.file === b.file && a.tier === b.tier;

export class MatrixRecord {
  readonly runs: Run[];

  constructor() {
    this.runs = existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Run[]) : [];
  }

  /** Takes what the test files have written into `folder`. */
  add(folder: string): void {
    for (const name of readdirSync(folder)) {
      const { findings, figures, ...version } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Run;
      const at = this.runs.findIndex(({ node }) => majorOf(node) === majorOf(version.node));
      const known = this.runs[at];
      const kept = known?.findings.filter((each) => !findings.some((found) => sameCell(each, found))) ?? [];
      const run: Run = {
        ...version,
        findings: [...kept, ...findings],
        figures: { ...known?.figures, ...figures },
      };
      if (known === undefined) this.runs.push(run);
      else this.runs[at] = run;
    }
    mkdirSync(dirname(FILE), { recursive: true });
    writeFileSync(FILE, `${JSON.stringify(this.runs, null, 1)}\n`);
  }

  /** Cells of the table that were not run yet: a version, a tier, a class file. */
  missing(): { major: number; tier: string; file: string }[] {
    return MAJORS.flatMap((major) => {
      const run = this.runs.find(({ node }) => majorOf(node) === major);
      return TIERS.flatMap((tier) =>
        classFiles()
          .filter((file) => !run?.findings.some((each) => each.file === file && each.tier === tier))
          .map((file) => ({ major, tier, file })),
      );
    });
  }
}

/** `chapter/file` of every class. */
function classFiles(): string[] {
  const chapters: Chapter[] = [...(Object.keys(CHAPTERS) as (keyof typeof CHAPTERS)[]), 'denial'];
  return chapters.flatMap((chapter) =>
    readdirSync(join(ROOT, 'test/escapes', chapter))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `${chapter}/${name}`),
  );
}
