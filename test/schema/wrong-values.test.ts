/** Values that do not fit their schema: each is refused with where it is and what would be right. Also hostile ones. */
import { describe, expect, it } from 'vitest';
import { AnyPointer, CodecError, MessageBuilder, NO_CAPABILITIES } from '../../schema/index.js';
import { encode, everything, roundTrip, thrownBy } from './schemas.js';

const struct = (name: string) => everything.struct(name);

/** What is said of `value` as a struct `name`. */
function refusal(name: string, value: unknown): string {
  const error = thrownBy(() => encode(struct(name), value));
  expect(error).toBeInstanceOf(CodecError);
  const { code, path, reason, message } = error as CodecError;
  expect({ code, message }).toEqual({ code: 'ERR_CODEC', message: `${path}: ${reason}` });
  return message;
}

const line = (value: object) => ({ lines: [{}, {}, {}, value] });

describe('a wrong value', () => {
  it('is named by the way to it from the outermost type', () => {
    expect(refusal('Transfer', line({ amount: '5' }))).toBe(
      'Transfer.lines[3].amount: expected bigint, got string',
    );
  });

  it.each<[string, unknown, string]>([
    ['Transfer', null, 'Transfer: expected an object, got null'],
    ['Transfer', 'x', 'Transfer: expected an object, got string'],
    ['Transfer', [], 'Transfer: expected an object, got an array'],
    ['Transfer', () => {}, 'Transfer: expected an object, got function'],
    ['Transfer', { id: 5 }, 'Transfer.id: expected bigint, got number'],
    ['Transfer', { id: null }, 'Transfer.id: expected bigint, got null'],
    ['Transfer', { id: Object(5n) }, 'Transfer.id: expected bigint, got an object'],
    [
      'Transfer',
      { id: -1n },
      'Transfer.id: expected an integer from 0 to 18446744073709551615, got one outside',
    ],
    [
      'Transfer',
      { id: 2n ** 64n },
      'Transfer.id: expected an integer from 0 to 18446744073709551615, got one outside',
    ],
    ['Transfer', { lines: {} }, 'Transfer.lines: expected an array, got an object'],
    ['Transfer', { lines: null }, 'Transfer.lines: expected an array, got null'],
    ['Transfer', { lines: new Set() }, 'Transfer.lines: expected an array, got an object'],
    ['Transfer', { lines: [{}, null] }, 'Transfer.lines[1]: expected an object, got null'],
    ['Transfer', { lines: new Array(2) }, 'Transfer.lines[0]: expected an object, got undefined'],
    [
      'Transfer',
      line({ amount: 2n ** 63n }),
      'Transfer.lines[3].amount: expected an integer from -9223372036854775808 to 9223372036854775807, got one outside',
    ],
    ['Transfer', line({ memo: 1 }), 'Transfer.lines[3].memo: expected a string, got number'],
    ['Transfer', line({ memo: null }), 'Transfer.lines[3].memo: expected a string, got null'],
    [
      'Transfer',
      line({ memo: 'a\ud800b' }),
      'Transfer.lines[3].memo: a string with a lone surrogate is not Unicode text',
    ],
    [
      'Transfer',
      line({ tags: ['a', '\udc00'] }),
      'Transfer.lines[3].tags[1]: a string with a lone surrogate is not Unicode text',
    ],
    ['Transfer', line({ tags: ['a', 1n] }), 'Transfer.lines[3].tags[1]: expected a string, got bigint'],
    [
      'Transfer',
      line({ grid: [[1], [2, 128]] }),
      'Transfer.lines[3].grid[1][1]: expected an integer from -128 to 127, got 128',
    ],
    ['Transfer', line({ grid: [[], 5] }), 'Transfer.lines[3].grid[1]: expected an array, got number'],
    ['Transfer', line({ cash: true }), 'Transfer.lines[3].cash: expected null (Void), got boolean'],
    [
      'Transfer',
      line({ detail: { rate: 1n } }),
      'Transfer.lines[3].detail.rate: expected a number, got bigint',
    ],
    ['Transfer', line({ detail: 1 }), 'Transfer.lines[3].detail: expected an object, got number'],
    [
      'Transfer',
      line({ detail: { color: 'green' } }),
      'Transfer.lines[3].detail.color: expected one of red, blue, constructor, deepGreen, got "green"',
    ],
    [
      'Transfer',
      line({ detail: { color: 'toString' } }),
      'Transfer.lines[3].detail.color: expected one of red, blue, constructor, deepGreen, got "toString"',
    ],
    [
      'Transfer',
      line({ detail: { color: -1 } }),
      'Transfer.lines[3].detail.color: expected an integer from 0 to 65535, got -1',
    ],
    [
      'Transfer',
      line({ detail: { color: ['red'] } }),
      'Transfer.lines[3].detail.color: expected one of red, blue, constructor, deepGreen, got an array',
    ],
    [
      'Transfer',
      line({ detail: { rates: 1 } }),
      'Transfer.lines[3].detail: unknown field "rates"; Transfer.Line.detail has rate, color',
    ],
    [
      'Transfer',
      line({ cash: null, account: 'a' }),
      'Transfer.lines[3]: cash and account are members of one union: only one can be given',
    ],
    ['Nothing', { any: 1 }, 'Nothing: unknown field "any"; Nothing has none'],
    ['Point', { toString: 1 }, 'Point: unknown field "toString"; Point has x, y'],
    ['Point', JSON.parse('{"__proto__": {"x": 1}}'), 'Point: unknown field "__proto__"; Point has x, y'],
    ['Point', { x: 1.5 }, 'Point.x: expected an integer from -2147483648 to 2147483647, got 1.5'],
    ['Point', { x: NaN }, 'Point.x: expected an integer from -2147483648 to 2147483647, got NaN'],
    ['Point', { x: 2 ** 31 }, 'Point.x: expected an integer from -2147483648 to 2147483647, got 2147483648'],
    ['Point', { y: -32769 }, 'Point.y: expected an integer from -32768 to 32767, got -32769'],
    ['Point', { x: '1' }, 'Point.x: expected a number, got string'],
    ['Everything', { byte: 256 }, 'Everything.byte: expected an integer from 0 to 255, got 256'],
    ['Everything', { byte: -1 }, 'Everything.byte: expected an integer from 0 to 255, got -1'],
    ['Everything', { ushort: 65536 }, 'Everything.ushort: expected an integer from 0 to 65535, got 65536'],
    ['Everything', { unormal: -1 }, 'Everything.unormal: expected an integer from 0 to 4294967295, got -1'],
    ['Everything', { flag0: 1 }, 'Everything.flag0: expected a boolean, got number'],
    ['Everything', { nothing: 0 }, 'Everything.nothing: expected null (Void), got number'],
    ['Everything', { double: '1' }, 'Everything.double: expected a number, got string'],
    ['Everything', { data: 'abc' }, 'Everything.data: expected a Uint8Array, got string'],
    ['Everything', { data: [1] }, 'Everything.data: expected a Uint8Array, got an array'],
    ['Everything', { data: new Int8Array(1) }, 'Everything.data: expected a Uint8Array, got an object'],
    ['Everything', { data: new ArrayBuffer(1) }, 'Everything.data: expected a Uint8Array, got an object'],
    [
      'Everything',
      { datas: [new Uint8Array(1), {}] },
      'Everything.datas[1]: expected a Uint8Array, got an object',
    ],
    ['Everything', { voids: [null, undefined] }, 'Everything.voids[1]: expected null (Void), got undefined'],
    ['Everything', { bools: [true, 0] }, 'Everything.bools[1]: expected a boolean, got number'],
    ['Everything', { uint64s: [1n, 1] }, 'Everything.uint64s[1]: expected bigint, got number'],
    ['Everything', { float32s: [1, null] }, 'Everything.float32s[1]: expected a number, got null'],
    [
      'Everything',
      { colors: ['red', 'x'.repeat(1e6)] },
      `Everything.colors[1]: expected one of red, blue, constructor, deepGreen, got "${'x'.repeat(64)}"`,
    ],
    [
      'Everything',
      { shape: { circle: 1, box: {} } },
      'Everything.shape: circle and box are members of one union: only one can be given',
    ],
    ['Free', { any: 'x' }, 'Free.any: a capability is not possible here'],
    [
      'Free',
      { any: AnyPointer.of(everything.struct('Point'), { x: 'y' }) },
      'Free.any.x: expected a number, got string',
    ],
  ])('of %s is refused: %#', (name, value, expected) => {
    expect(refusal(name, value)).toBe(expected);
  });

  it('is named from where the caller says', () => {
    const into = new MessageBuilder().root;
    expect(() => struct('Point').encode({ x: 'a' }, into, NO_CAPABILITIES, 'move.params')).toThrow(
      'move.params.x: expected a number, got string',
    );
  });

  it('with a long name is told by its beginning', () => {
    const message = refusal('Point', { [`a${'b'.repeat(1e6)}`]: 1 });
    expect(message).toBe(`Point: unknown field "a${'b'.repeat(63)}"; Point has x, y`);
  });
});

describe('what is nested', () => {
  const chain = (levels: number) => {
    let value: object = {};
    for (let i = 1; i < levels; i++) value = { next: value };
    return value;
  };

  it('may be 64 deep, which can be read again, and not deeper', () => {
    const type = struct('Chain');
    expect(JSON.stringify(roundTrip(type, chain(64))).match(/value/g)).toHaveLength(64);
    let tree: object = {};
    for (let i = 1; i < 64; i++) tree = { children: [tree] };
    expect(JSON.stringify(roundTrip(struct('Tree'), tree)).match(/leaf/g)).toHaveLength(64);
    expect(() => encode(struct('Tree'), { children: [tree] })).toThrow(/nested more than 64 deep/);
    expect(refusal('Chain', chain(65))).toBe(
      `Chain${'.next'.repeat(64)}: nested more than 64 deep, or cyclic`,
    );
  });

  it.each<[string, () => unknown]>([
    [
      'Chain',
      () => {
        const value: Record<string, unknown> = {};
        value['next'] = value;
        return value;
      },
    ],
    [
      'Tree',
      () => {
        const value: Record<string, unknown> = {};
        value['children'] = [value];
        return value;
      },
    ],
    [
      'Free',
      () => {
        const value: Record<string, unknown> = {};
        value['any'] = AnyPointer.of(struct('Free'), value);
        return value;
      },
    ],
    [
      'Everything',
      () => {
        const grid: unknown[] = [];
        grid.push(grid);
        return { cube: grid };
      },
    ],
  ])('in itself is refused: %s', (name, cyclic) => {
    expect(refusal(name, cyclic())).toMatch(
      /nested more than 64 deep, or cyclic$|expected a number, got an array$/,
    );
  });

  it('in AnyPointers counts like what is nested in itself', () => {
    const free = struct('Free');
    const nested = (levels: number) => {
      let value: object = {};
      for (let i = 1; i < levels; i++) value = { any: AnyPointer.of(free, value) };
      return value;
    };
    expect(() => roundTrip(free, nested(64))).not.toThrow();
    expect(refusal('Free', nested(66))).toMatch(/nested more than 64 deep/);
    expect(() => AnyPointer.of(free, nested(66)).as(free)).toThrow(/nested more than 64 deep/);
  });
});

describe('a hostile value', () => {
  /** An array that says that it has this length. */
  const arrayOf = (length: unknown, elements: unknown[] = [1, 2, 3]) =>
    new Proxy(elements, {
      get: (target, key, receiver) => (key === 'length' ? length : Reflect.get(target, key, receiver)),
    });

  it.each<[string, unknown]>([
    ['negative', -1],
    ['far below zero', -1e6],
    ['a fraction', 1.5],
    ['NaN', NaN],
    ['infinite', Infinity],
    ['a string', '2'],
    ['undefined', undefined],
    ['null', null],
    ['a bigint', 3n],
    ['an object with a value', { valueOf: () => 1 }],
    ['beyond what a list can have', 2 ** 29],
    ['2^31', 2 ** 31],
    ['2^53', 2 ** 53],
  ])('is an array whose length is %s: it is refused', (_, length) => {
    for (const field of ['voids', 'bools', 'int8s', 'uint64s', 'texts', 'points', 'textLists']) {
      expect(refusal('Everything', { [field]: arrayOf(length) })).toMatch(
        new RegExp(
          `^Everything\\.${field}: (expected an array, got one whose length is|a list of|a message of)`,
        ),
      );
    }
  });

  it('is read once, property by property, so that it cannot change its mind', () => {
    const reads: string[] = [];
    const value = new Proxy(
      { text: 'a', int8s: [1, 2], point: { x: 1 } },
      {
        get(target, key, receiver) {
          reads.push(String(key));
          return Reflect.get(target, key, receiver);
        },
      },
    );
    expect(roundTrip(struct('Everything'), value)).toMatchObject({
      text: 'a',
      int8s: [1, 2],
      point: { x: 1 },
    });
    expect(reads).toEqual(['text', 'int8s', 'point']);

    let times = 0;
    const wavering = {
      get number() {
        return times++ === 0 ? 5n : 'not a number';
      },
    };
    expect(roundTrip(struct('Everything'), wavering).number).toBe(5n);
    expect(times).toBe(1);
  });

  it('is an array that shrinks while it is read: what is missing is refused', () => {
    const elements: unknown[] = [{ x: 1 }, { x: 2 }];
    elements[0] = {
      get x() {
        elements.length = 1;
        return 1;
      },
    };
    expect(refusal('Everything', { points: elements })).toBe(
      'Everything.points[1]: expected an object, got undefined',
    );
  });

  it('is an array that grows while it is read: what is new is not looked at', () => {
    const elements: unknown[] = [];
    elements.push({
      get x() {
        elements.push('never read');
        return 1;
      },
    });
    expect(roundTrip(struct('Everything'), { points: elements }).points).toEqual([{ x: 1, y: 0 }]);
  });

  it('may encode another value from a getter, into the same message', () => {
    const type = struct('Everything');
    const message = new MessageBuilder(1);
    const root = message.root.struct(0, 2);
    const inner = { text: 'inner'.repeat(100), int32s: Array.from({ length: 1000 }, (_, i) => i) };
    const outer = {
      double: 1.25,
      get data() {
        type.encode(inner, root.pointer(1), NO_CAPABILITIES);
        return Uint8Array.of(1, 2, 3);
      },
      get wide() {
        encode(struct('Numbers'), { double: 3, wide: 4n });
        return -2n;
      },
      text: 'outer',
    };
    type.encode(outer, root.pointer(0), NO_CAPABILITIES);
    const read = message.asReader().root.struct();
    expect(type.decode(read.pointer(0), NO_CAPABILITIES)).toMatchObject({
      double: 1.25,
      data: Uint8Array.of(1, 2, 3),
      wide: -2n,
      text: 'outer',
    });
    expect(type.decode(read.pointer(1), NO_CAPABILITIES)).toMatchObject(inner);
  });

  it('throws from a getter: that comes through, and nothing is left behind', () => {
    const own = new Error('mine');
    const throwing = {
      text: 'a',
      get data() {
        throw own;
      },
    };
    expect(thrownBy(() => encode(struct('Everything'), throwing))).toBe(own);
    expect(roundTrip(struct('Everything'), { text: 'b' }).text).toBe('b');
  });

  it('is a proxy that was revoked: it is no value', () => {
    const revoked = (target: object) => {
      const { proxy, revoke } = Proxy.revocable(target, {});
      revoke();
      return proxy;
    };
    expect(refusal('Everything', { bools: revoked([]) })).toBe(
      'Everything.bools: expected an array, got an object',
    );
    expect(refusal('Everything', { flag0: revoked([]) })).toBe(
      'Everything.flag0: expected a boolean, got an object',
    );
    expect(refusal('Everything', { data: revoked({}) })).toBe(
      'Everything.data: expected a Uint8Array, got an object',
    );
    expect(() => encode(struct('Everything'), { point: revoked({}) })).toThrow(TypeError);
  });

  it('hides nothing in what it inherits, in symbols or in what is not enumerable', () => {
    const value = Object.create({ x: 1 }, { y: { value: 'hidden' } });
    value[Symbol('z')] = 1;
    expect(roundTrip(struct('Point'), value)).toEqual({ x: 0, y: 0 });
  });

  it('is a Uint8Array only by name: it is refused', () => {
    const imposter = Object.create(Uint8Array.prototype);
    expect(refusal('Everything', { data: imposter })).toBe(
      'Everything.data: expected a Uint8Array, got an object',
    );
    const named = { [Symbol.toStringTag]: 'Uint8Array', length: 4, byteLength: 4 };
    expect(refusal('Everything', { data: named })).toBe(
      'Everything.data: expected a Uint8Array, got an object',
    );
    expect(refusal('Everything', { data: new Proxy(new Uint8Array(1), {}) })).toBe(
      'Everything.data: expected a Uint8Array, got an object',
    );
  });
});
