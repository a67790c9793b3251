/**
 * A grant in use: its row, bound to the live grants above it. The one place that says whether a call may go through.
 *
 * Authority only shrinks down the tree: a call is allowed when the grant and every ancestor of it allow it, now. A policy is
 * compiled once, when the grant is first used, into one look-up a grant. When the grant dies, by being revoked or by
 * expiring, it or one above it, everything that is under way through it is cut.
 */
import { RpcError } from '../rpc/index.js';
import type { SchemaGraph } from '../schema/index.js';
import { type Clock, SYSTEM_CLOCK } from './clock.js';
import { compileMethods, type MethodTable } from './policy.js';
import type { GrantRow, StoredPolicy } from './store/store.js';

/** Something that ends when its grant does: a capability that came through it, a call in flight. */
export interface Cuttable {
  cut(reason: RpcError): void;
}

export class LiveGrant {
  readonly #methods: MethodTable;
  readonly #underway = new Set<Cuttable>();
  /** Its own expiry or an ancestor's, whichever is first; 0: never. */
  readonly #expires: number;
  /** How the wait for it is given up. */
  #expiry: (() => void) | null = null;
  #revoked: RpcError | null = null;

  /** `graph` has the interfaces that the policy names; what it has no more, the policy allows no more. */
  constructor(
    readonly row: GrantRow,
    readonly parent: LiveGrant | null,
    private readonly graph: SchemaGraph,
    private readonly clock: Clock = SYSTEM_CLOCK,
  ) {
    this.#methods = compileMethods(row.policy, graph);
    const above = parent === null ? 0 : parent.#expires;
    const { expires } = row.policy;
    this.#expires = above === 0 ? expires : expires === 0 ? above : Math.min(above, expires);
    if (row.revoked !== null) this.#revoked = revokedError(row.id);
  }

  get delegable(): boolean {
    return this.row.policy.delegable && (this.parent?.delegable ?? true);
  }

  /** Whether it is the grant of this id, or below it. */
  isUnder(id: string): boolean {
    return this.row.id === id || (this.parent?.isUnder(id) ?? false);
  }

  /** The grant at the top of its tree. */
  get root(): LiveGrant {
    return this.parent === null ? this : this.parent.root;
  }

  /** Why nothing may be done through it, or null while it is alive. */
  dead(now = this.clock.now()): RpcError | null {
    if (this.#revoked !== null) return this.#revoked;
    if (this.#expires !== 0 && now >= this.#expires) return expiredError();
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

  /** Has `part` cut when the grant dies, until `leave`. Not for a grant that is dead. */
  enter(part: Cuttable): void {
    this.#underway.add(part);
    if (this.#expires !== 0 && this.#expiry === null) this.#awaitExpiry();
  }

  leave(part: Cuttable): void {
    this.#underway.delete(part);
    if (this.#underway.size === 0 && this.#expiry !== null) {
      this.#expiry();
      this.#expiry = null;
    }
  }

  /** Ends the grant and everything that is under way through it. After the commit, never before. */
  revoke(): void {
    if (this.#revoked !== null) return;
    this.#revoked = revokedError(this.row.id);
    this.#cut(this.#revoked);
  }

  #cut(reason: RpcError): void {
    // One may end others, which are not to be cut then.
    for (const part of [...this.#underway]) if (this.#underway.delete(part)) part.cut(reason);
  }

  #awaitExpiry(): void {
    this.#expiry = this.clock.after(this.#expires - this.clock.now(), () => {
      this.#expiry = null;
      if (this.clock.now() < this.#expires) this.#awaitExpiry();
      else this.#cut(expiredError());
    });
  }

  /** The lists of it and of those above it, from the root down: the effective policy is all of them together. */
  get policies(): readonly StoredPolicy[] {
    return [...(this.parent?.policies ?? []), this.row.policy];
  }
}

function revokedError(id: string): RpcError {
  return new RpcError('failed', `the grant was revoked (${id})`, { code: 'ERR_GRANT_REVOKED' });
}

function expiredError(): RpcError {
  return new RpcError('failed', 'the grant has expired', { code: 'ERR_GRANT_EXPIRED' });
}
