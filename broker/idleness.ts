/**
 * Whether a running domain is idle, by the policy of its configuration (`idleMillis`), and can be put to sleep without
 * anybody losing anything but time:
 *
 * - no message went to it or came from it for so long, and no call of it or to it is under way;
 * - it holds nothing that somebody passed to it (a callback), for nobody would pass it again;
 * - whatever others hold of its objects has an id by which it can be restored. What has none keeps it awake.
 *
 * What it was given to begin with, and what it got through that, does not count: it gets it again when it starts.
 */
import { setTimeout } from 'node:timers/promises';
import { type Capability, type ImportedCapability, isGone, type Session, settled } from '../rpc/index.js';
import { ScreenedPromise } from './flow/screened-promise.js';
import type { Identity } from './home.js';
import type { LiveGrant } from './live-grant.js';
import { MembranedCapability } from './membrane.js';

/** How long nothing may have happened once everything was found to be idle, in milliseconds. */
const SETTLING = 50;
/** How often that is tried. */
const SETTLING_TRIES = 3;

/** How many objects are asked at a time who they are. */
const ASKED_AT_A_TIME = 32;

/** How often is looked, in milliseconds: a quarter of the time that it has to be idle, within these. */
const SHORTEST_LOOK = 25;
const LONGEST_LOOK = 30_000;

export interface IdlenessOptions {
  readonly session: Session;
  /** What the broker itself holds of the domain. */
  readonly restorer: Capability;
  /** Bytes that went to it and came from it. */
  traffic(): number;
  readonly idleMillis: number;
  identify(capability: Capability): Promise<Identity | null>;
  /** Whether a grant is one of those that the configuration gives to the domain. */
  isOwn(grant: LiveGrant): boolean;
  /** Whether something is under way that no table shows. */
  isWaking(): boolean;
  /** Told once, when it is idle, with all that others hold of it. No message comes or goes before this returns. */
  onIdle(held: ReadonlyMap<ImportedCapability, Identity>): void;
}

export class Idleness {
  readonly #options: IdlenessOptions;
  readonly #end = new AbortController();
  /** Those that have an id: it does not change. */
  readonly #known = new WeakMap<ImportedCapability, Identity>();
  #traffic = -1;
  #since = Date.now();
  #keptBy = '';

  constructor(options: IdlenessOptions) {
    this.#options = options;
    this.#watch().catch((error: unknown) => {
      if (!this.#end.signal.aborted) throw error;
    });
  }

  /** For how long nothing has happened, in milliseconds, as of the last look. */
  get idleMillis(): number {
    return this.#options.traffic() === this.#traffic ? Date.now() - this.#since : 0;
  }

  /** What kept it awake when it could have slept; empty where nothing did. */
  get keptBy(): string {
    return this.#keptBy;
  }

  stop(): void {
    this.#end.abort();
  }

  async #watch(): Promise<void> {
    const { idleMillis, traffic } = this.#options;
    const look = Math.min(LONGEST_LOOK, Math.max(SHORTEST_LOOK, idleMillis / 4));
    let tried = 0;
    for (;;) {
      await this.#wait(look);
      this.#notice();
      if (Date.now() - Math.max(this.#since, tried) < idleMillis) continue;
      tried = Date.now();
      const kept = await this.#try();
      if (kept === null) return;
      this.#keptBy = kept;
      // What was asked in the meantime is no sign of life.
      this.#traffic = traffic();
    }
  }

  #notice(): void {
    const now = this.#options.traffic();
    if (now === this.#traffic) return;
    this.#traffic = now;
    this.#since = Date.now();
    this.#keptBy = '';
  }

  /** Tells `onIdle`, or gives what keeps it awake. */
  async #try(): Promise<string | null> {
    const { session, traffic, onIdle } = this.#options;
    const why = this.#obstacle() ?? (await this.#identifyAll());
    if (why !== null) return why;
    for (let tries = 0; tries < SETTLING_TRIES; tries++) {
      const before = traffic();
      await this.#wait(SETTLING);
      if (traffic() !== before) continue;
      const obstacle = this.#obstacle();
      if (obstacle !== null) return obstacle;
      const held = new Map<ImportedCapability, Identity>();
      for (const each of this.#held()) {
        const identity = this.#known.get(each);
        if (identity === undefined) return 'an object of its own was passed on just now';
        held.set(each, identity);
      }
      if (session.connection.closedBy === null) onIdle(held);
      return null;
    }
    return 'it is in use';
  }

  /** What is under way or held, as far as it can be seen at once. */
  #obstacle(): string | null {
    const { connection } = this.#options.session;
    const { callsRunning, callsAwaited, tables } = connection;
    const underWay = callsRunning + callsAwaited + tables.embargoes > 0;
    if (underWay || this.#options.isWaking()) return 'a call is under way';
    for (const each of this.#held()) if (each.unresolved) return 'somebody holds a promise of its own';
    for (const held of connection.heldByPeer()) {
      const each = held instanceof ScreenedPromise ? settled(held) : held;
      if (each instanceof ScreenedPromise || (each instanceof MembranedCapability && this.#wasPassed(each)))
        return 'it holds what was passed to it';
    }
    return null;
  }

  /** Whether somebody passed it to the domain: its own objects that came home, too, but not what it has through its grants. */
  #wasPassed({ direction, inner, membrane: { grant } }: MembranedCapability): boolean {
    return !(direction === 'out' && this.#options.isOwn(grant)) && !isGone(settled(inner));
  }

  *#held(): Iterable<ImportedCapability> {
    const { session, restorer } = this.#options;
    for (const each of session.connection.heldOfPeer()) if (each !== restorer) yield each;
  }

  async #identifyAll(): Promise<string | null> {
    const unknown = [...this.#held()].filter((each) => !this.#known.has(each));
    for (const each of unknown) each.retain();
    try {
      while (unknown.length > 0) {
        const some = unknown.splice(-ASKED_AT_A_TIME);
        try {
          const identities = await Promise.all(some.map((each) => this.#options.identify(each)));
          for (const [i, identity] of identities.entries()) {
            if (identity === null || !identity.persistent) return 'somebody holds an object without an id';
            this.#known.set(some[i]!, identity);
          }
        } catch {
          return 'one of its objects does not say who it is';
        } finally {
          for (const each of some) each.release();
        }
      }
      return null;
    } finally {
      for (const each of unknown) each.release();
    }
  }

  async #wait(millis: number): Promise<void> {
    await setTimeout(millis, undefined, { ref: false, signal: this.#end.signal });
  }
}
