/**
 * Codecs between JavaScript values and Cap'n Proto structs, compiled once for each struct type.
 *
 * Both sides may be hostile: a value's getters and proxies are run while it is encoded (and may start another encoding:
 * nothing here is shared), and a message says what it likes. A value is copied, property by property, each read once.
 *
 * In JavaScript: Void is null; integers of up to 32 bits and floats are numbers, 64-bit integers bigints; Text is a string
 * and Data a Uint8Array; an enumerant is its name, or its number where the schema does not know it; a list is an array; a
 * struct is an object, and so is a group. Of a union only the active member is there (`{circle: 3}`, `{empty: null}`); if
 * none is given, it is the first. What is left out has the schema's default. What is decoded is frozen, and has every field
 * but a null one that would contain its own struct again: the end of a chain has no `next`.
 */
import { AnyPointer, writeAnyPointer } from './any-pointer.js';
import {
  type CapabilityDecoder,
  type CapabilityEncoder,
  CodecError,
  NO_CAPABILITIES,
} from './capabilities.js';
import {
  type FieldType,
  NO_DISCRIMINANT,
  type StoredValue,
  type StructType,
  type ValueType,
} from './graph.js';
import type { ListBuilder, PointerBuilder, StructBuilder } from './message-builder.js';
import {
  ElementSize,
  type ListReader,
  MessageError,
  MessageReader,
  type PointerReader,
  type StructReader,
} from './message-reader.js';

export interface StructCodec {
  /** `depth`: how many pointers lead to what it is in. */
  encode(
    value: unknown,
    into: PointerBuilder,
    capabilities: CapabilityEncoder,
    path: string,
    depth?: number,
  ): void;
  decode(from: PointerReader, capabilities: CapabilityDecoder, path: string): unknown;
}

/** The deepest nesting of pointers that is written, as that of what is read: a cyclic value has to end somewhere. */
const MAX_DEPTH = 64;

interface FieldCodec {
  readonly name: string;
  readonly discriminant: number;
  encode(
    value: unknown,
    into: StructBuilder,
    capabilities: CapabilityEncoder,
    path: string,
    depth: number,
  ): void;
  /** Undefined: it is left out. */
  decode(from: StructReader, capabilities: CapabilityDecoder, path: string): unknown;
}

export function compileStruct(type: StructType): StructCodec {
  const layout = layoutOf(type);
  return {
    encode(value, into, capabilities, path, depth = 0) {
      checkDepth(depth, path);
      encodeFields(layout(), value, into.struct(type.dataWords, type.pointers), capabilities, path, depth);
    },
    decode(from, capabilities, path) {
      try {
        return decodeFields(layout(), from.struct(), capabilities, path);
      } catch (error) {
        throw placed(error, path);
      }
    },
  };
}

/** The value of a constant: `stored` is as a default is, and of the type. */
export function decodeConstant(type: ValueType, stored: StoredValue, name: string): unknown {
  if (type.kind === 'void') return null;
  if (type.kind === 'enum') return enumValue(type, stored as number);
  if (stored !== null && typeof stored !== 'object') return stored;
  const from = stored ?? new MessageReader([]).root;
  return within(name, () => decodePointer(type, from, null, NO_CAPABILITIES, name));
}

// ---- structs ------------------------------------------------------------------------------------------------------

interface Layout {
  readonly name: string;
  readonly fields: ReadonlyMap<string, FieldCodec>;
  readonly plain: readonly FieldCodec[];
  /** The members of the union, by their discriminants. */
  readonly members: ReadonlyMap<number, FieldCodec>;
  readonly tag: number;
}

const layouts = new WeakMap<StructType, Layout>();

/** Made when it is first used: structs may contain themselves. */
function layoutOf(type: StructType): () => Layout {
  let layout: Layout | null = null;
  return () => {
    layout ??= layouts.get(type) ?? newLayout(type);
    return layout;
  };
}

function newLayout(type: StructType): Layout {
  const codecs = type.fields.map((field) => fieldCodec(type, field));
  const layout: Layout = {
    name: type.name,
    fields: new Map(codecs.map((codec) => [codec.name, codec])),
    plain: codecs.filter(({ discriminant }) => discriminant === NO_DISCRIMINANT),
    members: new Map(
      codecs
        .filter(({ discriminant }) => discriminant !== NO_DISCRIMINANT)
        .map((codec) => [codec.discriminant, codec]),
    ),
    tag: type.discriminantOffset,
  };
  layouts.set(type, layout);
  return layout;
}

function encodeFields(
  layout: Layout,
  value: unknown,
  into: StructBuilder,
  capabilities: CapabilityEncoder,
  path: string,
  depth: number,
): void {
  if (typeof value !== 'object' || value === null || isArray(value)) {
    throw new CodecError(path, `expected an object, got ${kindOf(value)}`);
  }
  let active: string | null = null;
  for (const key of Object.keys(value)) {
    const field = layout.fields.get(key);
    const member: unknown = (value as Record<string, unknown>)[key];
    if (member === undefined) continue;
    if (field === undefined) {
      const known = [...layout.fields.keys()].join(', ');
      throw new CodecError(
        path,
        `unknown field ${JSON.stringify(key.slice(0, 64))}; ${layout.name} has ${known === '' ? 'none' : known}`,
      );
    }
    if (field.discriminant !== NO_DISCRIMINANT) {
      if (active !== null)
        throw new CodecError(path, `${active} and ${key} are members of one union: only one can be given`);
      active = key;
      into.setU16(layout.tag, field.discriminant);
    }
    field.encode(member, into, capabilities, `${path}.${key}`, depth);
  }
}

function decodeFields(
  layout: Layout,
  from: StructReader,
  capabilities: CapabilityDecoder,
  path: string,
): unknown {
  const result: Record<string, unknown> = {};
  for (const field of layout.plain) {
    const value = field.decode(from, capabilities, path);
    if (value !== undefined) result[field.name] = value;
  }
  if (layout.members.size > 0) {
    // A member that the schema does not know leaves none.
    const member = layout.members.get(from.u16(layout.tag));
    const value = member?.decode(from, capabilities, path);
    if (member !== undefined && value !== undefined) result[member.name] = value;
  }
  return Object.freeze(result);
}

function checkDepth(depth: number, path: string): void {
  if (depth >= MAX_DEPTH) throw new CodecError(path, `nested more than ${MAX_DEPTH} deep, or cyclic`);
}

/** How many types are looked at for one that comes back: brands can grow from level to level without end. */
const MAX_REACHED = 1000;

/**
 * Whether what a null pointer to `type` means has a `target` in it, or has no end: a null pointer in an empty struct is an
 * empty struct again, or the default of the field, if `given`. In a default any member of a union may be the active one,
 * in an empty struct the first is.
 */
function comesBack(type: StructType, given: boolean, target: StructType): boolean {
  const seen = new Map<StructType, boolean>();
  const open = [{ type, given }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.type === target || seen.size > MAX_REACHED) return true;
    const before = seen.get(next.type);
    if (before === true || before === next.given) continue;
    seen.set(next.type, next.given);
    for (const { discriminant, at } of next.type.fields) {
      if (!next.given && discriminant !== NO_DISCRIMINANT && discriminant !== 0) continue;
      if (at.kind === 'group') open.push({ type: at.group, given: next.given });
      else if (at.type.kind === 'struct')
        open.push({ type: at.type.struct, given: next.given || at.default !== null });
    }
  }
  return false;
}

function fieldCodec(owner: StructType, field: FieldType): FieldCodec {
  const { name, discriminant, at } = field;
  if (at.kind === 'group') {
    const layout = layoutOf(at.group);
    return {
      name,
      discriminant,
      encode: (value, into, capabilities, path, depth) =>
        encodeFields(layout(), value, into, capabilities, path, depth),
      decode: (from, capabilities, path) => decodeFields(layout(), from, capabilities, `${path}.${name}`),
    };
  }
  const { type, offset } = at;
  const data = dataCodec(type, offset, at.default);
  if (data !== null) return { name, discriminant, encode: data.encode, decode: data.decode };
  const fallback = at.default as PointerReader | null;
  // The first member of a union is active where no other is; another has to be there.
  const optional = discriminant === NO_DISCRIMINANT || discriminant === 0;
  const isLeaf = type.kind === 'text' || type.kind === 'data';
  let endless: boolean | null = null;
  return {
    name,
    discriminant,
    encode: (value, into, capabilities, path, depth) =>
      encodePointer(type, value, into.pointer(offset), capabilities, path, depth),
    decode: (from, capabilities, path) => {
      // The place is only made where it is needed: for what is in it, and for what is wrong with it.
      const where = isLeaf ? '' : `${path}.${name}`;
      try {
        const pointer = from.pointer(offset);
        if (optional && type.kind === 'struct' && pointer.isNull) {
          endless ??= comesBack(type.struct, fallback !== null, owner);
          if (endless) return undefined;
        }
        return decodePointer(type, pointer, fallback, capabilities, where);
      } catch (error) {
        throw placed(error, isLeaf ? `${path}.${name}` : where);
      }
    },
  };
}

/** Runs `read`, with the place added to what is wrong with a message. */
function within<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw placed(error, path);
  }
}

function placed(error: unknown, path: string): unknown {
  return error instanceof MessageError ? new CodecError(path, error.message) : error;
}

// ---- what stands in the data section ------------------------------------------------------------------------------

type DataCodec = Pick<FieldCodec, 'encode' | 'decode'>;

const INTEGERS = {
  int8: [-0x80, 0x7f],
  int16: [-0x8000, 0x7fff],
  int32: [-0x8000_0000, 0x7fff_ffff],
  uint8: [0, 0xff],
  uint16: [0, 0xffff],
  uint32: [0, 0xffff_ffff],
} as const;

const BIG_INTEGERS = {
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
} as const;

/** `offset` is in units of the type. The default of the schema is XORed in, so that zeros mean the default. */
function dataCodec(type: ValueType, offset: number, stored: StoredValue): DataCodec | null {
  const fallback = typeof stored === 'object' ? 0 : stored;
  const { kind } = type;
  switch (kind) {
    case 'void':
      return { encode: (value, _into, _capabilities, path) => checkVoid(value, path), decode: () => null };
    case 'bool': {
      const on = fallback === true;
      return {
        encode: (value, into, _capabilities, path) => into.setBool(offset, checkBool(value, path) !== on),
        decode: (from) => from.bool(offset) !== on,
      };
    }
    case 'int8':
    case 'uint8': {
      const mask = Number(fallback) & 0xff;
      const signed = kind === 'int8';
      return {
        encode: (value, into, _capabilities, path) =>
          into.setU8(offset, (checkInteger(value, kind, path) ^ mask) & 0xff),
        decode: (from) => (signed ? ((from.u8(offset) ^ mask) << 24) >> 24 : from.u8(offset) ^ mask),
      };
    }
    case 'int16':
    case 'uint16': {
      const mask = Number(fallback) & 0xffff;
      const signed = kind === 'int16';
      const at = offset * 2;
      return {
        encode: (value, into, _capabilities, path) =>
          into.setU16(at, (checkInteger(value, kind, path) ^ mask) & 0xffff),
        decode: (from) => (signed ? ((from.u16(at) ^ mask) << 16) >> 16 : from.u16(at) ^ mask),
      };
    }
    case 'int32':
    case 'uint32': {
      const mask = Number(fallback) | 0;
      const signed = kind === 'int32';
      const at = offset * 4;
      return {
        encode: (value, into, _capabilities, path) =>
          into.setU32(at, (checkInteger(value, kind, path) ^ mask) >>> 0),
        decode: (from) => (signed ? from.i32(at) ^ mask : (from.u32(at) ^ mask) >>> 0),
      };
    }
    case 'int64':
    case 'uint64': {
      const mask = BigInt.asUintN(64, BigInt(fallback));
      const signed = kind === 'int64';
      const at = offset * 8;
      return {
        encode: (value, into, _capabilities, path) =>
          into.setU64(at, BigInt.asUintN(64, checkBigInteger(value, kind, path)) ^ mask),
        decode: (from) => (signed ? BigInt.asIntN(64, from.u64(at) ^ mask) : from.u64(at) ^ mask),
      };
    }
    case 'float32': {
      const at = offset * 4;
      const mask = float32Bits(Number(fallback));
      return {
        encode: (value, into, _capabilities, path) =>
          into.setU32(at, (float32Bits(checkNumber(value, path)) ^ mask) >>> 0),
        decode: (from) => bitsToFloat32((from.u32(at) ^ mask) >>> 0),
      };
    }
    case 'float64': {
      const at = offset * 8;
      const mask = float64Bits(Number(fallback));
      if (mask === 0n) {
        return {
          encode: (value, into, _capabilities, path) => into.setF64(at, checkNumber(value, path)),
          decode: (from) => from.f64(at),
        };
      }
      return {
        encode: (value, into, _capabilities, path) =>
          into.setU64(at, float64Bits(checkNumber(value, path)) ^ mask),
        decode: (from) => bitsToFloat64(from.u64(at) ^ mask),
      };
    }
    case 'enum': {
      const mask = Number(fallback);
      const at = offset * 2;
      return {
        encode: (value, into, _capabilities, path) => into.setU16(at, checkEnum(value, type, path) ^ mask),
        decode: (from) => enumValue(type, from.u16(at) ^ mask),
      };
    }
    default:
      return null;
  }
}

/**
 * Reads the value of a field that stands in the data section, and nothing else of its struct; null for a type that stands
 * behind a pointer. `offset` and `stored` are those of the field.
 */
export function dataReader(
  type: ValueType,
  offset: number,
  stored: StoredValue,
): ((from: StructReader) => unknown) | null {
  const codec = dataCodec(type, offset, stored);
  return codec === null ? null : (from) => codec.decode(from, NO_CAPABILITIES, '');
}

type EnumValue = ValueType & { kind: 'enum' };

function checkVoid(value: unknown, path: string): void {
  if (value !== null) throw new CodecError(path, `expected null (Void), got ${kindOf(value)}`);
}

function checkBool(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') throw new CodecError(path, `expected a boolean, got ${kindOf(value)}`);
  return value;
}

function checkNumber(value: unknown, path: string): number {
  if (typeof value !== 'number') throw new CodecError(path, `expected a number, got ${kindOf(value)}`);
  // One NaN for all: the bits of another would cross unseen.
  return Number.isNaN(value) ? NaN : value;
}

function checkInteger(value: unknown, kind: keyof typeof INTEGERS, path: string): number {
  const number = checkNumber(value, path);
  const [least, most] = INTEGERS[kind];
  if (!Number.isInteger(number) || number < least || number > most) {
    throw new CodecError(path, `expected an integer from ${least} to ${most}, got ${number}`);
  }
  return number;
}

function checkBigInteger(value: unknown, kind: keyof typeof BIG_INTEGERS, path: string): bigint {
  if (typeof value !== 'bigint') throw new CodecError(path, `expected bigint, got ${kindOf(value)}`);
  const [least, most] = BIG_INTEGERS[kind];
  if (value < least || value > most)
    throw new CodecError(path, `expected an integer from ${least} to ${most}, got one outside`);
  return value;
}

function checkEnum(value: unknown, type: EnumValue, path: string): number {
  if (typeof value === 'string') {
    const number = type.enum.number(value);
    if (number !== undefined) return number;
    throw new CodecError(
      path,
      `expected one of ${type.enum.enumerants.join(', ')}, got ${JSON.stringify(value.slice(0, 64))}`,
    );
  }
  if (typeof value === 'number') return checkInteger(value, 'uint16', path);
  throw new CodecError(path, `expected one of ${type.enum.enumerants.join(', ')}, got ${kindOf(value)}`);
}

function enumValue(type: EnumValue, number: number): string | number {
  return type.enum.enumerants[number] ?? number;
}

const scratch = new DataView(new ArrayBuffer(8));

function float32Bits(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getUint32(0);
}
function bitsToFloat32(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}
function float64Bits(value: number): bigint {
  scratch.setFloat64(0, value);
  return scratch.getBigUint64(0);
}
function bitsToFloat64(bits: bigint): number {
  scratch.setBigUint64(0, bits);
  return scratch.getFloat64(0);
}

// ---- what stands behind a pointer ---------------------------------------------------------------------------------

function encodePointer(
  type: ValueType,
  value: unknown,
  into: PointerBuilder,
  capabilities: CapabilityEncoder,
  path: string,
  depth: number,
): void {
  switch (type.kind) {
    case 'text': {
      if (typeof value !== 'string') throw new CodecError(path, `expected a string, got ${kindOf(value)}`);
      if (!value.isWellFormed())
        throw new CodecError(path, 'a string with a lone surrogate is not Unicode text');
      return into.setText(value);
    }
    case 'data':
      return into.setBytes(value as Uint8Array, checkBytes(value, path));
    case 'struct': {
      const { struct } = type;
      checkDepth(depth + 1, path);
      return encodeFields(
        layoutOf(struct)(),
        value,
        into.struct(struct.dataWords, struct.pointers),
        capabilities,
        path,
        depth + 1,
      );
    }
    case 'list':
      return encodeList(type.element, value, into, capabilities, path, depth + 1);
    case 'interface':
    case 'capability':
      if (value === null) return into.setNull();
      return into.setCapability(
        capabilities.encode(value, type.kind === 'interface' ? type.interface : null, path),
      );
    case 'anyPointer':
      if (value === null) return into.setNull();
      if (AnyPointer.is(value)) return writeAnyPointer(value, into, capabilities, path, depth + 1);
      return into.setCapability(capabilities.encode(value, null, path));
    default:
      throw new Error(`${type.kind} does not stand behind a pointer`);
  }
}

function decodePointer(
  type: ValueType,
  given: PointerReader,
  fallback: PointerReader | null,
  capabilities: CapabilityDecoder,
  path: string,
): unknown {
  const from = fallback !== null && given.isNull ? fallback : given;
  switch (type.kind) {
    case 'text':
      return from.text();
    case 'data':
      return new Uint8Array(from.data());
    case 'struct':
      return decodeFields(layoutOf(type.struct)(), from.struct(), capabilities, path);
    case 'list':
      return decodeList(type.element, from, capabilities, path);
    case 'interface':
      return capabilities.decode(from.capability(), type.interface);
    case 'capability':
      return capabilities.decode(from.capability(), null);
    case 'anyPointer':
      if (from.kind === 'null') return null;
      if (from.kind === 'capability') return capabilities.decode(from.capability(), null);
      return AnyPointer.read(from, capabilities);
    default:
      throw new Error(`${type.kind} does not stand behind a pointer`);
  }
}

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const tagOf = Object.getOwnPropertyDescriptor(typedArray, Symbol.toStringTag)!.get!;
const lengthOf = Object.getOwnPropertyDescriptor(typedArray, 'byteLength')!.get!;

/** How many bytes there really are: an own property `length` of a hostile array says nothing. */
function checkBytes(value: unknown, path: string): number {
  if (typeof value !== 'object' || value === null || Reflect.apply(tagOf, value, []) !== 'Uint8Array') {
    throw new CodecError(path, `expected a Uint8Array, got ${kindOf(value)}`);
  }
  return Reflect.apply(lengthOf, value, []) as number;
}

/** A proxy that has been revoked is nothing. */
function isArray(value: unknown): value is readonly unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : typeof value;
}

// ---- lists --------------------------------------------------------------------------------------------------------

const ELEMENT_SIZES: Partial<Record<ValueType['kind'], ElementSize>> = {
  void: ElementSize.void,
  bool: ElementSize.bit,
  int8: ElementSize.byte,
  uint8: ElementSize.byte,
  int16: ElementSize.twoBytes,
  uint16: ElementSize.twoBytes,
  enum: ElementSize.twoBytes,
  int32: ElementSize.fourBytes,
  uint32: ElementSize.fourBytes,
  float32: ElementSize.fourBytes,
  int64: ElementSize.eightBytes,
  uint64: ElementSize.eightBytes,
  float64: ElementSize.eightBytes,
};

function encodeList(
  element: ValueType,
  value: unknown,
  into: PointerBuilder,
  capabilities: CapabilityEncoder,
  path: string,
  depth: number,
): void {
  checkDepth(depth, path);
  if (!isArray(value)) throw new CodecError(path, `expected an array, got ${kindOf(value)}`);
  const length: unknown = value.length;
  // A proxy can say anything here, and builders rely on it.
  if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0)
    throw new CodecError(path, 'expected an array, got one whose length is not an integer of 0 or more');
  if (element.kind === 'struct') {
    const { struct } = element;
    const list = within(path, () => into.structList(length, struct.dataWords, struct.pointers));
    const layout = layoutOf(struct)();
    for (let i = 0; i < length; i++)
      encodeFields(layout, value[i], list.struct(i), capabilities, `${path}[${i}]`, depth);
    return;
  }
  const size = ELEMENT_SIZES[element.kind];
  if (size === undefined) {
    const list = within(path, () => into.list(ElementSize.pointer, length));
    for (let i = 0; i < length; i++)
      encodePointer(element, value[i], list.pointer(i), capabilities, `${path}[${i}]`, depth);
    return;
  }
  const list = within(path, () => into.list(size, length));
  for (let i = 0; i < length; i++) setElement(element, list, i, value[i], `${path}[${i}]`);
}

function setElement(element: ValueType, list: ListBuilder, i: number, value: unknown, path: string): void {
  switch (element.kind) {
    case 'void':
      return checkVoid(value, path);
    case 'bool':
      return list.setBool(i, checkBool(value, path));
    case 'int8':
    case 'uint8':
      return list.setU8(i, checkInteger(value, element.kind, path) & 0xff);
    case 'int16':
    case 'uint16':
      return list.setU16(i, checkInteger(value, element.kind, path) & 0xffff);
    case 'int32':
    case 'uint32':
      return list.setU32(i, checkInteger(value, element.kind, path) >>> 0);
    case 'int64':
    case 'uint64':
      return list.setU64(i, BigInt.asUintN(64, checkBigInteger(value, element.kind, path)));
    case 'float32':
      return list.setF32(i, checkNumber(value, path));
    case 'float64':
      return list.setF64(i, checkNumber(value, path));
    case 'enum':
      return list.setU16(i, checkEnum(value, element, path));
    default:
      throw new Error(`${element.kind} stands behind a pointer`);
  }
}

function decodeList(
  element: ValueType,
  from: PointerReader,
  capabilities: CapabilityDecoder,
  path: string,
): unknown {
  const result: unknown[] = [];
  if (element.kind === 'struct') {
    const list = from.list(ElementSize.composite);
    const layout = layoutOf(element.struct)();
    for (let i = 0; i < list.length; i++)
      result.push(decodeFields(layout, list.struct(i), capabilities, `${path}[${i}]`));
    return Object.freeze(result);
  }
  const size = ELEMENT_SIZES[element.kind];
  const list = from.list(size ?? ElementSize.pointer);
  if (size !== undefined) {
    list.chargeElements();
    for (let i = 0; i < list.length; i++) result.push(getElement(element, list, i));
    return Object.freeze(result);
  }
  for (let i = 0; i < list.length; i++) {
    const where = `${path}[${i}]`;
    result.push(within(where, () => decodePointer(element, list.pointer(i), null, capabilities, where)));
  }
  return Object.freeze(result);
}

function getElement(element: ValueType, list: ListReader, i: number): unknown {
  switch (element.kind) {
    case 'void':
      return null;
    case 'bool':
      return list.bool(i);
    case 'int8':
      return list.i8(i);
    case 'uint8':
      return list.u8(i);
    case 'int16':
      return list.i16(i);
    case 'uint16':
      return list.u16(i);
    case 'int32':
      return list.i32(i);
    case 'uint32':
      return list.u32(i);
    case 'int64':
      return list.i64(i);
    case 'uint64':
      return list.u64(i);
    case 'float32':
      return list.f32(i);
    case 'float64':
      return list.f64(i);
    case 'enum':
      return enumValue(element, list.u16(i));
    default:
      throw new Error(`${element.kind} stands behind a pointer`);
  }
}
