/** Whether a policy may be minted, or come of an amendment: it names what the schema has, and is not too long. */
import { RpcError } from '../../rpc/index.js';
import type { SchemaGraph } from '../../schema/index.js';
import type { StoredPolicy } from '../store/store.js';
import { compact } from './conjunction.js';
import { checkedConstraints } from './constraint.js';
import { checkedMethods } from './methods.js';
import { checkedRates } from './rate.js';

/** The most entries in a policy's lists, counting methods, and values in constraints, one by one. */
export const MAX_POLICY_ENTRIES = 1000;

/**
 * `policy` without repetitions and what restricts nothing, for a grant to an object of `graph`.
 * @throws RpcError where it names what the schema does not have, by name, or is too long.
 */
export function checkedPolicy(policy: StoredPolicy, graph: SchemaGraph): StoredPolicy {
  const { methods, constraints = [], rates = [] } = policy;
  checkLength(policy);
  return compact({
    ...policy,
    methods: methods === 'all' ? 'all' : checkedMethods(methods, graph),
    constraints: checkedConstraints(constraints, graph),
    rates: checkedRates(rates),
  });
}

/** @throws RpcError where it is too long, as one may become that is made of several. */
export function checkLength({ methods, constraints = [], rates = [] }: StoredPolicy): void {
  const entries =
    methods === 'all'
      ? 0
      : methods.reduce((sum, { methods: m }) => sum + 1 + (m === 'all' ? 0 : m.length), 0);
  const values = constraints.reduce((sum, constraint) => sum + constraint.values.length, 0);
  if (entries + values > MAX_POLICY_ENTRIES) {
    const total = entries + values;
    throw new RpcError('failed', `policy: ${total} entries; at most ${MAX_POLICY_ENTRIES} are allowed`, {
      code: 'ERR_POLICY_TOO_LONG',
    });
  }
  checkedRates(rates);
}
