/** Constraints, as they are asked of the bytes of calls, beside a naive evaluation on the decoded value. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Check,
  checkedConstraints,
  comparable,
  compile,
  compileConstraints,
  constraintRefusal,
  MAX_CONSTRAINTS,
  rulesOf,
  writtenConstraint,
} from '../../../broker/policy/constraint.js';
import { constraintText, parseConstraint } from '../../../broker/policy/constraint-text.js';
import { findField, type Slot } from '../../../broker/policy/field.js';
import type { ConstraintValue, StoredConstraint } from '../../../broker/store/store.js';
import type { ConstraintOperator } from '../../../client/protocol.js';
import { contentBuilder } from '../../../rpc/body.js';
import { Payload } from '../../../rpc/payload.js';
import {
  MessageBuilder,
  MessageError,
  MessageReader,
  type PointerReader,
  type StructReader,
  type StructType,
  type ValueType,
} from '../../../schema/index.js';
import { type StructValue, structValue, typedValue } from '../../schema/random-values.js';
import { decode, encode, everything, evolution } from '../../schema/schemas.js';
import { scattered } from '../../schema/streams.js';
import { farPointer, listPointer, NULL, segment, structPointer, wordsOf } from '../../schema/words.js';

const LISTENER = everything.interface('Listener');
const PLAY = LISTENER.methods.find(({ name }) => name === 'play')!;
const EVERYTHING = everything.struct('Everything');

type Measure = StoredConstraint['measure'];

/** A constraint on a struct, without its method. */
interface Bare {
  readonly path: readonly string[];
  readonly measure: Measure;
  readonly operator: ConstraintOperator;
  readonly values: readonly ConstraintValue[];
}

function checkOf(type: StructType, { path, measure, operator, values }: Bare): Check {
  const field = findField(type, path, type.name);
  if (typeof field === 'string') throw new Error(field);
  return compile(field, { measure, operator }, values);
}

/** What the compiled constraint says of params: as constraintRefusal does, a message that is malformed does not hold. */
function holds(check: Check, segments: readonly Uint8Array[]): boolean {
  const { root } = new MessageReader(segments);
  try {
    return !root.isNull && check(root.struct());
  } catch (error) {
    if (error instanceof MessageError) return false;
    throw error;
  }
}

// ---- the naive evaluation ------------------------------------------------------------------------------------------

/** Whether every struct above a field is there, no member of a union among them inactive. A decoded value does not tell. */
function isThere(type: StructType, path: readonly string[], root: PointerReader): boolean {
  if (root.isNull) return false;
  let struct: StructReader = root.struct();
  let at: StructType = type;
  for (const name of path.slice(0, -1)) {
    const field = at.fields.find((each) => each.name === name)!.at;
    if (field.kind === 'group') at = field.group;
    else if (field.type.kind === 'struct') {
      const pointer = struct.pointer(field.offset);
      if (pointer.isNull) return false;
      [struct, at] = [pointer.struct(), field.type.struct];
    }
  }
  return true;
}

function naive(decoded: unknown, { path, measure, operator, values }: Bare, type: ValueType): boolean {
  let value = decoded;
  for (const name of path) {
    value = (value as StructValue)[name];
    // An inactive member of a union.
    if (value === undefined) return false;
  }
  if (measure === 'length') {
    const length = typeof value === 'string' ? new TextEncoder().encode(value).length : (value as []).length;
    return compared(BigInt(length), operator, values);
  }
  if (typeof value === 'number' && type.kind.includes('int')) value = BigInt(value);
  return compared(value, operator, values);
}

function compared(value: unknown, operator: ConstraintOperator, values: readonly ConstraintValue[]): boolean {
  const plain = values.map((each) => Object.values(each)[0] as unknown);
  const same = (a: unknown, b: unknown) =>
    a instanceof Uint8Array ? Buffer.compare(a, b as Uint8Array) === 0 : a === b;
  const [first] = plain as [bigint];
  switch (operator) {
    case 'equal':
      return same(value, first);
    case 'oneOf':
      return plain.some((each) => same(value, each));
    case 'less':
      return (value as bigint) < first;
    case 'atMost':
      return (value as bigint) <= first;
    case 'greater':
      return (value as bigint) > first;
    case 'atLeast':
      return (value as bigint) >= first;
    case 'prefix': {
      const bytes = (of: unknown) => Buffer.from(of as string);
      return bytes(value).subarray(0, bytes(first).length).equals(bytes(first));
    }
    case 'within':
      throw new Error('has tests of its own');
  }
}

// ---- random constraints --------------------------------------------------------------------------------------------

interface Leaf {
  readonly path: readonly string[];
  readonly slot: Slot;
}

/** The fields that can be constrained, at most `depth` names deep. */
function leaves(type: StructType, depth: number): Leaf[] {
  return type.fields.flatMap(({ name, at }): Leaf[] => {
    const inner = at.kind === 'group' ? at.group : at.type.kind === 'struct' ? at.type.struct : null;
    if (inner !== null) {
      if (depth === 1) return [];
      return leaves(inner, depth - 1).map(({ path, slot }) => ({ path: [name, ...path], slot }));
    }
    const slot = at as Slot;
    const can = comparable(slot.type, 'value') ?? comparable(slot.type, 'length');
    return can === null ? [] : [{ path: [name], slot }];
  });
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce((at, name) => (at as StructValue | undefined)?.[name], value);
}

/** Constraints on fields of `type`: as often as not with a value near the one that `found` has there. */
function constraintOn({ path, slot }: Leaf, found: unknown): fc.Arbitrary<Bare> {
  const measures = (['value', 'length'] as const).filter((each) => comparable(slot.type, each) !== null);
  return fc.constantFrom(...measures).chain((measure) => {
    const { operators, value } = comparable(slot.type, measure)!;
    const random = (
      measure === 'length' ? fc.integer({ min: 0, max: 20 }) : typedValue(slot.type, 0)
    ) as fc.Arbitrary<never>;
    const here = measure === 'length' ? ((found as [] | undefined)?.length ?? 0) : found;
    const near =
      here === undefined
        ? random
        : fc.constantFrom(...neighbours(here, measure === 'length' ? 'uint32' : slot.type.kind));
    const values = fc
      .oneof(near as fc.Arbitrary<unknown>, random)
      .filter((each) => !Number.isNaN(each as number))
      .map((each) => ({ [value]: value === 'int' ? BigInt(each as number) : each }) as ConstraintValue);
    return fc
      .constantFrom(...operators.filter((each) => each !== 'within'))
      .chain((operator) =>
        fc
          .array(values, { minLength: 1, maxLength: operator === 'oneOf' ? 4 : 1 })
          .map((some) => ({ path, measure, operator, values: some })),
      );
  });
}

function neighbours(value: unknown, kind: ValueType['kind']): unknown[] {
  if (kind.includes('int')) {
    const int = BigInt(value as number);
    return [int - 1n, int, int, int + 1n];
  }
  if (typeof value === 'number' && kind !== 'enum') return [value, value, value - 1, value + 1];
  if (typeof value === 'string' && kind === 'text') {
    const characters = [...value];
    return [value, value, characters.slice(0, 2).join(''), `${value}x`];
  }
  if (value instanceof Uint8Array) return [value, value.slice(0, 2), value, Uint8Array.from([...value, 0])];
  // An enumerant that the schema does not know has no name.
  return [typeof value === 'number' ? 'red' : value];
}

/** A struct as one that knew an older schema writes it. Its root loses words of data and pointers at its end. */
function shortened(bytes: Uint8Array, choose: (below: number) => number): Uint8Array {
  const struct = new MessageReader([bytes]).root.struct();
  const dataWords = choose(struct.dataBytes / 8 + 1);
  const pointers = choose(struct.pointerCount + 1);
  const message = new MessageBuilder();
  const copy = message.root.struct(dataWords, pointers);
  for (let i = 0; i < dataWords; i++) copy.setU64(i * 8, struct.u64(i * 8));
  for (let i = 0; i < pointers; i++) copy.pointer(i).copy(struct.pointer(i));
  return new Uint8Array(message.segment());
}

const random = fc.infiniteStream(fc.nat());
const choosing = (numbers: Iterator<number>) => (below: number) => numbers.next().value % below;

interface Case {
  readonly segments: readonly Uint8Array[];
  readonly constraint: Bare;
  readonly slot: Slot;
}

/** A message of `type`, in one of many encodings, with a constraint on one of its fields. */
function cases(type: StructType, depth: number): fc.Arbitrary<Case> {
  const all = leaves(type, 3);
  return fc
    .record({
      value: structValue(type, depth),
      leaf: fc.constantFrom(...all),
      form: fc.constantFrom('plain', 'scattered', 'short', 'short and scattered'),
      numbers: random,
    })
    .chain(({ value, leaf, form, numbers }) => {
      const choose = choosing(numbers[Symbol.iterator]());
      let bytes = encode(type, value);
      if (form.includes('short')) bytes = shortened(bytes, choose);
      const segments = form.includes('scattered') ? scattered(bytes, choose) : [bytes];
      const found = valueAt(decode(type, segments), leaf.path);
      return constraintOn(leaf, found).map((constraint) => ({ segments, constraint, slot: leaf.slot }));
    });
}

const TYPES = ['Everything', 'Defaults', 'Numbers', 'Names', 'Chain', 'Tree', 'Transfer'] as const;

describe('a constraint on the bytes of a call', () => {
  it.each(TYPES)('holds where it holds of the decoded value, in whatever encoding: %s', (name) => {
    const type = everything.struct(name);
    const seen = { true: 0, false: 0 };
    fc.assert(
      fc.property(cases(type, 2), ({ segments, constraint, slot }) => {
        const expected =
          naive(decode(type, segments), constraint, slot.type) &&
          isThere(type, constraint.path, new MessageReader(segments).root);
        seen[`${expected}`]++;
        return holds(checkOf(type, constraint), segments) === expected;
      }),
      { numRuns: name === 'Everything' ? 600 : 250 },
    );
    // It would pass if nothing ever held.
    expect(seen.true).toBeGreaterThan(30);
    expect(seen.false).toBeGreaterThan(30);
  });

  it('says the same through older and newer versions of a struct, lists upgraded', () => {
    const Old = evolution.struct('Old');
    const { at } = evolution.struct('NewOfText').fields[0]!;
    if (at.kind !== 'slot' || at.type.kind !== 'struct') throw new Error('New is a struct');
    const New = at.type.struct;
    let upgraded = 0;
    fc.assert(
      fc.property(
        fc
          .record({ value: structValue(Old, 2), leaf: fc.constantFrom(...leaves(New, 2)), numbers: random })
          .chain(({ value, leaf, numbers }) => {
            // An empty Text is no Data and the other way round: that field is read as neither.
            const { comment: _, any: __, ...rest } = value;
            const segments = scattered(encode(Old, rest), choosing(numbers[Symbol.iterator]()));
            const decoded = decode(New, segments);
            return constraintOn(leaf, valueAt(decoded, leaf.path)).map((constraint) => ({
              segments,
              decoded,
              constraint,
              leaf,
            }));
          }),
        ({ segments, decoded, constraint, leaf }) => {
          const expected =
            naive(decoded, constraint, leaf.slot.type) &&
            isThere(New, constraint.path, new MessageReader(segments).root);
          if (constraint.measure === 'length' && leaf.slot.type.kind === 'list' && expected) upgraded++;
          return holds(checkOf(New, constraint), segments) === expected;
        },
      ),
      { numRuns: 500 },
    );
    expect(upgraded).toBeGreaterThan(10);
  });

  it('never holds, and never throws, of bytes of which the field cannot be read', () => {
    let [unreadable, held] = [0, 0];
    fc.assert(
      fc.property(
        cases(EVERYTHING, 2),
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })), {
          minLength: 1,
          maxLength: 4,
        }),
        ({ segments, constraint, slot }, changes) => {
          const words = segments.map(wordsOf);
          for (const [i, j, word] of changes) {
            const chosen = words[i % words.length]!;
            chosen[j % chosen.length] = word;
          }
          const hostile = words.map((each) => segment(...each));
          const said = holds(checkOf(EVERYTHING, constraint), hostile);
          let expected: boolean;
          try {
            expected =
              naive(decode(EVERYTHING, hostile), constraint, slot.type) &&
              isThere(EVERYTHING, constraint.path, new MessageReader(hostile).root);
          } catch {
            // What is wrong may be elsewhere; then the receiver refuses it.
            unreadable++;
            return true;
          }
          if (said) held++;
          return said === expected;
        },
      ),
      { numRuns: 600 },
    );
    expect([unreadable > 100, held > 20]).toEqual([true, true]);
  });

  it('does not read beyond the limits of the message, whatever its lists say of their lengths', () => {
    const check = checkOf(EVERYTHING, {
      path: ['voids'],
      measure: 'length',
      operator: 'greater',
      values: [{ int: 5n }],
    });
    const { at } = EVERYTHING.fields.find(({ name }) => name === 'voids')!;
    const { offset } = at as Slot;
    const words = [
      structPointer(0, 0, EVERYTHING.pointers),
      ...Array.from({ length: EVERYTHING.pointers }, () => NULL),
    ];
    words[1 + offset] = listPointer(0, 0, 2 ** 29 - 1);
    expect(holds(check, [segment(...words)])).toBe(false);
    words[1 + offset] = listPointer(0, 0, 6);
    expect(holds(check, [segment(...words)])).toBe(true);
    words[1 + offset] = farPointer(9, 0);
    expect(holds(check, [segment(...words)])).toBe(false);
  });

  it('compares 64-bit integers exactly', () => {
    const check = checkOf(EVERYTHING, {
      path: ['uwide'],
      measure: 'value',
      operator: 'atMost',
      values: [{ int: 2n ** 53n }],
    });
    for (const [uwide, expected] of [
      [2n ** 53n, true],
      [2n ** 53n + 1n, false],
      [2n ** 64n - 1n, false],
      [0n, true],
    ] as const) {
      expect(holds(check, [encode(EVERYTHING, { uwide })])).toBe(expected);
    }
  });

  it.each(['equal', 'oneOf', 'less', 'atMost', 'greater', 'atLeast'] as const)(
    'does not hold of NaN: %s',
    (operator) => {
      for (const path of [['double'], ['single']]) {
        for (const float of [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
          const check = checkOf(EVERYTHING, { path, measure: 'value', operator, values: [{ float }] });
          expect(holds(check, [encode(EVERYTHING, { [path[0]!]: Number.NaN })])).toBe(false);
        }
      }
    },
  );

  it('does not hold of a text that is not UTF-8, or has no NUL at its end', () => {
    const any = { path: ['text'], measure: 'value', operator: 'prefix', values: [{ text: '' }] } as const;
    const long = { ...any, measure: 'length', operator: 'atLeast', values: [{ int: 0n }] } as const;
    const bytes = encode(EVERYTHING, { text: 'abc' });
    const start = Buffer.from(bytes).indexOf('abc');
    for (const check of [checkOf(EVERYTHING, any), checkOf(EVERYTHING, long)]) {
      expect(holds(check, [bytes])).toBe(true);
      for (const [at, byte] of [
        [0, 0xff],
        [0, 0xc0],
        [3, 0x21],
      ] as const) {
        const broken = bytes.slice();
        broken[start + at] = byte;
        expect(holds(check, [broken])).toBe(false);
      }
    }
  });

  it('does not hold behind a null parent, though the schema has a default for it, nor of null params', () => {
    const Defaults = everything.struct('Defaults');
    const check = checkOf(Defaults, {
      path: ['point', 'x'],
      measure: 'value',
      operator: 'equal',
      values: [{ int: 7n }],
    });
    expect(holds(check, [encode(Defaults, {})])).toBe(false);
    expect(holds(check, [encode(Defaults, { point: { x: 7 } })])).toBe(true);
    const flag = checkOf(Defaults, {
      path: ['flag'],
      measure: 'value',
      operator: 'equal',
      values: [{ bool: true }],
    });
    expect(holds(flag, [encode(Defaults, {})])).toBe(true);
    expect(holds(flag, [segment(NULL)])).toBe(false);
  });
});

// ---- of a method ---------------------------------------------------------------------------------------------------

function written(...texts: string[]): StoredConstraint[] {
  return texts.map((text) => writtenConstraint(text, everything));
}

/** Why a call of Listener.play with these params is refused. */
function refusal(
  constraints: readonly StoredConstraint[],
  params: object,
  graph = everything,
  method = PLAY.id,
) {
  const message = contentBuilder();
  EVERYTHING.encode(params, message.root, { encode: () => 0 });
  const table = compileConstraints(constraints, graph)!;
  const call = {
    interfaceId: LISTENER.id,
    methodId: method,
    params: Payload.built(message),
  };
  const rules = rulesOf(table, LISTENER.id, method);
  return rules && (constraintRefusal(rules, call, () => 'Listener.play')?.message ?? null);
}

describe('the constraints of a policy', () => {
  it('all hold together, of the method that they name, and say which one did not', () => {
    const constraints = written('Listener.play.normal<=100', 'Listener.play.text prefix /in/');
    expect(refusal(constraints, { normal: 100, text: '/in/x' })).toBe(null);
    expect(refusal(constraints, { normal: 101, text: '/in/x' })).toBe(
      'the grant allows Listener.play only where play.normal <= 100',
    );
    expect(refusal(constraints, { normal: 1, text: '/out' })).toBe(
      'the grant allows Listener.play only where play.text prefix "/in/"',
    );
    expect(refusal(constraints, { normal: 101 }, everything, 0)).toBe(null);
  });

  it('refuse null params', () => {
    const table = compileConstraints(written('Listener.play.normal<=100'), everything)!;
    const call = { interfaceId: LISTENER.id, methodId: PLAY.id, params: Payload.empty() };
    const rules = rulesOf(table, LISTENER.id, PLAY.id)!;
    expect(constraintRefusal(rules, call, () => 'play')?.code).toBe('ERR_GRANT_CONSTRAINT');
  });

  it('of what the schema has no more refuse the method, or where that is gone the interface', () => {
    const [good] = written('Listener.play.normal<=100') as [StoredConstraint];
    expect(refusal([good], { normal: 1 })).toBe(null);
    expect(refusal([{ ...good, field: ['gone'] }], { normal: 1 })).toContain('only where play.gone');
    expect(refusal([{ ...good, field: ['text'] }], { normal: 1 })).toContain('only where play.text');
    expect(refusal([{ ...good, field: ['gone'] }], {}, everything, 0)).toBe(null);
    for (const method of [0, 1, 2, 99]) {
      expect(refusal([{ ...good, method: 'gone' }], { normal: 1 }, everything, method)).toContain(
        'does not have any more',
      );
    }
    expect(refusal([good], { normal: 1 }, evolution)).toContain('does not have any more');
  });

  const bare: StoredConstraint = {
    interface: LISTENER.id,
    method: 'play',
    field: ['normal'],
    measure: 'value',
    operator: 'atMost',
    values: [{ int: 1n }],
  };

  it.each<[string, Partial<StoredConstraint>, string]>([
    ['a method', { method: 'plai' }, 'Listener has no method "plai"; it has heard, silence, play, generic'],
    [
      'an inherited method',
      { interface: everything.interface('Echo').id },
      'play is declared by Listener (0x',
    ],
    [
      'a field',
      { field: ['place', 'at', 'altitude'] },
      'Listener.play.place.at has no field "altitude"; it has latitude',
    ],
    ['no field', { field: [] }, 'name a field of Listener.play; it has nothing, flag0'],
    [
      'a group',
      { field: ['place', 'at'] },
      'Listener.play.place.at is a group; name a field of it: latitude',
    ],
    [
      'a field behind a number',
      { field: ['normal', 'x'] },
      'Listener.play.normal is an Int32, which has no field "x"',
    ],
    [
      'a field of a list',
      { field: ['points', 'x'] },
      'Listener.play.points is a list, which has no field "x"',
    ],
    ['a struct', { field: ['point'] }, 'Listener.play.point is a struct Point, which cannot be constrained'],
    ['a list', { field: ['points'] }, 'Listener.play.points is a list; only its length can be constrained'],
    [
      'a generic field',
      { method: 'generic', field: ['value'] },
      'is an AnyPointer, which cannot be constrained',
    ],
    ['a length of a number', { measure: 'length' }, 'Listener.play.normal is an Int32, which has no length'],
    [
      'an operator',
      { operator: 'within' },
      'Listener.play.normal, an Int32, is not compared by within; it is by equal, oneOf',
    ],
    [
      'an order of texts',
      { field: ['text'], values: [{ text: 'a' }] },
      'Listener.play.text, a Text, is not compared by atMost',
    ],
    ['a value of another kind', { values: [{ text: '1' }] }, 'is compared with an integer, not a text'],
    ['a fraction', { values: [{ float: 1.5 }] }, 'is compared with an integer, not a number'],
    ['NaN', { field: ['double'], values: [{ float: Number.NaN }] }, 'is compared with a number, not NaN'],
    [
      'an integer that no float is',
      { field: ['double'], values: [{ int: 2n ** 53n + 1n }] },
      'is compared with a number, not an integer',
    ],
    ['two values', { values: [{ int: 1n }, { int: 2n }] }, 'atMost takes one value, not 2'],
    ['a set of none', { operator: 'oneOf', values: [] }, 'oneOf takes one value or more, not 0'],
    [
      'an enumerant',
      { field: ['color'], operator: 'equal', values: [{ text: 'pink' }] },
      'Color has no "pink"; it has red',
    ],
    [
      'a path',
      { field: ['text'], operator: 'within', values: [{ text: '/a/../b' }] },
      '"/a/../b" is not a plain path',
    ],
    ['a path too deep', { field: Array.from({ length: 17 }, () => 'x') }, 'a field 17 deep; at most 16'],
  ])('are refused when they are minted, by name: %s', (_what, change, reason) => {
    expect(() => checkedConstraints([bare, { ...bare, ...change }], everything)).toThrow(
      `policy.constraints[1]: `,
    );
    expect(() => checkedConstraints([bare, { ...bare, ...change }], everything)).toThrow(reason);
  });

  it('are of an interface that the schema has', () => {
    expect(() => checkedConstraints([{ ...bare, interface: 5n }], everything)).toThrow('no interface 0x');
  });

  it('are bounded in number and in size', () => {
    const many = Array.from({ length: MAX_CONSTRAINTS + 1 }, () => bare);
    expect(() => checkedConstraints(many, everything)).toThrow(`at most ${MAX_CONSTRAINTS} are allowed`);
    const large: StoredConstraint = {
      ...bare,
      field: ['text'],
      operator: 'equal',
      values: [{ text: 'x'.repeat(66_000) }],
    };
    expect(() => checkedConstraints([large], everything)).toThrow('bytes of values in constraints');
  });
});

describe('a constraint that a person writes', () => {
  it.each([
    ['Listener.play.normal<=100', 'play.normal <= 100'],
    [' Listener.play.normal  =  -5 ', 'play.normal == -5'],
    ['Listener.play.uwide>=18446744073709551615', 'play.uwide >= 18446744073709551615'],
    ['Listener.play.double < 1e3', 'play.double < 1000'],
    ['Listener.play.shape.box.deep == true', 'play.shape.box.deep == true'],
    ['Listener.play.color in [red, blue]', 'play.color in ["red", "blue"]'],
    ['Listener.play.text in [a b, "c, \\"d\\"", ""]', 'play.text in ["a b", "c, \\"d\\"", ""]'],
    ['Listener.play.text within /reports', 'play.text within "/reports"'],
    ['Listener.play.text == ""', 'play.text == ""'],
    ['Listener.play.text.length <= 10', 'play.text.length <= 10'],
    ['Listener.play.points.length<10', 'play.points.length < 10'],
    ['Listener.play.data prefix AAEC', 'play.data prefix "AAEC"'],
    ['Echo.play.normal > 1', 'play.normal > 1'],
  ])('is what it says, and can be read again: %s', (text, shown) => {
    const [constraint] = written(text) as [StoredConstraint];
    expect(constraintText(constraint)).toBe(shown);
    expect(parseConstraint(`Listener.${constraintText(constraint)}`, everything)).toEqual(constraint);
    expect(constraint.interface).toBe(LISTENER.id);
  });

  it.each([
    ['Listener.play.normal', 'expected such as Account.transfer.amount<=100'],
    ['Listener.play.normal!=1', 'with one of ==, in, <, <=, >, >=, prefix, within'],
    ['Listener.plai.normal<1', 'Listener has no method plai; it has heard'],
    ['Lissener.play.normal<1', 'the schema has no interface "Lissener"'],
    ['Listener.play.norml<1', 'Listener.play has no field "norml"'],
    ['Listener.play.normal<1.5', 'expected an integer, found "1.5"'],
    ['Listener.play.normal<18446744073709551616', 'expected an integer of 64 bits'],
    ['Listener.play.normal<', 'expected an integer, found ""'],
    ['Listener.play.double<1e999', 'expected a number, found "1e999"'],
    ['Listener.play.double<nan', 'expected a number, found "nan"'],
    ['Listener.play.flag0=yes', 'expected true or false, found "yes"'],
    ['Listener.play.text=', 'a text that is empty is written ""'],
    ['Listener.play.text="a"b', 'in the quotes of JSON'],
    ['Listener.play.text="\\ud800"', 'in the quotes of JSON'],
    ['Listener.play.text in [a,]', 'a text that is empty is written ""'],
    ['Listener.play.text in []', 'in: expected a list'],
    ['Listener.play.text in a, b', 'in: expected a list'],
    ['Listener.play.text in ["a" "b"]', 'in: expected a list'],
    ['Listener.play.data=&&', 'expected base64'],
    ['Listener.play.color=pink', 'Color has no "pink"'],
    ['Listener.play.normal within /a', 'an Int32, is not compared by within'],
    ['Listener.play.points.size<1', 'goes on behind a field that has no fields itself'],
  ])('is refused where it is none, with the reason: %s', (text, reason) => {
    expect(() => written(text)).toThrow(reason);
  });
});
