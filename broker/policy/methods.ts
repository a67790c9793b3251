/** Lists of methods: what is in one, what two allow together, and one as it is looked up at every call. */
import { RpcError } from '../../rpc/index.js';
import type { SchemaGraph } from '../../schema/index.js';
import type { StoredPolicy } from '../store/store.js';

export type Methods = StoredPolicy['methods'];

/** What both allow. */
export function bothMethods(a: Methods, b: Methods): Methods {
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

/** @throws RpcError where it names what the schema does not have. */
export function checkedMethods(list: Exclude<Methods, 'all'>, graph: SchemaGraph): Methods {
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

export function isAllowed(table: MethodTable, interfaceId: bigint, methodId: number): boolean {
  if (table === null) return true;
  const allowed = table.get(interfaceId);
  return allowed === 'all' || allowed?.has(methodId) === true;
}

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
