/**
 * The supervisor of the hosts: processes, started on demand, in which each domain has a thread (R6): one for each trust group, or for each
 * domain whose tier is a host of its own. What it can do to a thread is end it, by asking its host, and where that is not enough, by
 * killing the host. It knows no domain's capabilities, restarts nothing, and loads no domain's code: it shares no process
 * with one.
 */

import type { Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { HOST_ENDS } from '../worker/host-settings.js';
import type { Door } from '../worker/orders.js';
import type { CpuShare } from './cpu-share.js';
import { CONNECTION_DESCRIPTOR, type Host } from './host.js';
import { HostWatch, type Use, useOf, type Watched } from './host-watch.js';
import { Hosts } from './hosts.js';
import { StartQueue } from './start-queue.js';
import { type HostMemory, type Tier, TierError } from './tier.js';
import { unlessAborted } from './unless-aborted.js';

/** As much of a pino logger as is used here. */
export interface SupervisorLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface SupervisorOptions {
  /** The broker's private unix socket, where domains enter. */
  readonly socket: string;
  /** Takes the connection of a host of one domain, on which nobody may enter but who shows `token`. */
  accept(connection: Socket, token: Uint8Array): void;
  readonly log: SupervisorLog;
  /**
   * Hosts of each kind in use that are kept ready for a group, or a domain, that has none, each with as many threads parked; a host that
   * more than one domain uses keeps them so. Default 1. Each costs the memory of a thread, or of a process.
   */
  readonly warm?: number;
  /** Threads of a host and a class of limits. Default 256. */
  readonly maxThreads?: number;
  /** The module that a host process runs. Default: the one beside this, in the built tree. */
  readonly hostModule?: string;
}

export interface StartRequest {
  /** For the log. */
  readonly domain: string;
  readonly tier: Tier;
  /** The trust group: in the tier `thread`, domains of one group share a host. */
  readonly group: string;
  readonly limits: HostMemory & { readonly turnMillis: number };
  /** What it may use of the processor, and has used: it is charged here. */
  readonly cpu: CpuShare;
  /** With which the thread will enter the Threshold. */
  readonly token: Uint8Array;
  /** Gives the start up: `start` rejects with its reason, and whatever there is of a thread by then is ended. */
  readonly signal?: AbortSignal;
  /** The thread is gone. Called once, whatever the reason, and only after the placement was given. */
  onEnd(reason: string): void;
}

/** A domain's thread. */
export interface Placement {
  readonly hostPid: number;
  readonly use: Use;
  /**
   * Ends the thread, within 250 ms, and with its host if it must be. Returns when it is gone, and after `onEnd(reason)`.
   * Safe to call again; the first reason counts.
   */
  terminate(reason: string): Promise<void>;
}

/** A thread that has not ended by then is ended with its host. */
const TERMINATE_MILLIS = 250;

export class Supervisor {
  readonly #hosts: Hosts;
  readonly #options: SupervisorOptions;
  readonly #log: SupervisorLog;
  readonly #placed = new Set<PlacedThread>();
  readonly #starts = new StartQueue();
  readonly #watch = new HostWatch();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#hosts = new Hosts(options);
  }

  /**
   * Gives a thread its orders, when it is its turn: so many starts at a time get their host and their thread. What the
   * program then does is not waited for here: it would keep others waiting. Rejects with `overloaded` where the group's host may have no more threads or too many starts wait, and with `disconnected` where its host died. That the domain is ready is told by the domain itself, to its Threshold.
   */
  start(request: StartRequest): Promise<Placement> {
    return this.#starts.inTurn(() => this.#place(request), request.signal);
  }

  async #place(request: StartRequest): Promise<Placement> {
    const { domain, tier, group, limits, cpu, token, signal, onEnd } = request;
    const host = this.#hosts.enter(group, { ...limits, tier });
    const door: Door =
      host.connection === null ? { socket: this.#options.socket } : { inherited: CONNECTION_DESCRIPTOR };
    const assigned = host.assign({ door, token, limits });
    let at: Awaited<typeof assigned>;
    try {
      at = await unlessAborted(assigned, signal);
    } catch (error) {
      // Where the host has other domains, it may yet answer, with a thread that nobody waits for.
      assigned.then(
        (late) => new PlacedThread(host, late, limits, cpu, () => {}).terminate('its start was given up'),
        () => {},
      );
      this.#hosts.leave(host);
      throw error;
    }
    const placed = new PlacedThread(host, at, limits, cpu, (reason) => {
      // First: whoever is told may start it again at once, and not in a host that ends.
      if (reason.endsWith(HOST_ENDS)) host.retire();
      this.#watch.remove(placed);
      this.#placed.delete(placed);
      this.#hosts.leave(host);
      this.#log.info({ domain, hostPid: host.pid, reason }, 'a domain ended');
      onEnd(reason);
    });
    this.#placed.add(placed);
    this.#watch.add(placed);
    if (host.connection !== null) this.#options.accept(host.connection, token);
    this.#log.debug({ domain, tier, group, hostPid: host.pid }, 'a domain has a thread');
    return placed;
  }

  /**
   * Whether this machine can give a tier, by giving it.
   * @throws TierError with the reason
   */
  async tryTier(tier: Tier): Promise<void> {
    const host = this.#hosts.trial(tier);
    try {
      await host.rehearse();
    } catch (cause) {
      throw new TierError(tier, (cause as Error).message, { cause });
    } finally {
      host.kill('it was a trial');
      await host.gone;
    }
  }

  /** Ends every host, and with them every thread. Returns when they are gone and every `onEnd` was called. */
  async close(): Promise<void> {
    await this.#hosts.close('the broker stops');
    await Promise.all([...this.#placed].map(({ gone }) => gone));
  }
}

class PlacedThread implements Placement, Watched {
  readonly hostPid: number;
  readonly thread: number;
  readonly task: number;
  /** Fulfilled when `onEnd` was called. */
  readonly gone: Promise<void>;
  #reason: string | null = null;

  constructor(
    readonly host: Host,
    { thread, task }: { thread: number; task: number },
    readonly memory: HostMemory,
    readonly cpu: CpuShare,
    onEnd: (reason: string) => void,
  ) {
    this.hostPid = host.pid;
    this.thread = thread;
    this.task = task;
    const ended = host.ended(thread).catch((error: Error) => {
      // The host died before it could answer, which is the reason then, or it is confused, and of no use.
      host.kill(`it could not say whether a thread has ended: ${error.message}`);
      return host.gone;
    });
    this.gone = ended.then(async (reason) => {
      // Never before whoever started it has the placement.
      await setImmediate();
      onEnd(this.#reason ?? reason);
    });
  }

  get use(): Use {
    return useOf(this);
  }

  over(reason: string): void {
    void this.terminate(reason);
  }

  async terminate(reason: string): Promise<void> {
    if (this.#reason === null) {
      this.#reason = reason;
      const stalled = setTimeout(() => {
        this.host.kill(`the thread of one of its domains could not be stopped (${reason})`);
      }, TERMINATE_MILLIS);
      // Where it fails, the thread or its host is gone, or will be when the time is up.
      this.host.terminate(this.thread).catch(() => {});
      void this.gone.finally(() => clearTimeout(stalled));
    }
    await this.gone;
  }
}
