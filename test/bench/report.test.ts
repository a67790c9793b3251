import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AIMS, earlierRuns, outcome } from '../../bench/aims.js';
import { markdownPage } from '../../bench/report/markdown.js';
import { type Result, type Run, ratio, type Sample } from '../../bench/run.js';
import { SUBJECTS } from '../../bench/subjects/all.js';
import { WORKLOADS, workloadName } from '../../bench/workload.js';
import { ROOT } from '../../examples/ledger/place.js';

const sample = (rate: number): Sample => ({ rate, p50: 1, p99: 1, cpu: { client: 1 } });

function runOf(...results: Result[]): Run {
  const machine = {
    cpu: 'a processor',
    cores: 2,
    memoryGiB: 1,
    system: 'a system',
    node: 'v0',
    loadBefore: 0,
    versions: { sturdy: '0' },
  };
  return {
    format: 1,
    date: '2020-01-01T00:00:00.000Z',
    took: 1,
    machine,
    rounds: 3,
    seconds: 1,
    results,
    problems: [],
  };
}

const DIRECT = AIMS.find(({ name }) => name === 'direct')!;
const POLICY = AIMS.find(({ name }) => name === 'policy')!;

/** The rates of both sides of an aim, on all cores. */
function sides(aim: typeof DIRECT, over: (number | null)[], under: (number | null)[]): Run {
  const result = ({ subject, workload }: typeof aim.over, rates: (number | null)[]): Result => ({
    placement: 'cores',
    subject,
    workload,
    samples: rates.map((rate) => (rate === null ? null : sample(rate))),
  });
  return runOf(result(aim.over, over), result(aim.under, under));
}

describe('the report of a run', () => {
  it('takes a ratio within each round, and then the median of them', () => {
    // The machine was slow in the second round: the medians of the sides would give another ratio.
    const run = sides(DIRECT, [400, 30, 330], [100, 10, 100]);
    expect(ratio(run, 'cores', DIRECT.over, DIRECT.under)).toEqual({ median: 3.3, low: 3, high: 4 });
  });

  it('shows the ratios of the two runs that were published before it', () => {
    const runs = [410, 420, 430].map((rate, day) => ({
      ...sides(DIRECT, [rate], [100]),
      date: `2020-01-0${day + 1}T00:00:00.000Z`,
    }));
    const last = runs.reduce((before, run) => ({ ...run, earlier: earlierRuns(before) }));
    expect(last.earlier!.map(({ date, ratios }) => [date.slice(0, 10), ratios[DIRECT.name]])).toEqual([
      ['2020-01-02', { cores: 4.2 }],
      ['2020-01-01', { cores: 4.1 }],
    ]);
    expect(earlierRuns(last)).toHaveLength(2);
    const page = markdownPage(last);
    expect(page).toMatch(/\| 2020-01-02 00:00, load 0, sturdy 0, Node v0 \| 2020-01-01/);
    expect(page).toMatch(/\| rpc direct[^|]*\| all cores +\| at least 2 +\| 4\.20 +\| 4\.10 +\|/);
  });

  it('leaves out a round in which one side was not measured', () => {
    const run = sides(DIRECT, [400, null, 330], [null, 10, 100]);
    expect(ratio(run, 'cores', DIRECT.over, DIRECT.under)).toEqual({ median: 3.3, low: 3.3, high: 3.3 });
  });

  it.each([
    { rates: [500, 100], verdict: 'beyond' },
    { rates: [400, 100], verdict: 'beyond' },
    { rates: [399, 100], verdict: 'met' },
    { rates: [200, 100], verdict: 'met' },
    { rates: [199, 100], verdict: 'missed' },
  ])('says $verdict where $rates are to be at least 2, and beyond it 4', ({ rates, verdict }) => {
    expect(outcome(DIRECT, sides(DIRECT, [rates[0]!], [rates[1]!]), 'cores').verdict).toBe(verdict);
  });

  it.each([
    { rates: [100, 100], verdict: 'beyond' },
    { rates: [110, 100], verdict: 'met' },
    { rates: [116, 100], verdict: 'missed' },
  ])('says $verdict where $rates are to be at most 1.15, and beyond it 1.05', ({ rates, verdict }) => {
    expect(outcome(POLICY, sides(POLICY, [rates[0]!], [rates[1]!]), 'cores').verdict).toBe(verdict);
  });

  it('says of what was not measured that it was not', () => {
    const run = sides(DIRECT, [500], [100]);
    expect(outcome(DIRECT, run, 'core')).toEqual({ ratio: null, verdict: 'not measured' });
    expect(outcome(POLICY, run, 'cores').verdict).toBe('not measured');
  });

  it('shows a row that misses its aim as missed, and what it came to', () => {
    const row = markdownPage(sides(DIRECT, [50, 60, 80], [100, 100, 100]))
      .split('\n')
      .find((line) => line.startsWith(`| ${DIRECT.what}`));
    expect(row).toContain('**missed**: 0.60 (0.50 to 0.80)');
    expect(row).toContain('not measured');
  });

  it('compares only what the bench measures', () => {
    const workloads = WORKLOADS.map(workloadName);
    for (const { over, under } of AIMS) {
      for (const { subject, workload } of [over, under]) {
        expect(SUBJECTS.map(({ name }) => name)).toContain(subject);
        expect(workloads).toContain(workload);
      }
    }
  });

  it('is docs/performance.md, made of the run that was published last', () => {
    const published = join(ROOT, 'bench/results/run.json');
    const run = existsSync(published) ? (JSON.parse(readFileSync(published, 'utf8')) as Run) : null;
    expect(readFileSync(join(ROOT, 'docs/performance.md'), 'utf8')).toBe(markdownPage(run));
  });
});
