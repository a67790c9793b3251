/**
 * A grant in use: its row, bound to the live grants above it. The one place that says whether a call may go through.
 *
 * Authority only shrinks down the tree: a call is allowed when the grant and every ancestor of it allow it, now. A policy is
 * compiled when the grant is first used, and when it is amended, into one look-up a grant; what it counts is counted here and at
 * every ancestor, or nowhere. When the grant dies, by being revoked or by expiring, it or one above it, everything that is under
 * way through it is cut.
 */
import { type Call, type Payload, RpcError } from '../rpc/index.js';
import type { SchemaGraph } from '../schema/index.js';
import { Bag } from './bag.js';
import { BROKER_HOME } from './broker-name.js';
import { type Clock, SYSTEM_CLOCK } from './clock.js';
import { type ConstraintTable, compileConstraints, constraintRefusal, rulesOf } from './policy/constraint.js';
import { Line, type Waiting } from './policy/line.js';
import { isMetered, type Meter } from './policy/meter.js';
import { compileMethods, isAllowed, type MethodTable } from './policy/methods.js';
import { IN_LINE, type Verdict } from './policy/verdict.js';
import type { GrantKind, GrantRow, StoredPolicy } from './store/store.js';

/** Something that ends when its grant does: a capability that came through it, a call that waits to pass, a call in flight. */
export interface Cuttable {
  readonly is: 'capability' | 'waiting' | 'call';
  /** Where its grant keeps it. */
  place: number;
  cut(reason: RpcError): void;
}

/** What a policy says of one method, whatever the params are. */
interface SayOfMethod {
  readonly interfaceId: bigint;
  readonly methodId: number;
  readonly allowed: boolean;
  /** The constraints on its params. */
  readonly rules: ReturnType<typeof rulesOf>;
}

/** How many calls may wait through one grant for what they are counted by to be reserved. */
export const MAX_WAITING = 1024;

/** Takes a grant that nobody uses any more from among those below its parent. */
const forgotten = new FinalizationRegistry<{ below: Set<WeakRef<LiveGrant>>; ref: WeakRef<LiveGrant> }>(
  ({ below, ref }) => below.delete(ref),
);

export class LiveGrant {
  #row: GrantRow;
  /** The grant above it whose policy binds it, besides its own: a power is not bound by what may be done with the object. */
  readonly #binding: LiveGrant | null;
  #methods!: MethodTable;
  #constraints!: ConstraintTable | null;
  /** Of the method of the last call: nearly every one is of the method that the one before was of. */
  #lastSaid: SayOfMethod | null = null;
  #meter!: Meter | null;
  /** Whether something is counted, here or at one that binds it; and whether bytes are, which results have as well. */
  #metered = false;
  #weighed = false;
  /** Calls that wait to pass. Those on one reference are all in the line of one grant, whatever becomes of promises. */
  readonly line = new Line();
  /** Results that wait to pass. */
  readonly #results = new Line();
  /** Its own expiry or that of one that binds it, whichever is first; 0: never. */
  #expires = 0;
  readonly #capabilities = new Bag<Cuttable>();
  /** In the line of the grant, on their way to nobody yet. */
  readonly #waiting = new Bag<Cuttable>();
  readonly #calls = new Bag<Cuttable>();
  /** Those in use right below it: they hold it, and it does not hold them. */
  readonly #below = new Set<WeakRef<LiveGrant>>();
  /** How the wait for it is given up. */
  #expiry: (() => void) | null = null;
  #revoked: RpcError | null = null;
  /** It is revoked, and the calls in flight may go on until they have ended. */
  #draining = false;
  #drained: (() => void)[] = [];

  /**
   * `graph` has the interfaces that the policy names; what it has no more, the policy allows no more. `meter` is the grant's own,
   * where its policy counts something.
   */
  constructor(
    row: GrantRow,
    readonly parent: LiveGrant | null,
    private graph: SchemaGraph,
    meter: Meter | null = null,
    private readonly clock: Clock = SYSTEM_CLOCK,
  ) {
    this.#row = row;
    this.#binding = startsPowers(row.kind, parent?.row.kind) ? null : parent;
    this.#bind(meter);
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
  #bind(meter: Meter | null): void {
    const { id, policy } = this.#row;
    if (meter === null && isMetered(policy)) throw new Error(`grant ${id} has no meter`);
    this.#methods = compileMethods(policy, this.graph);
    this.#constraints = compileConstraints(policy.constraints, this.graph);
    this.#lastSaid = null;
    this.#meter = meter;
    this.#bindBelow();
  }

  /** What is known here of the policies above. */
  #bindBelow(): void {
    const meter = this.#meter;
    this.#expires = this.#row.policy.expires;
    this.#metered = meter !== null;
    this.#weighed = meter?.countsBytes === true;
    const above = this.#binding;
    if (above === null) return;
    if (above.#expires !== 0 && (this.#expires === 0 || above.#expires < this.#expires))
      this.#expires = above.#expires;
    this.#metered ||= above.#metered;
    this.#weighed ||= above.#weighed;
  }

  /**
   * It has another policy, which binds everything that is in use, here and below. After the commit, never before. `meter` is the
   * grant's own by this policy.
   */
  amend(row: GrantRow, meter: Meter | null = null): void {
    this.#row = row;
    this.#bind(meter);
    const inUse = this.inUse();
    for (const grant of inUse) grant.#bindBelow();
    for (const grant of inUse) {
      grant.#endExpired();
      // What waits may have nothing to wait for any more.
      grant.line.move();
      grant.#results.move();
    }
  }

  /** `graph` is the schema from now on. */
  rebind(graph: SchemaGraph): void {
    this.graph = graph;
    this.#bind(this.#meter);
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
    return { capabilities: this.#capabilities.size, calls: this.#calls.size + this.#waiting.size };
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
  dead(now?: number): RpcError | null {
    const revoked = this.revokedBy;
    if (revoked !== null || this.#expires === 0) return revoked;
    return (now ?? this.clock.now()) >= this.#expires ? expiredError() : null;
  }

  /** Why what a call returns that was let through may not come back; null: it may. */
  withholds(): RpcError | null {
    return this.#draining ? null : this.dead();
  }

  /**
   * Whether this call on the granted object, or on one that came out of it, may pass, by the params that are forwarded. One
   * that may has been counted; one that is not made all the same is to be given back.
   */
  refuses(call: Call): Verdict {
    const refusal = this.dead() ?? this.#refusesCall(call);
    if (refusal !== null || this.#passesUncounted(this.#metered)) return refusal;
    return this.#count(1, bytesOf(call.params));
  }

  /** The same of a call on something that the holder passed in. */
  refusesCallback(call: Call): Verdict {
    const refusal = this.dead();
    if (refusal !== null || this.#passesUncounted(this.#weighed)) return refusal;
    return this.#count(0, bytesOf(call.params));
  }

  /** Where nothing is counted; unless something waits since the time when it was, which is not to be overtaken. */
  #passesUncounted(isCounted: boolean): boolean {
    return !isCounted && !this.line.isBusy;
  }

  /** A call of so many bytes that was counted is not made; `isCallback`: one that `refusesCallback` has counted. */
  giveBack(bytes: number, isCallback = false): void {
    if (!this.#metered) return;
    for (let grant: LiveGrant | null = this; grant !== null; grant = grant.#binding)
      grant.#meter?.giveBack(isCallback ? 0 : 1, bytes);
  }

  /** Whether results may pass; they have been counted then. */
  refusesResults(bytes: number): Verdict {
    const withheld = this.withholds();
    if (withheld !== null || (!this.#weighed && !this.#results.isBusy)) return withheld;
    return this.#results.isBusy ? IN_LINE : this.#take(0, bytes, this.#results);
  }

  /** Calls `told` when results that are in line may pass, or with why they may not. */
  whenResultsPass(bytes: number, told: (refusal: RpcError | null) => void): void {
    const waiting: Waiting = {
      attempt: () => {
        const verdict = this.withholds() ?? this.#take(0, bytes, this.#results);
        if (verdict === IN_LINE) return false;
        told(verdict);
        return true;
      },
    };
    this.#results.join(waiting);
  }

  /** The same verdict on a call whose turn has come. */
  judgeAgain(call: Call, isCallback: boolean): Verdict {
    const refusal = this.dead() ?? (isCallback ? null : this.#refusesCall(call));
    return refusal ?? this.#take(isCallback ? 0 : 1, bytesOf(call.params), this.line);
  }

  #count(calls: 0 | 1, bytes: number): Verdict {
    const verdict = this.line.isBusy ? IN_LINE : this.#take(calls, bytes, this.line);
    if (verdict !== IN_LINE || this.line.length < MAX_WAITING) return verdict;
    const message = `${MAX_WAITING} calls wait already for the counts of the grant to be written (${this.row.id})`;
    return new RpcError('overloaded', message, { code: 'ERR_GRANT_WAITING' });
  }

  /** Takes it from every meter, or from none. */
  #take(calls: 0 | 1, bytes: number, line: Line): Verdict {
    let verdict: Verdict = null;
    for (let grant: LiveGrant | null = this; grant !== null && calls > 0; grant = grant.#binding) {
      const refusal = grant.#meter?.tooFast() ?? null;
      if (refusal !== null) return refusal;
    }
    for (let grant: LiveGrant | null = this; grant !== null; grant = grant.#binding) {
      const found: Verdict = grant.#meter?.check(calls, bytes, line.length, line.move) ?? null;
      if (found instanceof RpcError) return found;
      verdict ??= found;
    }
    if (verdict !== null) return verdict;
    for (let grant: LiveGrant | null = this; grant !== null; grant = grant.#binding)
      grant.#meter?.take(calls, bytes);
    return null;
  }

  #refusesCall(call: Call): RpcError | null {
    const { interfaceId, methodId } = call;
    const { allowed, rules } = this.#sayOf(interfaceId, methodId);
    if (!allowed) {
      return new RpcError('failed', `the grant does not allow ${this.#nameOf(interfaceId, methodId)}`, {
        code: 'ERR_GRANT_METHOD',
      });
    }
    if (rules !== null) {
      const refusal = constraintRefusal(rules, call, this.#nameOf);
      if (refusal !== null) return refusal;
    }
    return this.#binding === null ? null : this.#binding.#refusesCall(call);
  }

  /** What its own policy says of a method. */
  #sayOf(interfaceId: bigint, methodId: number): SayOfMethod {
    const last = this.#lastSaid;
    if (last !== null && last.methodId === methodId && last.interfaceId === interfaceId) return last;
    this.#lastSaid = {
      interfaceId,
      methodId,
      allowed: isAllowed(this.#methods, interfaceId, methodId),
      rules: this.#constraints === null ? null : rulesOf(this.#constraints, interfaceId, methodId),
    };
    return this.#lastSaid;
  }

  readonly #nameOf = (interfaceId: bigint, methodId: number): string => {
    if (this.graph.has(interfaceId)) {
      const type = this.graph.interface(interfaceId);
      const method = type.methods[methodId];
      if (method !== undefined) return `${type.name}.${method.name}`;
    }
    return `method ${methodId} of interface 0x${interfaceId.toString(16).padStart(16, '0')}`;
  };

  /** Has `part` cut when the grant dies, until `leave`. Not for a grant that is dead, but for what is cut right behind that. */
  enter(part: Cuttable): void {
    this.#partsLike(part).add(part);
    if (this.#expires !== 0 && this.#expiry === null) this.#awaitExpiry();
  }

  leave(part: Cuttable): void {
    this.#partsLike(part).delete(part);
    if (this.#expiry !== null && this.#isIdle()) this.#stopAwaitingExpiry();
    if (this.#drained.length > 0 && this.#calls.size === 0)
      for (const told of this.#drained.splice(0)) told();
  }

  #partsLike(part: Cuttable): Bag<Cuttable> {
    switch (part.is) {
      case 'capability':
        return this.#capabilities;
      case 'waiting':
        return this.#waiting;
      case 'call':
        return this.#calls;
    }
  }

  #isIdle(): boolean {
    return this.#capabilities.size === 0 && this.#waiting.size === 0 && this.#calls.size === 0;
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
    this.#cut(this.#waiting, this.#revoked);
    if (!this.#draining) this.#cut(this.#calls, this.#revoked);
  }

  /** Resolves when no call is in flight through it. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#calls.size === 0) resolve();
      else this.#drained.push(resolve);
    });
  }

  #cut(parts: Bag<Cuttable>, reason: RpcError): void {
    // One may end others, which are not to be cut then.
    for (const part of parts.all()) if (parts.delete(part)) part.cut(reason);
  }

  #awaitExpiry(): void {
    this.#stopAwaitingExpiry();
    if (this.#expires === 0 || this.#isIdle()) return;
    // Later in any case: what enters is not to be cut before it is in.
    this.#expiry = this.clock.after(Math.max(0, this.#expires - this.clock.now()), () => this.#endExpired());
  }

  #endExpired(): void {
    if (this.#expires === 0 || this.clock.now() < this.#expires) return this.#awaitExpiry();
    for (const parts of [this.#capabilities, this.#waiting, this.#calls]) this.#cut(parts, expiredError());
  }

  #stopAwaitingExpiry(): void {
    this.#expiry?.();
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

/** What a payload counts as: the message that it came in, which is no smaller than what is passed on of it. */
function bytesOf({ body }: Payload): number {
  return body.bytes;
}

function revokedError(id: string): RpcError {
  return new RpcError('failed', `the grant was revoked (${id})`, { code: 'ERR_GRANT_REVOKED' });
}

function expiredError(): RpcError {
  return new RpcError('failed', 'the grant has expired', { code: 'ERR_GRANT_EXPIRED' });
}
