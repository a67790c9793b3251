/**
 * Values of a schema as JSON, for a person and for scripts: 64-bit integers and floats that JSON does not have as strings,
 * Data as base64, Void as null. A capability in results is shown as what it is, `{"capability": "Account"}`; in params it is
 * the text by which `capability` finds it. What is left to the codec is checked by the codec.
 */
import { isStub, type Stub, typeOf } from '../../rpc/index.js';
import {
  AnyPointer,
  CodecError,
  type InterfaceType,
  type StructType,
  type ValueType,
} from '../../schema/index.js';

export function structToJson(value: unknown, type: StructType): unknown {
  const from = value as Readonly<Record<string, unknown>>;
  const shown: Record<string, unknown> = {};
  for (const { name, at } of type.fields) {
    // Of a union, only the active member is there.
    if (!Object.hasOwn(from, name)) continue;
    shown[name] = at.kind === 'group' ? structToJson(from[name], at.group) : valueToJson(from[name], at.type);
  }
  return shown;
}

function valueToJson(value: unknown, type: ValueType): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (isStub(value)) return { capability: typeOf(value)?.name ?? 'Capability' };
  if (AnyPointer.is(value)) return { anyPointer: 'of a type that the schema does not say' };
  if (type.kind === 'list')
    return (value as readonly unknown[]).map((element) => valueToJson(element, type.element));
  if (type.kind === 'struct') return structToJson(value, type.struct);
  return value;
}

type Capabilities = (text: string, type: InterfaceType | null) => Stub;

/** @throws CodecError with the path of what is wrong. */
export function structFromJson(
  json: unknown,
  type: StructType,
  path: string,
  capabilities: Capabilities,
): unknown {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return json;
  const fields = new Map(type.fields.map((field) => [field.name, field]));
  const value: Record<string, unknown> = Object.create(null);
  for (const [name, part] of Object.entries(json)) {
    const at = fields.get(name)?.at;
    const where = `${path}.${name}`;
    if (at === undefined) value[name] = part;
    else if (at.kind === 'group') value[name] = structFromJson(part, at.group, where, capabilities);
    else value[name] = valueFromJson(part, at.type, where, capabilities);
  }
  return value;
}

const FLOATS: Readonly<Record<string, number>> = { NaN: Number.NaN, Infinity, '-Infinity': -Infinity };

function valueFromJson(json: unknown, type: ValueType, path: string, capabilities: Capabilities): unknown {
  switch (type.kind) {
    case 'int64':
    case 'uint64':
      return integer(json, path);
    case 'float32':
    case 'float64':
      return typeof json === 'string' && Object.hasOwn(FLOATS, json) ? FLOATS[json] : json;
    case 'data':
      return bytes(json, path);
    case 'list':
      if (!Array.isArray(json)) return json;
      return json.map((part, i) => valueFromJson(part, type.element, `${path}[${i}]`, capabilities));
    case 'struct':
      return structFromJson(json, type.struct, path, capabilities);
    case 'interface':
    case 'capability':
      if (json === null) return null;
      if (typeof json !== 'string')
        throw new CodecError(path, 'a capability is given as "@FILE" or "@FILE:NAME"');
      return capabilities(json, type.kind === 'interface' ? type.interface : null);
    case 'anyPointer':
      if (json === null) return null;
      throw new CodecError(
        path,
        'the schema does not say of which type this is, so it cannot be given as JSON',
      );
    default:
      return json;
  }
}

function integer(json: unknown, path: string): unknown {
  if (typeof json === 'string' && /^-?[0-9]{1,20}$/.test(json)) return BigInt(json);
  if (typeof json !== 'number')
    throw new CodecError(path, 'expected a 64-bit integer, as a number or a string of digits');
  if (!Number.isSafeInteger(json)) {
    throw new CodecError(path, `${json} is not exact as a number of JSON; give it as a string of digits`);
  }
  return BigInt(json);
}

function bytes(json: unknown, path: string): Uint8Array {
  if (typeof json === 'string') {
    const decoded = Buffer.from(json, 'base64');
    if (decoded.toString('base64').replace(/=+$/, '') === json.replace(/=+$/, ''))
      return new Uint8Array(decoded);
  }
  throw new CodecError(path, 'expected Data as a string of base64');
}
