/** Values in the notations of the `capnp` tool: its JSON, and the text of the schema language. */
import { NO_DISCRIMINANT, type StructType, type ValueType } from '../../schema/index.js';
import type { StructValue } from './random-values.js';

/** As JSON text: 64-bit integers are strings in it, Data an array of numbers, and what JSON cannot say a string. */
export function toJson(type: StructType, value: StructValue): string {
  return JSON.stringify(jsonStruct(type, value)).replaceAll(NEGATIVE_ZERO, '-0');
}

/**
 * `value` with a question mark for each character that the tool misreads in JSON: it looks for the end of a value by
 * brackets and comments, in strings too, and takes the hexadecimal digits a to f in an escape for others.
 */
export function readableAsJson(value: StructValue): StructValue {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those that have no escape but a hexadecimal one.
  const misread = /[[\]{}#/\x0b\x0e\x0f\x1a-\x1f]/g;
  return mapped(value, (part) => (typeof part === 'string' ? part.replace(misread, '?') : part));
}

/** `value` without the least Int64, which the tool cannot read in text. */
export function readableAsText(value: StructValue): StructValue {
  return mapped(value, (part) => (part === -(2n ** 63n) ? 0n : part));
}

function mapped(value: StructValue, map: (part: unknown) => unknown): StructValue {
  const mapPart = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(mapPart);
    if (typeof part !== 'object' || part === null || part instanceof Uint8Array) return map(part);
    return mapped(part as StructValue, map);
  };
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, mapPart(member)]));
}

/** JSON.stringify loses it. */
const NEGATIVE_ZERO = '"a zero that is negative"';

function jsonStruct(type: StructType, value: StructValue): unknown {
  const given = Object.entries(value).map(([name, member]) => {
    const { at } = type.fields.find((field) => field.name === name)!;
    return [
      name,
      at.kind === 'group' ? jsonStruct(at.group, member as StructValue) : jsonValue(at.type, member),
    ] as const;
  });
  return Object.fromEntries(given);
}

function jsonValue(type: ValueType, value: unknown): unknown {
  switch (type.kind) {
    case 'int64':
    case 'uint64':
      return String(value);
    case 'float32':
    case 'float64':
      if (Object.is(value, -0)) return JSON.parse(NEGATIVE_ZERO);
      return Number.isFinite(value) ? value : String(value);
    case 'data':
      return [...(value as Uint8Array)];
    case 'struct':
      return jsonStruct(type.struct, value as StructValue);
    case 'list':
      return (value as unknown[]).map((element) => jsonValue(type.element, element));
    default:
      return value;
  }
}

/** The value that JSON from the tool is. What it does not say (a null pointer, by which a default is meant) is left out. */
export function fromJson(type: StructType, json: StructValue): StructValue {
  const members = type.fields
    .filter(({ name }) => Object.hasOwn(json, name))
    .map(({ name, at }) => {
      const member = json[name];
      return [
        name,
        at.kind === 'group' ? fromJson(at.group, member as StructValue) : valueFromJson(at.type, member),
      ] as const;
    });
  // An empty group is not printed, but it is there.
  const groups = type.fields
    .filter(({ name, discriminant, at }) => {
      return at.kind === 'group' && discriminant === NO_DISCRIMINANT && !Object.hasOwn(json, name);
    })
    .map(({ name }) => [name, {}] as const);
  return Object.fromEntries([...members, ...groups]);
}

function valueFromJson(type: ValueType, json: unknown): unknown {
  switch (type.kind) {
    case 'int64':
    case 'uint64':
      return BigInt(json as string);
    case 'float32':
    case 'float64':
      return Number(json);
    case 'data':
      return Uint8Array.from(json as number[]);
    case 'struct':
      return fromJson(type.struct, json as StructValue);
    case 'list':
      return (json as unknown[]).map((element) => valueFromJson(type.element, element));
    default:
      return json;
  }
}

/** As a struct literal of the schema language. */
export function toText(type: StructType, value: StructValue): string {
  const members = Object.entries(value).map(([name, member]) => {
    const { at } = type.fields.find((field) => field.name === name)!;
    return `${name} = ${at.kind === 'group' ? toText(at.group, member as StructValue) : textOf(at.type, member)}`;
  });
  return `(${members.join(', ')})`;
}

function textOf(type: ValueType, value: unknown): string {
  switch (type.kind) {
    case 'void':
      return 'void';
    case 'float32':
    case 'float64':
      // Without an exponent it could be an integer, which has no negative zero and is not as large.
      if (Object.is(value, -0)) return '-0e0';
      if (Number.isFinite(value)) return (value as number).toExponential();
      return String(value).toLowerCase().replace('infinity', 'inf');
    case 'text':
      return `"${escaped(Buffer.from(value as string))}"`;
    case 'data':
      return `"${escaped(value as Uint8Array)}"`;
    case 'struct':
      return toText(type.struct, value as StructValue);
    case 'list':
      return `[${(value as unknown[]).map((element) => textOf(type.element, element)).join(', ')}]`;
    default:
      return String(value);
  }
}

function escaped(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}
