/**
 * A sample of the matrix on the other versions of Node: the crawler, and what the language grows. The whole is
 * `npm run test:matrix`.
 */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../examples/ledger/place.js';
import { CHAPTERS } from './harness/classes.js';
import { installed, MAJORS } from './harness/node-versions.js';

const run = promisify(execFile);
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
const FILES = ['test/escapes/crawler.test.ts', 'test/escapes/escapes.test.ts'];
const SAMPLE = `R1|${CHAPTERS.language}`;

/** Which tiers a version can give on this machine, as `sturdy tiers` says it. */
async function tiersOn(binary: string): Promise<string[]> {
  const { stdout } = await run(binary, [join(ROOT, 'dist/broker/cli/main.js'), 'tiers']);
  return stdout.split('\n').filter((line) => /^\w+: /.test(line));
}

describe('the walls on other versions of Node', () => {
  for (const major of MAJORS) {
    const binary = installed(major);
    if (binary === process.execPath) continue;
    const title = `hold on Node ${major}, as far as a sample shows`;
    if (binary === null && !process.env['CI']) {
      it.skip(`${title}: it is not installed; npm run test:matrix gets it`);
      continue;
    }
    it(`are the same tiers on Node ${major} as here`, { timeout: 120_000 }, async () => {
      const [here, there] = await Promise.all([tiersOn(process.execPath), tiersOn(binary!)]);
      expect(here).toContain('thread: yes');
      expect(there).toEqual(here);
    });

    it(title, { timeout: 300_000 }, async () => {
      const args = [VITEST, 'run', '--root', ROOT, '--no-file-parallelism', '--reporter=json', ...FILES];
      const { stdout } = await run(binary!, [...args, '-t', SAMPLE], {
        env: { ...process.env, NO_COLOR: '1' },
        maxBuffer: 1 << 26,
      }).catch((error: { stdout: string }) => error);
      const results = JSON.parse(stdout.slice(stdout.indexOf('{"num'))) as {
        numPassedTests: number;
        testResults: {
          assertionResults: { status: string; fullName: string; failureMessages: string[] }[];
        }[];
      };
      const failed = results.testResults
        .flatMap(({ assertionResults }) => assertionResults)
        .filter(({ status }) => status === 'failed')
        .map(({ fullName, failureMessages }) => [fullName, ...failureMessages]);
      expect(failed).toEqual([]);
      expect(results.numPassedTests).toBeGreaterThan(20);
    });
  }
});
