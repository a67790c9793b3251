/**
 * What the message path is meant to reach: ratios, side by side, in one run. Each is given twice: on all cores, and with
 * every process on one, where waking a sleeping core does not hide the work.
 */

import {
  type EarlierRun,
  type Figure,
  PLACEMENT_TITLES,
  PLACEMENTS,
  type Placement,
  type Run,
  ratio,
  type Term,
} from './run.js';
import { LARGE, MEDIUM, SMALL, type Workload, workloadName } from './workload.js';

export interface Aim {
  readonly name: string;
  readonly what: string;
  readonly beside: string;
  /** Which way is good. */
  readonly sense: 'at least' | 'at most';
  readonly bounds: Readonly<Record<Placement, { readonly aim: number; readonly beyond: number }>>;
  readonly over: Term;
  readonly under: Term;
  /** What the row means, in Markdown. */
  readonly meaning: string;
}

const echo = (depth: number, bytes = SMALL): string => name('echo', depth, bytes);
const name = (kind: Workload['kind'], depth: number, bytes: number): string =>
  workloadName({ kind, bytes, depth });
const both = (aim: number, beyond: number): Aim['bounds'] => ({
  cores: { aim, beyond },
  core: { aim, beyond },
});

export const AIMS: readonly Aim[] = [
  {
    name: 'direct',
    what: 'rpc direct, calls a second, depth 256',
    beside: "Cap'n Proto C++, direct",
    sense: 'at least',
    bounds: both(2, 4),
    over: { subject: 'direct', workload: echo(256), measure: 'rate' },
    under: { subject: 'cpp', workload: echo(256), measure: 'rate' },
    meaning:
      'Both sides are ours, without a broker: what the RPC layer alone costs in a deep pipeline, where nothing is waited for and only work for each call counts.',
  },
  {
    name: 'brokered',
    what: 'brokered, calls a second, depth 256',
    beside: "Cap'n Proto C++, direct",
    sense: 'at least',
    bounds: { cores: { aim: 1.7, beyond: 3.5 }, core: { aim: 2, beyond: 7 } },
    over: { subject: 'brokered', workload: echo(256), measure: 'rate' },
    under: { subject: 'cpp', workload: echo(256), measure: 'rate' },
    meaning:
      'Two hops, a membrane and a sandboxed domain on our side, and one hop with none of them on the other. Version 1.4 of the C++ implementation, which coalesces its writes, makes about 1.7 times as many calls as 0.9.2.',
  },
  {
    name: 'capnweb',
    what: 'brokered, calls a second, depth 256',
    beside: 'capnweb, direct',
    sense: 'at least',
    bounds: both(4, 9),
    over: { subject: 'brokered', workload: echo(256), measure: 'rate' },
    under: { subject: 'capnweb', workload: echo(256), measure: 'rate' },
    meaning: 'The same beside the nearest thing in JavaScript: object capabilities with pipelining, direct.',
  },
  {
    name: 'latency',
    what: 'brokered, p50, depth 1',
    beside: 'raw frames, p50',
    sense: 'at most',
    bounds: both(2.6, 2.2),
    over: { subject: 'brokered', workload: echo(1), measure: 'p50' },
    under: { subject: 'raw', workload: echo(1), measure: 'p50' },
    meaning:
      'A call that is waited for is all wake-ups: two hops can take no less than twice what one hop of bare frames takes.',
  },
  {
    name: 'chain',
    what: 'a chain of four, brokered, p50, depth 1',
    beside: 'one brokered call',
    sense: 'at most',
    bounds: both(1.3, 1.1),
    over: { subject: 'brokered', workload: name('chain', 1, SMALL), measure: 'p50' },
    under: { subject: 'brokered', workload: echo(1), measure: 'p50' },
    meaning:
      'Four calls, each on what the one before returns, are one round trip when they are pipelined: they should cost little more than one.',
  },
  {
    name: 'broker',
    what: "the broker's CPU for a relayed call, depth 256",
    beside: 'raw frame relay',
    sense: 'at most',
    bounds: both(2.5, 1.5),
    over: { subject: 'brokered', workload: echo(256), measure: 'cpu broker' },
    under: { subject: 'relay', workload: echo(256), measure: 'cpu broker' },
    meaning:
      'What the broker does for a call and its return (tables, membrane, policy, ids) beside a process that only gives frames another number. It decides how many calls one broker carries.',
  },
  {
    name: 'policy',
    what: 'with a policy, time for a call, depth 256',
    beside: 'without one',
    sense: 'at most',
    bounds: both(1.15, 1.05),
    over: { subject: 'brokered', workload: echo(256), measure: 'rate' },
    under: { subject: 'policy', workload: echo(256), measure: 'rate' },
    meaning:
      'What it costs to check each call against the methods that the grant allows, one argument, and a rate. (Calls a second without one, by calls a second with one.)',
  },
  {
    name: 'fairness',
    what: 'brokered, p99, depth 1, beside 100,000 calls in flight',
    beside: 'without them',
    sense: 'at most',
    bounds: both(3, 1.5),
    over: { subject: 'crowded', workload: echo(1), measure: 'p99' },
    under: { subject: 'brokered', workload: echo(1), measure: 'p99' },
    meaning:
      'What one client feels of another that asks for as much as it can. On one core the other client takes a good part of the core for itself: what that alone does is in the rows of a flood elsewhere.',
  },
  {
    name: 'payload-4k',
    what: '4 KiB payloads, bytes a second, brokered, depth 256',
    beside: 'raw frame relay',
    sense: 'at least',
    bounds: both(0.7, 0.9),
    over: { subject: 'brokered', workload: echo(256, MEDIUM), measure: 'rate' },
    under: { subject: 'relay', workload: echo(256, MEDIUM), measure: 'rate' },
    meaning: 'Payloads that are as large as a page: how far from the price of moving the bytes we are.',
  },
  {
    name: 'payload-1m',
    what: '1 MiB payloads, bytes a second, brokered, depth 16',
    beside: 'raw frame relay',
    sense: 'at least',
    bounds: both(0.7, 0.9),
    over: { subject: 'brokered', workload: echo(16, LARGE), measure: 'rate' },
    under: { subject: 'relay', workload: echo(16, LARGE), measure: 'rate' },
    meaning: 'Payloads that are larger than any buffer on the way: what counts is how often they are copied.',
  },
];

export type Verdict = 'beyond' | 'met' | 'missed' | 'not measured';

export interface Outcome {
  readonly ratio: Figure | null;
  readonly verdict: Verdict;
}

export function outcome(aim: Aim, run: Run | null, placement: Placement): Outcome {
  const measured = run === null ? null : ratio(run, placement, aim.over, aim.under);
  if (measured === null) return { ratio: null, verdict: 'not measured' };
  const reaches = (bound: number) =>
    aim.sense === 'at least' ? measured.median >= bound : measured.median <= bound;
  const { aim: wanted, beyond } = aim.bounds[placement];
  return { ratio: measured, verdict: reaches(beyond) ? 'beyond' : reaches(wanted) ? 'met' : 'missed' };
}

/** How many runs are kept besides the last. */
const EARLIER = 2;

/** What is kept of `run`, which was the last, and of those before it. */
export function earlierRuns(run: Run): readonly EarlierRun[] {
  const ratios = AIMS.map(({ name, over, under }) => {
    const measured = PLACEMENTS.map((placement) => [placement, ratio(run, placement, over, under)] as const);
    const found = measured.filter(([, figure]) => figure !== null);
    return [
      name,
      Object.fromEntries(found.map(([placement, figure]) => [placement, figure!.median])),
    ] as const;
  });
  const { date, machine } = run;
  const { loadBefore, node, versions } = machine;
  const last = {
    date,
    sturdy: versions['sturdy'] ?? '',
    node,
    loadBefore,
    ratios: Object.fromEntries(ratios),
  };
  return [last, ...(run.earlier ?? [])].slice(0, EARLIER);
}

/** For the terminal: a line for each aim and placement that was measured. */
export function aimLines(run: Run): string[] {
  return AIMS.flatMap((aim) =>
    PLACEMENTS.map((placement) => ({ placement, ...outcome(aim, run, placement) }))
      .filter(({ verdict }) => verdict !== 'not measured')
      .map(({ placement, ratio: measured, verdict }) => {
        const where = PLACEMENT_TITLES[placement].padEnd(9);
        const bound = `${aim.sense} ${aim.bounds[placement].aim}`;
        return `${verdict.padEnd(7)} ${measured!.median.toFixed(2).padStart(6)} x (${bound})  ${where}  ${aim.what} / ${aim.beside}`;
      }),
  );
}
