/**
 * Messages that no honest writer makes. Each is refused with a typed error that says where, or read as what it is, and
 * neither takes more time and memory than the limits allow. Fields: Everything's are found by name.
 */
import { describe, expect, it } from 'vitest';
import {
  AnyPointer,
  CodecError,
  ElementSize,
  MessageBuilder,
  MessageError,
  MessageReader,
  NO_CAPABILITIES,
  type StructType,
} from '../../schema/index.js';
import { decode, encode, everything, roundTrip, thrownBy } from './schemas.js';
import {
  ascii,
  bytes,
  capabilityPointer,
  farPointer,
  listPointer,
  NULL,
  segment,
  structPointer,
  tag,
} from './words.js';

const struct = (name: string) => everything.struct(name);

/** Has one pointer, to a text. */
const Label = textOnly();
function textOnly(): StructType {
  const { at } = struct('Everything').fields.find(({ name }) => name === 'boxedText')!;
  if (at.kind !== 'slot' || at.type.kind !== 'struct') throw new Error('boxedText is no struct');
  return at.type.struct;
}

/** A message whose root is Everything, in which the pointer `field` is given, and `words` come after the struct. */
function withPointer(field: string, pointer: bigint, ...words: bigint[]): Uint8Array {
  const { dataWords, pointers, fields } = struct('Everything');
  const { at } = fields.find(({ name }) => name === field)!;
  if (at.kind !== 'slot') throw new Error(`${field} is a group`);
  const slots = Array.from({ length: dataWords + pointers }, () => 0n);
  // The pointer is given with its offset from behind the struct.
  const distance = BigInt(pointers - at.offset - 1) << 2n;
  slots[dataWords + at.offset] = pointer === NULL || (pointer & 3n) >= 2n ? pointer : pointer + distance;
  return segment(structPointer(0, dataWords, pointers), ...slots, ...words);
}

/** How reading Everything's `field` fails. */
function refusal(field: string, pointer: bigint, ...words: bigint[]): string {
  const error = thrownBy(() => decode(struct('Everything'), [withPointer(field, pointer, ...words)]));
  expect(error).toBeInstanceOf(CodecError);
  expect((error as CodecError).path).toMatch(new RegExp(`^Everything\\.${field}`));
  return (error as CodecError).message.slice('Everything.'.length);
}

describe('pointers', () => {
  it('out of their segment are refused, before and behind it', () => {
    const [far, back] = [0x1fff_ffff, -0x2000_0000];
    for (const offset of [far, back, -500, 5]) {
      expect(refusal('point', structPointer(offset, 1, 0))).toMatch(/^point: a pointer to 1 words at/);
      expect(refusal('int8s', listPointer(offset, 2, 8))).toMatch(/^int8s: a pointer to 1 words at/);
      expect(refusal('text', listPointer(offset, 2, 8))).toMatch(/^text: a pointer to 1 words at/);
    }
  });

  it('to what begins within the segment and ends behind it are refused', () => {
    expect(refusal('point', structPointer(0, 2, 0), 0n)).toMatch(/^point: a pointer to 2 words/);
    expect(refusal('int64s', listPointer(0, 5, 2), 0n)).toMatch(/^int64s: a pointer to 2 words/);
    expect(refusal('points', listPointer(0, 7, 2), tag(1, 1, 1), 0n)).toMatch(
      /^points: a pointer to 3 words/,
    );
    expect(refusal('bools', listPointer(0, 1, 65), 0n)).toMatch(/^bools: a pointer to 2 words/);
  });

  it('with sizes of 2^29 elements are refused without looking for them', () => {
    const most = 2 ** 29 - 1;
    for (const [field, size] of [
      ['bools', 1],
      ['int8s', 2],
      ['int16s', 3],
      ['int32s', 4],
      ['int64s', 5],
      ['texts', 6],
      ['points', 7],
    ] as const) {
      expect(refusal(field, listPointer(0, size, most), 0n)).toMatch(
        new RegExp(`^${field}: a pointer to \\d+ words`),
      );
    }
  });

  it('to structs of 65535 words of data and as many pointers are refused', () => {
    expect(refusal('point', structPointer(0, 0xffff, 0xffff), 0n)).toMatch(
      /^point: a pointer to 131070 words/,
    );
  });

  it('of another kind than the schema says are refused', () => {
    expect(refusal('point', listPointer(0, 2, 8), 0n)).toBe('point: expected a struct, found a list');
    expect(refusal('point', capabilityPointer(0))).toBe('point: expected a struct, found a capability');
    expect(refusal('int8s', structPointer(0, 1, 0), 0n)).toBe('int8s: expected a list, found a struct');
    expect(refusal('text', structPointer(0, 1, 0), 0n)).toBe(
      'text: expected a list of bytes, found a struct',
    );
    expect(refusal('text', listPointer(0, 3, 4), 0n)).toBe(
      'text: expected a list of bytes, found one of 2-byte elements',
    );
    expect(refusal('data', listPointer(0, 7, 1), tag(1, 1, 0), 0n)).toBe(
      'data: expected a list of bytes, found one of structs',
    );
    const free = segment(structPointer(0, 0, 3), NULL, structPointer(1, 1, 0), NULL, 0n);
    expect(() => decode(struct('Free'), [free])).toThrow(
      'Free.capability: expected a capability, found a struct',
    );
  });

  it('of the kind that is reserved are refused', () => {
    const free = (pointer: bigint) => [segment(structPointer(0, 0, 2), pointer, NULL)];
    for (const reserved of [7n, 3n | (1n << 31n), 0x0000_0001_0000_000bn]) {
      expect(() => decode(struct('Free'), free(reserved))).toThrow('Free.any: a pointer of an unknown kind');
    }
    expect(decode(struct('Free'), free(capabilityPointer(0xffff_ffff))).any).toBe(null);
  });

  it('to themselves, as a list of pointers or a struct, end at the limit of nesting', () => {
    expect(refusal('tree', structPointer(0, 0, 1), listPointer(-1, 7, 0))).toMatch(
      /^tree\.children: a list of structs whose tag is not one of a struct$/,
    );
    expect(refusal('chain', structPointer(0, 1, 1), 5n, structPointer(-2, 1, 1))).toMatch(
      /^chain(\.next){63}: the message is nested too deeply \(limit nesting\)$/,
    );
    expect(refusal('cube', listPointer(0, 6, 1), listPointer(-1, 6, 1))).toBe(
      'cube[0][0]: expected a list of 2-byte elements, found one of pointers',
    );
  });
});

describe('far pointers', () => {
  /** Root is a Chain; its segments are given by their words. */
  const refuse = (...segments: bigint[][]) => {
    const error = thrownBy(() =>
      decode(
        struct('Chain'),
        segments.map((words) => segment(...words)),
      ),
    );
    expect(error).toBeInstanceOf(CodecError);
    return (error as CodecError).message;
  };

  it('are followed, single and double', () => {
    const object = [7n, NULL];
    const near = structPointer(0, 1, 1);
    const single = [[farPointer(1, 1)], [0n, near, ...object]];
    const double = [
      [farPointer(2, 1, true)],
      [0n, ...object],
      [0n, farPointer(1, 1), structPointer(0, 1, 1)],
    ];
    for (const segments of [single, double]) {
      expect(
        decode(
          struct('Chain'),
          segments.map((words) => segment(...words)),
        ),
      ).toEqual({ value: 7 });
    }
  });

  it('to themselves are refused', () => {
    expect(refuse([farPointer(0, 0)])).toBe('Chain: a far pointer that leads to a far pointer');
    expect(refuse([farPointer(0, 0, true), 0n])).toBe(
      'Chain: a double-far pointer whose landing pad is not a far pointer',
    );
    expect(refuse([farPointer(0, 1, true), farPointer(0, 1), farPointer(0, 0)])).toBe(
      'Chain: a double-far pointer with a bad tag',
    );
  });

  it('that lead to one another are refused', () => {
    expect(refuse([farPointer(1, 0)], [farPointer(0, 0)])).toBe(
      'Chain: a far pointer that leads to a far pointer',
    );
    expect(refuse([farPointer(1, 0, true)], [farPointer(0, 0, true), structPointer(0, 1, 1)])).toBe(
      'Chain: a double-far pointer whose landing pad is not a far pointer',
    );
  });

  it('into a segment that is not there are refused', () => {
    for (const index of [1, 7, 0x7fff_ffff, 0xffff_ffff]) {
      expect(refuse([farPointer(index, 0)])).toBe(
        `Chain: a far pointer into segment ${index} of a message of 1`,
      );
    }
    expect(refuse([farPointer(1, 0, true)], [farPointer(9, 0), structPointer(0, 1, 1)])).toBe(
      'Chain: a far pointer into segment 9 of a message of 2',
    );
  });

  it('whose landing pad or object is not in its segment are refused', () => {
    const most = 2 ** 29 - 1;
    expect(refuse([farPointer(1, 1)], [0n])).toMatch(/^Chain: a pointer to 1 words at 1 of a segment of 1/);
    expect(refuse([farPointer(1, most)], [0n])).toMatch(/^Chain: a pointer to 1 words at 536870911/);
    expect(refuse([farPointer(1, 0, true)], [farPointer(0, 0)])).toMatch(/^Chain: a pointer to 2 words/);
    expect(refuse([farPointer(1, 0)], [])).toMatch(/^Chain: a pointer to 1 words at 0 of a segment of 0/);
    const beyond = [farPointer(0, most), structPointer(0, 1, 1)];
    expect(refuse([farPointer(1, 0, true)], beyond)).toMatch(/^Chain: a pointer to 2 words at 536870911/);
    // An offset that would come round to the segment's beginning in 32 bits.
    expect(refuse([farPointer(1, 0)], [structPointer(-0x2000_0000, 1, 1), 0n, 0n])).toMatch(
      /^Chain: a pointer to 2 words at -/,
    );
  });

  it('whose double landing pad has a tag with an offset, or of no object, are refused', () => {
    for (const wrong of [structPointer(1, 1, 1), capabilityPointer(0), farPointer(0, 0)]) {
      expect(refuse([farPointer(1, 0, true)], [farPointer(0, 0), wrong])).toBe(
        'Chain: a double-far pointer with a bad tag',
      );
    }
  });

  it('in a chain of thousands of segments are followed for two steps at most', () => {
    const chain = Array.from({ length: 4000 }, (_, i) => [farPointer(i + 1, 0)]);
    expect(refuse(...chain)).toBe('Chain: a far pointer that leads to a far pointer');
  });

  it('are charged each time', () => {
    // 64 texts of no words, each behind a far pointer.
    const slots = Array.from({ length: 64 }, (_, i) => farPointer(1, i));
    const pads = Array.from({ length: 64 }, (_, i) => listPointer(63 - i, 2, 1));
    const list = [segment(listPointer(0, 6, 64), ...slots), segment(...pads, 0n)];
    const reader = new MessageReader(list);
    const before = reader.budget;
    const texts = reader.root.list(ElementSize.pointer);
    for (let i = 0; i < texts.length; i++) expect(texts.pointer(i).text()).toBe('');
    expect(before - reader.budget).toBe(64 + 64 * 2);
  });
});

describe('lists', () => {
  it('of structs whose words do not fit their count are refused', () => {
    expect(refusal('points', listPointer(0, 7, 1), tag(2, 1, 0), 0n)).toBe(
      'points: a list of 2 structs of 1 words in 1 words',
    );
    expect(refusal('points', listPointer(0, 7, 1), tag(2 ** 29, 0x7fff, 0x7fff), 0n)).toMatch(
      /^points: a list of /,
    );
    // The product of these comes round to 0 in 32 bits.
    expect(refusal('points', listPointer(0, 7, 0), tag(0x1000_0000, 16, 0))).toBe(
      'points: a list of 268435456 structs of 16 words in 0 words',
    );
    // A count with the sign bit is a large one.
    expect(refusal('points', listPointer(0, 7, 0), tag(-1, 1, 0))).toMatch(
      /^points: a list of 1073741823 structs/,
    );
  });

  it('of structs without a tag of one are refused', () => {
    for (const wrong of [listPointer(0, 2, 1), farPointer(0, 0), capabilityPointer(0)]) {
      expect(refusal('points', listPointer(0, 7, 1), wrong, 0n)).toBe(
        'points: a list of structs whose tag is not one of a struct',
      );
    }
  });

  it('of structs are not read as pointers where they have none, nor as numbers where they have no data', () => {
    expect(refusal('texts', listPointer(0, 7, 2), tag(2, 1, 0), 0n, 0n)).toBe(
      'texts: expected a list of pointers, found structs without pointers',
    );
    expect(refusal('int32s', listPointer(0, 7, 2), tag(2, 0, 1), 0n, 0n)).toBe(
      'int32s: expected a list of 4-byte elements, found structs without data',
    );
    expect(refusal('bools', listPointer(0, 7, 2), tag(2, 1, 0), 0n, 0n)).toBe(
      'bools: expected a list of bits, found a list of structs',
    );
  });

  it('of structs read as pointers give the pointers, never the data', () => {
    // Two structs: a word of data that looks like a pointer, and a text.
    const evil = listPointer(-100, 2, 800);
    const message = withPointer(
      'texts',
      listPointer(0, 7, 4),
      tag(2, 1, 1),
      evil,
      listPointer(2, 2, 2),
      evil,
      NULL,
      ascii('a\0'),
    );
    expect(decode(struct('Everything'), [message]).texts).toEqual(['a', '']);
  });

  it.each<[string, number, string]>([
    ['int8s', 1, 'int8s: expected a list of bytes, found one of bits'],
    ['int16s', 2, 'int16s: expected a list of 2-byte elements, found one of bytes'],
    ['int64s', 4, 'int64s: expected a list of 8-byte elements, found one of 4-byte elements'],
    ['bools', 2, 'bools: expected a list of bits, found one of bytes'],
    ['texts', 5, 'texts: expected a list of pointers, found one of 8-byte elements'],
    ['int64s', 6, 'int64s: expected a list of 8-byte elements, found one of pointers'],
    ['points', 1, 'points: expected a list of structs, found a list of bits'],
    ['boolLists', 4, 'boolLists: expected a list of pointers, found one of 4-byte elements'],
  ])('for %s of the element size %i are refused', (field, size, expected) => {
    expect(refusal(field, listPointer(0, size, 1), 0n)).toBe(expected);
  });

  it('name the element that is wrong', () => {
    const texts = [listPointer(2, 2, 2), NULL, listPointer(1, 2, 2)];
    expect(refusal('texts', listPointer(0, 6, 3), ...texts, ascii('a\0'), ascii('ab'))).toBe(
      'texts[2]: a text without its NUL at the end',
    );
    expect(
      refusal('cube', listPointer(0, 6, 2), NULL, listPointer(0, 6, 2), NULL, structPointer(-1, 0, 0)),
    ).toBe('cube[1][1]: expected a list, found a struct');
    expect(refusal('pointLists', listPointer(0, 6, 1), listPointer(0, 1, 1), 1n)).toBe(
      'pointLists[0]: expected a list of structs, found a list of bits',
    );
    expect(refusal('all', listPointer(0, 7, 0), tag(3, 1, 0))).toBe(
      'all: a list of 3 structs of 1 words in 0 words',
    );
  });
});

describe('amplification', () => {
  const LIMITS = { traversalWords: 10_000 };
  const most = 2 ** 29 - 1;

  const refuse = (type: StructType, segments: Uint8Array[], limits: object = LIMITS) => {
    const error = thrownBy(() => decode(type, segments, limits));
    expect(error).toBeInstanceOf(CodecError);
    return (error as CodecError).message;
  };
  const OVER = 'more than 10000 words of the message were read (limit traversalWords)';

  it('by 2^29 elements that take no space is charged for each, before any is made', () => {
    const everythingOf = (field: string, ...words: bigint[]) => [
      withPointer(field, words[0]!, ...words.slice(1)),
    ];
    expect(refuse(struct('Everything'), everythingOf('voids', listPointer(0, 0, most)))).toBe(
      `Everything.voids: ${OVER}`,
    );
    expect(refuse(struct('Everything'), everythingOf('empties', listPointer(0, 7, 0), tag(most, 0, 0)))).toBe(
      `Everything.empties: ${OVER}`,
    );
    expect(refuse(struct('Everything'), everythingOf('empties', listPointer(0, 0, most)))).toBe(
      `Everything.empties: ${OVER}`,
    );
    // By the default limits too.
    expect(refuse(struct('Everything'), everythingOf('voids', listPointer(0, 0, most)), {})).toMatch(
      /^Everything\.voids: more than 8388608 words/,
    );
    expect(
      refuse(struct('Everything'), everythingOf('all', listPointer(0, 7, 0), tag(most, 0, 0)), {}),
    ).toMatch(/^Everything\.all: more than 8388608 words/);
  });

  it('by an AnyPointer that is a list of 2^29 elements is charged when it is copied', () => {
    for (const words of [[listPointer(0, 0, most)], [listPointer(0, 7, 0), tag(most, 0, 0)]]) {
      const message = segment(structPointer(0, 0, 1), ...words);
      expect(refuse(struct('Free'), [message], {})).toMatch(/^Free\.any: more than 8388608 words/);
    }
  });

  it('by one list that many pointers share is charged for each of them', () => {
    // 8 lists of the same 1000 words.
    const slots = Array.from({ length: 8 }, (_, i) => listPointer(7 - i, 2, 8000));
    const shared = Array.from({ length: 1000 }, () => 0n);
    const read = decode(struct('Everything'), [
      withPointer('datas', listPointer(0, 6, 8), ...slots, ...shared),
    ]);
    expect(read.datas).toHaveLength(8);
    const message = withPointer('datas', listPointer(0, 6, 8), ...slots, ...shared);
    expect(refuse(struct('Everything'), [message], { traversalWords: 7_000 })).toBe(
      'Everything.datas[6]: more than 7000 words of the message were read (limit traversalWords)',
    );
  });

  it('by elements of a bit or a byte is charged for each, as each becomes a value', () => {
    const message = (field: string, size: number, count: number, words: number) => [
      withPointer(field, listPointer(0, size, count), ...Array.from({ length: words }, () => 0n)),
    ];
    expect(refuse(struct('Everything'), message('bools', 1, 12_800, 200))).toBe(`Everything.bools: ${OVER}`);
    expect(refuse(struct('Everything'), message('uint8s', 2, 12_800, 1600))).toBe(
      `Everything.uint8s: ${OVER}`,
    );
    expect(decode(struct('Everything'), message('bools', 1, 9_000, 141), LIMITS).bools).toHaveLength(9_000);
    // Data is copied as it is.
    expect(decode(struct('Everything'), message('data', 2, 72_000, 9_000), LIMITS).data).toHaveLength(72_000);
  });

  it('by structs that contain one another many times, in no space at all, is charged for each', () => {
    expect(refuse(struct('Wide'), [])).toMatch(
      /^Wide\.of(\.left|\.right|\.of)+: more than 10000 words of the message were read \(limit traversalWords\)$/,
    );
  });

  it('by a pointer that leads back, twice in each struct, ends at a limit', () => {
    // A Tree whose two children are itself.
    const tree = [
      structPointer(0, 1, 1),
      0n,
      listPointer(0, 7, 4),
      tag(2, 1, 1),
      0n,
      listPointer(-3, 7, 4),
      0n,
    ];
    expect(refuse(struct('Tree'), [segment(...tree, listPointer(-5, 7, 4))])).toMatch(
      /^Tree(\.children(\[0\])?)+: (more than 10000 words|the message is nested too deeply)/,
    );
  });

  it('through a copy of what leads back ends at a limit too', () => {
    const itself = [
      structPointer(0, 0, 1),
      structPointer(0, 0, 2),
      structPointer(-1, 0, 2),
      structPointer(-2, 0, 2),
    ];
    expect(refuse(struct('Free'), [segment(...itself)])).toMatch(
      /^Free\.any: (more than 10000 words|the message is nested too deeply|the copy would be larger)/,
    );
  });
});

describe('the limits', () => {
  const chain = (levels: number) => {
    let value: object = {};
    for (let i = 1; i < levels; i++) value = { next: value };
    return [encode(struct('Chain'), value)];
  };

  it('of nesting is the deepest that is read, and is the reader’s to choose', () => {
    expect(() => decode(struct('Chain'), chain(64))).not.toThrow();
    expect(() => decode(struct('Chain'), chain(5), { nesting: 5 })).not.toThrow();
    expect(() => decode(struct('Chain'), chain(6), { nesting: 5 })).toThrow(
      'Chain.next.next.next.next.next: the message is nested too deeply (limit nesting)',
    );
    // Written by one with other limits: 65 structs.
    const [words] = chain(64);
    const deeper = segment(structPointer(0, 1, 1), 0n, structPointer(0, 1, 1));
    const longer = new Uint8Array([...deeper, ...words!.subarray(8)]);
    expect(() => decode(struct('Chain'), [longer])).toThrow(
      /^Chain(\.next){64}: the message is nested too deeply/,
    );
  });

  it('of traversal is exact, and counts each reading', () => {
    const type = struct('Everything');
    const message = encode(type, { text: 'a', points: [{}, {}], voids: [null, null, null], int64s: [1n] });
    const words = (message.length - 8) / 8 + 3;
    expect(() => decode(type, [message], { traversalWords: words + ABSENT })).not.toThrow();
    expect(() => decode(type, [message], { traversalWords: words - 1 })).toThrow(/limit traversalWords/);
    const reader = new MessageReader([message], { traversalWords: 3 * (words + ABSENT) - 1 });
    type.decode(reader.root, NO_CAPABILITIES);
    type.decode(reader.root, NO_CAPABILITIES);
    expect(() => type.decode(reader.root, NO_CAPABILITIES)).toThrow(/limit traversalWords/);
  });
  /** Structs within structs that Everything's null pointers stand for: boxedTwice has two levels more, pair one. */
  const ABSENT = 3;
});

describe('a text', () => {
  it.each<[string, bigint, bigint[], string]>([
    ['of no bytes', listPointer(0, 2, 0), [], 'label: a text without its NUL at the end'],
    ['without a NUL', listPointer(0, 2, 3), [ascii('abc')], 'label: a text without its NUL at the end'],
    [
      'with a NUL one byte further',
      listPointer(0, 2, 3),
      [ascii('abc\0')],
      'label: a text without its NUL at the end',
    ],
    [
      'cut within a character',
      listPointer(0, 2, 3),
      [bytes(0xe2, 0x82, 0)],
      'label: a text that is not valid UTF-8',
    ],
    ['that is Latin-1', listPointer(0, 2, 2), [bytes(0xe9, 0)], 'label: a text that is not valid UTF-8'],
    [
      'with a surrogate',
      listPointer(0, 2, 4),
      [bytes(0xed, 0xa0, 0x80, 0)],
      'label: a text that is not valid UTF-8',
    ],
    [
      'with an overlong NUL',
      listPointer(0, 2, 3),
      [bytes(0xc0, 0x80, 0)],
      'label: a text that is not valid UTF-8',
    ],
    [
      'beyond Unicode',
      listPointer(0, 2, 5),
      [bytes(0xf4, 0x90, 0x80, 0x80, 0)],
      'label: a text that is not valid UTF-8',
    ],
  ])('%s is refused', (_, pointer, words, expected) => {
    const message = segment(structPointer(0, 0, 2), NULL, pointer, ...words);
    expect(() => decode(Label, [message])).toThrow(`Box.${expected}`);
  });

  it('that is only a NUL is empty, and a null pointer is too', () => {
    expect(decode(Label, [segment(structPointer(0, 0, 2), listPointer(1, 2, 1), NULL, 0n)])).toEqual({
      value: '',
      label: '',
    });
  });
});

describe('an empty or short message', () => {
  it('is the struct of the defaults', () => {
    for (const segments of [[], [segment()], [segment(NULL)], [new Uint8Array(7)]]) {
      expect(decode(struct('Point'), segments)).toEqual({ x: 0, y: 0 });
    }
  });

  it('whose segment does not end with a word is read as far as words go', () => {
    const whole = encode(struct('Point'), { x: 1 });
    expect(decode(struct('Point'), [new Uint8Array([...whole, 1, 2, 3])])).toEqual({ x: 1, y: 0 });
    expect(() => decode(struct('Point'), [whole.subarray(0, 15)])).toThrow(
      /^Point: a pointer to 1 words at 1/,
    );
  });

  it('may begin anywhere in its buffer', () => {
    const whole = encode(struct('Everything'), { text: 'abc', int16s: [1, -2], wide: 5n });
    for (const shift of [1, 3, 8]) {
      const buffer = new Uint8Array(whole.length + shift);
      buffer.set(whole, shift);
      expect(decode(struct('Everything'), [buffer.subarray(shift)])).toEqual(
        decode(struct('Everything'), [whole]),
      );
    }
  });
});

describe('a reader of our own messages', () => {
  it('is bounded by what an AnyPointer that it is given was bounded by', () => {
    const free = struct('Free');
    let value: object = {};
    for (let i = 0; i < 30; i++) value = { any: AnyPointer.of(free, value) };
    const read = roundTrip(free, value);
    let depth = 0;
    for (let level = read; level.any !== null; level = level.any.as(free)) depth++;
    expect(depth).toBe(30);
  });

  it('has its errors from the codec as CodecError, from itself as MessageError', () => {
    const message = new MessageReader([segment(structPointer(5, 1, 0))]);
    expect(thrownBy(() => message.root.struct())).toBeInstanceOf(MessageError);
    expect(thrownBy(() => new MessageBuilder().root.copy(message.root))).toMatchObject({
      name: 'MessageError',
      code: 'ERR_MESSAGE_MALFORMED',
    });
    expect(thrownBy(() => struct('Point').decode(message.root, NO_CAPABILITIES))).toBeInstanceOf(CodecError);
  });
});
