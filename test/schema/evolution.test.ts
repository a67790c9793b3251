/** Older and newer versions of a struct read each other: "Evolving Your Protocol", capnproto.org. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnyPointer, ElementSize, MessageBuilder, type StructType } from '../../schema/index.js';
import { convert, toolMissing } from './capnp-tool.js';
import { fromJson } from './notations.js';
import { completed, type StructValue, structValue } from './random-values.js';
import { decode, encode, evolution } from './schemas.js';
import { framed, scattered } from './streams.js';

const Old = evolution.struct('Old');
const New = boundTo(evolution.struct('NewOfText'), 'new');
const NewItem = evolution.struct('NewItem');

function boundTo(type: StructType, name: string): StructType {
  const { at } = type.fields.find((field) => field.name === name)!;
  if (at.kind !== 'slot' || at.type.kind !== 'struct') throw new Error(`${name} is no struct`);
  return at.type.struct;
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

const ITEM = { size: 0, weight: 2.5, label: 'item' };
const DEFAULTS = {
  Old: { x: -5 },
  NewItem: ITEM,
  NumberItem: { factor: 10 },
  ByteItem: { isGood: true },
  'New.place': { x: -5, y: -6 },
  New: { flag: true, more: 77n, link: 'new', numbersToo: [1, 2] },
};

// biome-ignore lint/suspicious/noExplicitAny: values of any shape.
type Fields = Record<string, any>;

const oldValues = structValue(Old, 2) as fc.Arbitrary<Fields>;

/** Without what an old reader has to refuse: Data that is no text, and a list where a text was. */
const newValues = fc
  .tuple(structValue(New, 2), fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }))
  .map(([value, comment, alone]): Fields => {
    const changed: Fields = { ...value };
    if ('comment' in value) changed['comment'] = bytesOf(`${comment}\0`);
    if ('choice' in value) changed['choice'] = { alone };
    return changed;
  });

/** What a new reader sees of what an old writer wrote. */
function asNew(value: Fields): Fields {
  const old = completed(Old, value, DEFAULTS) as Fields;
  const item = ({ size }: Fields) => ({ ...ITEM, size });
  const result: Fields = {
    identifier: old['id'],
    name: old['name'],
    color: old['color'],
    place: { x: old['x'], y: -6 },
    item: item(old['item']),
    items: old['items'].map(item),
    numbers: old['numbers'].map((number: number) => ({ value: number, note: '', factor: 10 })),
    bytes: old['bytes'].map((byte: number) => ({ value: byte, isGood: true })),
    doubles: old['doubles'].map((double: number) => ({ value: double, other: '' })),
    texts: old['texts'].map((text: string) => ({ text, count: 0n })),
    lists: old['lists'].map((values: number[]) => ({ values, name: '' })),
    nothings: old['nothings'].map(() => ITEM),
    colors: old['colors'],
    comment: bytesOf('comment' in value ? `${value['comment']}\0` : ''),
    any: ITEM,
    shape: 'item' in old['shape'] ? { item: item(old['shape'].item) } : old['shape'],
    choice: { alone: old['alone'] },
    flag: true,
    more: 77n,
    link: 'new',
    numbersToo: [1, 2],
  };
  for (const member of ['a', 'b']) if (member in old) result[member] = old[member];
  return result;
}

/** What an old reader sees of what a new writer wrote; `any` apart. */
function asOld(value: Fields): Fields {
  const now = completed(New, value, DEFAULTS) as Fields;
  const item = ({ size }: Fields) => ({ size });
  const color = (name: string) => (name === 'blue' ? 2 : name);
  const result: Fields = {
    id: now['identifier'],
    name: now['name'],
    color: color(now['color']),
    x: now['place'].x,
    item: item(now['item']),
    items: now['items'].map(item),
    numbers: now['numbers'].map(({ value: number }: Fields) => number),
    bytes: now['bytes'].map(({ value: byte }: Fields) => byte),
    doubles: now['doubles'].map(({ value: double }: Fields) => double),
    texts: now['texts'].map(({ text }: Fields) => text),
    lists: now['lists'].map(({ values }: Fields) => values),
    nothings: now['nothings'].map(() => null),
    colors: now['colors'].map(color),
    comment: Buffer.from(now['comment']).subarray(0, -1).toString(),
    shape: 'item' in now['shape'] ? { item: item(now['shape'].item) } : now['shape'],
    alone: now['choice'].alone,
  };
  // Members that it does not know are none.
  if ('none' in now['shape']) result['shape'] = {};
  for (const member of ['a', 'b']) if (member in now) result[member] = now[member];
  return result;
}

const random = fc.infiniteStream(fc.nat());

describe('a new reader', () => {
  it('reads what an old writer wrote, with the defaults of what that did not know', () => {
    fc.assert(
      fc.property(oldValues, random, (value, choices) => {
        const message = encode(Old, value);
        expect(decode(New, [message])).toEqual(asNew(value));
        const segments = scattered(message, (below) => choices.next().value % below);
        expect(decode(New, segments)).toEqual(asNew(value));
      }),
      { numRuns: 120 },
    );
  });

  it('sees a union where one field was', () => {
    expect(decode(New, [encode(Old, { alone: 'only' })]).choice).toEqual({ alone: 'only' });
  });
});

describe('an old reader', () => {
  it('reads what a new writer wrote, without what it does not know', () => {
    fc.assert(
      fc.property(newValues, random, (value, choices) => {
        const segments = scattered(encode(New, value), (below) => choices.next().value % below);
        const { any, ...read } = decode(Old, segments);
        expect(read).toEqual(asOld(value));
        if (value['any'] === undefined) expect(any).toBe(null);
        else expect(any.as(NewItem)).toEqual(completed(NewItem, value['any'], DEFAULTS));
      }),
      { numRuns: 120 },
    );
  });

  it('has the number of an enumerant that it does not know, and writes it again', () => {
    const read = decode(Old, [encode(New, { color: 'blue', colors: ['blue', 'red'] })]);
    expect([read.color, read.colors]).toEqual([2, [2, 'red']]);
    expect(decode(New, [encode(Old, read)])).toMatchObject({ color: 'blue', colors: ['blue', 'red'] });
  });

  it('sees no member of a union where one is active that it does not know', () => {
    for (const given of [{ c: [{}] }, { d: { left: 1n, right: 'r' } }]) {
      const read = decode(Old, [encode(New, given)]);
      expect(Object.keys(read).filter((key) => ['a', 'b', 'c', 'd'].includes(key))).toEqual([]);
    }
    expect(decode(Old, [encode(New, { shape: { none: null } })]).shape).toEqual({});
  });

  it('refuses with its place what has become of another form', () => {
    const company = encode(New, { choice: { company: ['a', 'b'] } });
    expect(() => decode(Old, [company])).toThrow(
      'Old.alone: expected a list of bytes, found one of pointers',
    );
    const comment = encode(New, { comment: Uint8Array.of(1, 2, 3) });
    expect(() => decode(Old, [comment])).toThrow('Old.comment: a text without its NUL at the end');
  });
});

describe('a list', () => {
  it.each([
    { name: 'numbers', old: [1, -1], now: [{ value: 1 }, { value: -1 }] },
    { name: 'bytes', old: [1, 2, 255], now: [{ value: 1 }, { value: 2 }, { value: 255 }] },
    { name: 'doubles', old: [0.5], now: [{ value: 0.5 }] },
    { name: 'texts', old: ['a', ''], now: [{ text: 'a' }, { text: '' }] },
    { name: 'lists', old: [[1], []], now: [{ values: [1] }, { values: [] }] },
  ])('of numbers or pointers may become one of structs: $name', ({ name, old, now }) => {
    expect(decode(New, [encode(Old, { [name]: old })])[name]).toMatchObject(now);
    expect(decode(Old, [encode(New, { [name]: now })])[name]).toEqual(old);
  });

  it('of Bool may not', () => {
    const items = Old.fields.find(({ name }) => name === 'items')!.at;
    if (items.kind !== 'slot') throw new Error('items is no slot');
    const message = new MessageBuilder();
    message.root.struct(Old.dataWords, Old.pointers).pointer(items.offset).list(ElementSize.bit, 3);
    expect(() => decode(Old, [message.segment()])).toThrow(
      'Old.items: expected a list of structs, found a list of bits',
    );
  });

  it('whose elements were smaller than they are has the defaults of what is missing', () => {
    const read = decode(New, [encode(Old, { items: [{ size: 1 }, { size: 2 }] })]);
    expect(read.items).toEqual([
      { ...ITEM, size: 1 },
      { ...ITEM, size: 2 },
    ]);
  });
});

describe('what an old program passes on unread', () => {
  it('is the same for a new one', () => {
    const item = { size: 1, weight: 9, label: 'l', inner: { ...ITEM, size: 2 } };
    const { any } = decode(Old, [encode(New, { any: item })]);
    expect(any).toBeInstanceOf(AnyPointer);
    expect(any.as(evolution.struct('OldItem'))).toEqual({ size: 1 });
    expect(decode(New, [encode(Old, { any })]).any).toEqual(item);
  });
});

// What is refused where CI has no tool is said in tool.test.ts.
describe.skipIf(toolMissing !== null)('the C++ implementation', () => {
  const stream = (values: fc.Arbitrary<Fields>) => fc.array(values, { minLength: 150, maxLength: 150 });
  const read = (name: 'Old' | 'NewOfText', messages: readonly Uint8Array[]): StructValue[] => {
    const bytes = framed(messages.map((message) => [message]));
    const type = evolution.struct(name);
    return convert('binary:json', { schema: 'evolution', type: name }, bytes)
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => completed(type, fromJson(type, JSON.parse(line)), DEFAULTS));
  };

  it('reads with the old schema what we read of the new', () => {
    fc.assert(
      fc.property(stream(newValues), (values) => {
        // It shows no AnyPointer in JSON.
        const written = values.map(({ any: _, ...value }) => value);
        const theirs = read(
          'Old',
          written.map((value) => encode(New, value)),
        );
        expect(theirs).toHaveLength(written.length);
        for (const [i, value] of written.entries()) {
          const { shape, ...ours } = decode(Old, [encode(New, value)]);
          // What fills in the defaults here takes an unknown member for none given.
          const expected = Object.keys(shape).length === 0 ? {} : { shape };
          expect(theirs[i]).toMatchObject({ ...ours, ...expected, any: null });
        }
      }),
      { numRuns: 2, interruptAfterTimeLimit: 10_000 },
    );
  });

  it('reads with the new schema what we read of the old', () => {
    fc.assert(
      fc.property(stream(oldValues), (values) => {
        const old = evolution.struct('OldIn');
        const messages = values.map((value) => encode(old, { new: value }));
        const theirs = read('NewOfText', messages);
        expect(theirs).toHaveLength(values.length);
        for (const [i, value] of values.entries()) expect(theirs[i]).toEqual({ new: asNew(value) });
      }),
      { numRuns: 2, interruptAfterTimeLimit: 10_000 },
    );
  });
});
