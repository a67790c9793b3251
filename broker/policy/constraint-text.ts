/**
 * Constraints as people write them, on the command line and in a configuration: `Account.transfer.amount <= 100`,
 * `Directory.open.path within /reports`, `Ledger.open.name in [alice, bob]`, `Batch.run.steps.length <= 10`.
 *
 * A Text is written as it is, or in the quotes of JSON; a Data in base64; an enum by the name of its enumerant.
 */

import type { ConstraintOperator } from '../../client/protocol.js';
import { type InterfaceType, type MethodType, SchemaError, type SchemaGraph } from '../../schema/index.js';
import type { ConstraintValue, StoredConstraint } from '../store/store.js';
import { findField, type Slot, show } from './field.js';

const SIGNS: Readonly<Record<ConstraintOperator, string>> = {
  equal: '==',
  oneOf: 'in',
  less: '<',
  atMost: '<=',
  greater: '>',
  atLeast: '>=',
  prefix: 'prefix',
  within: 'within',
};
const OPERATORS = new Map(
  Object.entries(SIGNS).map(([operator, sign]) => [sign, operator as ConstraintOperator]),
).set('=', 'equal');

/** What is no constraint, or names what the schema does not have. */
export class ConstraintTextError extends Error {
  override readonly name = 'ConstraintTextError';
}

/** @throws ConstraintTextError. Whether the operator and the values fit is for whoever mints to say. */
export function parseConstraint(text: string, graph: SchemaGraph): StoredConstraint {
  const found =
    /^\s*([A-Za-z][A-Za-z0-9.]*)(?:\s*(<=|>=|==|=|<|>)|\s+(in|prefix|within)\s)\s*([\s\S]*?)\s*$/.exec(text);
  if (found === null) {
    throw new ConstraintTextError(
      `expected such as Account.transfer.amount<=100, with one of ${Object.values(SIGNS).join(', ')}; found ${show(text)}`,
    );
  }
  const [, path, symbol, word, written] = found;
  const { method, names } = methodIn(path!.split('.'), graph);
  const where = `${method.interface.name}.${method.name}`;
  const field = findField(method.params, names, where);
  if (typeof field === 'string') throw new ConstraintTextError(field);
  const { slot, rest } = field;
  const isLength = rest.length === 1 && rest[0] === 'length';
  if (rest.length > 0 && !isLength) {
    throw new ConstraintTextError(`${path} goes on behind a field that has no fields itself`);
  }
  const operator = OPERATORS.get(symbol ?? word!)!;
  // What takes a text takes it, whatever the field is: that they do not fit is said where they are checked.
  const kind =
    operator === 'within' || (word === 'prefix' && slot.type.kind !== 'data') ? 'text' : slot.type.kind;
  return {
    interface: method.interface.id,
    method: method.name,
    field: isLength ? names.slice(0, -1) : names,
    measure: isLength ? 'length' : 'value',
    operator,
    values: (operator === 'oneOf' ? elements(written!) : [written!]).map((each) =>
      valueFrom(each, isLength ? 'length' : kind),
    ),
  };
}

/** The name of an interface may have dots itself. */
function methodIn(parts: readonly string[], graph: SchemaGraph): { method: MethodType; names: string[] } {
  let nearest: InterfaceType | null = null;
  for (let i = 1; i < parts.length; i++) {
    const type = interfaceNamed(parts.slice(0, i).join('.'), graph);
    const method = type?.method(parts[i]!);
    if (method !== undefined) return { method, names: parts.slice(i + 1) };
    nearest = type ?? nearest;
  }
  if (nearest !== null) {
    const known = nearest.allMethods().map(({ name }) => name);
    const name = parts[nearest.name.split('.').length]!;
    throw new ConstraintTextError(`${nearest.name} has no method ${name}; it has ${known.join(', ')}`);
  }
  const known = graph.names('interface').join(', ');
  throw new ConstraintTextError(`the schema has no interface ${show(parts[0]!)}; it has ${known}`);
}

function interfaceNamed(name: string, graph: SchemaGraph): InterfaceType | null {
  try {
    return graph.interface(name);
  } catch (error) {
    if (error instanceof SchemaError) return null;
    throw error;
  }
}

/** `[a, "b, c"]`: what stands between the commas. */
function elements(text: string): string[] {
  const inner = /^\[([\s\S]*)\]$/.exec(text)?.[1];
  const found = inner === undefined ? null : [...inner.matchAll(/\s*("(?:[^"\\]|\\.)*"|[^",]*?)\s*(,|$)/gy)];
  const whole = found?.map(([all]) => all).join('');
  if (found === null || found === undefined || whole !== inner || inner!.trim() === '') {
    throw new ConstraintTextError(`in: expected a list such as [1, 2], found ${show(text)}`);
  }
  // Behind the last element without a comma, an empty one is found at the end.
  const last = found.findIndex(([, , end]) => end === '');
  return found.slice(0, last + 1).map(([, element]) => element!);
}

function valueFrom(text: string, kind: Slot['type']['kind'] | 'length'): ConstraintValue {
  switch (kind) {
    case 'bool':
      if (text === 'true' || text === 'false') return { bool: text === 'true' };
      throw new ConstraintTextError(`expected true or false, found ${show(text)}`);
    case 'float32':
    case 'float64': {
      const float = text === '' ? Number.NaN : Number(text);
      if (Number.isNaN(float) || (!Number.isFinite(float) && !/^[+-]?Infinity$/.test(text)))
        throw new ConstraintTextError(`expected a number, found ${show(text)}`);
      return { float };
    }
    case 'text':
    case 'enum':
      return { text: unquoted(text) };
    case 'data': {
      const written = unquoted(text);
      const data = Buffer.from(written, 'base64');
      if (data.toString('base64').replace(/=+$/, '') !== written.replace(/=+$/, ''))
        throw new ConstraintTextError(`expected base64, found ${show(text)}`);
      return { data: new Uint8Array(data) };
    }
    default: {
      if (!/^[+-]?[0-9]{1,20}$/.test(text))
        throw new ConstraintTextError(`expected an integer, found ${show(text)}`);
      const int = BigInt(text.replace(/^\+/, ''));
      if (int < -(2n ** 63n) || int >= 2n ** 64n)
        throw new ConstraintTextError(`expected an integer of 64 bits, found ${text}`);
      return { int };
    }
  }
}

function unquoted(text: string): string {
  if (text === '') throw new ConstraintTextError(`expected a value; a text that is empty is written ""`);
  if (!text.startsWith('"')) return text;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'string' && value.isWellFormed()) return value;
  } catch {
    // Said below, for both.
  }
  throw new ConstraintTextError(`expected a text in the quotes of JSON, found ${show(text)}`);
}

/** For a listing or an error: without the interface, for which it takes a schema. */
export function constraintText({ method, field, measure, operator, values }: StoredConstraint): string {
  const path = [method, ...field, ...(measure === 'length' ? ['length'] : [])].join('.');
  const shown = values.slice(0, 10).map(valueText);
  if (values.length > shown.length) shown.push('…');
  return `${path} ${SIGNS[operator]} ${operator === 'oneOf' ? `[${shown.join(', ')}]` : shown.join(', ')}`;
}

function valueText(value: ConstraintValue): string {
  if ('text' in value) return show(value.text);
  if ('data' in value) return show(Buffer.from(value.data).toString('base64'));
  return String(Object.values(value)[0]);
}
