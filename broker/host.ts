/**
 * One host process, seen from the broker: started as launch.ts says, called over the socketpair that it inherits, killed when it does not
 * answer, or is not behind the walls of its tier. Whatever it says is bounded before it is logged.
 */

import { type ChildProcess, type IOType, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Duplex, Readable } from 'node:stream';
import { RpcError, Session, StreamTransport, type Stub } from '../rpc/index.js';
import { sturdySchema } from '../schema/index.js';
import type { Door } from '../worker/orders.js';
import { withoutInherited } from './inherited.js';
import { lastDescendant } from './process-facts.js';
import { missingWalls, type WalledTier } from './sandbox/walls.js';
import type { SupervisorLog } from './supervisor.js';
import type { HostMemory, Launch, Tier } from './tier.js';

interface HostStub extends Stub {
  assign(params: AssignParams): Promise<{ thread: number; task: number }>;
  ended(params: { thread: number }): Promise<{ reason: string }>;
  terminate(params: { thread: number }): Promise<object>;
  ping(): Promise<{ threads: readonly Memory[] }>;
  rehearse(): Promise<object>;
}

interface Memory {
  readonly thread: number;
  readonly heapBytes: bigint;
  readonly offHeapBytes: bigint;
}

export interface AssignParams {
  readonly door: Door;
  readonly token: Uint8Array;
  readonly limits: HostMemory & { readonly turnMillis: number };
}

const PING_EVERY_MILLIS = 1000;
/** A host whose own loop, which runs no program, does not answer for so long is of no use any more. */
const PING_LIMIT_MILLIS = 5000;
/** To its first word: the process has to be made, and its modules loaded, on a machine that may be busy with others. */
const FIRST_ANSWER_MILLIS = 60_000;
/** From when its connection has ended, or what came over it was no answer, to its end. */
const END_LIMIT_MILLIS = 1000;
/** To a thread that is locked down and waits, in a host that answers. */
const ASSIGN_LIMIT_MILLIS = 30_000;

/** The descriptor at which a host of one domain has that domain's connection. */
export const CONNECTION_DESCRIPTOR = 4;

const FEED_DESCRIPTOR = 5;

export class Host {
  /** Of a host of one domain: the broker's end of that domain's connection. */
  readonly connection: Socket | null;
  /** Fulfilled with the reason when the process is gone and everything that it said was read. */
  readonly gone: Promise<string>;
  readonly #process: ChildProcess;
  readonly #session: Session;
  readonly #stub: HostStub;
  /** Fulfilled when it has answered for the first time, or never will. */
  readonly #answers: Promise<void>;
  #state: 'starting' | 'answers' = 'starting';
  #pid: number;
  #memory: readonly Memory[] = [];
  /** What it said before it answered: why it never did. */
  #complaint = '';
  #reason: string | null = null;
  #retired = false;

  constructor(
    readonly tier: Tier,
    { command, options, feed, wrapped }: Launch,
    log: SupervisorLog,
  ) {
    const [program, ...args] = command;
    const stdio: IOType[] = ['ignore', 'ignore', 'pipe', 'pipe'];
    if (tier !== 'thread') stdio.push('pipe');
    if (feed !== null) stdio.push('pipe');
    const child = spawn(program!, args, { ...options, cwd: '/', stdio: withoutInherited(stdio) });
    this.#process = child;
    this.#pid = child.pid ?? 0;
    this.connection = tier === 'thread' ? null : pipeAt(child, CONNECTION_DESCRIPTOR);
    // Where it dies before it is used, that is seen by its end.
    this.connection?.on('error', () => {});
    if (feed !== null)
      pipeAt(child, FEED_DESCRIPTOR)
        .on('error', () => {})
        .end(feed);
    this.#session = new Session(new StreamTransport(child.stdio[3] as Duplex));
    this.#stub = this.#session.bootstrap<HostStub>(sturdySchema().interface('Host'));
    let pinging: NodeJS.Timeout | undefined;
    this.#answers = this.#answered(FIRST_ANSWER_MILLIS).then(async (answered) => {
      if (!answered) await this.#end();
      if (this.#reason !== null) return;
      this.#state = 'answers';
      if (wrapped) this.#pid = lastDescendant(this.#pid);
      if (tier !== 'thread') this.#lookAtWalls(tier);
      pinging = setInterval(() => void this.#answered(PING_LIMIT_MILLIS), PING_EVERY_MILLIS).unref();
    });
    logLines(child.stderr!, (line) => {
      if (this.#state === 'starting') this.#complaint ||= line.slice(0, MAX_COMPLAINT);
      log.warn({ hostPid: this.pid, line }, 'a host said');
    });
    this.gone = new Promise((resolve) => {
      const left = (why: string) => {
        clearInterval(pinging);
        this.#session.close();
        this.#reason ??= why;
        log.info({ hostPid: this.pid, reason: this.#reason }, 'a host is gone');
        resolve(this.#reason);
      };
      child.once('error', (error) => left(`its host could not be started: ${error.message}`));
      child.once('close', (code, signal) => {
        const complaint = this.#state === 'starting' && this.#complaint !== '' ? `: ${this.#complaint}` : '';
        left(`its host died (${signal ?? signalOf(code, wrapped) ?? `exit code ${code}`})${complaint}`);
      });
    });
    log.debug({ hostPid: this.pid, tier }, 'a host was started');
  }

  /** Of the process that runs Node. */
  get pid(): number {
    return this.#pid;
  }

  /** Fulfilled when it answers, is behind the walls of its tier, and could start a thread there. Rejects with why it could not. */
  async rehearse(): Promise<void> {
    await this.#ready();
    await this.#orGone(this.#stub.rehearse());
  }

  async #ready(): Promise<void> {
    await this.#answers;
    if (this.#reason === null) return;
    throw new RpcError('disconnected', await this.gone, { code: 'ERR_HOST_GONE' });
  }

  /** A thread that has its orders, as the host and as the kernel call it. */
  async assign(params: AssignParams): Promise<{ thread: number; task: number }> {
    await this.#ready();
    const late = setTimeout(() => {
      this.kill(`it had no thread for a domain within ${ASSIGN_LIMIT_MILLIS} ms`);
    }, ASSIGN_LIMIT_MILLIS);
    try {
      return await this.#orGone(this.#stub.assign(params));
    } finally {
      clearTimeout(late);
    }
  }

  /** What a thread had in memory when its host was last asked; null where that is not known. */
  memoryOf(thread: number): { heapBytes: number; offHeapBytes: number } | null {
    const found = this.#memory.find((each) => each.thread === thread);
    if (found === undefined) return null;
    return { heapBytes: Number(found.heapBytes), offHeapBytes: Number(found.offHeapBytes) };
  }

  /** Fulfilled with the reason when the thread is gone. */
  async ended(thread: number): Promise<string> {
    const { reason } = await this.#orGone(this.#stub.ended({ thread }));
    return reason;
  }

  /** Fulfilled when the thread is gone. */
  async terminate(thread: number): Promise<void> {
    await this.#orGone(this.#stub.terminate({ thread }));
  }

  /** Kills the process and everything in it. The first reason counts. */
  kill(reason: string): void {
    this.#reason ??= `its host was killed: ${reason}`;
    this.#process.kill('SIGKILL');
  }

  /** It ends by itself now. */
  retire(): void {
    this.#retired = true;
  }

  /** Whether another domain may have a thread in it: until it is gone, a process that ends looks like any other. */
  get takesDomains(): boolean {
    return !this.#retired && this.#reason === null;
  }

  /** No domain is let into a host that is not what its tier says. */
  #lookAtWalls(tier: WalledTier): void {
    const missing = missingWalls(this.pid, tier);
    if (missing.length > 0) this.kill(`it does not have ${missing.join(', ')}`);
  }

  /** What the connection has to say of a host that died is less than what the process's end says. */
  async #orGone<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (!(error instanceof RpcError) || error.type !== 'disconnected') throw error;
      throw new RpcError('disconnected', await this.gone, { code: 'ERR_HOST_GONE', cause: error });
    }
  }

  /** Asks for an answer, and kills the host where there is none in time. */
  async #answered(limit: number): Promise<boolean> {
    if (this.#reason !== null) return false;
    const late = setTimeout(() => this.kill(`it did not answer for ${limit} ms`), limit);
    late.unref();
    try {
      const { threads } = await this.#stub.ping();
      this.#memory = threads;
      return true;
    } catch {
      // The process ends or has ended, which is seen anyway.
      return false;
    } finally {
      clearTimeout(late);
    }
  }

  /** Waits for the end of a process that has not answered: with that it is known why. One that goes on all the same is of no use. */
  async #end(): Promise<void> {
    const late = setTimeout(() => this.kill('it does not speak as a host does'), END_LIMIT_MILLIS);
    await this.gone;
    clearTimeout(late);
  }
}

function pipeAt(child: ChildProcess, descriptor: number): Socket {
  return (child.stdio as readonly unknown[])[descriptor] as Socket;
}

/** A wrapper says by its exit code that a signal has ended what it ran. */
function signalOf(code: number | null, wrapped: boolean): string | null {
  if (!wrapped || code === null || code <= 128) return null;
  return Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0] ?? null;
}

const MAX_COMPLAINT = 200;
const MAX_LINE = 1000;
const MAX_LINES = 100;
const LINES_EVERY_MILLIS = 10_000;

/** At most MAX_LINES lines in LINES_EVERY_MILLIS; how many more there were is told with the next that is logged. */
function logLines(stream: Readable, log: (line: string) => void): void {
  let rest = '';
  let since = 0;
  let lines = 0;
  let dropped = 0;
  const say = (line: string) => {
    if (line === '') return;
    const now = Date.now();
    if (now - since > LINES_EVERY_MILLIS) {
      if (dropped > 0) log(`(${dropped} lines were dropped)`);
      [since, lines, dropped] = [now, 0, 0];
    }
    if (lines++ < MAX_LINES) log(line.slice(0, MAX_LINE));
    else dropped++;
  };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop()!.slice(0, MAX_LINE);
    for (const part of parts) say(part);
  });
  stream.on('end', () => say(rest));
}
