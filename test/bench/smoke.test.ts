/** That the bench works: it is run as anybody runs it, and what it measured is looked at, but never how fast it was. */

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PLACEMENTS, type Run } from '../../bench/run.js';
import { QUICK_WORKLOADS, workloadName } from '../../bench/workload.js';
import { ROOT } from '../../examples/ledger/place.js';

const run = promisify(execFile);

const missing = await whyNot();
if (missing !== null && process.env.CI === 'true') throw new Error(`the bench cannot run: ${missing}`);
if (missing !== null) console.warn(`skipped: ${missing}`);

/** What stands between a subject's client and its server is measured apart. */
const PROCESSES: Record<string, readonly string[]> = {
  raw: ['client', 'server'],
  relay: ['broker', 'client', 'server'],
  direct: ['client', 'server'],
  brokered: ['broker', 'client', 'server'],
};

describe.skipIf(missing !== null)('the bench', () => {
  let folder: string;
  let measured: Run;
  let page: string;
  let said: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sturdy-bench-test-'));
    const { stdout } = await run(process.execPath, [
      join(ROOT, 'dist/bench/main.js'),
      '--quick',
      '--out',
      folder,
    ]);
    said = stdout;
    measured = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as Run;
    page = readFileSync(join(folder, 'index.html'), 'utf8');
  }, 300_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('measures every call of every subject on every placement', () => {
    expect(measured.problems).toEqual([]);
    const expected = PLACEMENTS.flatMap((placement) =>
      Object.keys(PROCESSES).flatMap((subject) =>
        QUICK_WORKLOADS.filter(({ kind }) => kind === 'echo' || !['raw', 'relay'].includes(subject)).map(
          (workload) => `${placement} ${subject} ${workloadName(workload)}`,
        ),
      ),
    );
    expect(
      measured.results
        .map(({ placement, subject, workload }) => `${placement} ${subject} ${workload}`)
        .sort(),
    ).toEqual(expected.sort());
    for (const { samples } of measured.results) {
      expect(samples).toHaveLength(1);
      const { rate, p50, p99 } = samples[0]!;
      expect(rate).toBeGreaterThan(0);
      expect(p50).toBeGreaterThan(0);
      expect(p99).toBeGreaterThanOrEqual(p50);
    }
  });

  it('counts the CPU time of each process by itself', () => {
    for (const { subject, samples } of measured.results) {
      const { cpu } = samples[0]!;
      expect(Object.keys(cpu).sort()).toEqual(PROCESSES[subject]);
      for (const time of Object.values(cpu)) expect(time).toBeGreaterThan(0);
    }
  });

  it('says what came of each aim that it could measure', () => {
    for (const what of [
      'brokered, p50, depth 1 / raw frames',
      'brokered, p50, depth 1 / one brokered call',
      'a relayed call, depth 256 / raw frame relay',
    ]) {
      expect(said.split('\n').filter((line) => line.includes(what))).toHaveLength(PLACEMENTS.length);
    }
  });

  it('draws a page that loads nothing', () => {
    expect(page).toContain('<svg');
    expect(page).not.toMatch(/<script|<link|<img|@import|url\(|\bhref=|\bsrc=|https?:/);
    for (const title of ['raw frame relay', 'Sturdy, brokered']) expect(page).toContain(title);
  });
});

async function whyNot(): Promise<string | null> {
  if (!existsSync('/proc/self/schedstat')) return 'CPU times are read from /proc, and there is none here';
  try {
    await run('taskset', ['--version']);
    return null;
  } catch {
    return 'no taskset; apt-get install util-linux';
  }
}
