/** Policies: how they are stored, how they are said on the wire, and what several of them allow together. */
import type { Policy } from '../client/protocol.js';
import { RpcError } from '../rpc/index.js';
import type { SchemaGraph } from '../schema/index.js';
import type { StoredPolicy } from './store/store.js';

type Methods = StoredPolicy['methods'];

/** No restriction at all. */
export const EVERYTHING: StoredPolicy = { methods: 'all', expires: 0, delegable: true };

/** The most entries in a policy's list, counting methods one by one. */
export const MAX_POLICY_ENTRIES = 1000;

/** @throws RpcError for what this version does not know: a restriction that nobody enforces must not pass for one. */
export function policyFromWire(policy: Policy | null | undefined): StoredPolicy {
  if (policy === null || policy === undefined) return EVERYTHING;
  const expires = Number(policy.expires ?? 0n);
  if (!Number.isSafeInteger(expires) || expires < 0) {
    throw new RpcError('failed', 'policy.expires: expected milliseconds since 1970, or 0 for never', {
      code: 'ERR_POLICY_EXPIRES',
    });
  }
  return { methods: methodsFromWire(policy.methods), expires, delegable: policy.delegable ?? true };
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

function unknownRestriction(where: string): RpcError {
  return new RpcError('failed', `${where}: a restriction of a kind that this broker does not know`, {
    code: 'ERR_POLICY_UNKNOWN',
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
        ? entry.methods === 'all'
          ? 'all'
          : [...new Set(entry.methods)]
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

/**
 * `policy` without repetitions, for a grant to an object of `graph`.
 * @throws RpcError where it names what the schema does not have, by name, or is too long.
 */
export function checkedPolicy(policy: StoredPolicy, graph: SchemaGraph): StoredPolicy {
  if (policy.methods === 'all') return policy;
  const entries = policy.methods.reduce(
    (sum, { methods }) => sum + 1 + (methods === 'all' ? 0 : methods.length),
    0,
  );
  if (entries > MAX_POLICY_ENTRIES) {
    throw new RpcError('failed', `policy: ${entries} entries; at most ${MAX_POLICY_ENTRIES} are allowed`, {
      code: 'ERR_POLICY_TOO_LONG',
    });
  }
  for (const { interface: id, methods } of policy.methods) {
    const type = graph.interface(id);
    for (const name of methods === 'all' ? [] : methods) {
      if (type.methods.some((own) => own.name === name)) continue;
      const inherited = type.method(name);
      const hint =
        inherited === undefined
          ? `it has ${type.methods.map((own) => own.name).join(', ')}`
          : `it is declared by ${inherited.interface.name} (0x${inherited.interface.id.toString(16)}); name that`;
      throw new RpcError('failed', `policy: ${type.name} has no method ${name}; ${hint}`, {
        code: 'ERR_POLICY_UNKNOWN_METHOD',
      });
    }
  }
  return { ...policy, methods: byInterface(policy.methods) };
}

/** What a method list allows, by interface and method number: null for everything. */
export type MethodTable = ReadonlyMap<bigint, ReadonlySet<number> | 'all'> | null;

/** What a stored policy names and `graph` does not have any more is not allowed. */
export function compileMethods({ methods: list }: StoredPolicy, graph: SchemaGraph): MethodTable {
  if (list === 'all') return null;
  const table = new Map<bigint, ReadonlySet<number> | 'all'>();
  for (const { interface: id, methods } of byInterface(list)) {
    if (methods === 'all') {
      table.set(id, 'all');
      continue;
    }
    const known = graph.has(id) ? graph.interface(id).methods : [];
    table.set(id, new Set(known.filter(({ name }) => methods.includes(name)).map((method) => method.id)));
  }
  return table;
}
