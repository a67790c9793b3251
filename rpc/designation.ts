/**
 * What a name that we gave to the peer stands for: an entry of the export table, or a place in an answer.
 *
 * It follows a promise until that has become something, and then stays: "Once a promise P has been resolved to a remote
 * object reference R, then all further messages received addressed to P will be forwarded strictly to R" (Disembargo in
 * rpc.capnp). A promise on the peer's own side is such a thing once the peer is told of it: for an export that is at once,
 * for a place in an answer when the answer is returned. Until then messages go where order demands, and the peer will be
 * told of that.
 */
import { type Call, type CallInProgress, type Capability, type ReturnSink, settled } from './capability.js';
import type { Connection } from './connection.js';
import { PromisedCapability } from './promised.js';
import { ReflectedCapability, RemoteCapability, RemotePromise } from './remote.js';

export class Designation {
  #capability: Capability;
  #leave: (() => void) | null = null;
  #waiting: (() => void)[] = [];
  #released = false;
  #gone = false;
  #reference: DesignatedPromise | null = null;

  /** Takes over the reference. `resolved` is told when a promise has become something; not if it was that already. */
  constructor(
    private readonly connection: Connection,
    capability: Capability,
    private readonly resolved: (() => void) | null = null,
    private told = true,
  ) {
    this.#capability = capability;
    this.#follow();
  }

  /** Where messages go. Borrowed. */
  get capability(): Capability {
    return this.#capability;
  }

  /** The peer is told what this stands for now: it stays with that. */
  tell(): void {
    if (this.told || this.#gone) return;
    this.told = true;
    if (this.#leave === null) return;
    this.#leave();
    this.#advance();
  }

  /** Whether it is a promise of ours that may still become something else. */
  get pending(): boolean {
    return this.#leave !== null;
  }

  /**
   * What the peer means when it names this: a new reference. Never more than what messages to the name would reach: while
   * this is pending, a promise that becomes what this does; and what is the peer's own looks like an object of ours.
   */
  reference(): Capability {
    if (!this.pending) return this.#reflected();
    if (this.#reference !== null) return this.#reference.retain();
    this.#reference = new DesignatedPromise(this, () => {
      this.#reference = null;
      if (this.#released && this.#waiting.length === 0) this.#letGo();
    });
    return this.#reference;
  }

  #reflected(): Capability {
    const capability = this.#capability.retain();
    const end = settled(capability);
    const theirs =
      (end instanceof RemoteCapability || end instanceof RemotePromise) && end.connection === this.connection;
    return theirs ? new ReflectedCapability(capability) : capability;
  }

  /** Calls `listener` when nothing is pending: at once, perhaps. */
  whenSettled(listener: () => void): void {
    if (this.pending) this.#waiting.push(listener);
    else listener();
  }

  /**
   * The name is given back. What waits for it to settle (an echo that the peer was asked for before, whoever was given what
   * it stands for) waits on all the same. When everything is `over`, no order has to be kept any more.
   */
  release(over = false): void {
    if (over) {
      this.#waiting = [];
      this.#settleReference();
    } else if (this.#released) {
      return;
    }
    this.#released = true;
    if (this.#waiting.length > 0 || this.#reference !== null) return;
    this.#letGo();
  }

  #settleReference(): void {
    const reference = this.#reference;
    this.#reference = null;
    reference?.settle(this.#reflected());
  }

  #letGo(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#leave?.();
    this.#leave = null;
    this.#capability.release();
  }

  /** Has messages fail with `broken` from now on: for a promise that turned out to be itself. Takes the reference over. */
  break(broken: Capability): void {
    this.#leave?.();
    this.#leave = null;
    this.#capability.release();
    this.#capability = broken;
  }

  #follow(): void {
    const end = settled(this.#capability);
    const theirs = end instanceof RemotePromise && end.connection === this.connection;
    const strict = theirs && this.told ? end.use() : end;
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
    if (this.pending) return;
    if (!this.#released) this.resolved?.();
    this.#settleReference();
    for (const listener of this.#waiting.splice(0)) listener();
    if (this.#released) this.#letGo();
  }
}

/** What a pending name stands for, given to somebody on this side. */
export class DesignatedPromise extends PromisedCapability {
  constructor(
    private readonly designation: Designation,
    private readonly left: () => void,
  ) {
    super();
  }

  override get meanwhile(): Capability | null {
    return this.resolution === null ? this.designation.capability : null;
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    return (this.resolution ?? this.designation.capability).call(call, sink);
  }

  /** Takes over the reference. */
  settle(to: Capability): void {
    this.become(to);
  }

  protected override dropped(): void {
    if (this.resolution === null) this.left();
    super.dropped();
  }
}
