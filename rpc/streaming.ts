/**
 * Streaming methods (`-> stream`) as their caller sees them: a sink with backpressure. "When the previous call's promise
 * resolves, it is time to make another call" (stream.capnp): it says nothing of delivery, only that there is room.
 *
 * What is under way on one capability is counted in bytes. When a call fails, so do all later ones, without being sent:
 * what came after a lost piece is of no use. Whoever ends a stream waits for everything with `flush`, or calls a method
 * that is not streaming: the other side carries calls out one at a time, in their order.
 */
import type { MethodType } from '../schema/index.js';
import type { Call, CallInProgress, Capability, ReturnSink } from './capability.js';
import { type Deferred, deferred } from './deferred.js';
import { canceled, RpcError } from './error.js';
import type { PendingCore } from './pending.js';
import { brokenStub, capabilityOf, type Stub } from './stub.js';

/** How many bytes of streaming calls may be under way on one capability before the next one has to wait. */
export const STREAM_WINDOW = 64 * 1024;

/**
 * Waits until every streaming call that was made on `stub` (or a `dup()` of it) has been carried out. Rejects with the
 * error of the first that failed.
 */
export function flush(stub: Stub): Promise<void> {
  return flows.get(capabilityOf(stub))?.flush() ?? Promise.resolve();
}

/** By the capability that a stub holds, whatever that becomes. */
const flows = new WeakMap<Capability, Flow>();

/** Starts a streaming call; what is wrong with it is told by its promise. */
export function startStreamingCall(
  capability: Capability,
  method: MethodType,
  call: Call,
  bytes: number,
  window: number,
): StreamingCall {
  let flow = flows.get(capability);
  if (flow === undefined) {
    flow = new Flow();
    flows.set(capability, flow);
  }
  return new StreamingCall(flow, method, capability, call, bytes, window);
}

class Flow {
  #bytes = 0;
  #failed: RpcError | null = null;
  readonly #underWay = new Set<StreamingCall>();
  #flushing: { readonly done: () => void; readonly failed: (error: RpcError) => void }[] = [];

  get failed(): RpcError | null {
    return this.#failed;
  }

  hasRoom(window: number): boolean {
    return this.#bytes < window;
  }

  enter(call: StreamingCall): void {
    this.#underWay.add(call);
    this.#bytes += call.bytes;
  }

  leave(call: StreamingCall, error: RpcError | null): void {
    if (!this.#underWay.delete(call)) return;
    this.#bytes -= call.bytes;
    this.#failed ??= error;
    for (const waiting of this.#underWay) waiting.look();
    if (this.#underWay.size > 0 && this.#failed === null) return;
    for (const { done, failed } of this.#flushing.splice(0)) {
      if (this.#failed === null) done();
      else failed(this.#failed);
    }
  }

  flush(): Promise<void> {
    return new Promise((done, failed) => {
      if (this.#failed !== null) failed(this.#failed);
      else if (this.#underWay.size === 0) done();
      else this.#flushing.push({ done, failed });
    });
  }
}

export class StreamingCall implements PendingCore, ReturnSink {
  #state: { readonly is: 'waiting' | 'room' } | { readonly is: 'failed'; readonly error: RpcError } = {
    is: 'waiting',
  };
  #call: CallInProgress | null = null;
  #ended = false;
  #promise: Deferred<unknown> | null = null;

  constructor(
    private readonly flow: Flow,
    private readonly method: MethodType,
    capability: Capability,
    call: Call,
    readonly bytes: number,
    private readonly window: number,
  ) {
    if (flow.failed !== null) {
      call.params.release();
      this.#fail(flow.failed);
      return;
    }
    flow.enter(this);
    const inProgress = capability.call(call, this);
    if (this.#ended) inProgress.finish();
    else this.#call = inProgress;
    this.look();
  }

  /** Settles, if it is time: there is room, or the stream is broken. */
  look(): void {
    if (this.#state.is !== 'waiting') return;
    if (this.flow.failed !== null) {
      this.#fail(this.flow.failed);
    } else if (this.#ended || this.flow.hasRoom(this.window)) {
      this.#state = { is: 'room' };
      this.#promise?.fulfil(undefined);
    }
  }

  #fail(error: RpcError): void {
    this.#state = { is: 'failed', error };
    // A failure that nobody waits for is an unhandled rejection.
    if (this.#promise === null) void this.promise();
    else this.#promise.reject(error);
  }

  returned(): void {
    this.#end(null);
  }

  failed(error: RpcError): void {
    this.#end(error);
  }

  #end(error: RpcError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    const call = this.#call;
    this.#call = null;
    call?.finish();
    this.flow.leave(this, error);
    this.look();
  }

  promise(): Promise<unknown> {
    if (this.#promise !== null) return this.#promise.promise;
    this.#promise = deferred<unknown>();
    const { promise, fulfil, reject } = this.#promise;
    if (this.#state.is === 'room') fulfil(undefined);
    else if (this.#state.is === 'failed') reject(this.#state.error);
    return promise;
  }

  pipelined(): Stub {
    return brokenStub(
      new RpcError('failed', `${this.method.name} is a streaming method and has no results`, {
        code: 'ERR_RPC_NO_PIPELINING',
      }),
      null,
    );
  }

  /** Cancels the call, and so breaks the stream, unless the call has settled already. */
  cancel(error: RpcError | null): void {
    if (this.#state.is === 'waiting') this.#end(error ?? canceled());
  }
}
