/**
 * `npm run test:matrix`: every class, in every tier, on every version of Node, the tests and the broker on that version too;
 * then docs/walls.md is made of what was found. With versions as arguments (`-- 22 26`) it runs those, and writes nothing.
 * With `--install` it gets the versions that are not here yet, and no more.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { ROOT } from '../../examples/ledger/place.js';
import type { Run } from './harness/findings.js';
import { install, installed, MAJORS, type Major } from './harness/node-versions.js';
import { page } from './harness/table.js';

const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
const WHOLE = ['test/escapes/escapes.test.ts', 'test/escapes/denial.test.ts', 'test/escapes/crawler.test.ts'];

if (process.argv[2] === '--install') {
  for (const major of MAJORS) console.log(`Node ${major}: ${install(major)}`);
  process.exit();
}

/** The versions that are named, or all. */
const wanted = MAJORS.filter(
  (major) => process.argv.slice(2).length === 0 || process.argv.slice(2).includes(`${major}`),
);
const folder = mkdtempSync(join(tmpdir(), 'sturdy-walls-'));
let failed = false;
for (const major of wanted) {
  console.log(`Node ${major}: ${installed(major) ?? 'to be installed'}`);
  failed = run(major) || failed;
}
const runs = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Run);
rmSync(folder, { recursive: true });
if (wanted.length === MAJORS.length) {
  writeFileSync(join(ROOT, 'docs/walls.md'), page(runs));
  console.log('docs/walls.md was written');
}
process.exit(failed ? 1 : 0);

/** Whether it failed. */
function run(major: Major): boolean {
  const { status } = spawnSync(
    install(major),
    [VITEST, 'run', '--root', ROOT, '--no-file-parallelism', ...WHOLE],
    { stdio: 'inherit', env: { ...process.env, ESCAPES: 'whole', ESCAPES_FINDINGS: folder } },
  );
  return status !== 0;
}
