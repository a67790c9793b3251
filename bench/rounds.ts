/**
 * The rounds of a run. In each, every subject has its turn on every placement, with fresh processes, and nothing else of
 * the bench runs meanwhile: what the machine does to one round it does to all subjects, and ratios are taken within a
 * round.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.js';
import { cpuTime } from './cpu-time.js';
import { nodeClient, nodeServer } from './node-processes.js';
import { PLACEMENT_TITLES, type Placement, type Result, type Sample } from './run.js';
import type { Arranged, Role, Stage, Subject } from './subjects/subject.js';
import { type Measured, orderLine, SMALL, type Workload, workloadName } from './workload.js';

export interface RoundOptions {
  readonly subjects: readonly Subject[];
  readonly placements: readonly Placement[];
  readonly rounds: number;
  readonly workloads: readonly Workload[];
  /** For each measurement. */
  readonly seconds: number;
  /** For each subject, before the first. */
  readonly warmSeconds: number;
  progress(line: string): void;
}

/** The core of the placement `core`. */
const ONE_CORE = 0;

/** A measurement ends when its time is up and what is under way has returned; one that has not by then is stuck. */
const PATIENCE_SECONDS = 30;

export async function measure(options: RoundOptions): Promise<{ results: Result[]; problems: string[] }> {
  const results = new Map<string, { readonly result: Result; readonly samples: (Sample | null)[] }>();
  const problems: string[] = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const placement of options.placements) {
      // Whoever is first in one round is last in the next.
      for (const [i] of options.subjects.entries()) {
        const subject = options.subjects[(i + round) % options.subjects.length]!;
        options.progress(
          `round ${round + 1} of ${options.rounds}, ${PLACEMENT_TITLES[placement]}: ${subject.title}`,
        );
        const note = (workload: Workload, sample: Sample) => {
          const name = workloadName(workload);
          const key = `${placement} ${subject.name} ${name}`;
          let entry = results.get(key);
          if (entry === undefined) {
            const samples = new Array<Sample | null>(options.rounds).fill(null);
            entry = { samples, result: { placement, subject: subject.name, workload: name, samples } };
            results.set(key, entry);
          }
          entry.samples[round] = sample;
        };
        try {
          await turn(subject, placement, options, note);
        } catch (error) {
          const what = `${subject.title}, round ${round + 1}, ${PLACEMENT_TITLES[placement]}`;
          problems.push(`${what}: ${(error as Error).message.replace(/\s+/g, ' ')}`);
        }
      }
    }
  }
  return { results: [...results.values()].map(({ result }) => result), problems };
}

async function turn(
  subject: Subject,
  placement: Placement,
  { workloads, seconds, warmSeconds }: RoundOptions,
  note: (workload: Workload, sample: Sample) => void,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sturdy-bench-'));
  const children: Child[] = [];
  const stage: Stage = {
    folder,
    start(command) {
      const child = new Child(command, placement === 'core' ? ONE_CORE : null);
      children.push(child);
      return child;
    },
  };
  try {
    const arranged = await (subject.arrange?.(stage) ?? arrangeServer(subject, stage));
    const client = stage.start(arranged.client);
    await client.ready();
    const pids: Partial<Record<Role, number>> = { ...arranged.pids, client: client.pid };
    const carryOut = async (workload: Workload, time: number): Promise<Measured> => {
      client.say(orderLine({ workload, seconds: time }));
      return JSON.parse(await client.line(time + PATIENCE_SECONDS)) as Measured;
    };

    for (const kind of subject.chain === null ? (['echo'] as const) : (['echo', 'chain'] as const)) {
      await carryOut({ kind, bytes: SMALL, depth: 256 }, warmSeconds / 2);
    }
    for (const workload of workloads) {
      if (workload.kind === 'chain' && subject.chain === null) continue;
      await carryOut(workload, seconds / 10); // For what has not been run before.
      const before = cpuTimes(pids);
      const measured = await carryOut(workload, seconds);
      note(workload, sampleOf(measured, before, cpuTimes(pids)));
    }
  } catch (error) {
    // What the broker logged may say why.
    const { message } = error as Error;
    const logs = children.map((child) => child.log(2)).filter((log) => !message.includes(log));
    throw new Error([message, ...logs].join('; '), { cause: error });
  } finally {
    for (const child of children.reverse()) await child.end();
    await rm(folder, { recursive: true, force: true });
  }
}

async function arrangeServer(subject: Subject, stage: Stage): Promise<Arranged> {
  const path = join(stage.folder, 'server.sock');
  const server = stage.start(nodeServer(subject.name, path));
  await server.ready();
  return { client: nodeClient(subject.name, path), pids: { server: server.pid } };
}

type Times = Partial<Record<Role, number>>;

function cpuTimes(pids: Partial<Record<Role, number>>): Times {
  return Object.fromEntries(Object.entries(pids).map(([role, pid]) => [role, cpuTime(pid)]));
}

function sampleOf(measured: Measured, before: Times, after: Times): Sample {
  const cpu = Object.entries(after).map(([role, time]) => [
    role,
    rounded((time - before[role as Role]!) / 1000 / measured.calls),
  ]);
  return {
    rate: rounded(measured.calls / measured.seconds),
    p50: rounded(measured.p50),
    p99: rounded(measured.p99),
    cpu: Object.fromEntries(cpu) as Sample['cpu'],
  };
}

/** Four digits are more than two runs agree on. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
