/**
 * Constraints on the params of calls: checked against the schema when they are minted, compiled when they are first used,
 * and then asked of the bytes of each call.
 *
 * What cannot be read as the schema says does not hold. What a stored constraint names and the schema does not have any
 * more refuses whatever it may have been about: the method, or where that is gone the whole interface.
 */

import type { ConstraintOperator } from '../../client/protocol.js';
import { type Call, RpcError } from '../../rpc/index.js';
import {
  dataReader,
  ElementSize,
  type InterfaceType,
  MessageError,
  type MethodType,
  type PointerReader,
  type SchemaGraph,
  type StructReader,
  type ValueType,
} from '../../schema/index.js';
import type { ConstraintValue, StoredConstraint } from '../store/store.js';
import { ConstraintTextError, constraintText, parseConstraint } from './constraint-text.js';
import { type FoundField, findField, type Slot, show } from './field.js';
import { isPlainPath, pathWithin } from './path-within.js';

/** The deepest path to a field, in names. */
export const MAX_FIELD_PATH = 16;

/** The most constraints of one policy. */
export const MAX_CONSTRAINTS = 64;

/** The most bytes that the values of one policy's constraints have together. */
export const MAX_CONSTRAINT_BYTES = 64 * 1024;

const ORDER: readonly ConstraintOperator[] = ['equal', 'oneOf', 'less', 'atMost', 'greater', 'atLeast'];
const SAME: readonly ConstraintOperator[] = ['equal', 'oneOf'];

/** What a type can be compared by, and the kind of value that it is compared with. */
interface Comparable {
  readonly operators: readonly ConstraintOperator[];
  readonly value: 'text' | 'int' | 'float' | 'data' | 'bool';
}

const LENGTH: Comparable = { operators: ORDER, value: 'int' };

export function comparable(type: ValueType, measure: StoredConstraint['measure']): Comparable | null {
  if (measure === 'length') return ['list', 'text', 'data'].includes(type.kind) ? LENGTH : null;
  switch (type.kind) {
    case 'bool':
      return { operators: SAME, value: 'bool' };
    case 'enum':
      return { operators: SAME, value: 'text' };
    case 'text':
      return { operators: [...SAME, 'prefix', 'within'], value: 'text' };
    case 'data':
      return { operators: [...SAME, 'prefix'], value: 'data' };
    case 'float32':
    case 'float64':
      return { operators: ORDER, value: 'float' };
    default:
      return /^u?int(?:8|16|32|64)$/.test(type.kind) ? { operators: ORDER, value: 'int' } : null;
  }
}

// ---- when it is minted ------------------------------------------------------------------------------------------------

/**
 * `constraints` as they are stored: with values of the kind that their fields have.
 * @throws RpcError ERR_POLICY_CONSTRAINT where one does not fit the schema, by name.
 */
export function checkedConstraints(
  constraints: readonly StoredConstraint[],
  graph: SchemaGraph,
): StoredConstraint[] {
  if (constraints.length > MAX_CONSTRAINTS) {
    throw refused(`policy: ${constraints.length} constraints; at most ${MAX_CONSTRAINTS} are allowed`);
  }
  const bytes = constraints.reduce((sum, { values }) => sum + values.reduce((n, v) => n + sizeOf(v), 0), 0);
  if (bytes > MAX_CONSTRAINT_BYTES) {
    throw refused(
      `policy: ${bytes} bytes of values in constraints; at most ${MAX_CONSTRAINT_BYTES} are allowed`,
    );
  }
  return constraints.map((constraint, i) => {
    const resolved = resolve(constraint, graph);
    if (typeof resolved === 'string') throw refused(`policy.constraints[${i}]: ${resolved}`);
    return { ...constraint, values: resolved.values };
  });
}

/**
 * The constraint that a person wrote, which fits the schema.
 * @throws ConstraintTextError
 */
export function writtenConstraint(text: string, graph: SchemaGraph): StoredConstraint {
  const constraint = parseConstraint(text, graph);
  const resolved = resolve(constraint, graph);
  if (typeof resolved === 'string') throw new ConstraintTextError(resolved);
  return { ...constraint, values: resolved.values };
}

function sizeOf(value: ConstraintValue): number {
  if ('text' in value) return 8 + Buffer.byteLength(value.text);
  return 8 + ('data' in value ? value.data.length : 8);
}

function refused(message: string): RpcError {
  return new RpcError('failed', message, { code: 'ERR_POLICY_CONSTRAINT' });
}

interface Resolved {
  readonly method: MethodType;
  readonly field: FoundField;
  readonly values: readonly ConstraintValue[];
}

/** A string says what is wrong with it. */
function resolve(constraint: StoredConstraint, graph: SchemaGraph): Resolved | string {
  const type = graph.interface(constraint.interface);
  const method = declared(type, constraint.method);
  if (typeof method === 'string') return method;
  const { field: path, measure, operator } = constraint;
  if (path.length > MAX_FIELD_PATH)
    return `a field ${path.length} deep; at most ${MAX_FIELD_PATH} are allowed`;
  const where = `${type.name}.${method.name}`;
  const field = findField(method.params, path, where);
  if (typeof field === 'string') return field;
  const name = `${where}.${path.slice(0, path.length - field.rest.length).join('.')}`;
  const kind = typeName(field.slot.type);
  if (field.rest.length > 0) return `${name} is ${kind}, which has no field ${show(field.rest[0]!)}`;
  const by = comparable(field.slot.type, measure);
  if (by === null) {
    if (measure === 'length') return `${name} is ${kind}, which has no length`;
    return comparable(field.slot.type, 'length') === null
      ? `${name} is ${kind}, which cannot be constrained`
      : `${name} is ${kind}; only its length can be constrained`;
  }
  const what = measure === 'length' ? `the length of ${name}` : `${name}, ${kind},`;
  if (!by.operators.includes(operator)) {
    return `${what} is not compared by ${operator}; it is by ${by.operators.join(', ')}`;
  }
  const { values } = constraint;
  if (operator === 'oneOf' ? values.length === 0 : values.length !== 1) {
    return `${operator} takes ${operator === 'oneOf' ? 'one value or more' : 'one value'}, not ${values.length}`;
  }
  const fitting: ConstraintValue[] = [];
  for (const value of values) {
    const fits = fitted(value, by.value);
    if (fits === null) return `${what} is compared with ${VALUE_NAMES[by.value]}, not ${valueName(value)}`;
    if ('text' in fits) {
      const wrong = wrongText(fits.text, field.slot.type, operator);
      if (wrong !== null) return `${name}: ${wrong}`;
    }
    fitting.push(fits);
  }
  return { method, field, values: fitting };
}

function declared(type: InterfaceType, name: string): MethodType | string {
  const own = type.methods.find((method) => method.name === name);
  if (own !== undefined) return own;
  const inherited = type.method(name);
  return inherited === undefined
    ? `${type.name} has no method ${show(name)}; it has ${type.methods.map((method) => method.name).join(', ')}`
    : `${name} is declared by ${inherited.interface.name} (0x${inherited.interface.id.toString(16)}); name that`;
}

function wrongText(text: string, type: ValueType, operator: ConstraintOperator): string | null {
  if (type.kind === 'enum' && type.enum.number(text) === undefined) {
    return `${type.enum.name} has no ${show(text)}; it has ${type.enum.enumerants.join(', ')}`;
  }
  if (operator === 'within' && !isPlainPath(text)) {
    return `${show(text)} is not a plain path, such as /reports: no empty segment, no '.' or '..', no '\\' or '%'`;
  }
  return null;
}

/** The value as one of `kind`; null where it is none. */
function fitted(value: ConstraintValue, kind: Comparable['value']): ConstraintValue | null {
  if (kind === 'float' && 'int' in value) {
    const float = Number(value.int);
    return BigInt(float) === value.int ? { float } : null;
  }
  if ('float' in value && Number.isNaN(value.float)) return null;
  return kind in value ? value : null;
}

const VALUE_NAMES: Readonly<Record<Comparable['value'], string>> = {
  text: 'a text',
  int: 'an integer',
  float: 'a number',
  data: 'bytes',
  bool: 'true or false',
};

function valueName(value: ConstraintValue): string {
  if ('float' in value && Number.isNaN(value.float)) return 'NaN';
  return VALUE_NAMES[Object.keys(value)[0] as Comparable['value']];
}

function typeName(type: ValueType): string {
  switch (type.kind) {
    case 'enum':
      return `of the enum ${type.enum.name}`;
    case 'struct':
      return `a struct ${type.struct.name}`;
    case 'list':
      return 'a list';
    case 'interface':
    case 'capability':
      return 'a capability';
    case 'anyPointer':
      return 'an AnyPointer';
    case 'void':
      return 'Void';
    case 'bool':
      return 'a Bool';
    case 'uint8':
    case 'uint16':
    case 'uint32':
    case 'uint64':
      return `a UInt${type.kind.slice(4)}`;
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      return `an Int${type.kind.slice(3)}`;
    default:
      return `a ${type.kind[0]!.toUpperCase()}${type.kind.slice(1)}`;
  }
}

// ---- when it is used --------------------------------------------------------------------------------------------------

/** Whether one constraint holds, of the params. Throws MessageError where they are malformed. */
export type Check = (params: StructReader) => boolean;

export interface Rule {
  readonly holds: Check;
  /** For an error. */
  readonly text: string;
}

/** By interface, and by method number. */
export type ConstraintTable = ReadonlyMap<bigint, InterfaceRules>;

interface InterfaceRules {
  /** The interface, or a constrained method of it, is not in the schema any more. */
  gone: boolean;
  readonly methods: (Rule[] | undefined)[];
}

const NEVER: Check = () => false;

/** Null where there is none. */
export function compileConstraints(
  constraints: readonly StoredConstraint[] | undefined,
  graph: SchemaGraph,
): ConstraintTable | null {
  if (constraints === undefined || constraints.length === 0) return null;
  const table = new Map<bigint, InterfaceRules>();
  for (const constraint of constraints) {
    let rules = table.get(constraint.interface);
    if (rules === undefined) {
      rules = { gone: false, methods: [] };
      table.set(constraint.interface, rules);
    }
    const method = graph.has(constraint.interface)
      ? graph.interface(constraint.interface).methods.find(({ name }) => name === constraint.method)
      : undefined;
    if (method === undefined) {
      rules.gone = true;
      continue;
    }
    const resolved = resolve(constraint, graph);
    const rule: Rule = {
      holds: typeof resolved === 'string' ? NEVER : compile(resolved.field, constraint, resolved.values),
      text: constraintText(constraint),
    };
    const known = rules.methods[method.id];
    if (known === undefined) rules.methods[method.id] = [rule];
    else known.push(rule);
  }
  return table;
}

/** The constraints on a method; `gone`: on what the schema does not have any more. Null: there are none. */
export function rulesOf(
  table: ConstraintTable,
  interfaceId: bigint,
  methodId: number,
): readonly Rule[] | 'gone' | null {
  const rules = table.get(interfaceId);
  if (rules === undefined) return null;
  return rules.gone ? 'gone' : (rules.methods[methodId] ?? null);
}

/** Why a call is refused by the constraints on its method; null if it is not. `nameOf` names a method. */
export function constraintRefusal(
  list: readonly Rule[] | 'gone',
  { interfaceId, methodId, params }: Call,
  nameOf: (interfaceId: bigint, methodId: number) => string,
): RpcError | null {
  if (list === 'gone') {
    return violation(
      'the grant constrains a method of this interface that the schema does not have any more',
    );
  }
  let at = list[0]!;
  try {
    const { content } = params;
    // Params that are null have no field at all.
    const struct = content.isNull ? null : content.struct();
    for (at of list) {
      if (struct !== null && at.holds(struct)) continue;
      return violation(`the grant allows ${nameOf(interfaceId, methodId)} only where ${at.text}`);
    }
    return null;
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    const name = nameOf(interfaceId, methodId);
    return violation(`the grant allows ${name} only where ${at.text}; these params cannot be read`);
  }
}

function violation(message: string): RpcError {
  return new RpcError('failed', message, { code: 'ERR_GRANT_CONSTRAINT' });
}

export function compile(
  field: FoundField,
  { measure, operator }: Pick<StoredConstraint, 'measure' | 'operator'>,
  values: readonly ConstraintValue[],
): Check {
  const { slot, parent } = field;
  const read = measure === 'length' ? lengthReader(slot) : valueReader(slot);
  const holds = comparison(slot.type, measure, operator, values);
  return (params) => {
    const struct = parent(params);
    return struct !== null && holds(read(struct) as never);
  };
}

type Read = (from: StructReader) => unknown;

function valueReader({ type, offset, default: fallback }: Slot): Read {
  const data = dataReader(type, offset, fallback);
  if (data !== null) return data;
  const at = pointerReader(offset, fallback as PointerReader | null);
  return type.kind === 'text' ? (from) => at(from).text() : (from) => at(from).data();
}

function lengthReader({ type, offset, default: fallback }: Slot): Read {
  const at = pointerReader(offset, fallback as PointerReader | null);
  switch (type.kind) {
    case 'text':
      return (from) => Buffer.byteLength(at(from).text());
    case 'data':
      return (from) => at(from).dataLength();
    default:
      // Any list will do: whoever reads its elements finds out whether they are what they have to be.
      return (from) => at(from).list(ElementSize.void).length;
  }
}

/** A null pointer means the default. */
function pointerReader(
  offset: number,
  fallback: PointerReader | null,
): (from: StructReader) => PointerReader {
  if (fallback === null) return (from) => from.pointer(offset);
  return (from) => {
    const pointer = from.pointer(offset);
    return pointer.isNull ? fallback : pointer;
  };
}

/** The comparison with values that fit: see `comparable`. */
function comparison(
  type: ValueType,
  measure: StoredConstraint['measure'],
  operator: ConstraintOperator,
  values: readonly ConstraintValue[],
): (value: never) => boolean {
  if (type.kind === 'data' && measure === 'value') {
    const known = values.map((value) => Buffer.from((value as { data: Uint8Array }).data));
    if (operator === 'prefix') {
      const prefix = known[0]!;
      return (value: Uint8Array) => prefix.equals(value.subarray(0, prefix.length));
    }
    return (value: Uint8Array) => known.some((each) => each.equals(value));
  }
  const isWide = measure === 'value' && (type.kind === 'int64' || type.kind === 'uint64');
  // What is beyond a smaller integer's range stays so, though it may be rounded.
  const plain = values.map((value) =>
    'int' in value ? (isWide ? value.int : Number(value.int)) : Object.values(value)[0],
  ) as (string | number | bigint | boolean)[];
  const [first] = plain as [never];
  // What is not equal to itself is NaN: it is not less than anything, and not in any set.
  switch (operator) {
    case 'equal':
      return (value) => value === first;
    case 'oneOf': {
      const set = new Set<unknown>(plain);
      return (value) => set.has(value);
    }
    case 'less':
      return (value) => value < first;
    case 'atMost':
      return (value) => value <= first;
    case 'greater':
      return (value) => value > first;
    case 'atLeast':
      return (value) => value >= first;
    case 'prefix':
      return (value: string) => value.startsWith(first);
    case 'within':
      return pathWithin(first);
  }
}
