/** Random values of the types of a schema graph, and what has to come out where one of them has gone in. */
import fc from 'fast-check';
import { type FieldType, NO_DISCRIMINANT, type StructType, type ValueType } from '../../schema/index.js';

export type StructValue = Readonly<Record<string, unknown>>;

/** No NaN whose bits say more: JavaScript does not keep them. */
const float32 = fc.oneof(
  fc.float(),
  fc.constantFrom(0, -0, Infinity, -Infinity, NaN, 1.5, -(2 ** -149), 3.4028234663852886e38),
);
const float64 = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, Infinity, -Infinity, NaN, 0.1, 5e-324, Number.MAX_VALUE, 2 ** 53 + 2),
);
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 5 }),
  fc.constantFrom('', '\0', 'a\0b', '\u{feff}x', '"\\\n\t\x7f', '\u2028', '€'.repeat(30)),
);

function integer(bits: 8 | 16 | 32, signed: boolean): fc.Arbitrary<number> {
  const [min, max] = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  return fc.oneof(fc.integer({ min, max }), fc.constantFrom(min, max, 0, 1));
}

function bigInteger(signed: boolean): fc.Arbitrary<bigint> {
  const [min, max] = signed ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
  return fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max, 0n, 1n, 2n ** 53n + 1n));
}

/** Structs are at most `depth` deep in one another. */
export function typedValue(type: ValueType, depth: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'void':
    case 'anyPointer':
    case 'capability':
    case 'interface':
      return fc.constant(null);
    case 'bool':
      return fc.boolean();
    case 'int8':
      return integer(8, true);
    case 'int16':
      return integer(16, true);
    case 'int32':
      return integer(32, true);
    case 'uint8':
      return integer(8, false);
    case 'uint16':
      return integer(16, false);
    case 'uint32':
      return integer(32, false);
    case 'int64':
      return bigInteger(true);
    case 'uint64':
      return bigInteger(false);
    case 'float32':
      return float32;
    case 'float64':
      return float64;
    case 'text':
      return text;
    case 'data':
      return fc.uint8Array({ maxLength: 20 });
    case 'enum':
      return fc.constantFrom(...type.enum.enumerants);
    case 'struct':
      return structValue(type.struct, depth);
    case 'list': {
      // Seventy bits are more than one word of them.
      const maxLength = type.element.kind === 'bool' || type.element.kind === 'void' ? 70 : 4;
      return fc.array(typedValue(type.element, depth), { maxLength });
    }
  }
}

const made = new Map<string, fc.Arbitrary<StructValue>>();

/** A struct in which each field is left out now and then. */
export function structValue(type: StructType, depth: number): fc.Arbitrary<StructValue> {
  const key = `${type.id} ${type.key} ${depth}`;
  const known = made.get(key);
  if (known !== undefined) return known;
  const arbitrary = makeStructValue(type, depth);
  made.set(key, arbitrary);
  return arbitrary;
}

function makeStructValue(type: StructType, depth: number): fc.Arbitrary<StructValue> {
  const possible = type.fields.filter(
    ({ at }) => at.kind === 'group' || !leadsToStruct(at.type) || depth > 0,
  );
  const plain = possible.filter(({ discriminant }) => discriminant === NO_DISCRIMINANT);
  const members = possible.filter(({ discriminant }) => discriminant !== NO_DISCRIMINANT);
  const record = (fields: readonly FieldType[], options: fc.RecordConstraints<string>) =>
    fc.record(
      Object.fromEntries(fields.map((field) => [field.name, fieldValue(field, depth)])),
      options,
    ) as fc.Arbitrary<StructValue>;
  const struct = fc.oneof(
    { weight: 3, arbitrary: record(plain, { requiredKeys: [], noNullPrototype: true }) },
    { weight: 2, arbitrary: record(plain, { noNullPrototype: true }) },
  );
  if (members.length === 0) return struct;
  const union = fc.option(fc.oneof(...members.map((member) => record([member], { noNullPrototype: true }))), {
    nil: {},
  });
  return fc.tuple(struct, union).map(([fields, member]) => ({ ...fields, ...member }));
}

function fieldValue({ at }: FieldType, depth: number): fc.Arbitrary<unknown> {
  if (at.kind === 'group') return structValue(at.group, depth);
  return typedValue(at.type, leadsToStruct(at.type) ? depth - 1 : depth);
}

function leadsToStruct(type: ValueType): boolean {
  return type.kind === 'struct' || (type.kind === 'list' && leadsToStruct(type.element));
}

/**
 * What decoding gives for `value`: everything that it left out has its default. `defaults` are the ones that are not zero,
 * empty or the first. A struct in itself stays out.
 */
export function completed(
  type: StructType,
  value: StructValue,
  defaults: Readonly<Record<string, StructValue>>,
): StructValue {
  const own = defaults[type.name] ?? {};
  const result: Record<string, unknown> = {};
  const given = Object.keys(value);
  const hasMember = type.fields.some(
    ({ name, discriminant }) => discriminant !== NO_DISCRIMINANT && given.includes(name),
  );
  for (const { name, discriminant, at } of type.fields) {
    if (given.includes(name)) {
      result[name] =
        at.kind === 'group'
          ? completed(at.group, value[name] as StructValue, defaults)
          : completedValue(at.type, value[name], defaults);
      continue;
    }
    if (discriminant !== NO_DISCRIMINANT && (hasMember || discriminant !== 0)) continue;
    if (at.kind === 'group') result[name] = completed(at.group, {}, defaults);
    else if (Object.hasOwn(own, name)) result[name] = own[name];
    else if (at.type.kind !== 'struct' || at.type.struct !== type) result[name] = zero(at.type, defaults);
  }
  return result;
}

function completedValue(
  type: ValueType,
  value: unknown,
  defaults: Readonly<Record<string, StructValue>>,
): unknown {
  if (type.kind === 'struct') return completed(type.struct, value as StructValue, defaults);
  if (type.kind !== 'list') return value;
  return (value as unknown[]).map((element) => completedValue(type.element, element, defaults));
}

function zero(type: ValueType, defaults: Readonly<Record<string, StructValue>>): unknown {
  switch (type.kind) {
    case 'void':
    case 'anyPointer':
    case 'capability':
    case 'interface':
      return null;
    case 'bool':
      return false;
    case 'int64':
    case 'uint64':
      return 0n;
    case 'text':
      return '';
    case 'data':
      return new Uint8Array(0);
    case 'list':
      return [];
    case 'enum':
      return type.enum.enumerants[0];
    case 'struct':
      return completed(type.struct, {}, defaults);
    default:
      return 0;
  }
}
