/** The capabilities of a message that is being built from JavaScript values. */
import { type CapabilityEncoder, CodecError, type InterfaceType } from '../schema/index.js';
import type { Capability } from './capability.js';
import { served } from './serve.js';
import { capabilityOf, isStub, typeOf } from './stub.js';

const NONE: readonly Capability[] = Object.freeze([]);

/**
 * Takes stubs, and objects that implement the interface that is expected: those are served. Owns a reference to each;
 * who takes `list` over takes them over.
 */
export class OutgoingCapabilities implements CapabilityEncoder {
  #list: Capability[] | null = null;

  get list(): readonly Capability[] {
    return this.#list ?? NONE;
  }

  encode(value: unknown, type: InterfaceType | null, path: string): number {
    const found = this.#find(value, type, path);
    this.#list ??= [];
    return this.#list.push(found) - 1;
  }

  release(): void {
    const list = this.list;
    this.#list = null;
    for (const capability of list) capability.release();
  }

  #find(value: unknown, type: InterfaceType | null, path: string): Capability {
    const expected = type === null ? 'a capability' : `a capability of type ${type.name}`;
    if (typeof value !== 'object' || value === null) {
      throw new CodecError(path, `expected ${expected}, got ${value === null ? 'null' : typeof value}`);
    }
    if (isStub(value)) {
      const actual = typeOf(value);
      if (type !== null && actual !== null && !actual.extends(type.id)) {
        throw new CodecError(path, `expected ${expected}, got one of type ${actual.name}`);
      }
      return capabilityOf(value, path).retain();
    }
    if (type === null) {
      throw new CodecError(
        path,
        `expected ${expected}, got an object; use serve(type, object) to say what it implements`,
      );
    }
    return served(type, value);
  }
}
