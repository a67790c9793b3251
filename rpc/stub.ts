/**
 * Stubs: capabilities as JavaScript programs hold them, with one method for each method of the interface.
 *
 * A method takes one object of params and gives a `Pending`: a promise of one object of results that can be pipelined on
 * before it settles. A stub owns one reference, until it is disposed; passing it never gives it away. Stubs are handed to
 * hostile code: they are frozen, and nothing can be reached from one but what is written here.
 */
import { InterfaceType, type MethodType, seal } from '../schema/index.js';
import type { Capability } from './capability.js';
import { BrokenCapability } from './capability.js';
import { RpcError } from './error.js';
import { type CallOptions, startCall } from './pending.js';

/** Taken when the module is loaded: a locked-down realm may not have it any more. */
const dispose: typeof Symbol.dispose = Symbol.dispose;

export let capabilityOf: (stub: Stub, name?: string) => Capability;
export let typeOf: (stub: Stub) => InterfaceType | null;
export let isStub: (value: unknown) => value is Stub;
export let disposeStub: (stub: Stub) => void;

/** The backstop for stubs that nobody disposed. */
const collected = new FinalizationRegistry<Held>((held) => held.release());

/** What a stub holds, apart from it, so that it can be let go when the stub is collected. */
class Held {
  capability: Capability | null;

  constructor(capability: Capability) {
    this.capability = capability;
  }

  release(): void {
    const capability = this.capability;
    this.capability = null;
    capability?.release();
  }
}

export class Stub {
  readonly #held: Held;
  readonly #type: InterfaceType | null;

  static {
    capabilityOf = (stub, name = 'the stub') => {
      const capability = stub.#held.capability;
      if (capability === null) {
        throw new RpcError('failed', `${name} was used after it was disposed; keep a dup() of it`, {
          code: 'ERR_RPC_DISPOSED',
        });
      }
      return capability;
    };
    typeOf = (stub) => stub.#type;
    isStub = (value): value is Stub => typeof value === 'object' && value !== null && #held in value;
    disposeStub = (stub) => {
      if (stub.#held.capability === null) return;
      collected.unregister(stub.#held);
      stub.#held.release();
    };
  }

  /** Takes over the reference. Use `stubFor`. */
  constructor(capability: Capability, type: InterfaceType | null) {
    this.#held = new Held(capability);
    this.#type = type;
    collected.register(this, this.#held, this.#held);
    Object.freeze(this);
  }

  /** Another stub for the same object, to be disposed by itself. */
  dup(): this {
    return stubFor(capabilityOf(this).retain(), this.#type) as this;
  }

  /** Another stub for the same object, as an object of `type`. Nothing is asked of the object. */
  as<T = Stub>(type: InterfaceType): T {
    if (!(type instanceof InterfaceType)) throw new TypeError('as: expected an interface of a schema graph');
    return stubFor(capabilityOf(this).retain(), type) as T;
  }

  /** Gives the reference up. Calls that are under way go on. Safe to call twice. */
  [dispose](): void {
    disposeStub(this);
  }
}

/** A stub for `capability`, whose reference it takes over; without a type it can only be passed on or cast by `as`. */
export function stubFor(capability: Capability, type: InterfaceType | null): Stub {
  return new (type === null ? Stub : stubClass(type))(capability, type);
}

/** A stub on which every call fails with `error`. */
export function brokenStub(error: RpcError, type: InterfaceType | null): Stub {
  return stubFor(new BrokenCapability(error), type);
}

type StubClass = new (capability: Capability, type: InterfaceType | null) => Stub;
const classes = new WeakMap<InterfaceType, StubClass>();

/** Names that a method cannot have on a stub: it gets an underscore behind it. `then` would make a promise of the stub. */
const RESERVED = new Set(['constructor', 'then', 'dup', 'as', 'toJSON', 'toString', 'valueOf', '__proto__']);

/** The name by which the method `name` of an interface is called on a stub. */
export function stubMethodName(name: string): string {
  return RESERVED.has(name) ? `${name}_` : name;
}

function stubClass(type: InterfaceType): StubClass {
  const known = classes.get(type);
  if (known !== undefined) return known;
  const made = class extends Stub {};
  for (const method of type.allMethods()) {
    Object.defineProperty(made.prototype, stubMethodName(method.name), {
      value: caller(method),
      enumerable: true,
    });
  }
  Object.defineProperty(made.prototype, Symbol.toStringTag, { value: type.name });
  seal(made.prototype);
  Object.freeze(made);
  classes.set(type, made);
  return made;
}

function caller(method: MethodType): unknown {
  const call = {
    [method.name](this: Stub, params: unknown = {}, options: CallOptions = {}) {
      return startCall(this, method, params, options);
    },
  }[method.name]!;
  return Object.freeze(call);
}

seal(Stub.prototype);
Object.freeze(Stub);
