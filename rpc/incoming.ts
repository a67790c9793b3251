/** The capabilities of a message that is being read into JavaScript values. */
import type { CapabilityDecoder, InterfaceType } from '../schema/index.js';
import type { Payload } from './payload.js';
import { disposeStub, type Stub, stubFor } from './stub.js';

/** Gives a stub, with a reference of its own, for each capability that is read. */
export class IncomingCapabilities implements CapabilityDecoder {
  #stubs: Stub[] | null = null;

  /** Borrows `payload` while values are read. */
  constructor(private readonly payload: Payload) {}

  decode(index: number | null, type: InterfaceType | null): Stub | null {
    const capability = index === null ? null : this.payload.capabilities[index];
    if (!capability) return null;
    const stub = stubFor(capability.retain(), type);
    this.#stubs ??= [];
    this.#stubs.push(stub);
    return stub;
  }

  /** Disposes the stubs that were given: for params, which belong to their call. */
  dispose(): void {
    if (this.#stubs !== null) for (const stub of this.#stubs) disposeStub(stub);
  }
}
