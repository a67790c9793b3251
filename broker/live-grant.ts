/**
 * A grant in use: its row, bound to the live grants above it. The one place that says whether a call may go through.
 *
 * Authority only shrinks down the tree: a call is allowed when the grant and every ancestor of it allow it, now. A policy is
 * compiled once, when the grant is first used, into one look-up a grant.
 */
import { RpcError } from '../rpc/index.js';
import type { SchemaGraph } from '../schema/index.js';
import type { GrantRow, StoredPolicy } from './store/store.js';

/** What a method list allows: null for everything. */
type MethodTable = ReadonlyMap<bigint, ReadonlySet<number> | 'all'> | null;

/** Something that ends when its grant does: a call in flight. */
export interface Cuttable {
  cut(reason: RpcError): void;
}

export class LiveGrant {
  readonly #methods: MethodTable;
  readonly #underway = new Set<Cuttable>();
  #revoked: RpcError | null = null;

  /** `graph` has the interfaces that the policy names; throws RpcError where it does not have them. */
  constructor(
    readonly row: GrantRow,
    readonly parent: LiveGrant | null,
    private readonly graph: SchemaGraph,
  ) {
    this.#methods = compileMethods(row.policy, graph);
    if (row.revoked !== null) this.#revoked = revokedError(row.id);
  }

  /** Whether it, or a grant above it, keeps anything from the holder but by being revoked or expiring. */
  get restricted(): boolean {
    return this.#methods !== null || (this.parent?.restricted ?? false);
  }

  get delegable(): boolean {
    return this.row.policy.delegable && (this.parent?.delegable ?? true);
  }

  /** Why nothing may be done through it, or null while it is alive. */
  dead(now = Date.now()): RpcError | null {
    if (this.#revoked !== null) return this.#revoked;
    const expires = this.row.policy.expires;
    if (expires !== 0 && now >= expires) {
      return new RpcError('failed', 'the grant has expired', { code: 'ERR_GRANT_EXPIRED' });
    }
    return this.parent?.dead(now) ?? null;
  }

  /** Why this call on the granted object, or on one that came out of it, is refused; null if it is not. */
  refuses(interfaceId: bigint, methodId: number): RpcError | null {
    return this.dead() ?? this.#refusesMethod(interfaceId, methodId);
  }

  #refusesMethod(interfaceId: bigint, methodId: number): RpcError | null {
    if (this.#methods !== null) {
      const allowed = this.#methods.get(interfaceId);
      if (allowed !== 'all' && !allowed?.has(methodId)) {
        return new RpcError('failed', `the grant does not allow ${this.#nameOf(interfaceId, methodId)}`, {
          code: 'ERR_GRANT_METHOD',
        });
      }
    }
    return this.parent === null ? null : this.parent.#refusesMethod(interfaceId, methodId);
  }

  #nameOf(interfaceId: bigint, methodId: number): string {
    if (this.graph.has(interfaceId)) {
      const type = this.graph.interface(interfaceId);
      const method = type.methods[methodId];
      if (method !== undefined) return `${type.name}.${method.name}`;
    }
    return `method ${methodId} of interface 0x${interfaceId.toString(16).padStart(16, '0')}`;
  }

  /** `call` is cut when the grant is, until `leave`. */
  enter(call: Cuttable): void {
    this.#underway.add(call);
  }

  leave(call: Cuttable): void {
    this.#underway.delete(call);
  }

  /** Ends the grant and fails the calls in flight on it. After the commit, never before. */
  revoke(): void {
    if (this.#revoked !== null) return;
    this.#revoked = revokedError(this.row.id);
    for (const call of [...this.#underway]) call.cut(this.#revoked);
  }

  /** The lists of it and of those above it, from the root down: the effective policy is all of them together. */
  get policies(): readonly StoredPolicy[] {
    return [...(this.parent?.policies ?? []), this.row.policy];
  }
}

function revokedError(id: string): RpcError {
  return new RpcError('failed', `the grant was revoked (${id})`, { code: 'ERR_GRANT_REVOKED' });
}

/** Refuses what the schema does not have, by name. */
export function compileMethods(policy: StoredPolicy, graph: SchemaGraph): MethodTable {
  if (policy.methods === 'all') return null;
  const table = new Map<bigint, Set<number> | 'all'>();
  for (const { interface: id, methods } of policy.methods) {
    const type = graph.interface(id);
    if (methods === 'all') {
      table.set(id, 'all');
      continue;
    }
    const known = table.get(id);
    if (known === 'all') continue;
    const allowed = known ?? new Set<number>();
    table.set(id, allowed);
    for (const name of methods) {
      const method = type.methods.find((own) => own.name === name);
      if (method === undefined) {
        const inherited = type.method(name);
        const hint =
          inherited === undefined
            ? `it has ${type.methods.map((own) => own.name).join(', ')}`
            : `it is declared by ${inherited.interface.name} (0x${inherited.interface.id.toString(16)}); name that`;
        throw new RpcError('failed', `policy: ${type.name} has no method ${name}; ${hint}`, {
          code: 'ERR_POLICY_UNKNOWN_METHOD',
        });
      }
      allowed.add(method.id);
    }
  }
  return table;
}
