/** Constraints and rates as Policy of sturdy.capnp has them. What this version does not know is refused, never dropped. */
import type { Constraint, ConstraintOperator, ConstraintValue as WireValue } from '../../client/protocol.js';
import { RpcError } from '../../rpc/index.js';
import type { ConstraintValue, StoredConstraint } from '../store/store.js';

const OPERATORS: Readonly<Record<ConstraintOperator, true>> = {
  equal: true,
  oneOf: true,
  less: true,
  atMost: true,
  greater: true,
  atLeast: true,
  prefix: true,
  within: true,
};

/** @throws RpcError ERR_POLICY_UNKNOWN */
export function constraintsFromWire(constraints: readonly Constraint[]): StoredConstraint[] {
  return constraints.map((constraint, i) => {
    const { measure = 'value', operator = 'equal', field = [], values = [] } = constraint;
    const where = `policy.constraints[${i}]`;
    if (measure !== 'value' && measure !== 'length') throw unknownRestriction(`${where}.measure`);
    if (typeof operator === 'number' || !Object.hasOwn(OPERATORS, operator))
      throw unknownRestriction(`${where}.operator`);
    return {
      interface: constraint.interface ?? 0n,
      method: constraint.method ?? '',
      field: [...field],
      measure,
      operator,
      values: values.map((value, j) => valueFromWire(value, `${where}.values[${j}]`)),
    };
  });
}

function valueFromWire(value: WireValue, where: string): ConstraintValue {
  if (value.text !== undefined) return { text: value.text };
  if (value.integer !== undefined) return { int: value.integer };
  if (value.unsigned !== undefined) return { int: value.unsigned };
  if (value.float !== undefined) return { float: value.float };
  if (value.data !== undefined) return { data: new Uint8Array(value.data) };
  if (value.bool !== undefined) return { bool: value.bool };
  // A member of the union that the schema does not know is not there at all.
  throw unknownRestriction(where);
}

export function constraintToWire({ values, ...constraint }: StoredConstraint): Constraint {
  return { ...constraint, values: values.map(valueToWire) };
}

function valueToWire(value: ConstraintValue): WireValue {
  if (!('int' in value)) return value;
  return value.int < 2n ** 63n ? { integer: value.int } : { unsigned: value.int };
}

export function unknownRestriction(where: string): RpcError {
  return new RpcError('failed', `${where}: a restriction of a kind that this broker does not know`, {
    code: 'ERR_POLICY_UNKNOWN',
  });
}
