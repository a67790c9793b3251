/** Sees to it that there is what the subjects need, and says what cannot be measured on this machine. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cannotBuild, echoProgram } from './echo/build.js';
import { BENCH, ROOT } from './place.js';
import { PLACEMENTS, type Placement } from './run.js';
import type { Subject } from './subjects/subject.js';

export interface Available {
  readonly subjects: readonly Subject[];
  readonly placements: readonly Placement[];
  readonly problems: readonly string[];
}

export async function available(wanted: readonly Subject[]): Promise<Available> {
  if (!existsSync(`/proc/${process.pid}/task/${process.pid}/schedstat`)) {
    throw new Error('the bench reads CPU times from /proc, as Linux has it, and there is none here');
  }
  const missing: Partial<Record<Subject['needs'], string | null>> = {};
  if (wanted.some(({ needs }) => needs === 'packages')) missing.packages = installPackages();
  if (wanted.some(({ needs }) => needs === 'c++')) {
    missing['c++'] = await cannotBuild();
    // Now, and not while something is measured.
    if (missing['c++'] === null) await echoProgram();
  }
  const problems = wanted
    .filter(({ needs }) => missing[needs])
    .map(({ title, needs }) => `${title}: ${missing[needs]}`);

  let placements = PLACEMENTS;
  if (availableParallelism() === 1) {
    placements = ['core'];
    problems.push('all cores: this machine has one');
  } else if (!hasTaskset()) {
    placements = ['cores'];
    problems.push('one core: there is no taskset: apt-get install util-linux');
  }
  return { subjects: wanted.filter(({ needs }) => !missing[needs]), placements, problems };
}

/** Installs what bench/package-lock.json names, unless it is there. Why it cannot; null where it is done. */
function installPackages(): string | null {
  const lock = createHash('sha256')
    .update(readFileSync(join(BENCH, 'package-lock.json')))
    .digest('hex');
  const mark = join(BENCH, 'node_modules/.installed-lock');
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== lock) {
    try {
      execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], {
        cwd: BENCH,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
    } catch (error) {
      return `npm ci failed in bench/: ${(error as Error).message}`;
    }
    writeFileSync(mark, lock);
  }
  // Where the compiled subjects look for them.
  const link = join(ROOT, 'dist/bench/node_modules');
  if (!lstatSync(link, { throwIfNoEntry: false })) symlinkSync('../../bench/node_modules', link);
  return null;
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
