/**
 * A capability to an object on this side: calls go to a `Dispatcher`.
 *
 * The object lives while references to it do, and a call that runs on it keeps it alive: it may be dropped in the middle
 * of one and still finish it.
 */

import {
  BrokenCapability,
  type Call,
  type CallInProgress,
  Capability,
  capabilityIn,
  type ReturnSink,
} from './capability.js';
import { canceled, type RpcError } from './error.js';
import type { Payload } from './payload.js';
import type { Path } from './places.js';
import { LocalPipelines } from './promised.js';

/** What a local object is behind its capability. */
export interface Dispatcher {
  /** Starts the call. Must not throw; ends it by `call.return_` or `call.fail`, once, now or later. */
  dispatch(call: LocalCall): void;
  /** The last reference is gone. */
  dropped?(): void;
}

export class LocalCapability extends Capability {
  constructor(readonly dispatcher: Dispatcher) {
    super();
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    const local = new LocalCall(this.retain(), call, sink);
    this.dispatcher.dispatch(local);
    return local;
  }

  protected override dropped(): void {
    this.dispatcher.dropped?.();
  }
}

/** One call on a local object: the dispatcher's side, and the caller's. */
export class LocalCall implements CallInProgress {
  #sink: ReturnSink | null;
  /** Its outcome, when it has ended: one of the two. */
  #results: Payload | null = null;
  #error: RpcError | null = null;
  #canceled: (() => void) | null = null;
  #state: 'running' | 'canceled' | 'ended' = 'running';
  /** The call that has taken the place of this one. */
  #tail: CallInProgress | null = null;
  /** What was pipelined on it before its end. */
  #pipelines: LocalPipelines | null = null;
  readonly interfaceId: bigint;
  readonly methodId: number;
  /** Owned by the dispatcher from now on, who releases it. */
  readonly params: Payload;

  constructor(
    private readonly target: Capability,
    call: Call,
    sink: ReturnSink,
  ) {
    this.interfaceId = call.interfaceId;
    this.methodId = call.methodId;
    this.params = call.params;
    this.#sink = sink;
  }

  /** Whether the caller has lost interest; the dispatcher may stop, but ends the call all the same. */
  get canceled(): boolean {
    return this.#state === 'canceled';
  }

  /** `listener` is called once when the caller cancels. */
  onCancel(listener: () => void): void {
    this.#canceled = listener;
  }

  /** Ends the call with `results`, which is taken over. */
  return_(results: Payload): void {
    this.#end(results, null);
  }

  fail(error: RpcError): void {
    this.#end(null, error);
  }

  /**
   * Ends the call with the outcome of another one, `call` on `target` (borrowed), which is made now. What was pipelined
   * from this call goes on there at once, and where the peer that made this call hosts `target`, and knows tail calls, the
   * results do not come back here at all.
   */
  tailCall(target: Capability, call: Call): void {
    if (this.over) throw new Error('a call was ended twice');
    if (this.canceled) {
      call.params.release();
      this.fail(canceled());
      return;
    }
    this.#canceled = null;
    const tail = target.call(call, {
      answer: this.#sink?.answer,
      returned: (results) => this.#end(results.share(), null),
      failed: (error) => this.#end(null, error),
    });
    this.#tail = tail;
    this.#pipelines?.resolve((path) => tail.pipelined(path));
    // Nothing runs here any more.
    if (!this.#hasEnded()) this.target.release();
    if (this.#hasEnded() || this.#sink === null) tail.finish();
  }

  /** Whether it has been ended, or another call has taken its place. */
  get over(): boolean {
    return this.#tail !== null || this.#hasEnded();
  }

  #hasEnded(): boolean {
    return this.#results !== null || this.#error !== null;
  }

  #end(results: Payload | null, error: RpcError | null): void {
    if (this.#hasEnded()) throw new Error('a call was ended twice');
    this.#results = results;
    this.#error = error;
    this.#canceled = null;
    if (this.#state === 'running') this.#state = 'ended';
    const sink = this.#sink;
    this.#pipelines?.resolve((path) => this.#capabilityAt(path));
    if (sink === null) results?.release();
    else if (results !== null) sink.returned(results);
    else sink.failed(error!);
    if (this.#tail === null) this.target.release();
    else this.#tail.finish();
  }

  #capabilityAt(path: Path): Capability {
    return this.#results === null ? new BrokenCapability(this.#error!) : capabilityIn(this.#results, path);
  }

  pipelined(path: Path): Capability {
    if (this.#hasEnded()) return this.#capabilityAt(path);
    if (this.#tail !== null) return this.#tail.pipelined(path);
    this.#pipelines ??= new LocalPipelines(() => this.#cancelIfUnwanted());
    return this.#pipelines.pipelined(path);
  }

  finish(): void {
    if (this.#sink === null) return;
    this.#sink = null;
    if (this.#hasEnded()) this.#results?.release();
    else if (this.#tail !== null) this.#tail.finish();
    else this.#cancelIfUnwanted();
  }

  #cancelIfUnwanted(): void {
    if (this.#state !== 'running' || this.#sink !== null || this.#pipelines?.empty === false) return;
    if (this.#tail !== null) return;
    this.#state = 'canceled';
    this.#canceled?.();
  }
}
