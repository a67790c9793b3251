/**
 * Valid messages that were changed anywhere: whatever they have become, decoding gives a value or a CodecError, in a time
 * that the limits bound, and what it gives can be encoded again. A failure names its seed.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CodecError,
  Memory,
  type MemoryPart,
  MessageBuilder,
  MessageError,
  MessageReader,
  type StructType,
} from '../../schema/index.js';
import { structValue } from './random-values.js';
import { decode, encode, everything, evolution } from './schemas.js';
import { scattered } from './streams.js';
import { capabilityPointer, farPointer, listPointer, segment, structPointer, tag, wordsOf } from './words.js';

/** A budget of work for each message: what the fuzzer may waste. */
const LIMITS = { traversalWords: 20_000, nesting: 64 };

/** A word that says something at its place, if it is a pointer, a tag or a number. */
const word: fc.Arbitrary<bigint> = fc.oneof(
  fc.tuple(fc.integer({ min: -40, max: 40 }), fc.nat(6), fc.nat(6)).map((of) => structPointer(...of)),
  fc
    .tuple(
      fc.integer({ min: -40, max: 40 }),
      fc.nat(7),
      fc.oneof(fc.nat(40), fc.constantFrom(2 ** 29 - 1, 2 ** 20)),
    )
    .map((of) => listPointer(...of)),
  fc.tuple(fc.nat(6), fc.nat(60), fc.boolean()).map((of) => farPointer(...of)),
  fc.tuple(fc.oneof(fc.nat(5), fc.constant(2 ** 29)), fc.nat(4), fc.nat(4)).map((of) => tag(...of)),
  fc.nat(9).map(capabilityPointer),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 2n ** 64n - 1n),
);

/** Told as data, so that a counterexample says it. */
interface Change {
  /** Where, of everything, in parts of 2^32. */
  readonly place: number;
  readonly set?: bigint;
  readonly flip?: bigint;
  readonly add?: bigint;
}

const near = fc.bigInt({ min: -9n, max: 9n });

const change: fc.Arbitrary<Change> = fc
  .tuple(
    fc.nat(2 ** 32 - 1),
    fc.oneof(
      word.map((set) => ({ set })),
      fc.nat(63).map((bit) => ({ flip: 1n << BigInt(bit) })),
      near.map((add) => ({ add })),
      near.map((add) => ({ add: add << 32n })),
    ),
  )
  .map(([place, how]) => ({ place, ...how }));

function changed(old: bigint, { set, flip = 0n, add = 0n }: Change): bigint {
  return set ?? BigInt.asUintN(64, (old ^ flip) + add);
}

function mutated(segments: readonly Uint8Array[], changes: readonly Change[]): Uint8Array[] {
  const words = segments.map(wordsOf);
  const total = words.reduce((sum, { length }) => sum + length, 0);
  for (const each of changes) {
    let at = Math.floor((each.place / 2 ** 32) * total);
    const target = words.find((part) => {
      if (at < part.length) return true;
      at -= part.length;
      return false;
    });
    if (target !== undefined) target[at] = changed(target[at]!, each);
  }
  return words.map((part) => segment(...part));
}

/** Fails on anything but a value or a typed error, and where the message says something else amid those of others. */
function readWhatever(type: StructType, segments: readonly Uint8Array[]): 'read' | 'refused' {
  const outcome = outcomeOf(type, segments);
  if (segments.length === 1) expect(outcomeOf(type, amidOthers(segments[0]!))).toEqual(outcome);
  if ('refused' in outcome) return 'refused';
  const { value } = outcome;
  // It fits the schema, and loses nothing; a union that has no member gets its first.
  const again = decode(type, [encode(type, value)], { traversalWords: 1e9 });
  expect(again).toMatchObject(value as object);
  return 'read';
}

function outcomeOf(
  type: StructType,
  message: readonly Uint8Array[] | MemoryPart,
): { value: unknown } | { refused: string } {
  try {
    return { value: decode(type, message, LIMITS) };
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    expect(error.path.startsWith(type.name)).toBe(true);
    return { refused: error.message };
  }
}

/** The same segment in memory that goes on before and behind it, with words that say something wherever they are read. */
function amidOthers(own: Uint8Array): MemoryPart {
  const around = 100;
  const words = new BigUint64Array(2 * around + own.length / 8 + 1).fill(listPointer(0, 2, 3));
  const memory = new Memory(new Uint8Array(words.buffer, 8));
  const at = around * 8;
  memory.bytes.set(own, at);
  return { memory, at, bytes: own.length };
}

const TYPES = [
  { name: 'Everything', type: everything.struct('Everything'), depth: 2, numRuns: 300 },
  { name: 'Defaults', type: everything.struct('Defaults'), depth: 1, numRuns: 500 },
  { name: 'Transfer', type: everything.struct('Transfer'), depth: 2, numRuns: 500 },
  { name: 'New', type: evolution.struct('NewOfText'), depth: 2, numRuns: 300 },
];

describe('a message that was changed', () => {
  it.each(TYPES)('is read or refused with a path: $name', ({ type, depth, numRuns }) => {
    const outcomes = { read: 0, refused: 0 };
    fc.assert(
      fc.property(
        structValue(type, depth),
        fc.infiniteStream(fc.nat()),
        fc.array(change, { minLength: 1, maxLength: 6 }),
        (value, random, changes) => {
          const choose = (below: number) => random.next().value % below;
          const whole = encode(type, value);
          const segments = choose(2) === 0 ? [whole] : scattered(whole, choose);
          outcomes[readWhatever(type, mutated(segments, changes))]++;
        },
      ),
      { numRuns, interruptAfterTimeLimit: 6_000 },
    );
    // The changes are neither all harmless nor all fatal: the fuzzer sees both sides.
    expect(Math.min(outcomes.read, outcomes.refused)).toBeGreaterThan(0);
  });

  it('is copied, or refused: as an AnyPointer', () => {
    const type = everything.struct('Free');
    const tree = everything.struct('Everything');
    fc.assert(
      fc.property(
        structValue(tree, 2),
        fc.array(change, { minLength: 1, maxLength: 6 }),
        (value, changes) => {
          const message = new MessageBuilder();
          tree.encode(value, message.root.struct(0, 1).pointer(0), { encode: () => 0 });
          let any: { as(type: StructType): unknown } | null;
          try {
            any = decode(type, mutated([message.segment()], changes), LIMITS).any;
          } catch (error) {
            expect(error).toBeInstanceOf(CodecError);
            return;
          }
          try {
            any?.as(tree);
          } catch (error) {
            expect(error).toBeInstanceOf(CodecError);
          }
        },
      ),
      { numRuns: 150, interruptAfterTimeLimit: 6_000 },
    );
  });
});

describe('random words', () => {
  it('are read or refused', () => {
    const segments = fc.array(fc.array(word, { maxLength: 30 }), { maxLength: 4 });
    fc.assert(
      fc.property(segments, fc.constantFrom(...TYPES), (words, { type }) => {
        readWhatever(
          type,
          words.map((part) => segment(...part)),
        );
      }),
      { numRuns: 2000, interruptAfterTimeLimit: 6_000 },
    );
  });

  it('are copied as what they are read as, or refused', () => {
    fc.assert(
      fc.property(fc.array(fc.array(word, { maxLength: 30 }), { maxLength: 4 }), (words) => {
        const segments = words.map((part) => segment(...part));
        const copy = new MessageBuilder();
        try {
          copy.root.copy(new MessageReader(segments, LIMITS).root);
        } catch (error) {
          expect(error).toBeInstanceOf(MessageError);
          return;
        }
        for (const { type } of TYPES) {
          const outcome = (from: readonly Uint8Array[]) => {
            try {
              return { value: decode(type, from, { traversalWords: 1e9 }) };
            } catch (error) {
              return { refused: (error as CodecError).path };
            }
          };
          expect(outcome([copy.segment()])).toEqual(outcome(segments));
        }
      }),
      { numRuns: 1000, interruptAfterTimeLimit: 6_000 },
    );
  });
});
