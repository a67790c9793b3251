/** How codecs meet capabilities: what an interface field is in JavaScript is not theirs to know. */
import type { InterfaceType } from './graph.js';

export interface CapabilityEncoder {
  /** The index, in the message's capability table, of the capability that `value` is. Throws CodecError if it is none. */
  encode(value: unknown, type: InterfaceType | null, path: string): number;
}

export interface CapabilityDecoder {
  /** What the program gets for the capability of this index; null: a null pointer. */
  decode(index: number | null, type: InterfaceType | null): unknown;
}

/** For values that must not have capabilities in them. */
export const NO_CAPABILITIES: CapabilityEncoder & CapabilityDecoder = {
  encode(_value, _type, path) {
    throw new CodecError(path, 'a capability is not possible here');
  },
  decode: () => null,
};

/** A value that does not fit its schema, or bytes that do not: where, and why. */
export class CodecError extends Error {
  override readonly name = 'CodecError';
  readonly code = 'ERR_CODEC';

  constructor(
    /** From the outermost type to the place: `Transfer.lines[3].amount`. */
    readonly path: string,
    readonly reason: string,
  ) {
    super(`${path}: ${reason}`);
  }
}
