/**
 * The host process: threads, each with one domain, in a process that the broker can kill. It is started by the supervisor
 * with nothing to inherit but descriptor 3, a socketpair on which it serves `Host` (host.capnp), and, where it is a host for one
 * domain, descriptor 4, that domain's connection; and with its settings as one JSON argument. It runs no program in its own main thread, holds no capability of any domain, and never outlives the
 * broker: when descriptor 3 closes, it is gone.
 */

import process from 'node:process';
import { descriptorTransport, RpcError, Session, serve } from '../rpc/index.js';
import { sturdySchema } from '../schema/index.js';
import type { DomainThread } from './domain-thread.js';
import { HeapGrowth } from './heap-growth.js';
import { HOST_ENDS, type HostSettings } from './host-settings.js';
import type { Door } from './orders.js';
import { dropNetwork } from './permission.js';
import { ThreadPool } from './thread-pool.js';
import { TurnWatch } from './turn-watch.js';

/**
 * How long a thread may take to end before its host ends with it, in milliseconds of the host's own CPU time: a thread that
 * cannot be stopped uses a core, and one that waits for a core on a loaded machine is not to be mistaken for it.
 */
const TERMINATE_CPU_MILLIS = 150;
/** Bounds of the same, in milliseconds of the clock. */
const TERMINATE_MILLIS = { least: 200, most: 800 };

class Host {
  readonly #watch = new TurnWatch();
  readonly #growth = new HeapGrowth();
  /** By the limits of the heap, in MiB. */
  readonly #pools = new Map<number, ThreadPool>();
  readonly #threads = new Map<number, { readonly thread: DomainThread; readonly ended: Promise<string> }>();
  /** Reasons of ends that had to be told before the thread was gone. */
  readonly #overdue = new Map<DomainThread, (reason: string) => void>();
  #lastThread = 0;

  constructor(private readonly settings: HostSettings) {
    this.#pool(settings.heapMebibytes);
  }

  async assign(params: {
    door: Door;
    token: Uint8Array;
    limits: { heapMebibytes: number; offHeapMebibytes: number; turnMillis: number };
  }): Promise<{ thread: number; task: number }> {
    const { heapMebibytes, turnMillis } = params.limits;
    this.#growth.admit(params.limits);
    const thread = await this.#pool(heapMebibytes).take();
    if (thread === null) {
      throw new RpcError(
        'overloaded',
        `the host has ${this.settings.maxThreads} threads of ${heapMebibytes} MiB already`,
        {
          code: 'ERR_HOST_THREADS',
        },
      );
    }
    if (!thread.isParked)
      throw new RpcError('failed', `the thread could not be started: ${await thread.gone}`);
    const number = ++this.#lastThread;
    thread.enter(params.door, params.token, turnMillis);
    const unkillable = new Promise<string>((resolve) => this.#overdue.set(thread, resolve));
    const gone = thread.gone.then((reason) => {
      this.#overdue.delete(thread);
      return reason;
    });
    this.#threads.set(number, { thread, ended: Promise.race([gone, unkillable]) });
    return { thread: number, task: thread.task };
  }

  async ended({ thread: number }: { thread: number }): Promise<{ reason: string }> {
    const reason = await this.#thread(number).ended;
    this.#threads.delete(number);
    return { reason };
  }

  async terminate({ thread: number }: { thread: number }): Promise<object> {
    const { thread } = this.#thread(number);
    thread.terminate('it was terminated by the broker');
    await thread.gone;
    return {};
  }

  async rehearse(): Promise<object> {
    const thread = await this.#pool(this.settings.heapMebibytes).take();
    if (thread === null) throw new RpcError('overloaded', 'every thread that the host may have is taken');
    if (!thread.isParked) throw new RpcError('failed', await thread.gone);
    thread.terminate('it was a rehearsal');
    await thread.gone;
    return {};
  }

  async ping(): Promise<{ threads: object[] }> {
    const threads = [...this.#threads].flatMap(([number, { thread }]) => {
      thread.measure();
      if (thread.memory === null) return [];
      const { heapBytes, offHeapBytes } = thread.memory;
      return [{ thread: number, heapBytes: BigInt(heapBytes), offHeapBytes: BigInt(offHeapBytes) }];
    });
    return { threads };
  }

  #thread(number: number): { readonly thread: DomainThread; readonly ended: Promise<string> } {
    const found = this.#threads.get(number);
    if (found === undefined)
      throw new RpcError('failed', `this host has no thread ${number}, or its end was told already`);
    return found;
  }

  #pool(heapMebibytes: number): ThreadPool {
    const known = this.#pools.get(heapMebibytes);
    if (known !== undefined) return known;
    const { maxThreads, warm } = this.settings;
    const pool = new ThreadPool({
      heapMebibytes,
      maxThreads,
      warm,
      watch: this.#watch,
      onOverdue: (thread) => this.#endOverdue(thread),
      onBroken: (error) => {
        console.error(`no thread can be started: ${error.message}`);
        endProcess();
      },
    });
    this.#pools.set(heapMebibytes, pool);
    return pool;
  }

  /** A turn took too long. Where the thread cannot be stopped (a builtin that never returns), the whole host is. */
  #endOverdue(thread: DomainThread): void {
    const reason = 'a turn took longer than its limit';
    thread.terminate(reason);
    const began = performance.now();
    const cpuBefore = process.cpuUsage();
    const look = (): void => {
      const { user, system } = process.cpuUsage(cpuBefore);
      const starved = (user + system) / 1000 < TERMINATE_CPU_MILLIS;
      if (starved && performance.now() - began < TERMINATE_MILLIS.most) {
        stalled = setTimeout(look, 20);
        return;
      }
      this.#overdue.get(thread)?.(reason + HOST_ENDS);
      // Behind the answer to `ended`, which goes out at the end of this turn.
      setImmediate(() => setImmediate(endProcess));
    };
    let stalled = setTimeout(look, TERMINATE_MILLIS.least);
    void thread.gone.then(() => clearTimeout(stalled));
  }
}

/** `process.exit` would wait for every thread, and for ever for one that cannot be stopped. */
function endProcess(): void {
  process.kill(process.pid, 'SIGKILL');
}

const host = new Host(JSON.parse(process.argv[2] ?? '') as HostSettings);
const session = new Session(descriptorTransport(3), {
  bootstrap: serve(sturdySchema().interface('Host'), host),
});
dropNetwork();
void session.closed.then(endProcess);
