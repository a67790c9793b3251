/**
 * Capabilities on the other side of a connection.
 *
 * `ImportedCapability` and `PipelinedCapability` address one thing, strictly: an entry of our import table, or a place
 * in the results of a question. `RemotePromise` stands before one of them until it is known what it has become, and then
 * sends calls there, under an embargo where order demands one.
 */

import { type Call, type CallInProgress, Capability, type ReturnSink, settled } from './capability.js';
import type { Connection } from './connection.js';
import type { Path } from './places.js';
import { PromisedCapability, QueuedCapability } from './promised.js';
import type { Question } from './question.js';

export abstract class RemoteCapability extends Capability {
  constructor(readonly connection: Connection) {
    super();
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    return this.connection.ask(this, call, sink);
  }

  /** How a message to the peer addresses it. */
  abstract readonly address: Address;
}

/** `MessageTarget` and the two receiver-side kinds of `CapDescriptor`, in one. */
export type Address =
  | { readonly kind: 'imported'; readonly id: number }
  | { readonly kind: 'pipelined'; readonly questionId: number; readonly path: Path };

export class ImportedCapability extends RemoteCapability {
  /** How often the peer has sent us this: what Release must give back. */
  received = 0;
  /** Whether the peer has said that it is a promise, and has not said yet what it became. */
  unresolved = false;
  /** What stands before this while it is unresolved and somebody waits for what it becomes. Not owned. */
  promise: RemotePromise | null = null;
  readonly address: Address;
  #successor: Capability | null = null;

  constructor(
    connection: Connection,
    readonly id: number,
  ) {
    super(connection);
    this.address = { kind: 'imported', id };
  }

  /** Where calls go instead of over the connection, if there is such a place. Borrowed. */
  get successor(): Capability | null {
    return this.#successor;
  }

  /**
   * Has calls go to `successor`, whose reference it takes over: for when the connection is over, which it is in the same turn or
   * will be by the time that the successor lets calls go on. Those that were made before come first only if they have returned.
   */
  succeed(successor: Capability): void {
    this.#successor?.release();
    this.#successor = successor;
  }

  /** Has calls go over the connection again. */
  resume(): void {
    const successor = this.#successor;
    this.#successor = null;
    successor?.release();
  }

  override get route(): ImportedCapability | null {
    return this.#successor === null ? this : this.#successor.route;
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    return this.#successor === null ? super.call(call, sink) : this.#successor.call(call, sink);
  }

  protected override dropped(): void {
    this.connection.releaseImport(this);
    this.#successor?.release();
  }
}

export class PipelinedCapability extends RemoteCapability {
  readonly address: Address;

  constructor(
    private readonly question: Question,
    readonly path: Path,
  ) {
    super(question.connection);
    this.address = { kind: 'pipelined', questionId: question.id, path };
    question.hold();
  }

  protected override dropped(): void {
    this.question.unhold();
  }
}

export class RemotePromise extends PromisedCapability {
  /** Whether calls or references went through this: then they may still be on their way when it resolves. */
  #used: boolean;

  /** Takes over the reference to `early`, where calls go until this is resolved. */
  constructor(
    readonly early: RemoteCapability,
    private readonly left: () => void,
    used = false,
  ) {
    super();
    this.#used = used;
  }

  get connection(): Connection {
    return this.early.connection;
  }

  /** Records that something that names this is sent to the peer. */
  use(): RemoteCapability {
    this.#used = true;
    return this.early;
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    return this.resolution === null ? this.use().call(call, sink) : this.resolution.call(call, sink);
  }

  /**
   * What the peer says this has become; takes over the reference. Whatever was sent through this may have to come back
   * to us through the peer, if the replacement is on our side: calls are held back until the peer has echoed a
   * Disembargo behind them. A broken capability needs none, and neither does one on the same connection: there the calls
   * travel the same path as before. If that one is a promise, the embargo becomes its task. With `detour`, calls that went
   * through this came back here first (a tail call), so that what is made now would overtake them even there.
   */
  resolve(replacement: Capability, detour = false): void {
    const end = settled(replacement);
    if (!detour && end instanceof RemotePromise && end.connection === this.connection) {
      end.#used ||= this.#used;
    } else if (
      this.#used &&
      end !== this &&
      end.brokenBy === null &&
      (detour || !(end instanceof RemoteCapability && end.connection === this.connection))
    ) {
      const embargo = new QueuedCapability();
      this.connection.disembargo(this.early, embargo.retain(), replacement);
      this.become(embargo);
      this.early.release();
      return;
    }
    this.become(replacement);
    this.early.release();
  }

  protected override dropped(): void {
    if (this.resolution === null) {
      this.left();
      this.early.release();
    }
    super.dropped();
  }
}

/**
 * A capability that the peer sent back to us and that stands for something of the peer's: a promise of ours that has
 * become a thing of theirs, of which they cannot know yet. Calls go on to it strictly; to everybody else it looks like an
 * object of our own, so that no path is shortened through it (the Tribble four-way race; see Disembargo in rpc.capnp).
 */
export class ReflectedCapability extends Capability {
  /** Takes over the reference. */
  constructor(readonly target: Capability) {
    super();
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    return this.target.call(call, sink);
  }

  protected override dropped(): void {
    this.target.release();
  }
}
