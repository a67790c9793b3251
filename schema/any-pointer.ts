/**
 * A value of type AnyPointer: whatever it is, kept as a message of its own, to be read as a type that the program names,
 * or passed on unread.
 */
import type { CapabilityDecoder, CapabilityEncoder } from './capabilities.js';
import { StructType } from './graph.js';
import { MessageBuilder, type PointerBuilder } from './message-builder.js';
import type { PointerReader } from './message-reader.js';
import { seal } from './seal.js';

type Content =
  | { readonly is: 'value'; readonly type: StructType; readonly value: unknown }
  | { readonly is: 'message'; readonly root: PointerReader; readonly capabilities: readonly unknown[] };

/** Writes `any` into a message. Not a method: a program that holds one could pass a builder of its own. */
export let writeAnyPointer: (
  any: AnyPointer,
  into: PointerBuilder,
  capabilities: CapabilityEncoder,
  path: string,
  depth: number,
) => void;

export class AnyPointer {
  readonly #content: Content;

  private constructor(content: Content) {
    this.#content = content;
    Object.freeze(this);
  }

  /** `value` as a struct of `type`. It is written when the message is that it is put into. */
  static of(type: StructType, value: unknown): AnyPointer {
    if (!(type instanceof StructType)) throw new TypeError('of: expected a struct of a schema graph');
    return new AnyPointer({ is: 'value', type, value });
  }

  /** A copy of what `from` points to, with the capabilities that it names. */
  static read(from: PointerReader, capabilities: CapabilityDecoder): AnyPointer {
    const message = new MessageBuilder();
    const held: unknown[] = [];
    message.root.copy(from, (index) => held.push(capabilities.decode(index, null)) - 1);
    return new AnyPointer({ is: 'message', root: message.asReader().root, capabilities: held });
  }

  static is(value: unknown): value is AnyPointer {
    return typeof value === 'object' && value !== null && #content in value;
  }

  /** The struct that it is, read as `type`. Throws CodecError or MessageError where it is something else. */
  // biome-ignore lint/suspicious/noExplicitAny: what comes out is what the schema says.
  as(type: StructType): any {
    if (!(type instanceof StructType)) throw new TypeError('as: expected a struct of a schema graph');
    const content = this.#content;
    if (content.is === 'value') {
      const message = new MessageBuilder();
      const held: unknown[] = [];
      type.encode(content.value, message.root, { encode: (value) => held.push(value) - 1 });
      return type.decode(message.asReader().root, {
        decode: (index) => (index === null ? null : held[index]),
      });
    }
    return type.decode(content.root, {
      decode: (index) => (index === null ? null : (content.capabilities[index] ?? null)),
    });
  }

  static {
    writeAnyPointer = (any, into, capabilities, path, depth) => any.#write(into, capabilities, path, depth);
  }

  #write(into: PointerBuilder, capabilities: CapabilityEncoder, path: string, depth: number): void {
    const content = this.#content;
    if (content.is === 'value') {
      content.type.codec.encode(content.value, into, capabilities, path, depth);
      return;
    }
    const indexes = content.capabilities.map((value) =>
      value === null ? null : capabilities.encode(value, null, path),
    );
    into.copy(content.root, (index) => indexes[index] ?? 0xffff_ffff);
  }
}
seal(AnyPointer.prototype);
