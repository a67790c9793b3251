/**
 * What a name that we gave to the peer stands for: an entry of the export table, or a place in an answer.
 *
 * It follows a promise until that has become something, and then stays: "Once a promise P has been resolved to a remote
 * object reference R, then all further messages received addressed to P will be forwarded strictly to R" (Disembargo in
 * rpc.capnp).
 */
import { type Capability, settled } from './capability.js';
import type { Connection } from './connection.js';
import { RemoteCapability, RemotePromise } from './remote.js';

export class Designation {
  #capability: Capability;
  #leave: (() => void) | null = null;
  #waiting: (() => void)[] = [];
  #released = false;

  /** Takes over the reference. `resolved` is told when a promise has become something; not if it was that already. */
  constructor(
    private readonly connection: Connection,
    capability: Capability,
    private readonly resolved: (() => void) | null = null,
  ) {
    this.#capability = capability;
    this.#follow();
  }

  /** Where messages go. Borrowed. */
  get capability(): Capability {
    return this.#capability;
  }

  /** Whether it is a promise of ours that may still become something else. */
  get pending(): boolean {
    return this.#leave !== null;
  }

  /** Calls `listener` when nothing is pending: at once, perhaps. Never after `release()`. */
  whenSettled(listener: () => void): void {
    if (this.pending) this.#waiting.push(listener);
    else listener();
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#leave?.();
    this.#leave = null;
    this.#waiting = [];
    this.#capability.release();
  }

  #follow(): void {
    const end = settled(this.#capability);
    const strict = end instanceof RemotePromise && end.connection === this.connection ? end.use() : end;
    if (strict !== this.#capability) {
      strict.retain();
      this.#capability.release();
      this.#capability = strict;
    }
    const ours = !(strict instanceof RemoteCapability && strict.connection === this.connection);
    this.#leave = ours && strict.isPromise ? strict.onResolution(() => this.#advance()) : null;
  }

  #advance(): void {
    this.#leave = null;
    this.#follow();
    if (this.pending || this.#released) return;
    this.resolved?.();
    for (const listener of this.#waiting.splice(0)) listener();
  }
}
