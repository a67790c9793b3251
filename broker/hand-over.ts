/**
 * Handing over what others hold of a domain's objects, from an instance that runs to one that will: calls on what has an id wait
 * here, in their order, until those that were made before have returned, and then all go on to the one or, where nothing comes of
 * it, to the other. So no call is lost or made twice, and none overtakes another.
 *
 * What has no id cannot be found again: it is called as long as the old instance is there, and breaks with it.
 */
import { setTimeout } from 'node:timers/promises';
import { type Capability, type ImportedCapability, QueuedCapability, type Session } from '../rpc/index.js';
import type { Identity } from './home.js';

/** How often it is looked whether all has returned, in milliseconds. */
const LOOK = 5;

/** How many objects are asked at a time who they are. */
const ASKED_AT_A_TIME = 32;

export interface HandOverOptions {
  /** Of the old instance. */
  readonly session: Session;
  /** What the broker itself holds of it. */
  readonly restorer: Capability;
  identify(capability: Capability): Promise<Identity | null>;
}

export class HandOver {
  readonly #options: HandOverOptions;
  readonly #held = new Map<
    ImportedCapability,
    { readonly identity: Identity; readonly line: QueuedCapability }
  >();
  /** Those that have no id, or do not say. */
  readonly #lost = new WeakSet<ImportedCapability>();

  constructor(options: HandOverOptions) {
    this.#options = options;
  }

  /**
   * Holds up what can be found again, and resolves when nothing is under way at the old instance any more, or after so many
   * milliseconds: with how many calls are left.
   */
  async drained(millis: number, end: AbortSignal): Promise<number> {
    const { connection } = this.#options.session;
    const deadline = Date.now() + millis;
    for (;;) {
      const isNew = await this.#holdAll();
      end.throwIfAborted();
      const left = connection.callsAwaited + connection.callsRunning;
      if (connection.closedBy !== null || (left === 0 && !isNew)) return 0;
      if (Date.now() >= deadline) return left;
      await setTimeout(LOOK);
    }
  }

  /** Whether there was something more to hold up. */
  async #holdAll(): Promise<boolean> {
    const { session, restorer, identify } = this.#options;
    if (session.connection.closedBy !== null) return false;
    const unknown: ImportedCapability[] = [];
    for (const each of session.connection.heldOfPeer()) {
      if (each === restorer || each.unresolved || this.#held.has(each) || this.#lost.has(each)) continue;
      unknown.push(each.retain());
    }
    const isNew = unknown.length > 0;
    while (unknown.length > 0) {
      const some = unknown.splice(-ASKED_AT_A_TIME);
      const identities = await Promise.all(some.map((each) => identify(each).catch(() => null)));
      for (const [i, identity] of identities.entries()) {
        const each = some[i]!;
        if (identity === null || !identity.persistent || this.#held.has(each)) {
          if (!this.#held.has(each)) this.#lost.add(each);
          each.release();
          continue;
        }
        const line = new QueuedCapability();
        this.#held.set(each, { identity, line });
        each.succeed(line.retain());
      }
    }
    return isNew;
  }

  /** Lets what waits go on to what `find` gives for an id, a new reference. The session is closed in the same turn. */
  passOn(find: (identity: Identity) => Capability): void {
    for (const [each, { identity, line }] of this.#held) {
      line.resolve(find(identity));
      line.release();
      each.release();
    }
    this.#held.clear();
  }

  /** Lets what waits go on to where it was going. */
  giveBack(): void {
    for (const [each, { line }] of this.#held) {
      each.resume();
      line.resolve(each.retain());
      line.release();
      each.release();
    }
    this.#held.clear();
  }
}
