/** What goes through our own codecs and comes back, and what it is on the wire. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AnyPointer,
  type CapabilityDecoder,
  type CapabilityEncoder,
  CodecError,
  type InterfaceType,
  MessageBuilder,
  MessageReader,
  NO_CAPABILITIES,
  type StructType,
} from '../../schema/index.js';
import { CONSTANTS, DEFAULTS } from './defaults.js';
import { completed, structValue } from './random-values.js';
import { decode, encode, everything, roundTrip, thrownBy } from './schemas.js';
import { scattered } from './streams.js';
import { listPointer, segment, structPointer, wordsOf } from './words.js';

const struct = (name: string) => everything.struct(name);

describe('a random value', () => {
  it.each(['Everything', 'Defaults', 'Numbers', 'Tree', 'Transfer', 'Names', 'Constants'])(
    'of %s comes back as it was, with defaults for what it left out',
    (name) => {
      const type = struct(name);
      fc.assert(
        fc.property(structValue(type, 3), (value) => {
          expect(roundTrip(type, value)).toEqual(completed(type, value, DEFAULTS));
        }),
        { numRuns: 100 },
      );
    },
  );

  it('comes back however its message is scattered over segments', () => {
    const type = struct('Everything');
    fc.assert(
      fc.property(structValue(type, 3), fc.infiniteStream(fc.nat()), (value, random) => {
        const segments = scattered(encode(type, value), (below) => random.next().value % below);
        expect(decode(type, segments)).toEqual(completed(type, value, DEFAULTS));
      }),
      { numRuns: 80 },
    );
  });

  it('comes back through an AnyPointer, whatever the segments that it was read from', () => {
    const [type, free] = [struct('Everything'), struct('Free')];
    fc.assert(
      fc.property(structValue(type, 2), fc.infiniteStream(fc.nat()), (value, random) => {
        const choose = (below: number) => random.next().value % below;
        const first = decode(free, scattered(encode(free, { any: AnyPointer.of(type, value) }), choose));
        const second = decode(free, scattered(encode(free, { either: first.any }), choose));
        const expected = completed(type, value, DEFAULTS);
        expect(first.any.as(type)).toEqual(expected);
        expect(second.either.as(type)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it('is encoded as the same bytes each time, and again when it was decoded', () => {
    const type = struct('Everything');
    fc.assert(
      fc.property(structValue(type, 2), (value) => {
        const complete = roundTrip(type, value);
        const bytes = encode(type, complete);
        expect(encode(type, roundTrip(type, complete))).toEqual(bytes);
      }),
      { numRuns: 20 },
    );
  });

  it('is frozen through and through when it is decoded', () => {
    const type = struct('Everything');
    const thawed = (value: unknown, path: string): string[] => {
      if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
      const inner = Object.entries(value).flatMap(([key, part]) => thawed(part, `${path}.${key}`));
      return Object.isFrozen(value) ? inner : [path, ...inner];
    };
    fc.assert(
      fc.property(structValue(type, 2), (value) => {
        expect(thawed(roundTrip(type, value), 'value')).toEqual([]);
      }),
      { numRuns: 20 },
    );
  });
});

describe('defaults', () => {
  it('are what the schema says, of every type', () => {
    for (const name of ['Defaults', 'Numbers']) {
      expect(roundTrip(struct(name), {})).toStrictEqual(DEFAULTS[name]);
      expect(decode(struct(name), [])).toStrictEqual(DEFAULTS[name]);
      expect(decode(struct(name), [segment(structPointer(-1, 0, 0))])).toStrictEqual(DEFAULTS[name]);
    }
  });

  it('are zeros on the wire', () => {
    const type = struct('Numbers');
    const words = wordsOf(encode(type, DEFAULTS['Numbers']));
    expect(words.slice(1)).toEqual(words.slice(1).map(() => 0n));
  });

  it('are those of the member of a union that is given', () => {
    expect(roundTrip(struct('Defaults'), { fourth: {} }).fourth).toEqual({ a: 4n, b: true });
    expect(roundTrip(struct('Defaults'), { third: {} }).third).toEqual({ x: 0, y: 0 });
    // The member is there, though what it points to is not.
    const empty = new MessageBuilder();
    const type = struct('Defaults');
    empty.root.struct(type.dataWords, type.pointers).setU16(type.discriminantOffset, 2);
    expect(decode(type, [empty.segment()]).third).toEqual({ x: 3, y: 0 });
  });

  it('give way to what is empty, zero or false', () => {
    const given = {
      flag: false,
      wide: 0n,
      double: 0,
      minusZero: 0,
      color: 'red',
      text: '',
      data: new Uint8Array(0),
      point: {},
      numbers: [],
      flags: [],
      nothings: [],
      points: [],
      lists: [],
      boxed: {},
      chain: {},
    };
    expect(roundTrip(struct('Defaults'), given)).toMatchObject({
      ...given,
      point: { x: 0, y: 0 },
      boxed: { value: '', label: '' },
      chain: { value: 0 },
    });
  });

  it('of Data are a copy each time', () => {
    roundTrip(struct('Defaults'), {}).data.fill(7);
    expect(roundTrip(struct('Defaults'), {}).data).toEqual(Uint8Array.of(0x00, 0xff, 0x80));
  });
});

describe('constants', () => {
  it('are what the schema says, of every type', () => {
    const { constants: all, ...others } = Object.fromEntries(
      everything.names('const').map((name) => [name, everything.constant(name)]),
    );
    expect(others).toStrictEqual(CONSTANTS);
    expect(all).toStrictEqual(CONSTANTS);
  });

  it('cannot be changed by who has got one', () => {
    (everything.constant('data') as Uint8Array).fill(0);
    expect(everything.constant('data')).toEqual(CONSTANTS['data']);
    expect(Object.isFrozen(everything.constant('grid'))).toBe(true);
  });
});

describe('on the wire', () => {
  it('Bools are bits of one word, in its gaps', () => {
    // struct Names: UInt8 @0, Bool @2, UInt16 @5, the tag; Int64 @4.
    // biome-ignore lint/suspicious/noThenProperty: that is the case.
    const names = encode(struct('Names'), { constructor: 0xab, valueOf: true, length: 0x1234, then: -1n });
    expect(wordsOf(names).slice(0, 3)).toEqual([structPointer(0, 2, 3), 0x0000_1234_01abn, 2n ** 64n - 1n]);
  });

  it('lists have the element sizes of their types, and texts a NUL', () => {
    const type = struct('Box');
    const box = (binding: string, value: unknown) => {
      const field = struct('Everything').fields.find(({ name }) => name === binding)!;
      if (field.at.kind !== 'slot' || field.at.type.kind !== 'struct') throw new Error(binding);
      return wordsOf(encode(field.at.type.struct, { value })).slice(0, 5);
    };
    expect(type.pointers).toBe(2);
    const root = structPointer(0, 0, 2);
    expect(box('boxedText', 'hé')).toEqual([root, listPointer(1, 2, 4), 0n, 0x00_a9c3_68n]);
    expect(box('boxedNumbers', [1n, -1n])).toEqual([root, listPointer(1, 5, 2), 0n, 1n, 2n ** 64n - 1n]);
  });

  it('has the same bits for every NaN, which would tell something unseen', () => {
    const [secret] = new Float64Array(new BigUint64Array([0xfff8_dead_beef_0001n]).buffer);
    const [single] = new Float32Array(new Uint32Array([0xffc1_2345]).buffer);
    const telling = { double: secret, single, float64s: [secret], float32s: [single] };
    const plain = { double: NaN, single: NaN, float64s: [NaN], float32s: [NaN] };
    expect(encode(struct('Everything'), telling)).toEqual(encode(struct('Everything'), plain));
    const numbers = encode(struct('Numbers'), { unreal: secret, unrealSingle: single });
    expect(numbers).toEqual(encode(struct('Numbers'), {}));
  });
});

describe('numbers', () => {
  it('of 64 bits keep every bit', () => {
    const value = { int64s: [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n], uint64s: [2n ** 64n - 1n, 0n] };
    expect(roundTrip(struct('Everything'), value)).toMatchObject(value);
  });

  it('of 32 bits keep their sign', () => {
    const value = { int32s: [-(2 ** 31), 2 ** 31 - 1, -1], uint32s: [2 ** 32 - 1, 2 ** 31] };
    expect(roundTrip(struct('Everything'), value)).toMatchObject(value);
  });

  it('that are floats keep infinities, NaN and the sign of zero', () => {
    const { float64s, float32s } = roundTrip(struct('Everything'), {
      float64s: [Infinity, -Infinity, NaN, -0, 5e-324],
      float32s: [Infinity, -Infinity, NaN, -0, 1e-45, 0.1],
    });
    expect(float64s).toEqual([Infinity, -Infinity, NaN, -0, 5e-324]);
    expect(float32s).toEqual([Infinity, -Infinity, NaN, -0, 2 ** -149, Math.fround(0.1)]);
  });

  it('are taken for integers though they are negative zeros', () => {
    expect(roundTrip(struct('Everything'), { tiny: -0 }).tiny).toBe(0);
  });
});

describe('enums', () => {
  it('are names in the order of their numbers, not of the text', () => {
    expect(everything.enum('Color').enumerants).toEqual(['red', 'blue', 'constructor', 'deepGreen']);
    expect(roundTrip(struct('Everything'), { color: 'deepGreen' }).color).toBe('deepGreen');
    expect(roundTrip(struct('Everything'), { color: 3 }).color).toBe('deepGreen');
  });

  it('are numbers where the schema does not know them', () => {
    const value = { color: 65535, colors: [4, 'blue', 65535], tone: 9 };
    expect(roundTrip(struct('Everything'), value)).toMatchObject(value);
    expect(roundTrip(struct('Numbers'), { color: 1000 }).color).toBe(1000);
  });
});

describe('unions', () => {
  it('have their first member where none is given', () => {
    const { none, shape } = roundTrip(struct('Everything'), {});
    expect([none, shape]).toEqual([null, { circle: 0 }]);
  });

  it('have nothing but the member that is given', () => {
    const type = struct('Everything');
    const members = ['none', 'yes', 'letter', 'number', 'ratio', 'tone', 'spot', 'spots', 'both', 'bits'];
    for (const [given, value] of Object.entries({
      yes: true,
      letter: 'x',
      bits: [true],
      both: {},
      none: null,
    })) {
      const keys = Object.keys(roundTrip(type, { [given]: value }));
      expect(keys.filter((key) => members.includes(key))).toEqual([given]);
    }
  });

  it('take undefined for not given', () => {
    expect(roundTrip(struct('Transfer.Line'), { account: 'a', cash: undefined })).toMatchObject({
      account: 'a',
    });
  });

  it('have no member where the schema does not know the one that is active', () => {
    const type = struct('Transfer.Line');
    const message = new MessageBuilder();
    message.root.struct(type.dataWords, type.pointers).setU16(type.discriminantOffset, 2);
    const value = decode(type, [message.segment()]);
    expect(Object.keys(value)).toEqual(['amount', 'memo', 'tags', 'grid', 'detail']);
  });
});

describe('text and data', () => {
  it('keep every character of Unicode, and NULs', () => {
    const texts = ['', '\0', 'a\0b\0', '\u{10ffff}\u{fffe}\u{feff}', '\u{feff}', '𝄞é\u0301', '\r\n'];
    expect(roundTrip(struct('Everything'), { texts }).texts).toEqual(texts);
  });

  it('are not shared with the message', () => {
    const data = Uint8Array.of(1, 2, 3);
    const type = struct('Everything');
    const bytes = encode(type, { data });
    data.fill(9);
    const value = decode(type, [bytes]);
    bytes.fill(0);
    expect(value.data).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('takes every kind of Uint8Array as the bytes that it has', () => {
    const type = struct('Everything');
    const lying = Uint8Array.of(1, 2, 3);
    Object.defineProperty(lying, 'length', { value: 1_000_000 });
    const detached = new Uint8Array(8);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const datas = [Buffer.from('abc'), new Uint8Array(8).subarray(2, 4), lying, detached];
    expect(roundTrip(type, { datas }).datas).toEqual([
      new Uint8Array(Buffer.from('abc')),
      new Uint8Array(2),
      Uint8Array.of(1, 2, 3),
      new Uint8Array(0),
    ]);
  });
});

describe('generics', () => {
  it('have the types that are bound to their parameters, at every place', () => {
    const value = {
      boxedText: { value: 'x', label: '1' },
      boxedNumbers: { value: [1n, 2n], label: '2' },
      boxedTwice: { value: { value: { x: 1, y: 2 }, label: 'inner' }, label: 'outer' },
      pair: { first: Uint8Array.of(1), second: { x: 5, y: 6 } },
      dictionary: { entries: [{ key: 'k', value: { normal: 7 } }] },
    };
    expect(roundTrip(struct('Everything'), value)).toMatchObject(value);
    const wrong = { dictionary: { entries: [{ key: 1n }] } };
    expect(() => encode(struct('Everything'), wrong)).toThrow(
      'Everything.dictionary.entries[0].key: expected a string, got bigint',
    );
  });

  it('have AnyPointers where nothing is bound', () => {
    const point = AnyPointer.of(struct('Point'), { x: 3 });
    const box = roundTrip(struct('Box'), { value: point, label: 'free' });
    expect(box.value.as(struct('Point'))).toEqual({ x: 3, y: 0 });
    expect(roundTrip(struct('Free'), { unbound: { value: point } }).unbound.value).toBeInstanceOf(AnyPointer);
    expect(roundTrip(struct('Box'), {})).toEqual({ value: null, label: '' });
  });

  it('of one brand are one type, of two brands two', () => {
    const typeOf = (name: string) => {
      const at = struct('Everything').fields.find((field) => field.name === name)!.at;
      return at.kind === 'slot' && at.type.kind === 'struct' ? at.type.struct : null;
    };
    expect(typeOf('boxedText')).not.toBe(typeOf('boxedNumbers'));
    const text = struct('Defaults').fields.find(({ name }) => name === 'boxed')!.at;
    expect(text).toMatchObject({ type: { struct: typeOf('boxedText') } });
  });

  it('may bind more at each level, without end', () => {
    const type = struct('Growing');
    let value: object = {};
    for (let i = 0; i < 9; i++) value = { next: value };
    let level = roundTrip(type, value);
    for (let i = 0; i < 9; i++) {
      // Pairs of pairs, 2^i nulls in all.
      expect(JSON.stringify(level.value).match(/null/g)).toHaveLength(2 ** i);
      level = level.next;
    }
    expect(level.next).toBe(undefined);
  });
});

describe('a struct that contains itself', () => {
  it('ends where its pointer is null', () => {
    expect(roundTrip(struct('Chain'), {})).toStrictEqual({ value: 0 });
    const chain = { value: 1, next: { value: 2, next: { value: 3 } } };
    expect(roundTrip(struct('Chain'), chain)).toStrictEqual(chain);
    expect(roundTrip(struct('Everything'), {}).chain).toStrictEqual({ value: 0 });
  });

  it('ends by whatever way it comes back: other structs, groups, brands, unions, defaults', () => {
    expect(roundTrip(struct('Loop'), {})).toStrictEqual({});
    expect(roundTrip(struct('Loop'), { other: {} })).toStrictEqual({ other: { group: {}, size: 0 } });
    expect(roundTrip(struct('Loop.Other'), { group: { boxed: {} } })).toStrictEqual({
      group: { boxed: { label: '' } },
      size: 0,
    });
    expect(roundTrip(struct('FirstIsItself'), {})).toStrictEqual({});
    expect(roundTrip(struct('FirstIsItself'), { end: null })).toStrictEqual({ end: null });
    expect(roundTrip(struct('DefaultIsItself'), {})).toStrictEqual({ size: 3 });
    expect(roundTrip(struct('DefaultComesBack'), { choice: { end: null } })).toStrictEqual({
      choice: { end: null },
    });
    expect(roundTrip(struct('DefaultComesBack'), {})).toStrictEqual({});
    expect(roundTrip(struct('Growing'), {})).toStrictEqual({ value: null });
  });

  it('is encoded as nothing where it was left out', () => {
    for (const name of ['Chain', 'Loop', 'FirstIsItself', 'DefaultIsItself', 'DefaultComesBack']) {
      const empty = encode(struct(name), {});
      expect(encode(struct(name), decode(struct(name), [empty]))).toEqual(empty);
    }
  });
});

describe('fields that are called as what every object has', () => {
  it('are properties of their own, and nothing of the prototype is', () => {
    const type = struct('Names');
    // biome-ignore lint/suspicious/noThenProperty: that is the case.
    const value = { constructor: 1, toString: 'x', valueOf: true, hasOwnProperty: [1], then: 5n, length: 6 };
    expect(roundTrip(type, { ...value, prototype: 'p' })).toStrictEqual({ ...value, prototype: 'p' });
    const empty = roundTrip(type, {});
    expect(Object.keys(empty)).toEqual([...Object.keys(value), 'toJSON']);
    expect(Object.getPrototypeOf(empty)).toBe(Object.prototype);
    // What a value inherits is not in it.
    const inherited = Object.create({ constructor: 7, length: 8 });
    expect(roundTrip(type, inherited)).toMatchObject({ constructor: 0, length: 0 });
  });
});

/** Objects as capabilities: index i is the i-th that was met. */
class Table implements CapabilityEncoder, CapabilityDecoder {
  readonly held: object[] = [];
  readonly seen: (string | null)[] = [];

  encode(value: unknown, type: InterfaceType | null, path: string): number {
    if (typeof value !== 'object' || value === null)
      throw new CodecError(path, 'expected an object to serve');
    this.seen.push(`${path} as ${type?.name ?? 'any'}`);
    return this.held.push(value) - 1;
  }

  decode(index: number | null, type: InterfaceType | null): unknown {
    return index === null ? null : { object: this.held[index] ?? 'none', as: type?.name ?? 'any' };
  }
}

describe('capabilities', () => {
  const free = struct('Free');
  const [a, b, c] = [{ is: 'a' }, { is: 'b' }, { is: 'c' }];

  function through(type: StructType, value: unknown, table: Table): unknown {
    const message = new MessageBuilder();
    type.encode(value, message.root, table);
    return type.decode(new MessageReader([message.segment()]).root, table);
  }

  it('are asked for by their interfaces and places, and given by their interfaces', () => {
    const table = new Table();
    const value = {
      capability: a,
      listener: b,
      listeners: [a, null, c],
      any: a,
      echo: b,
      boxedListener: { value: c },
      capabilities: [c],
      or: a,
      free: [{ listener: a }],
    };
    const read = through(free, value, table);
    expect(table.seen).toEqual([
      'Free.capability as any',
      'Free.listener as Listener',
      'Free.listeners[0] as Listener',
      'Free.listeners[2] as Listener',
      'Free.any as any',
      'Free.echo as Echo',
      'Free.boxedListener.value as Listener',
      'Free.capabilities[0] as any',
      'Free.or as Listener',
      'Free.free[0].listener as Listener',
    ]);
    expect(read).toMatchObject({
      capability: { object: a, as: 'any' },
      listener: { object: b, as: 'Listener' },
      listeners: [{ object: a, as: 'Listener' }, null, { object: c, as: 'Listener' }],
      any: { object: a, as: 'any' },
      echo: { object: b, as: 'Echo' },
      boxedListener: { value: { object: c, as: 'Listener' }, label: '' },
      capabilities: [{ object: c, as: 'any' }],
      or: { object: a, as: 'Listener' },
      free: [expect.objectContaining({ listener: { object: a, as: 'Listener' } })],
    });
  });

  it('are refused with their place where none are possible', () => {
    expect(() => encode(free, { free: [{}, { listener: a }] })).toThrow(
      'Free.free[1].listener: a capability is not possible here',
    );
  });

  it('are null where the pointer is', () => {
    expect(roundTrip(free, {})).toMatchObject({ capability: null, listener: null, any: null, echo: null });
    expect(roundTrip(free, { or: null })).toMatchObject({ or: null });
  });

  it('go with an AnyPointer into another message, by new indexes', () => {
    const table = new Table();
    const first = through(
      free,
      { any: AnyPointer.of(free, { listener: b, capabilities: [a, b] }) },
      table,
    ) as {
      any: AnyPointer;
    };
    const other = new Table();
    other.encode(c, null, 'before');
    const message = new MessageBuilder();
    free.encode({ either: first.any }, message.root, other);
    expect(other.held).toHaveLength(4);
    const second = free.decode(new MessageReader([message.segment()]).root, other);
    const inner = second.either.as(free);
    // What the first table gave is what the second was asked to take.
    expect(inner.listener.object).toEqual({ object: b, as: 'any' });
    expect(inner.capabilities.map(({ object }: { object: unknown }) => object)).toEqual([
      { object: a, as: 'any' },
      { object: b, as: 'any' },
    ]);
  });

  it('come out of an AnyPointer that was just made as they went in', () => {
    const any = AnyPointer.of(free, { listener: b, any: AnyPointer.of(free, { listener: a }) });
    const read = any.as(free);
    expect(read.listener).toBe(b);
    expect(read.any.as(free).listener).toBe(a);
  });
});

describe('an AnyPointer', () => {
  const free = struct('Free');

  it('is written when its message is, as the struct that it was made of', () => {
    const value = { x: 1 };
    const any = AnyPointer.of(struct('Point'), value);
    value.x = 2;
    const read = roundTrip(free, { any, anyStruct: any });
    expect(read.any.as(struct('Point'))).toEqual({ x: 2, y: 0 });
    expect(read.anyStruct.as(struct('Point'))).toEqual({ x: 2, y: 0 });
  });

  it('has the same place on the wire as what it is', () => {
    const value = { any: { text: 'x' }, anyStruct: { x: 1 }, anyList: ['a', 'b'] };
    const typed = encode(struct('FreeAs'), value);
    const read = decode(free, [typed]);
    expect(read.any.as(struct('Everything')).text).toBe('x');
    expect(read.anyStruct.as(struct('Point'))).toEqual({ x: 1, y: 0 });
    // A list is passed on unread.
    const again = decode(struct('FreeAs'), [encode(free, { ...read, none: null })]);
    expect(again.anyList).toEqual(['a', 'b']);
  });

  it('is refused as a struct where it is a list', () => {
    const read = decode(free, [encode(struct('FreeAs'), { anyList: ['a'] })]);
    expect(thrownBy(() => read.anyList.as(struct('Point')))).toEqual(
      new CodecError('Point', 'expected a struct, found a list'),
    );
  });

  it('is made of, and read as, a struct of a schema graph only', () => {
    const imposter = { encode: () => {}, decode: () => 'stolen', codec: { encode: () => {} } };
    expect(() => AnyPointer.of(imposter as never, {})).toThrow(TypeError);
    expect(() => AnyPointer.of(struct('Point'), {}).as(imposter as never)).toThrow(TypeError);
  });

  it('keeps what the type that it is read as does not know', () => {
    const tree = { leaf: 5, children: [{ leaf: 6 }] };
    const { any } = roundTrip(free, { any: AnyPointer.of(struct('Tree'), tree) });
    expect(any.as(struct('Nothing'))).toEqual({});
    const passed = roundTrip(free, { any }).any;
    expect(passed.as(struct('Tree'))).toEqual({ leaf: 5, children: [{ leaf: 6, children: [] }] });
  });

  it('does not see what happens to the message that it was read from', () => {
    const bytes = encode(free, { any: AnyPointer.of(struct('Point'), { x: 1 }) });
    const { any } = decode(free, [bytes]);
    bytes.fill(0xff);
    expect(any.as(struct('Point'))).toEqual({ x: 1, y: 0 });
  });

  it('is no pointer that something else only looks like', () => {
    const forged = Object.create(AnyPointer.prototype);
    expect(() => encode(free, { any: forged })).toThrow('Free.any: a capability is not possible here');
    expect(NO_CAPABILITIES.decode(0, null)).toBe(null);
  });
});
