/**
 * A grant in use: its row, bound to the live grants above it. The one place that says whether a call may go through.
 *
 * Authority only shrinks down the tree: a call is allowed when the grant and every ancestor of it allow it, now. A policy is
 * compiled once, when the grant is first used, into one look-up a grant. When the grant dies, by being revoked or by
 * expiring, it or one above it, everything that is under way through it is cut.
 */
import { RpcError } from '../rpc/index.js';
import type { SchemaGraph } from '../schema/index.js';
import { BROKER_HOME } from './broker-name.js';
import { compileMethods, type MethodTable } from './policy.js';
import type { GrantKind, GrantRow, StoredPolicy } from './store/store.js';

/** Something that ends when its grant does: a capability that came through it, a call in flight. */
export interface Cuttable {
  readonly is: 'capability' | 'call';
  cut(reason: RpcError): void;
}

/** The longest time that a timer can be set to, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Takes a grant that nobody uses any more from among those below its parent. */
const forgotten = new FinalizationRegistry<{ below: Set<WeakRef<LiveGrant>>; ref: WeakRef<LiveGrant> }>(
  ({ below, ref }) => below.delete(ref),
);

export class LiveGrant {
  #row: GrantRow;
  /** The grant above it whose policy binds it, besides its own: a power is not bound by what may be done with the object. */
  readonly #binding: LiveGrant | null;
  #methods!: MethodTable;
  /** Its own expiry or that of one that binds it, whichever is first; 0: never. */
  #expires = 0;
  readonly #capabilities = new Set<Cuttable>();
  readonly #calls = new Set<Cuttable>();
  /** Those in use right below it: they hold it, and it does not hold them. */
  readonly #below = new Set<WeakRef<LiveGrant>>();
  #expiry: NodeJS.Timeout | null = null;
  #revoked: RpcError | null = null;
  /** It is revoked, and the calls in flight may go on until they have ended. */
  #draining = false;
  #drained: (() => void)[] = [];

  /** `graph` has the interfaces that the policy names; what it has no more, the policy allows no more. */
  constructor(
    row: GrantRow,
    readonly parent: LiveGrant | null,
    private readonly graph: SchemaGraph,
  ) {
    this.#row = row;
    this.#binding = startsPowers(row.kind, parent?.row.kind) ? null : parent;
    this.#bind();
    if (row.revoked !== null) this.#revoked = revokedError(row.id);
    if (parent === null) return;
    const ref = new WeakRef(this);
    parent.#below.add(ref);
    forgotten.register(this, { below: parent.#below, ref });
  }

  /** As it is now: it may be amended. */
  get row(): GrantRow {
    return this.#row;
  }

  /** Makes of the policy what is asked at every call. */
  #bind(): void {
    const { policy } = this.#row;
    this.#methods = compileMethods(policy, this.graph);
    this.#bindExpiry();
  }

  #bindExpiry(): void {
    const above = this.#binding === null ? 0 : this.#binding.#expires;
    const { expires } = this.#row.policy;
    this.#expires = above === 0 ? expires : expires === 0 ? above : Math.min(above, expires);
  }

  /** It has another policy, which binds everything that is in use. After the commit, never before. */
  amend(row: GrantRow): void {
    this.#row = row;
    this.#bind();
    for (const grant of this.inUse()) {
      grant.#bindExpiry();
      grant.#endExpired();
    }
  }

  get delegable(): boolean {
    return this.#row.policy.delegable && (this.#binding?.delegable ?? true);
  }

  /** It and those below it that are in use, each in front of those below it. */
  inUse(): LiveGrant[] {
    const found: LiveGrant[] = [this];
    for (let i = 0; i < found.length; i++) {
      for (const ref of found[i]!.#below) {
        const grant = ref.deref();
        if (grant !== undefined) found.push(grant);
      }
    }
    return found;
  }

  /** What there is of it in use. */
  get underway(): { capabilities: number; calls: number } {
    return { capabilities: this.#capabilities.size, calls: this.#calls.size };
  }

  /** The grant at the top of its tree. */
  get root(): LiveGrant {
    return this.parent === null ? this : this.parent.root;
  }

  /** The revocation that it died by, its own or one above it; null: none. */
  get revokedBy(): RpcError | null {
    return this.#revoked ?? this.parent?.revokedBy ?? null;
  }

  /** Why nothing may be done through it, or null while it is alive. */
  dead(now = Date.now()): RpcError | null {
    const revoked = this.revokedBy;
    if (revoked !== null) return revoked;
    return this.#expires !== 0 && now >= this.#expires ? expiredError() : null;
  }

  /** Why what a call returns that was let through may not come back; null: it may. */
  withholds(): RpcError | null {
    return this.#draining ? null : this.dead();
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
    return this.#binding === null ? null : this.#binding.#refusesMethod(interfaceId, methodId);
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
    this.#partsLike(part).add(part);
    if (this.#expires !== 0 && this.#expiry === null) this.#awaitExpiry();
  }

  leave(part: Cuttable): void {
    this.#partsLike(part).delete(part);
    if (this.#expiry !== null && this.#isIdle) this.#stopAwaitingExpiry();
    if (this.#calls.size === 0) for (const told of this.#drained.splice(0)) told();
  }

  #partsLike(part: Cuttable): Set<Cuttable> {
    return part.is === 'call' ? this.#calls : this.#capabilities;
  }

  get #isIdle(): boolean {
    return this.#capabilities.size === 0 && this.#calls.size === 0;
  }

  /** Whether it is to an object of the broker's own. */
  get isOwn(): boolean {
    return this.row.domainId === BROKER_HOME;
  }

  /**
   * Ends the grant and everything that is under way through it; with `draining` calls that were let through may go on, until
   * this is done without. After the commit, never before.
   *
   * What the broker itself is at ends in any case: one of those calls may be the one that revokes.
   */
  revoke({ draining = false } = {}): void {
    this.#draining = this.isOwn || (draining && (this.#draining || this.#revoked === null));
    this.#revoked ??= revokedError(this.row.id);
    this.#cut(this.#capabilities, this.#revoked);
    if (!this.#draining) this.#cut(this.#calls, this.#revoked);
  }

  /** Resolves when no call is in flight through it. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#calls.size === 0) resolve();
      else this.#drained.push(resolve);
    });
  }

  #cut(parts: Set<Cuttable>, reason: RpcError): void {
    // One may end others, which are not to be cut then.
    for (const part of [...parts]) if (parts.delete(part)) part.cut(reason);
  }

  #awaitExpiry(): void {
    this.#stopAwaitingExpiry();
    if (this.#expires === 0 || this.#isIdle) return;
    const remaining = Math.max(0, this.#expires - Date.now());
    // Later in any case: what enters is not to be cut before it is in.
    this.#expiry = setTimeout(() => this.#endExpired(), Math.min(remaining, LONGEST_TIMER));
    this.#expiry.unref();
  }

  #endExpired(): void {
    if (this.#expires === 0 || Date.now() < this.#expires) return this.#awaitExpiry();
    for (const parts of [this.#capabilities, this.#calls]) this.#cut(parts, expiredError());
  }

  #stopAwaitingExpiry(): void {
    if (this.#expiry !== null) clearTimeout(this.#expiry);
    this.#expiry = null;
  }

  /** The policies of it and of those above it that bind it, from the top down: the effective policy is all of them together. */
  get policies(): readonly StoredPolicy[] {
    return [...(this.#binding?.policies ?? []), this.row.policy];
  }
}

/** Whether a grant of this kind, below one of that, is the first of a branch of powers. */
export function startsPowers(kind: GrantKind | undefined, above: GrantKind | undefined): boolean {
  return kind === 'power' && above !== 'power';
}

function revokedError(id: string): RpcError {
  return new RpcError('failed', `the grant was revoked (${id})`, { code: 'ERR_GRANT_REVOKED' });
}

function expiredError(): RpcError {
  return new RpcError('failed', 'the grant has expired', { code: 'ERR_GRANT_EXPIRED' });
}
