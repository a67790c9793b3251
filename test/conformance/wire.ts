/** The messages of the protocol, as values: read and written by the schema, and not by the layout that rpc/ has of them. */
import { readFileSync } from 'node:fs';
import { AnyPointer, MessageBuilder, MessageReader, SchemaGraph } from '../../schema/index.js';

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

export function decodeMessage(bytes: Uint8Array): WireMessage {
  return MESSAGE.decode(new MessageReader([bytes]).root, { decode: (index) => index });
}
