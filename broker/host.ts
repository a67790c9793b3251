/**
 * One host process, seen from the broker: started with an empty environment and flags of its own, called over the
 * socketpair that it inherits, killed when it does not answer. Whatever it says is bounded before it is logged.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex, Readable } from 'node:stream';
import { RpcError, Session, StreamTransport, type Stub } from '../rpc/index.js';
import { sturdySchema } from '../schema/index.js';
import type { HostSettings } from '../worker/host-settings.js';
import { withoutInherited } from './inherited.js';
import type { SupervisorLog } from './supervisor.js';

interface HostStub extends Stub {
  assign(params: AssignParams): Promise<{ thread: number }>;
  ended(params: { thread: number }): Promise<{ reason: string }>;
  terminate(params: { thread: number }): Promise<object>;
  ping(): Promise<object>;
}

export interface AssignParams {
  readonly socket: string;
  readonly token: Uint8Array;
  readonly limits: { readonly heapMebibytes: number; readonly turnMillis: number };
}

/** Nothing of the broker's is inherited: not NODE_OPTIONS, not its flags. The time zone is nobody's but UTC. */
const ENVIRONMENT = { TZ: 'UTC' };
const FLAGS = ['--no-warnings', '--no-addons', '--no-global-search-paths'];

const PING_EVERY_MILLIS = 1000;
/** A host whose own loop, which runs no program, does not answer for so long is of no use any more. */
const PING_LIMIT_MILLIS = 5000;
/** To its first word: the process has to be made, and its modules loaded, on a machine that may be busy with others. */
const FIRST_ANSWER_MILLIS = 60_000;
/** To a thread that is locked down and waits, in a host that answers. */
const ASSIGN_LIMIT_MILLIS = 30_000;

export class Host {
  readonly pid: number;
  /** Fulfilled with the reason when the process is gone and everything that it said was read. */
  readonly gone: Promise<string>;
  readonly #process: ChildProcess;
  readonly #session: Session;
  readonly #stub: HostStub;
  /** Fulfilled when it has answered for the first time, or never will. */
  readonly #answers: Promise<void>;
  #reason: string | null = null;

  constructor(module: string, settings: HostSettings, log: SupervisorLog) {
    const child = spawn(process.execPath, [...FLAGS, module, JSON.stringify(settings)], {
      env: ENVIRONMENT,
      cwd: '/',
      stdio: withoutInherited(['ignore', 'ignore', 'pipe', 'pipe']),
    });
    this.#process = child;
    this.pid = child.pid ?? 0;
    this.#session = new Session(new StreamTransport(child.stdio[3] as Duplex));
    this.#stub = this.#session.bootstrap<HostStub>(sturdySchema().interface('Host'));
    let pinging: NodeJS.Timeout | undefined;
    this.#answers = this.#answered(FIRST_ANSWER_MILLIS).then(() => {
      if (this.#reason !== null) return;
      pinging = setInterval(() => void this.#answered(PING_LIMIT_MILLIS), PING_EVERY_MILLIS).unref();
    });
    logLines(child.stderr!, (line) => log.warn({ hostPid: this.pid, line }, 'a host said'));
    this.gone = new Promise((resolve) => {
      const left = (why: string) => {
        clearInterval(pinging);
        this.#session.close();
        this.#reason ??= why;
        log.info({ hostPid: this.pid, reason: this.#reason }, 'a host is gone');
        resolve(this.#reason);
      };
      child.once('error', (error) => left(`its host could not be started: ${error.message}`));
      child.once('close', (code, signal) => left(`its host died (${signal ?? `exit code ${code}`})`));
    });
    log.debug({ hostPid: this.pid }, 'a host was started');
  }

  /** The number of a thread that has its orders. */
  async assign(params: AssignParams): Promise<number> {
    await this.#answers;
    const late = setTimeout(() => {
      this.kill(`it had no thread for a domain within ${ASSIGN_LIMIT_MILLIS} ms`);
    }, ASSIGN_LIMIT_MILLIS);
    try {
      const { thread } = await this.#orGone(this.#stub.assign(params));
      return thread;
    } finally {
      clearTimeout(late);
    }
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
  async #answered(limit: number): Promise<void> {
    if (this.#reason !== null) return;
    const late = setTimeout(() => this.kill(`it did not answer for ${limit} ms`), limit);
    late.unref();
    // Where it fails, the process ends or has ended, which is seen anyway.
    await this.#stub.ping().then(
      () => {},
      () => {},
    );
    clearTimeout(late);
  }
}

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
