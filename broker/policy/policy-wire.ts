/** A policy as it is said on the wire, Policy of sturdy.capnp, and as it is stored. */
import type { Policy } from '../../client/protocol.js';
import { RpcError } from '../../rpc/index.js';
import type { StoredPolicy } from '../store/store.js';
import { compact, EVERYTHING, identityOf } from './conjunction.js';
import { constraintsFromWire, constraintToWire, unknownRestriction } from './constraint-wire.js';
import type { Methods } from './methods.js';
import { ratesFromWire } from './rate.js';

/** @throws RpcError for what this version does not know: a restriction that nobody enforces must not pass for one. */
export function policyFromWire(policy: Policy | null | undefined): StoredPolicy {
  if (policy === null || policy === undefined) return EVERYTHING;
  const expires = Number(policy.expires ?? 0n);
  if (!Number.isSafeInteger(expires) || expires < 0) {
    throw new RpcError('failed', 'policy.expires: expected milliseconds since 1970, or 0 for never', {
      code: 'ERR_POLICY_EXPIRES',
    });
  }
  const { constraints = [], rates = [] } = policy;
  return compact({
    methods: methodsFromWire(policy.methods),
    expires,
    delegable: policy.delegable ?? true,
    constraints: constraintsFromWire(constraints),
    maxCalls: boundFromWire(policy.maxCalls, 'maxCalls'),
    maxBytes: boundFromWire(policy.maxBytes, 'maxBytes'),
    rates: ratesFromWire(rates),
  });
}

/** 0, on the wire, is no bound. */
function boundFromWire(bound: bigint | undefined, name: string): number {
  const number = Number(bound ?? 0n);
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new RpcError('failed', `policy.${name}: expected at most 2^53 - 1, or 0 for no bound`, {
      code: 'ERR_POLICY_BOUND',
    });
  }
  return number;
}

/** A member of a union that the schema does not know is not there at all: then neither of the known ones is. */
function methodsFromWire(methods: Policy['methods']): Methods {
  if (methods === undefined || methods.all !== undefined) return 'all';
  if (methods.only === undefined) throw unknownRestriction('policy.methods');
  return methods.only.map(({ interface: id = 0n, all, methods: names }, i) => {
    if (names !== undefined) return { interface: id, methods: [...names] };
    if (all === undefined) throw unknownRestriction(`policy.methods.only[${i}]`);
    return { interface: id, methods: 'all' as const };
  });
}

export function policyToWire(policy: StoredPolicy): Policy {
  return {
    methods:
      policy.methods === 'all'
        ? { all: null }
        : {
            only: policy.methods.map(({ interface: id, methods }) =>
              methods === 'all' ? { interface: id, all: null } : { interface: id, methods },
            ),
          },
    expires: BigInt(policy.expires),
    delegable: policy.delegable,
    constraints: (policy.constraints ?? []).map(constraintToWire),
    maxCalls: BigInt(policy.maxCalls ?? 0),
    maxBytes: BigInt(policy.maxBytes ?? 0),
    rates: policy.rates ?? [],
  };
}

/** Whether both are stored alike, whatever is left out in one of them. */
export function samePolicy(a: StoredPolicy, b: StoredPolicy): boolean {
  return identityOf(policyToWire(a)) === identityOf(policyToWire(b));
}
