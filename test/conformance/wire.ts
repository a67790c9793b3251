/** The messages of the protocol, as values: read and written by the schema, and not by the layout that rpc/ has of them. */
import { readFileSync } from 'node:fs';
import * as layout from '../../rpc/protocol.js';
import { AnyPointer, CodecError, MessageBuilder, MessageReader, SchemaGraph } from '../../schema/index.js';

export const wireGraph = SchemaGraph.load(readFileSync(new URL('./wire.cgr', import.meta.url)));

const MESSAGE = wireGraph.struct('Message');

/** A payload's content: a number, and the capability of this index of the table. */
export function content(number: number, index: number | null = null): AnyPointer {
  return AnyPointer.of(wireGraph.struct('Content'), index === null ? { number } : { number, cap: index });
}

/** A message of rpc.capnp by the names of the schema: `{ call: { questionId: 0, ... } }`. */
// biome-ignore lint/suspicious/noExplicitAny: what the schema says.
export type WireMessage = Record<string, any>;

export function encodeMessage(message: WireMessage): Uint8Array {
  const builder = new MessageBuilder();
  MESSAGE.encode(message, builder.root, { encode: (value) => Number(value) }, 'Message');
  return builder.segment();
}

/** Content that is malformed, which a proxy passes on without a look, is decoded as none. */
export function decodeMessage(segments: readonly Uint8Array[]): WireMessage {
  const decode = (message: readonly Uint8Array[]) =>
    MESSAGE.decode(new MessageReader(message).root, { decode: (index) => index });
  try {
    return decode(segments);
  } catch (error) {
    if (!(error instanceof CodecError) || !/\.content/.test(error.message)) throw error;
    return decode(withoutContent(segments));
  }
}

function withoutContent(segments: readonly Uint8Array[]): Uint8Array[] {
  const copy = segments.map((segment) => Uint8Array.from(segment));
  const body = new MessageReader(copy).root.struct().pointer(layout.Message.body).struct();
  const isCall = new MessageReader(copy).root.struct().u16(layout.Message.tag) === layout.Message.call;
  const payload = body.pointer(isCall ? layout.Call.params : layout.Return.body).struct();
  const { segment, word } = payload.pointer(layout.Payload.content).place!;
  copy[segment]!.fill(0, word * 8, word * 8 + 8);
  return copy;
}
