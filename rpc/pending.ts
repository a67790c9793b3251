/**
 * A call in JavaScript: a promise of its results that can be pipelined on.
 *
 * `ledger.open({...}).account.balance()` is one round trip: `.account` is a stub for what the call will return. A Pending
 * is a promise of its own kind, so that what is only pipelined is never decoded. It settles once; when it is disposed
 * before that, the call is cancelled. A failure that nobody waits for and nobody pipelined on is an unhandled rejection,
 * as it would be of any promise.
 */
import { MessageBuilder, type MethodType, type StructType, seal } from '../schema/index.js';
import type { CallSignal } from './call-signal.js';
import type { CallInProgress } from './capability.js';
import { RpcError } from './error.js';
import { IncomingCapabilities } from './incoming.js';
import { OutgoingCapabilities } from './outgoing.js';
import { Payload } from './payload.js';
import { brokenStub, capabilityOf, isStub, type Stub, stubFor } from './stub.js';

export interface CallOptions {
  /** Cancels the call when it is aborted. */
  readonly signal?: AbortSignal | CallSignal;
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
  const core = new CallCore(method);
  const face = new (pendingClass(method.results))(core);
  const message = new MessageBuilder();
  const outgoing = new OutgoingCapabilities();
  try {
    const capability = capabilityOf(stub, method.interface.name);
    method.params.encode(params, message.root, outgoing, `${method.interface.name}.${method.name}`);
    core.start(
      capability.call(
        {
          interfaceId: method.interface.id,
          methodId: method.id,
          params: new Payload(message.asReader().root, outgoing.list),
        },
        core,
      ),
    );
  } catch (error) {
    outgoing.release();
    core.reject(error);
  }
  const { signal } = options;
  if (signal !== undefined) {
    signal.addEventListener(
      'abort',
      Object.freeze(() => core.dispose()),
    );
    if (signal.aborted) core.dispose();
  }
  abandoned.register(face, core);
  return face;
}

/** The backstop for calls whose outcome nobody took. */
const abandoned = new FinalizationRegistry<CallCore>((core) => core.abandon());

type State =
  | { readonly is: 'calling' }
  | { readonly is: 'returned'; readonly results: Payload }
  | { readonly is: 'fulfilled'; readonly value: unknown }
  | { readonly is: 'rejected'; readonly error: unknown };

/** The state of a call, apart from the object that stands for it, so that it does not keep that object alive. */
class CallCore {
  #state: State = { is: 'calling' };
  #call: CallInProgress | null = null;
  #promise: {
    readonly promise: Promise<unknown>;
    fulfil(value: unknown): void;
    reject(error: unknown): void;
  } | null = null;
  #wanted = false;
  #abandoned = false;

  constructor(private readonly method: MethodType) {}

  start(call: CallInProgress): void {
    this.#call = call;
    if (this.#state.is === 'fulfilled' || this.#state.is === 'rejected') this.#finish();
  }

  // The sink of the call.

  returned(results: Payload): void {
    if (this.#state.is !== 'calling') return;
    this.#state = { is: 'returned', results };
    if (this.#promise !== null) this.#decode(results);
    else if (this.#abandoned) this.#finish();
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

  #finish(): void {
    const call = this.#call;
    this.#call = null;
    call?.finish();
  }

  #decode(results: Payload): void {
    const incoming = new IncomingCapabilities(results);
    try {
      const value: unknown = this.method.results.decode(
        results.content,
        incoming,
        `${this.method.interface.name}.${this.method.name}`,
      );
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
    let fulfil: (value: unknown) => void = () => {};
    let reject: (error: unknown) => void = () => {};
    const promise = new Promise<unknown>((resolve, fail) => {
      fulfil = resolve;
      reject = fail;
    });
    this.#promise = { promise, fulfil, reject };
    const state = this.#state;
    if (state.is === 'returned') this.#decode(state.results);
    else if (state.is === 'fulfilled') fulfil(state.value);
    else if (state.is === 'rejected') reject(state.error);
    return promise;
  }

  /** A stub for what stands at `path` of the results, which have it under `names`. */
  pipelined(path: readonly number[], names: readonly string[], type: Parameters<typeof stubFor>[1]): Stub {
    this.#wanted = true;
    const state = this.#state;
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
    return stubFor(this.#call!.pipelined(path), type);
  }

  /** Nobody can ask for the outcome any more. A call that runs goes on: it may have been made for its effect. */
  abandon(): void {
    this.#abandoned = true;
    if (this.#state.is === 'returned') this.#finish();
  }

  dispose(): void {
    if (this.#state.is === 'calling') {
      this.#wanted = true;
      this.reject(new RpcError('failed', 'the call was canceled', { code: 'ERR_RPC_CANCELED' }));
    } else {
      this.#finish();
    }
  }
}

type PendingClass = new (core: CallCore) => object;
const classes = new WeakMap<StructType, PendingClass>();

/** The class of the promises of results of `type`: one getter for each field that can be pipelined on. */
function pendingClass(type: StructType): PendingClass {
  const known = classes.get(type);
  if (known !== undefined) return known;
  let coreOf: (pending: object) => CallCore;
  class PendingResults {
    readonly #core: CallCore;
    static {
      coreOf = (pending) => (pending as PendingResults).#core;
    }
    constructor(core: CallCore) {
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
      this.#core.dispose();
    }
  }
  define(PendingResults.prototype, type, (pending) => ({ core: coreOf(pending), path: [], names: [] }));
  Object.defineProperty(PendingResults.prototype, Symbol.toStringTag, { value: 'Promise' });
  seal(PendingResults.prototype);
  classes.set(type, PendingResults);
  return PendingResults;
}

interface Place {
  readonly core: CallCore;
  readonly path: readonly number[];
  readonly names: readonly string[];
}

/** Defines a getter for each capability and each struct of `type`, which stands at `place` of the results. */
function define(prototype: object, type: StructType, place: (self: object) => Place): void {
  for (const field of type.pipelineFields()) {
    if (Object.hasOwn(prototype, field.name) || field.name === '__proto__') continue;
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
