/** Policies: how they are stored, how they are said on the wire, and what several of them allow together. */
import type { Policy } from '../client/protocol.js';
import { RpcError } from '../rpc/index.js';
import type { SchemaGraph } from '../schema/index.js';
import { checkedConstraints } from './policy/constraint.js';
import { constraintsFromWire, constraintToWire, unknownRestriction } from './policy/constraint-wire.js';
import { checkedRates, ratesFromWire } from './policy/rate.js';
import type { StoredPolicy } from './store/store.js';

type Methods = StoredPolicy['methods'];

/** No restriction at all. */
export const EVERYTHING: StoredPolicy = { methods: 'all', expires: 0, delegable: true };

/** The most entries in a policy's lists, counting methods, and values in constraints, one by one. */
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

/** Without what does not restrict. */
function compact({
  constraints = [],
  maxCalls = 0,
  maxBytes = 0,
  rates = [],
  ...policy
}: StoredPolicy): StoredPolicy {
  return {
    ...policy,
    ...(constraints.length > 0 && { constraints }),
    ...(maxCalls > 0 && { maxCalls }),
    ...(maxBytes > 0 && { maxBytes }),
    ...(rates.length > 0 && { rates }),
  };
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

/** What all of `policies` allow: the effective policy of a grant is that of its own and all above it. */
export function conjunction(policies: readonly StoredPolicy[]): StoredPolicy {
  return policies.reduce(
    (all, next) =>
      compact({
        methods: bothMethods(all.methods, next.methods),
        expires: lower(all.expires, next.expires),
        delegable: all.delegable && next.delegable,
        constraints: allOf(all.constraints, next.constraints),
        maxCalls: lower(all.maxCalls ?? 0, next.maxCalls ?? 0),
        maxBytes: lower(all.maxBytes ?? 0, next.maxBytes ?? 0),
        rates: allOf(all.rates, next.rates),
      }),
    EVERYTHING,
  );
}

/** Of two bounds, of which 0 is none. */
function lower(a: number, b: number): number {
  return a === 0 ? b : b === 0 ? a : Math.min(a, b);
}

/** Each once. */
function allOf<T>(a: readonly T[] = [], b: readonly T[] = []): readonly T[] {
  if (a.length === 0) return b;
  const all = new Map(a.map((each) => [identityOf(each), each]));
  for (const each of b) if (!all.has(identityOf(each))) all.set(identityOf(each), each);
  return [...all.values()];
}

function identityOf(part: unknown): string {
  return JSON.stringify(part, (_key, value) => {
    if (typeof value === 'bigint') return `${value}n`;
    // What JSON has no number for would be the same null.
    return typeof value === 'number' && !Number.isFinite(value) ? `${value}!` : value;
  });
}

/** Whether both are stored alike, whatever is left out in one of them. */
export function samePolicy(a: StoredPolicy, b: StoredPolicy): boolean {
  return identityOf(policyToWire(a)) === identityOf(policyToWire(b));
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

function checkedMethods(list: Exclude<Methods, 'all'>, graph: SchemaGraph): Methods {
  for (const { interface: id, methods } of list) {
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
  return byInterface(list);
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
