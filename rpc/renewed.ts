/**
 * A capability to an object that can be obtained again: it is obtained when it is first called, and again by the first call
 * after it broke. Calls are forwarded in their order; those that were under way when it broke have failed, and are not
 * made again.
 */
import { type Call, type CallInProgress, Capability, type ReturnSink, settled } from './capability.js';
import type { RpcError } from './error.js';
import { ImportedCapability, RemoteCapability } from './remote.js';

export class RenewedCapability extends Capability {
  #target: Capability | null = null;

  /** `obtain` gives a new reference, to a promise where it takes time. It must not throw. */
  constructor(private readonly obtain: () => Capability) {
    super();
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    return this.current().call(call, sink);
  }

  /** The object as it is now, obtained if it must be. Borrowed. */
  current(): Capability {
    const { known } = this;
    if (known !== null) return known;
    this.#target?.release();
    this.#target = this.obtain();
    return this.#target;
  }

  /** The object as it is now, unless it has to be obtained. Borrowed. */
  protected get known(): Capability | null {
    const known = this.#target;
    return known === null || isGone(settled(known)) ? null : known;
  }

  /** Has the next call obtain the object again, if `target` is still what this one has. */
  protected forget(target: Capability): void {
    if (this.#target !== target) return;
    this.#target = null;
    target.release();
  }

  protected override dropped(): void {
    this.#target?.release();
    this.#target = null;
  }
}

/** Whether `capability`, which is settled, can be called no more: see `goneBy`. */
export function isGone(capability: Capability): boolean {
  return goneBy(capability) !== null;
}

/** Why it cannot: it is broken, or its connection is over and nothing has taken its place. Null: it can. */
export function goneBy(capability: Capability): RpcError | null {
  if (capability instanceof ImportedCapability && capability.successor !== null)
    return goneBy(settled(capability.successor));
  if (capability.brokenBy !== null) return capability.brokenBy;
  return capability instanceof RemoteCapability ? capability.connection.closedBy : null;
}
