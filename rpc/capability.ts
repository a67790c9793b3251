/**
 * A capability: the power to call one object, wherever it is. One abstract class with a subclass for each state of being:
 * local, imported, promised, pipelined, broken. Whoever adds a layer (a broker's membrane) adds a subclass.
 *
 * Everything here is synchronous and ordered: a call is under way when `call()` returns, and calls on one capability
 * arrive in the order they were made. Nothing here knows bytes, sockets or timers.
 *
 * References are counted, so that the last release can be told to a peer at once. Whoever is given a capability by a
 * function whose name says so (`retain`, `pipelined`) owns one reference; a plain parameter or property is borrowed.
 */

import type { Answer } from './answer.js';
import { RpcError } from './error.js';
import type { Payload } from './payload.js';
import type { Path } from './places.js';
import type { Relay } from './relay.js';
import type { ImportedCapability } from './remote.js';

/** One call, as it is handed on from capability to capability. */
export interface Call {
  readonly interfaceId: bigint;
  readonly methodId: number;
  /** Taken over by whoever is called. */
  readonly params: Payload;
  /** What the caller knows of how it will use the results. Whoever forwards a call may leave them out. */
  readonly hints?: CallHints;
}

/** What may spare a peer some of its work. A caller that gives one keeps to it: the peer may have relied on it. */
export interface CallHints {
  /** Nothing will be pipelined on the results. */
  readonly noPromisePipelining?: boolean;
  /** Nothing but what can be pipelined on is wanted: the sink may hear nothing. */
  readonly onlyPromisePipeline?: boolean;
}

const NO_HINTS: CallHints = Object.freeze({});
const NO_PIPELINING: CallHints = Object.freeze({ noPromisePipelining: true });

/** Of a caller's hints that one which holds for whoever the call is passed on to: nothing can be pipelined on its answer. */
export function hintsPassedOn(noPromisePipelining: boolean | undefined): CallHints {
  return noPromisePipelining === true ? NO_PIPELINING : NO_HINTS;
}

/** Who is told how a call ended. Exactly one of the two is called, once; neither after `CallInProgress.finish()`. */
export interface ReturnSink {
  /** `results` is borrowed, and stands until the caller's `finish()`. */
  returned(results: Payload): void;
  failed(error: RpcError): void;
  /**
   * The call of a peer's that the outcome answers, if nothing on this side has to see it on the way: then a call that
   * goes back to that peer may leave its results there (a tail call), and the sink hears nothing.
   */
  readonly answer?: Answer | undefined;
}

/** The caller's end of a call. Owned by the caller, who calls `finish()` once, before or after the return. */
export interface CallInProgress {
  /** The capability that will stand at `path` in the results: a new reference. Not after `finish()`. */
  pipelined(path: Path): Capability;
  /**
   * The caller needs nothing more: its sink hears nothing after this, and the results are handed back. A call that still
   * runs is cancelled, as soon as no capability that was pipelined from it is held any more.
   */
  finish(): void;
}

export abstract class Capability {
  /** Read and written once where it is counted: with so many subclasses the engine looks for it each time. */
  #references = 1;

  /** Another reference to the same capability. */
  retain(): this {
    const references = this.#references;
    if (references === 0) throw new Error('a capability was used after its last reference was released');
    this.#references = references + 1;
    return this;
  }

  /** Gives one reference up. After the last one nothing may be done with the capability. */
  release(): void {
    const references = this.#references;
    if (references === 0) throw new Error('a capability was released more often than it was retained');
    this.#references = references - 1;
    if (references === 1) this.dropped();
  }

  /** References that are held. */
  get references(): number {
    return this.#references;
  }

  /** The last reference is gone. */
  protected abstract dropped(): void;

  abstract call(call: Call, sink: ReturnSink): CallInProgress;

  /**
   * What this is known to have become: null for what is settled and for a promise that still waits. Borrowed. May itself
   * be a promise; `settled()` follows to the end.
   */
  get resolution(): Capability | null {
    return null;
  }

  /** Whether this may yet become another capability (`resolution` is null until then). */
  get isPromise(): boolean {
    return false;
  }

  /** Calls `listener` once, when `resolution` becomes known. Only for an unresolved promise. Returns the way to leave. */
  onResolution(_listener: () => void): () => void {
    throw new Error('only a promise can resolve');
  }

  /**
   * The capability of a connection's that a call on this goes to at once, if it goes to one, and nothing stands in between.
   * Borrowed.
   */
  get route(): ImportedCapability | null {
    return null;
  }

  /** Where calls on this may be handed on to as they come, each if `relay` lets it. Borrowed. */
  get relaysTo(): ImportedCapability | null {
    return null;
  }

  /**
   * Lets a call pass that has come in a message of its own and has nothing unusual about it, to be handed on as it is to `target`,
   * which is what `relaysTo` says. Null: nothing was done, and `call()` is to be asked.
   */
  relay(_call: Call, _target: ImportedCapability): Relay | null {
    return null;
  }

  /** The error with which everything here fails: set on a broken capability only. */
  get brokenBy(): RpcError | null {
    return null;
  }
}

/** The most resolved form of `capability` that is known now. Borrowed. */
export function settled(capability: Capability): Capability {
  let current = capability;
  for (let next = current.resolution; next !== null; next = current.resolution) current = next;
  return current;
}

/** A capability that answers every call with the same error. */
export class BrokenCapability extends Capability {
  readonly #error: RpcError;

  constructor(error: RpcError) {
    super();
    this.#error = error;
  }

  override get brokenBy(): RpcError {
    return this.#error;
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    call.params.discard();
    return BrokenCapability.failing(this.#error, sink);
  }

  /** A call that fails at once. */
  static failing(error: RpcError, sink: ReturnSink): CallInProgress {
    sink.failed(error);
    return { pipelined: () => new BrokenCapability(error), finish() {} };
  }

  protected override dropped(): void {}
}

/** The capability at `path` of `results`: a new reference, broken where there is none. */
export function capabilityIn(results: Payload, path: Path): Capability {
  try {
    const found = results.capabilityAt(path);
    if (found !== null) return found.retain();
    return new BrokenCapability(
      new RpcError('failed', 'called a null capability: the results have none at this place', {
        code: 'ERR_RPC_NULL_CAPABILITY',
      }),
    );
  } catch (cause) {
    return new BrokenCapability(RpcError.from(cause));
  }
}
