/**
 * JavaScript objects as capabilities: an object with one method for each method of an interface.
 *
 * The object may be hostile (a domain's): nothing of it is read but the method that was called, what it throws is told to
 * nobody but as a bounded message, and a result is only ever awaited, and copied by the codec.
 */
import {
  CodecError,
  type InterfaceType,
  MessageError,
  type MethodType,
  type StructType,
  seal,
  type ValueType,
} from '../schema/index.js';
import { contentBuilder } from './body.js';
import { type CallController, type CallSignal, callController } from './call-signal.js';
import type { Call, Capability } from './capability.js';
import { canceled, RpcError } from './error.js';
import { IncomingCapabilities } from './incoming.js';
import { type Dispatcher, type LocalCall, LocalCapability } from './local.js';
import { OutgoingCapabilities } from './outgoing.js';
import { Payload } from './payload.js';
import { soon } from './soon.js';
import { disposeStub, isStub, type Stub, stubFor } from './stub.js';

/** What a method is called with besides its params. */
export interface CallContext {
  /** Aborted when the caller cancels, or its connection is gone. */
  readonly signal: CallSignal;
  /**
   * Has `stub` disposed when the results have been built, or the method has failed: for a stub that was made to be
   * returned (a result takes a reference of its own). Gives it back.
   */
  use<T extends Stub>(stub: T): T;
}

/**
 * A stub for `implementation` as an object of `type`. The same object served twice as the same type is the same
 * capability as long as it is in use. When the last reference to it is gone, its `[Symbol.dispose]` is called, if it has
 * one. The caller disposes the stub.
 */
export function serve<T = Stub>(type: InterfaceType, implementation: object): T {
  return stubFor(served(type, implementation), type) as T;
}

/** The same as a capability: a new reference. */
export function served(type: InterfaceType, implementation: object): Capability {
  const known = live.get(implementation)?.get(type);
  if (known !== undefined) return known.retain();
  let faces = live.get(implementation);
  if (faces === undefined) {
    faces = new Map();
    live.set(implementation, faces);
  }
  const capability = new LocalCapability(new Served(type, implementation));
  faces.set(type, capability);
  return capability;
}

/** Whether anybody holds a capability to `implementation` as an object of `type`. */
export function isServed(type: InterfaceType, implementation: object): boolean {
  return live.get(implementation)?.has(type) ?? false;
}

const live = new WeakMap<object, Map<InterfaceType, LocalCapability>>();

let also: { type: InterfaceType; implement: (object: object, type: InterfaceType) => object } | null = null;

/**
 * Makes every object that is served in this thread answer the interface `type` besides its own, by what `implement` gives
 * for it. For a domain's shell, whose objects tell the broker who they are.
 */
export function serveAlso(
  type: InterfaceType,
  implement: (object: object, type: InterfaceType) => object,
): void {
  also = { type, implement };
}

/** Makes `call` on `target` (borrowed) in the place of the call that `context` is of. */
export let tailCall: (context: CallContext, method: MethodType, target: Capability, call: Call) => void;

/**
 * An object that is served. Its methods start in the order of the calls; a streaming one ends before the next one starts,
 * and when one has failed, everything fails with its error: what came after a lost piece is of no use.
 */
class Served implements Dispatcher {
  #streaming = false;
  #broken: RpcError | null = null;
  readonly #waiting: (() => void)[] = [];

  constructor(
    private readonly type: InterfaceType,
    private readonly implementation: object,
  ) {}

  dispatch(call: LocalCall): void {
    const method = this.type.methodById(call.interfaceId, call.methodId);
    if (method !== undefined) return this.#start(call, method);
    const other = also?.type.methodById(call.interfaceId, call.methodId);
    if (also !== null && other !== undefined) {
      return start(call, other, also.implement(this.implementation, this.type));
    }
    call.params.release();
    const id = `0x${call.interfaceId.toString(16).padStart(16, '0')}`;
    call.fail(
      new RpcError('unimplemented', `${this.type.name} has no method ${call.methodId} of interface ${id}`, {
        code: 'ERR_RPC_UNKNOWN_METHOD',
      }),
    );
  }

  #start(call: LocalCall, method: MethodType): void {
    if (this.#streaming) {
      this.#waiting.push(() => this.#start(call, method));
    } else if (this.#broken !== null) {
      call.params.release();
      call.fail(this.#broken);
    } else {
      this.#streaming = method.streaming;
      start(
        call,
        method,
        this.implementation,
        !method.streaming
          ? null
          : (error) => {
              this.#streaming = false;
              this.#broken ??= error;
              while (!this.#streaming && this.#waiting.length > 0) this.#waiting.shift()!();
            },
      );
    }
  }

  dropped(): void {
    live.get(this.implementation)?.delete(this.type);
    let dispose: unknown;
    try {
      dispose = (this.implementation as { [Symbol.dispose]?: unknown })[dispose_];
    } catch (error) {
      // As if it had thrown when it was called: nobody who let go of the object is to blame.
      void Promise.reject(error);
    }
    if (typeof dispose === 'function') void soon.then(() => Reflect.apply(dispose, this.implementation, []));
  }
}

/** Taken when the module is loaded: a locked-down realm may not have it any more. */
const dispose_: typeof Symbol.dispose = Symbol.dispose;

/** Methods start in the order of the calls, and none of them where it is called, so that no caller is entered again. */
function start(
  call: LocalCall,
  method: MethodType,
  implementation: object,
  ended: ((error: RpcError | null) => void) | null = null,
): void {
  if (starting.length === 0 && !isDelivering) void soon.then(startAll);
  const run = new Run(call, method, implementation, ended);
  // Read at once what would have to be copied, to be read later. Not what a program calls itself: it may have used up the stack.
  if (call.params.body.loan?.isBrief === true) run.read();
  starting.push(run);
}

let starting: Run[] = [];
let isDelivering = false;

/**
 * Does `deliver`, which gives messages to connections, and starts the methods that they call right behind it: for who delivers in
 * a microtask, and would only wait for another one.
 */
export function startingBehind(deliver: () => void): void {
  isDelivering = true;
  try {
    deliver();
  } finally {
    isDelivering = false;
    startAll();
  }
}

function startAll(): void {
  const runs = starting;
  starting = [];
  let next = 0;
  try {
    while (next < runs.length) runs[next++]!.start();
  } finally {
    // A fault of ours in one must not keep the others from starting, before those that were called meanwhile.
    if (next < runs.length) {
      if (starting.length === 0) void soon.then(startAll);
      starting = [...runs.slice(next), ...starting];
    }
  }
}

/** A method that runs. `ended` is told the error of one that failed; one that was cancelled before it began did not. */
class Run {
  readonly #incoming: IncomingCapabilities;
  #context: Context | null = null;
  #params: unknown;
  /** Whether those were read, and why they could not be. */
  #isRead = false;
  #unreadable: unknown = null;

  constructor(
    private readonly call: LocalCall,
    private readonly method: MethodType,
    private readonly implementation: object,
    private readonly ended: ((error: RpcError | null) => void) | null,
  ) {
    this.#incoming = new IncomingCapabilities(call.params);
  }

  /** Reads the params, which it does by itself when it starts. */
  read(): void {
    const { call, method } = this;
    this.#isRead = true;
    try {
      this.#params = method.params.decode(call.params.content, this.#incoming, method.paramsTitle);
      call.params.finishReading();
    } catch (error) {
      this.#unreadable = error;
    }
  }

  start(): void {
    const { call, method } = this;
    if (call.canceled) {
      try {
        call.fail(canceled());
      } finally {
        this.#end(null);
      }
      return;
    }
    let results: unknown;
    let isPromise: boolean;
    try {
      if (!this.#isRead) this.read();
      if (this.#unreadable !== null) throw this.#unreadable;
      this.#context = new Context(call, method);
      results = Reflect.apply(this.#implemented(), this.implementation, [this.#params, this.#context]);
      isPromise = isThenable(results);
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    if (isPromise) void this.#wait(results);
    else this.#return(results);
  }

  #implemented(): (...args: unknown[]) => unknown {
    const { method, implementation } = this;
    const implemented = (implementation as Record<string, unknown>)[method.name];
    if (
      typeof implemented !== 'function' ||
      (method.isInherited && implemented === (Object.prototype as Record<string, unknown>)[method.name]) ||
      // What an object inherits by this name is its class.
      (method.name === 'constructor' && !Object.hasOwn(implementation, method.name))
    ) {
      throw new RpcError('unimplemented', `${method.title} is not implemented`, {
        code: 'ERR_RPC_UNKNOWN_METHOD',
      });
    }
    return implemented as (...args: unknown[]) => unknown;
  }

  async #wait(results: unknown): Promise<void> {
    let value: unknown;
    try {
      value = await results;
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    this.#return(value);
  }

  #return(results: unknown): void {
    const { call, method } = this;
    try {
      if (!call.over) call.return_(encodeResults(method, results));
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    this.#end(null);
  }

  #fail(thrown: unknown): void {
    const error = errorFor(thrown);
    try {
      if (!this.call.over) this.call.fail(error);
    } finally {
      this.#end(error);
    }
  }

  #end(error: RpcError | null): void {
    this.#incoming.dispose();
    this.call.params.release();
    if (this.#context !== null) disposeUsed(this.#context);
    this.ended?.(error);
  }
}

/** Whether there is something to wait for: nearly always there is not, and waiting for nothing costs as much as a small call. */
function isThenable(value: unknown): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return typeof (value as { then?: unknown }).then === 'function';
}

function encodeResults(method: MethodType, results: unknown): Payload {
  const message = contentBuilder();
  const outgoing = new OutgoingCapabilities();
  try {
    method.results.encode(results ?? {}, message.root, outgoing, method.resultsTitle);
    return Payload.built(message, outgoing.list);
  } catch (error) {
    outgoing.release();
    throw error;
  }
}

/** `thrown` may be a hostile proxy, which even `instanceof` enters. */
function errorFor(thrown: unknown): RpcError {
  try {
    if (thrown instanceof MessageError) {
      return new RpcError('failed', `the params cannot be read: ${thrown.message}`, {
        code: 'ERR_RPC_BAD_PARAMS',
        cause: thrown,
      });
    }
    if (thrown instanceof CodecError) {
      return new RpcError('failed', thrown.message, { code: 'ERR_RPC_BAD_VALUE', cause: thrown });
    }
  } catch {
    // It is neither.
  }
  return RpcError.from(thrown);
}

let disposeUsed: (context: Context) => void;

class Context implements CallContext {
  #controller: CallController | null = null;
  readonly #call: LocalCall;
  readonly #method: MethodType;
  #used: unknown[] | null = null;

  static {
    disposeUsed = (context) => {
      if (context.#used === null) return;
      for (const stub of context.#used) if (isStub(stub)) disposeStub(stub);
    };
    tailCall = (context, method, target, call) => {
      if (!(#call in context))
        throw new TypeError('tailOf: expected the context that the method was called with');
      const own = context.#method;
      if (!interchangeable(own.results, method.results)) {
        throw new TypeError(
          `tailOf: ${own.name} gives ${own.results.name}, and ${method.name} gives ${method.results.name}`,
        );
      }
      context.#call.tailCall(target, call);
    };
  }

  constructor(call: LocalCall, method: MethodType) {
    this.#call = call;
    this.#method = method;
    Object.freeze(this);
  }

  use<T extends Stub>(stub: T): T {
    this.#used ??= [];
    this.#used.push(stub);
    return stub;
  }

  get signal(): CallSignal {
    if (this.#controller === null) {
      const controller = callController();
      this.#controller = controller;
      const reason = canceled();
      if (this.#call.canceled) controller.abort(reason);
      else this.#call.onCancel(() => controller.abort(reason));
    }
    return this.#controller.signal;
  }
}
seal(Context.prototype);

/** Whether results of both types stand for the same on the wire: each method that declares them in place has its own. */
function interchangeable(a: StructType, b: StructType): boolean {
  if (a === b) return true;
  const plain = ({ dataWords, pointers, fields }: StructType) =>
    JSON.stringify([
      dataWords,
      pointers,
      fields.map(({ name, discriminant, at }) =>
        at.kind === 'slot'
          ? [name, discriminant, at.offset, nameOf(at.type)]
          : [name, discriminant, at.group.key],
      ),
    ]);
  return plain(a) === plain(b);
}

function nameOf(type: ValueType): string {
  switch (type.kind) {
    case 'list':
      return `list of ${nameOf(type.element)}`;
    case 'struct':
      return type.struct.key;
    case 'interface':
      return type.interface.key;
    case 'enum':
      return `enum ${type.enum.id}`;
    default:
      return type.kind;
  }
}
