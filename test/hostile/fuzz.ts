/**
 * Mutation of recorded traces: messages are changed where their structure says that it matters (pointers, ids, tags), or
 * anywhere, and dropped, repeated, reordered and put in from other traces. Everything follows from a seed.
 */

import { mulberry32 } from '../mulberry32.js';

/** Choices that follow from a seed. */
export class Random {
  /** From 0 to below 2^32. */
  readonly next: () => number;

  constructor(readonly seed: number) {
    this.next = mulberry32(seed);
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }
}

/** Values at which things turn. */
const EDGES = [
  0,
  1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  63,
  64,
  65,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_fffe,
  0xffff_ffff,
  2 ** 29 - 1,
];

type Mutation = (words: DataView, random: Random) => void;

const at = (words: DataView, random: Random) => random.below(words.byteLength / 8) * 8;

const MUTATIONS: readonly Mutation[] = [
  // A bit.
  (words, random) => {
    const place = random.below(words.byteLength);
    words.setUint8(place, words.getUint8(place) ^ (1 << random.below(8)));
  },
  // Two words change places.
  (words, random) => {
    const [a, b] = [at(words, random), at(words, random)];
    const word = words.getBigUint64(a, true);
    words.setBigUint64(a, words.getBigUint64(b, true), true);
    words.setBigUint64(b, word, true);
  },
  // One word becomes another.
  (words, random) => {
    words.setBigUint64(at(words, random), words.getBigUint64(at(words, random), true), true);
  },
  // Half a word, which is where ids and sizes stand, becomes an edge or something near.
  (words, random) => {
    const place = random.below(words.byteLength / 4) * 4;
    const value = random.chance(2) ? random.pick(EDGES) : words.getUint32(place, true) + random.below(7) - 3;
    words.setUint32(place, value >>> 0, true);
  },
  // A tag of a union, or an enum.
  (words, random) => {
    const place = random.below(words.byteLength / 2) * 2;
    words.setUint16(place, random.chance(8) ? random.below(0x1_0000) : random.below(16), true);
  },
  // The offset of a pointer.
  (words, random) => {
    const place = at(words, random);
    const low = words.getUint32(place, true);
    words.setUint32(place, ((low & 3) | ((random.below(41) - 20) << 2)) >>> 0, true);
  },
  // The kind of a pointer.
  (words, random) => {
    const place = at(words, random);
    words.setUint32(place, ((words.getUint32(place, true) & ~3) | random.below(4)) >>> 0, true);
  },
  // The size of a struct, or of a list and its elements.
  (words, random) => {
    const place = at(words, random) + 4;
    const high = words.getUint32(place, true);
    const value = random.pick([
      (high & ~7) | random.below(8),
      (high & 7) | (random.pick(EDGES) << 3),
      random.below(4) | (random.below(4) << 16),
      0xffff_ffff,
    ]);
    words.setUint32(place, value >>> 0, true);
  },
  // A far pointer.
  (words, random) => {
    const place = at(words, random);
    words.setUint32(place, ((random.below(words.byteLength / 8 + 2) << 3) | random.pick([2, 6])) >>> 0, true);
    words.setUint32(place + 4, random.below(3), true);
  },
];

/** A changed copy of a message, in one segment or, sometimes, cut into two. */
export function mutated(message: Uint8Array, random: Random): Uint8Array[] {
  const bytes = message.slice();
  if (bytes.length === 0) return [bytes];
  const words = new DataView(bytes.buffer);
  for (let changes = 1 + random.below(3); changes > 0; changes--) random.pick(MUTATIONS)(words, random);
  if (!random.chance(8)) return [bytes];
  const cut = random.below(bytes.length / 8) * 8;
  return random.chance(2) ? [bytes.subarray(0, cut)] : [bytes.subarray(0, cut), bytes.subarray(cut)];
}

/** What is to be said instead of `trace`, message by message. */
export function mutatedTrace(
  trace: readonly Uint8Array[],
  others: readonly (readonly Uint8Array[])[],
  random: Random,
): Uint8Array[][] {
  const result: Uint8Array[][] = [];
  // Most of a run is as it was, so that it gets somewhere.
  const rarity = 2 + random.below(40);
  for (const message of trace) {
    if (!random.chance(rarity)) {
      result.push([message]);
      continue;
    }
    switch (random.below(6)) {
      case 0:
        break;
      case 1:
        result.push([message], [message]);
        break;
      case 2:
        result.splice(random.below(result.length + 1), 0, [message]);
        break;
      case 3:
        result.push([random.pick(random.pick(others))], [message]);
        break;
      default:
        result.push(mutated(message, random));
    }
  }
  return result;
}
