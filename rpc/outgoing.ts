/** The capabilities of a message that is being built from JavaScript values. */
import { type CapabilityEncoder, CodecError, type InterfaceType } from '../schema/index.js';
import type { Capability } from './capability.js';
import { served } from './serve.js';
import { capabilityOf, isStub, typeOf } from './stub.js';

/**
 * Takes stubs, and objects that implement the interface that is expected: those are served. Owns a reference to each;
 * who takes `list` over takes them over.
 */
export class OutgoingCapabilities implements CapabilityEncoder {
  readonly list: Capability[] = [];

  encode(value: unknown, type: InterfaceType | null, path: string): number {
    return this.list.push(this.#find(value, type, path)) - 1;
  }

  release(): void {
    for (const capability of this.list.splice(0)) capability.release();
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
