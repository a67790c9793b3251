/**
 * A call in JavaScript: a promise of its results that can be pipelined on.
 *
 * `ledger.open({...}).account.balance()` is one round trip: `.account` is a stub for what the call will return. A Pending
 * is a promise of its own kind, so that what is only pipelined is never decoded. It settles once; when it is disposed
 * before that, the call is cancelled. A failure that nobody waits for and nobody pipelined on is an unhandled rejection,
 * as it would be of any promise.
 */

import { type MethodType, type StructType, seal } from '../schema/index.js';
import { contentBuilder } from './body.js';
import type { CallSignal } from './call-signal.js';
import { type Call, type CallInProgress, type Capability, capabilityIn } from './capability.js';
import { type Deferred, deferred } from './deferred.js';
import { HEADROOM } from './envelope.js';
import { canceled, RpcError } from './error.js';
import { IncomingCapabilities } from './incoming.js';
import { OutgoingCapabilities } from './outgoing.js';
import { Payload } from './payload.js';
import type { Path } from './places.js';
import { type CallContext, tailCall } from './serve.js';
import { STREAM_WINDOW, startStreamingCall } from './streaming.js';
import { brokenStub, capabilityOf, isStub, type Stub, stubFor } from './stub.js';

export interface CallOptions {
  /**
   * Cancels the call when it is aborted. With `AbortSignal.timeout(ms)` the call has a deadline: it then fails as
   * `overloaded`, with the code ERR_RPC_DEADLINE.
   */
  readonly signal?: AbortSignal | CallSignal;
  /** Nothing but what can be pipelined on is wanted: spares the peer a Return. The promise itself must not be awaited. */
  readonly pipelineOnly?: boolean;
  /**
   * Makes the call in the place of the one whose context this is (a tail call): its results become that one's, and what a
   * method returns after it does not count. The results of both methods must be of one type.
   */
  readonly tailOf?: CallContext;
  /** Of a streaming method: how many bytes may be under way before its promise waits. Default STREAM_WINDOW, 64 KiB. */
  readonly window?: number;
}

/** What can be reached in results that are not there yet: capabilities, and structs on the way to them. */
export type Pipelined<R> = {
  readonly [K in keyof R as NonNullable<R[K]> extends
    | readonly unknown[]
    | Uint8Array
    | string
    | number
    | bigint
    | boolean
    ? never
    : K]: NonNullable<R[K]> extends Disposable ? NonNullable<R[K]> : Pipelined<NonNullable<R[K]>>;
};

/** A promise of `R` that can be pipelined on. Disposing it before it settles cancels the call. */
export type Pending<R> = Promise<R> & Pipelined<R> & Disposable;

const dispose: typeof Symbol.dispose = Symbol.dispose;

/** Calls `method` on `stub`. What is wrong with the params rejects the promise. */
export function startCall(stub: Stub, method: MethodType, params: unknown, options: CallOptions): object {
  const message = contentBuilder();
  const outgoing = new OutgoingCapabilities();
  let core: PendingCore;
  try {
    const capability = capabilityOf(stub, method.interface.name);
    method.params.encode(params, message.root, outgoing, method.title);
    const call = {
      interfaceId: method.interface.id,
      methodId: method.id,
      params: Payload.built(message, outgoing.list),
      hints: {
        noPromisePipelining: method.results.pipelineFields().length === 0,
        onlyPromisePipeline: options.pipelineOnly === true,
      },
    };
    if (options.tailOf !== undefined) {
      tailCall(options.tailOf, method, capability, call);
      core = HANDED_ON;
    } else if (method.streaming) {
      const bytes = message.segment(HEADROOM.words).length;
      core = startStreamingCall(capability, method, call, bytes, options.window ?? STREAM_WINDOW);
    } else {
      core = new CallCore(method, options.pipelineOnly === true);
      (core as CallCore).start(call, capability);
    }
  } catch (error) {
    outgoing.release();
    const failed = new CallCore(method, false);
    failed.reject(error);
    core = failed;
  }
  if (options.signal !== undefined) cancelledBy(core, options.signal);
  const face = new (pendingClass(method.results))(core);
  if (core instanceof CallCore && core.mustBeTaken) abandoned.register(face, core);
  return face;
}

/** What a Pending is a face of. */
export interface PendingCore {
  promise(): Promise<unknown>;
  /** A stub for what stands at `path` of the results, which have it under `names`. */
  pipelined(path: Path, names: readonly string[], type: Parameters<typeof stubFor>[1]): Stub;
  /** Ends it with `error`, if it has not settled; without one, it was cancelled. */
  cancel(error: RpcError | null): void;
}

/** A call that was made in the place of another one: its outcome is not for this side. */
const HANDED_ON: PendingCore = {
  promise: async () => undefined,
  pipelined: (_path, _names, type) =>
    brokenStub(
      new RpcError('failed', "a tail call cannot be pipelined on: its results are its caller's"),
      type,
    ),
  cancel() {},
};

function cancelledBy(core: PendingCore, signal: AbortSignal | CallSignal): void {
  const listener = Object.freeze(() => core.cancel(cancellation(signal)));
  if (signal.aborted) {
    listener();
    return;
  }
  signal.addEventListener('abort', listener);
  // A signal may live much longer than the call.
  if (core instanceof CallCore) core.whenOver(() => signal.removeEventListener('abort', listener));
}

/** `AbortSignal.timeout` aborts with a TimeoutError; anybody else has cancelled. */
function cancellation(signal: AbortSignal | CallSignal): RpcError {
  let name: unknown;
  try {
    name = (signal.reason as { name?: unknown } | undefined)?.name;
  } catch {
    // The reason is a program's own, and may throw.
  }
  if (name === 'TimeoutError') {
    return new RpcError('overloaded', 'the call did not return before its deadline', {
      code: 'ERR_RPC_DEADLINE',
    });
  }
  return canceled();
}

/** The backstop for calls whose outcome nobody took. */
const abandoned = new FinalizationRegistry<CallCore>((core) => core.abandon());

type State =
  | { readonly is: 'calling' }
  | { readonly is: 'returned'; readonly results: Payload }
  | { readonly is: 'fulfilled'; readonly value: unknown }
  | { readonly is: 'rejected'; readonly error: unknown }
  /** By whoever let go of it: rejected, too, with an error that is made where somebody asks. */
  | { readonly is: 'cancelled' };

/** The state of a call, apart from the object that stands for it, so that it does not keep that object alive. */
class CallCore implements PendingCore {
  #over: (() => void) | null = null;
  #state: State = { is: 'calling' };
  #call: CallInProgress | null = null;
  #promise: Deferred<unknown> | null = null;
  #wanted = false;
  #abandoned = false;

  constructor(
    private readonly method: MethodType,
    private readonly pipelineOnly: boolean,
  ) {}

  /** Whether it has to hear of it when nobody can ask for the outcome any more: something may be held for that. */
  get mustBeTaken(): boolean {
    return this.pipelineOnly || this.method.results.holdsCapabilities;
  }

  start(call: Call, target: Capability): void {
    this.#call = target.call(call, this);
    if (this.#state.is === 'fulfilled' || this.#state.is === 'rejected') this.#finish();
  }

  // The sink of the call.

  returned(results: Payload): void {
    if (this.#state.is !== 'calling') return;
    this.#state = { is: 'returned', results };
    const over = this.#over;
    this.#over = null;
    over?.();
    if (this.#promise !== null) this.#decode(results);
    // Without capabilities there is nothing to keep the peer waiting for, though nobody may ever ask for the results.
    else if (this.#abandoned || results.capabilities.length === 0 || !this.mustBeTaken) this.#finish();
  }

  failed(error: RpcError): void {
    if (this.#state.is === 'calling') this.reject(error);
  }

  reject(error: unknown): void {
    this.#state = { is: 'rejected', error };
    if (this.#promise !== null) this.#promise.reject(error);
    else if (!this.#wanted) void this.promise();
    this.#finish();
  }

  /** Calls `listener` once, when the call has come to its end. */
  whenOver(listener: () => void): void {
    if (this.#state.is === 'calling') this.#over = listener;
    else listener();
  }

  #finish(): void {
    const over = this.#over;
    this.#over = null;
    over?.();
    const call = this.#call;
    this.#call = null;
    call?.finish();
  }

  #decode(results: Payload): void {
    const incoming = new IncomingCapabilities(results);
    try {
      const value: unknown = this.method.results.decode(results.content, incoming, this.method.title);
      results.finishReading();
      this.#state = { is: 'fulfilled', value };
      this.#promise?.fulfil(value);
    } catch (error) {
      incoming.dispose();
      this.#state = { is: 'rejected', error };
      this.#promise?.reject(error);
    }
    this.#finish();
  }

  promise(): Promise<unknown> {
    if (this.#promise !== null) return this.#promise.promise;
    this.#promise = deferred<unknown>();
    const { promise, fulfil, reject } = this.#promise;
    const state = this.#settled();
    if (this.pipelineOnly && state.is !== 'rejected') {
      reject(
        new RpcError(
          'failed',
          'the call was made for pipelining only (pipelineOnly): its results cannot be had',
          {
            code: 'ERR_RPC_PIPELINE_ONLY',
          },
        ),
      );
    } else if (state.is === 'returned') this.#decode(state.results);
    else if (state.is === 'fulfilled') fulfil(state.value);
    else if (state.is === 'rejected') reject(state.error);
    return promise;
  }

  pipelined(path: Path, names: readonly string[], type: Parameters<typeof stubFor>[1]): Stub {
    this.#wanted = true;
    const state = this.#settled();
    if (state.is === 'rejected') return brokenStub(RpcError.from(state.error), type);
    if (state.is === 'fulfilled') {
      let value = state.value as Record<string, unknown> | null | undefined;
      for (const name of names) value = value?.[name] as typeof value;
      if (isStub(value)) return value.dup();
      return brokenStub(
        new RpcError('failed', `the results have no capability ${names.join('.')}`, {
          code: 'ERR_RPC_NULL_CAPABILITY',
        }),
        type,
      );
    }
    if (state.is === 'returned' && this.#call === null)
      return stubFor(capabilityIn(state.results, path), type);
    return stubFor(this.#call!.pipelined(path), type);
  }

  /** What it has come to, where somebody asks. */
  #settled(): Exclude<State, { is: 'cancelled' }> {
    if (this.#state.is === 'cancelled') this.#state = { is: 'rejected', error: canceled() };
    return this.#state;
  }

  /** Nobody can ask for the outcome any more. A call that runs goes on: it may have been made for its effect. */
  abandon(): void {
    this.#abandoned = true;
    // Whoever wanted to pipeline on it has done so.
    if (this.#state.is === 'returned' || this.pipelineOnly) this.#finish();
  }

  cancel(error: RpcError | null): void {
    if (this.#state.is === 'calling') {
      this.#wanted = true;
      if (error !== null || this.#promise !== null) return this.reject(error ?? canceled());
      // Nobody has asked for the outcome, and hardly anybody will: an error, with its stack, costs more than the rest.
      this.#state = { is: 'cancelled' };
    }
    this.#finish();
  }
}

let coreOf: (pending: object) => PendingCore;

/** The promise of results. Each type of results has a class of its own below it: see `pendingClass`. */
class PendingResults {
  readonly #core: PendingCore;
  static {
    coreOf = (pending) => (pending as PendingResults).#core;
  }
  constructor(core: PendingCore) {
    this.#core = core;
    Object.freeze(this);
  }
  // biome-ignore lint/suspicious/noThenProperty: it is a promise.
  then(fulfilled?: (value: unknown) => unknown, rejected?: (error: unknown) => unknown): Promise<unknown> {
    return this.#core.promise().then(fulfilled, rejected);
  }
  catch(rejected?: (error: unknown) => unknown): Promise<unknown> {
    return this.#core.promise().catch(rejected);
  }
  finally(settled?: () => void): Promise<unknown> {
    return this.#core.promise().finally(settled);
  }
  [dispose](): void {
    this.#core.cancel(null);
  }
}
Object.defineProperty(PendingResults.prototype, Symbol.toStringTag, { value: 'Promise' });
seal(PendingResults.prototype);

const classes = new WeakMap<StructType, typeof PendingResults>();

/** The class of the promises of results of `type`: one getter for each field that can be pipelined on. */
function pendingClass(type: StructType): typeof PendingResults {
  const known = classes.get(type);
  if (known !== undefined) return known;
  class PendingOfType extends PendingResults {}
  const { prototype } = PendingOfType;
  define(prototype, type, (pending) => ({ core: coreOf(pending), path: [], names: [] }));
  seal(prototype);
  classes.set(type, PendingOfType);
  return PendingOfType;
}

interface Place {
  readonly core: PendingCore;
  readonly path: Path;
  readonly names: readonly string[];
}

/** Defines a getter for each capability and each struct of `type`, which stands at `place` of the results. */
function define(prototype: object, type: StructType, place: (self: object) => Place): void {
  const inherited = (Object.getPrototypeOf(prototype) as object | null) ?? prototype;
  for (const field of type.pipelineFields()) {
    // What a promise has by itself stays what it is.
    if (Object.hasOwn(inherited, field.name) || Object.hasOwn(prototype, field.name)) continue;
    if (field.name === '__proto__') continue;
    Object.defineProperty(prototype, field.name, {
      enumerable: true,
      get(this: object) {
        const { core, path, names } = place(this);
        const inner = { core, path: [...path, ...field.path], names: [...names, field.name] };
        if (field.kind === 'capability') return core.pipelined(inner.path, inner.names, field.interface);
        const struct = Object.create(null) as object;
        define(struct, field.struct, () => inner);
        return Object.freeze(struct);
      },
    });
  }
}
