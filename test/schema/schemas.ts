/** The schemas of these tests, loaded once, and the short ways by which every test encodes and decodes. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type MemoryPart,
  MessageBuilder,
  MessageReader,
  NO_CAPABILITIES,
  type ReadLimits,
  SchemaGraph,
  type StructType,
} from '../../schema/index.js';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export function requestOf(name: 'everything' | 'evolution'): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`./${name}.cgr`, import.meta.url)));
}

export const everything = SchemaGraph.load(requestOf('everything'));
export const evolution = SchemaGraph.load(requestOf('evolution'));

/** The one segment of a message that is `value`. */
export function encode(type: StructType, value: unknown): Uint8Array {
  const message = new MessageBuilder();
  type.encode(value, message.root, NO_CAPABILITIES);
  return new Uint8Array(message.segment());
}

export function decode(
  type: StructType,
  message: readonly Uint8Array[] | MemoryPart,
  limits?: Partial<ReadLimits>,
  // biome-ignore lint/suspicious/noExplicitAny: what comes out is what the schema says.
): any {
  return type.decode(new MessageReader(message, limits).root, NO_CAPABILITIES);
}

// biome-ignore lint/suspicious/noExplicitAny: what comes out is what the schema says.
export function roundTrip(type: StructType, value: unknown): any {
  return decode(type, [encode(type, value)]);
}

/** What `run` throws. */
export function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
