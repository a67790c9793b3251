/**
 * Makes the `World` that a program is started with. Everything in it is frozen and does next to nothing by itself (R5);
 * whatever the program passes in is hostile (R4): a string is checked to be one, an object is only ever a key of a WeakMap
 * or a stub, and nothing of it is read.
 */

import { isStub, type Stub } from '../rpc/index.js';
import type { InterfaceType, SchemaGraph } from '../schema/index.js';
import { endowed } from './endowed.js';
import { idOf, type OwnObjects } from './objects.js';
import type { Own, World } from './world.js';

/** Ownership of domain.capnp, decoded. */
export interface Ownership {
  readonly foreign?: null;
  readonly mine?: { readonly object: Uint8Array; readonly interfaceId: bigint; readonly policy: OwnPolicy };
}

/** As much of sturdy.capnp's Policy as `allows` needs. */
interface OwnPolicy {
  readonly methods: {
    readonly all?: null;
    readonly only?: readonly {
      readonly interface: bigint;
      readonly all?: null;
      readonly methods?: readonly string[];
    }[];
  };
  readonly constraints: readonly { readonly interface: bigint; readonly method: string }[];
  readonly maxCalls: bigint;
  readonly maxBytes: bigint;
  readonly rates: readonly unknown[];
}

export interface WorldParts {
  readonly name: string;
  readonly graph: SchemaGraph;
  readonly grants: readonly { readonly name: string; readonly stub: Stub }[];
  readonly objects: OwnObjects;
  /** Admission.own. */
  own(stub: Stub): Promise<Ownership>;
}

export function makeWorld(parts: WorldParts): World {
  const { name, graph, objects } = parts;
  const grants: Record<string, Stub> = Object.create(null);
  for (const grant of parts.grants) grants[grant.name] = grant.stub;
  const own = async (stub: unknown): Promise<Own | null> => {
    if (!isStub(stub)) throw new TypeError('world.own: expected a capability that was passed to the domain');
    return ownFrom(graph, await parts.own(stub));
  };
  const world = {
    __proto__: null,
    name,
    grants: Object.freeze(grants),
    object: endowed((interfaceName: unknown, objectId: unknown, implementation: unknown) => {
      objects.name(interfaceName, objectId, implementation);
      return implementation;
    }),
    own: endowed((stub: unknown) => Object.freeze(own(stub))),
  };
  return Object.freeze(world) as unknown as World;
}

function ownFrom(graph: SchemaGraph, { mine }: Ownership): Own | null {
  if (mine === undefined) return null;
  const type = graph.interface(mine.interfaceId);
  const own = {
    __proto__: null,
    object: idOf(mine.object),
    interface: type.name,
    allows: endowed((method: unknown) => allows(graph, type, mine.policy, method)),
  };
  return Object.freeze(own) as unknown as Own;
}

/**
 * Whether the method may be called with any params and at any time. Where it is constrained, or calls are counted, the domain
 * cannot do by itself what a call would do: nothing would be checked, and nothing counted.
 */
function allows(graph: SchemaGraph, type: InterfaceType, policy: OwnPolicy, wanted: unknown): boolean {
  if (typeof wanted !== 'string')
    throw new TypeError('allows: expected the name of a method: "Account.withdraw"');
  const dot = wanted.lastIndexOf('.');
  const asked = graph.interface(wanted.slice(0, dot));
  const method = asked.method(wanted.slice(dot + 1));
  if (method === undefined) throw new Error(`allows: ${asked.name} has no method ${wanted.slice(dot + 1)}`);
  if (type.methodById(method.interface.id, method.id) === undefined) return false;
  const { methods, constraints, maxCalls, maxBytes, rates } = policy;
  if (maxCalls !== 0n || maxBytes !== 0n || rates.length > 0) return false;
  const { id, methods: known } = method.interface;
  const isConstrained = constraints.some(
    // One of a method that the schema has no more refuses all of its interface.
    (each) =>
      each.interface === id &&
      (each.method === method.name || !known.some(({ name }) => name === each.method)),
  );
  if (isConstrained) return false;
  if (methods.only === undefined) return 'all' in methods;
  return methods.only.some(
    (allowed) =>
      allowed.interface === method.interface.id &&
      (allowed.methods === undefined ? 'all' in allowed : allowed.methods.includes(method.name)),
  );
}
