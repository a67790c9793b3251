/**
 * The rounds of a run. On each placement the processes of every subject are started once and warmed up, so that what is
 * measured is compiled code. A round goes through the workloads, and with each every subject has its turn, while the
 * others are idle: what the machine does to one of them it does to all, and ratios are taken within a round, of what was
 * measured within seconds.
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

/** What is measured beside a crowd is measured for so many times as long. */
const LONGER = 10;

/** A measurement ends when its time is up and what is under way has returned; one that has not by then is stuck. */
const PATIENCE_SECONDS = 30;

export async function measure(options: RoundOptions): Promise<{ results: Result[]; problems: string[] }> {
  const results = new Map<string, { readonly result: Result; readonly samples: (Sample | null)[] }>();
  const problems: string[] = [];
  for (const placement of options.placements) {
    const where = PLACEMENT_TITLES[placement];
    const stands: Stand[] = [];
    const failed = (subject: Subject, when: string, error: unknown): void => {
      problems.push(`${subject.title}, ${when}, ${where}: ${(error as Error).message.replace(/\s+/g, ' ')}`);
    };
    try {
      for (const subject of options.subjects) {
        options.progress(`${where}: ${subject.title} is started and warmed up`);
        try {
          stands.push(await Stand.open(subject, placement, options.warmSeconds));
        } catch (error) {
          failed(subject, 'at its start', error);
        }
      }
      for (let round = 0; round < options.rounds; round++) {
        for (const [index, workload] of options.workloads.entries()) {
          const name = workloadName(workload);
          options.progress(`${where}, round ${round + 1} of ${options.rounds}: ${name}`);
          const turns = stands.filter((stand) => !stand.over && stand.takes(workload));
          // Whoever is first in one round is last in the next.
          if ((round + index) % 2 === 1) turns.reverse();
          for (const stand of turns) {
            const { subject } = stand;
            const key = `${placement} ${subject.name} ${name}`;
            let entry = results.get(key);
            if (entry === undefined) {
              const samples = new Array<Sample | null>(options.rounds).fill(null);
              entry = { samples, result: { placement, subject: subject.name, workload: name, samples } };
              results.set(key, entry);
            }
            try {
              entry.samples[round] = await stand.turn(workload, options.seconds);
            } catch (error) {
              failed(subject, `${name}, round ${round + 1}`, error);
              await stand.close();
            }
          }
        }
      }
    } finally {
      for (const stand of stands) await stand.close();
    }
  }
  return { results: [...results.values()].map(({ result }) => result), problems };
}

/** The processes of one subject on one placement. */
export class Stand {
  over = false;
  readonly #children: Child[] = [];
  readonly #folder: string;
  /** Those whose CPU time is measured. */
  readonly pids: Partial<Record<Role, number>> = {};
  #client: Child | null = null;
  #crowd: Child | null = null;

  private constructor(
    readonly subject: Subject,
    folder: string,
  ) {
    this.#folder = folder;
  }

  static async open(subject: Subject, placement: Placement, warmSeconds: number): Promise<Stand> {
    const stand = new Stand(subject, await mkdtemp(join(tmpdir(), 'sturdy-bench-')));
    try {
      await stand.#start(placement);
      for (const kind of subject.chain === null ? (['echo'] as const) : (['echo', 'chain'] as const)) {
        await stand.carryOut({ kind, bytes: SMALL, depth: 256 }, warmSeconds / 2);
      }
      return stand;
    } catch (error) {
      const explained = stand.#explained(error);
      await stand.close();
      throw explained;
    }
  }

  async #start(placement: Placement): Promise<void> {
    const { subject } = this;
    const stage: Stage = {
      folder: this.#folder,
      start: (command) => {
        const child = new Child(command, placement === 'core' ? ONE_CORE : null);
        this.#children.push(child);
        return child;
      },
    };
    const arranged = await (subject.arrange?.(stage) ?? arrangeServer(subject, stage));
    const client = stage.start(arranged.client);
    await client.ready();
    this.#client = client;
    if (arranged.crowd !== undefined) {
      this.#crowd = stage.start(arranged.crowd);
      await this.#crowd.ready();
    }
    Object.assign(this.pids, arranged.pids, { client: client.pid });
  }

  takes(workload: Workload): boolean {
    const { chain, only } = this.subject;
    if (workload.kind === 'chain' && chain === null) return false;
    return only === undefined || only.some((each) => workloadName(each) === workloadName(workload));
  }

  async turn(workload: Workload, seconds: number): Promise<Sample> {
    try {
      await this.#tellCrowd('go', 'going');
      // It was idle for a while: the system has given its caches to others, and some may have to be compiled again.
      await this.carryOut(workload, seconds);
      const before = cpuTimes(this.pids);
      const measured = await this.carryOut(
        workload,
        this.subject.only === undefined ? seconds : LONGER * seconds,
      );
      const sample = sampleOf(measured, before, cpuTimes(this.pids));
      await this.#tellCrowd('stop', 'stopped');
      return sample;
    } catch (error) {
      throw this.#explained(error);
    }
  }

  /** Has its client make calls, for so many seconds. */
  async carryOut(workload: Workload, time: number): Promise<Measured> {
    this.#client!.say(orderLine({ workload, seconds: time }));
    return JSON.parse(await this.#client!.line(time + PATIENCE_SECONDS)) as Measured;
  }

  async #tellCrowd(order: string, answer: string): Promise<void> {
    if (this.#crowd === null) return;
    this.#crowd.say(order);
    const said = await this.#crowd.line(PATIENCE_SECONDS);
    if (said !== answer) throw new Error(`the flood said ${JSON.stringify(said)}; expected ${answer}`);
  }

  /** What the broker logged may say why. */
  #explained(error: unknown): Error {
    const { message } = error as Error;
    const logs = this.#children.map((child) => child.log(2)).filter((log) => !message.includes(log));
    return new Error([message, ...logs].join('; '), { cause: error });
  }

  async close(): Promise<void> {
    if (this.over) return;
    this.over = true;
    for (const child of this.#children.reverse()) await child.end();
    await rm(this.#folder, { recursive: true, force: true });
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
