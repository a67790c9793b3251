/** Policies: how they are stored, how they are said on the wire, and what several of them allow together. */
import type { Policy } from '../client/protocol.js';
import { RpcError } from '../rpc/index.js';
import type { SchemaGraph } from '../schema/index.js';
import type { StoredPolicy } from './store/store.js';

/** No restriction at all. */
export const EVERYTHING: StoredPolicy = { methods: 'all', expires: 0, delegable: true };

export function policyFromWire(policy: Policy | null | undefined): StoredPolicy {
  if (policy === null || policy === undefined) return EVERYTHING;
  const expires = Number(policy.expires ?? 0n);
  if (!Number.isSafeInteger(expires) || expires < 0) {
    throw new RpcError('failed', 'policy.expires: expected milliseconds since 1970, or 0 for never', {
      code: 'ERR_POLICY_EXPIRES',
    });
  }
  const only = policy.methods?.only;
  return {
    methods:
      only === undefined
        ? 'all'
        : only.map((allowed) => ({
            interface: allowed.interface ?? 0n,
            methods: allowed.methods === undefined ? ('all' as const) : [...allowed.methods],
          })),
    expires,
    delegable: policy.delegable ?? true,
  };
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
  };
}

/** What all of `policies` allow: the effective policy of a grant is that of its own and all above it. */
export function conjunction(policies: readonly StoredPolicy[]): StoredPolicy {
  return policies.reduce(
    (all, next) => ({
      methods: bothMethods(all.methods, next.methods),
      expires:
        all.expires === 0
          ? next.expires
          : next.expires === 0
            ? all.expires
            : Math.min(all.expires, next.expires),
      delegable: all.delegable && next.delegable,
    }),
    EVERYTHING,
  );
}

type Methods = StoredPolicy['methods'];

function bothMethods(a: Methods, b: Methods): Methods {
  if (a === 'all') return b;
  if (b === 'all') return a;
  const result: Exclude<Methods, 'all'>[number][] = [];
  for (const left of byInterface(a)) {
    for (const right of byInterface(b)) {
      if (left.interface !== right.interface) continue;
      const methods =
        left.methods === 'all'
          ? right.methods
          : right.methods === 'all'
            ? left.methods
            : left.methods.filter((name) => right.methods.includes(name));
      result.push({ interface: left.interface, methods });
    }
  }
  return result;
}

/** A list may name an interface twice: what it allows there is both together. */
function byInterface(methods: Exclude<Methods, 'all'>): Exclude<Methods, 'all'> {
  const merged = new Map<bigint, readonly string[] | 'all'>();
  for (const entry of methods) {
    const known = merged.get(entry.interface);
    merged.set(
      entry.interface,
      known === undefined
        ? entry.methods
        : known === 'all' || entry.methods === 'all'
          ? 'all'
          : [...new Set([...known, ...entry.methods])],
    );
  }
  return [...merged].map(([id, names]) => ({ interface: id, methods: names }));
}

/** `['Account.balance', ...]` as a policy has it. An inherited method is named by the interface that inherits it. */
export function methodsNamed(
  names: readonly string[],
  graph: SchemaGraph,
): Exclude<StoredPolicy['methods'], 'all'> {
  const list = new Map<bigint, string[]>();
  for (const name of names) {
    const dot = name.lastIndexOf('.');
    if (dot === -1) {
      throw new RpcError(
        'failed',
        `${JSON.stringify(name)} is not a method with its interface, such as Account.balance`,
      );
    }
    const type = graph.interface(name.slice(0, dot));
    const method = type.method(name.slice(dot + 1));
    if (method === undefined) {
      const known = type.allMethods().map((each) => each.name);
      throw new RpcError(
        'failed',
        `${type.name} has no method ${name.slice(dot + 1)}; it has ${known.join(', ')}`,
      );
    }
    list.set(method.interface.id, [...(list.get(method.interface.id) ?? []), method.name]);
  }
  return [...list].map(([id, methods]) => ({ interface: id, methods }));
}
