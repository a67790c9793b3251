/** The suite looks for the secrets of references that it mints, everywhere: one that is planted is found, in each of the places. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { ROOT } from '../../examples/ledger/place.js';

const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
let failed: boolean;
let said = '';
beforeAll(async () => {
  const args = [VITEST, 'run', '--config', 'test/secrets/planted.config.ts', '--reporter=default'];
  await new Promise<void>((resolve) => {
    const options = { cwd: ROOT, env: { ...process.env, NO_COLOR: '1' }, timeout: 110_000 };
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      failed = error !== null;
      said = stdout + stderr;
      resolve();
    });
  });
}, 120_000);

it('a secret that is found fails the run, and names the file', () => {
  expect(said).toContain('secrets of references can be seen in test/secrets/planted.ts');
  expect(failed).toBe(true);
});

it.each([
  ['stdout of node -e', 'printed by a process'],
  ['stderr of node -e', 'printed as an error of a process'],
  ['stdout of cat', 'printed by a process that was waited for'],
  ['arguments of node -e', 'an argument'],
  ['environment of node -e', 'a variable of an environment'],
  ['stdout of node -e', 'minted and printed by another process'],
  ['an error', 'thrown'],
  ['an error', 'a rejection'],
  ['util.inspect of an object', 'inspected'],
  ['the log of a broker', 'logged'],
])('it is found in %s, of the test “%s”', (where, test) => {
  expect(said).toMatch(new RegExp(`^ *(\\w+: )?${where} \\(${test}\\): `, 'm'));
});

it.each(['plain.txt', 'gone/removed.txt', 'open.ref', 'data/store.mdb'])(
  'it is found in the file %s',
  (file) => expect(said).toMatch(new RegExp(`a file: (.*/)?${file.replace('gone/', '')}: secret`)),
);

it('it is found in what the run prints', () => {
  expect(said).toMatch(/stdout of the run: secret/);
});

it('a reference may be in a file that only its owner may read, and nothing is said of that', () => {
  expect(said).not.toContain('closed.ref');
});

it('what was looked at is told', () => {
  const [, minted, bytes] = /secrets: (\d+) were minted in 1 test files; looked for in (\d+) bytes/.exec(
    said,
  )!;
  expect(Number(minted)).toBeGreaterThanOrEqual(15);
  expect(Number(bytes)).toBeGreaterThan(10_000);
});
