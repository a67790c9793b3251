/**
 * `npm run test:matrix`: every class, in every tier, on every version of Node, the tests and the broker on that version too. It runs in
 * pieces, one for a version and a part, whose findings are kept; when there is one for every cell of the table, docs/walls.md
 * is made of them.
 *
 *     --node 22,24          those versions
 *     --tier thread         those tiers
 *     --only denial         that part: escapes, denial or crawler
 *     --missing             only pieces of which a cell was not run yet
 *     --publish             runs nothing: makes docs/walls.md of what was found so far, with a ? for what was not run
 *     --install             gets the versions that are not here yet, and no more
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { ROOT } from '../../examples/ledger/place.js';
import { install, MAJORS, type Major } from './harness/node-versions.js';
import { MatrixRecord } from './harness/record.js';
import { page } from './harness/table.js';
import { TIERS, type Tier } from './harness/tiers.js';

const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
const PARTS = ['escapes', 'denial', 'crawler'] as const;
const FILES = {
  escapes: ['escapes.test.ts'],
  denial: ['denial.test.ts', 'denial-harm.test.ts'],
  crawler: ['crawler.test.ts'],
} as const;

interface Piece {
  readonly major: Major;
  readonly part: (typeof PARTS)[number];
  readonly tiers: readonly Tier[];
}

const { values } = parseArgs({
  options: {
    node: { type: 'string' },
    tier: { type: 'string' },
    only: { type: 'string' },
    missing: { type: 'boolean' },
    publish: { type: 'boolean' },
    install: { type: 'boolean' },
  },
});

if (values.install) {
  for (const major of MAJORS) console.log(`Node ${major}: ${install(major)}`);
  process.exit();
}

const majors = among(MAJORS, values.node, 'a version of Node here');
const tiers = among(TIERS, values.tier, 'a tier');
const parts = among(PARTS, values.only, 'a part');
const record = new MatrixRecord();
const failed: string[] = [];
for (const major of values.publish ? [] : majors) {
  for (const part of parts) {
    const asked = values.missing ? tiers.filter((tier) => isMissing(major, part, tier)) : tiers;
    if (asked.length > 0) run({ major, part, tiers: asked });
  }
}
const missing = record.missing();
if (missing.length === 0 || values.publish) {
  writeFileSync(join(ROOT, 'docs/walls.md'), page(record.runs));
  console.log(`docs/walls.md was written; ${missing.length} cells were not run yet`);
} else {
  console.log(
    `docs/walls.md was not written: ${missing.length} cells were not run yet (--missing runs them):`,
  );
  for (const { major, tier, file } of missing.slice(0, 20)) console.log(`  Node ${major}, ${tier}: ${file}`);
}
for (const each of failed) console.log(`failed: ${each}`);
process.exit(failed.length > 0 ? 1 : 0);

function among<T extends string | number>(all: readonly T[], asked: string | undefined, what: string): T[] {
  if (asked === undefined) return [...all];
  return asked.split(',').map((word) => {
    const found = all.find((each) => `${each}` === word);
    if (found !== undefined) return found;
    console.error(`${word} is not ${what}: there are ${all.join(', ')}`);
    return process.exit(2);
  });
}

function isMissing(major: Major, part: Piece['part'], tier: Tier): boolean {
  // It is in a thread of its own, whatever the tier.
  if (part === 'crawler')
    return !record.runs.some(({ node, figures }) => node.startsWith(`${major}.`) && 'crawler' in figures);
  return record
    .missing()
    .some(
      (cell) =>
        cell.major === major && cell.tier === tier && cell.file.startsWith('denial/') === (part === 'denial'),
    );
}

function run({ major, part, tiers }: Piece): void {
  const title = `Node ${major}, ${part}, ${tiers.join(', ')}`;
  const folder = mkdtempSync(join(tmpdir(), 'sturdy-walls-'));
  const began = performance.now();
  const { status } = spawnSync(
    install(major),
    [
      VITEST,
      'run',
      '--root',
      ROOT,
      '--no-file-parallelism',
      ...FILES[part].map((file) => `test/escapes/${file}`),
    ],
    {
      stdio: 'inherit',
      env: { ...process.env, ESCAPES_TIERS: tiers.join(), ESCAPES_FINDINGS: folder },
    },
  );
  record.add(folder);
  rmSync(folder, { recursive: true });
  const seconds = Math.round((performance.now() - began) / 1000);
  console.log(`${title}: ${status === 0 ? 'passed' : 'FAILED'}, ${seconds} s`);
  if (status !== 0) failed.push(title);
}
