/**
 * A grant in use: its row, bound to the live grants above it. The one place that says whether a call may go through.
 *
 * Authority only shrinks down the tree: a call is allowed when the grant and every ancestor of it allow it, now. A policy is
 * compiled once, when the grant is first used, into one look-up a grant; what it counts is counted here and at every ancestor,
 * or nowhere. When the grant dies, by being revoked or by
 * expiring, it or one above it, everything that is under way through it is cut.
 */
import { type Call, type Payload, RpcError } from '../rpc/index.js';
import type { SchemaGraph } from '../schema/index.js';
import { type ConstraintTable, compileConstraints, constraintRefusal } from './policy/constraint.js';
import { Line, type Waiting } from './policy/line.js';
import { isMetered, type Meter } from './policy/meter.js';
import { IN_LINE, type Verdict } from './policy/verdict.js';
import { compileMethods, type MethodTable } from './policy.js';
import type { GrantRow, StoredPolicy } from './store/store.js';

/** Something that ends when its grant does: a capability that came through it, a call in flight. */
export interface Cuttable {
  cut(reason: RpcError): void;
}

/** The longest time that a timer can be set to, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** How many calls may wait through one grant for what they are counted by to be reserved. */
export const MAX_WAITING = 1024;

export class LiveGrant {
  readonly #methods: MethodTable;
  readonly #constraints: ConstraintTable | null;
  readonly #meter: Meter | null;
  /** Whether something is counted, here or above. */
  readonly #metered: boolean;
  /** Calls that wait to pass. Those on one reference are all in the line of one grant, whatever becomes of promises. */
  readonly line = new Line();
  /** Results that wait to pass. */
  readonly #results = new Line();
  readonly #underway = new Set<Cuttable>();
  /** Its own expiry or an ancestor's, whichever is first; 0: never. */
  readonly #expires: number;
  #expiry: NodeJS.Timeout | null = null;
  #revoked: RpcError | null = null;

  /**
   * `graph` has the interfaces that the policy names; what it has no more, the policy allows no more. `meter` is the grant's own,
   * where its policy counts something.
   */
  constructor(
    readonly row: GrantRow,
    readonly parent: LiveGrant | null,
    private readonly graph: SchemaGraph,
    meter: Meter | null = null,
  ) {
    if (meter === null && isMetered(row.policy)) throw new Error(`grant ${row.id} has no meter`);
    this.#methods = compileMethods(row.policy, graph);
    this.#constraints = compileConstraints(row.policy.constraints, graph);
    this.#meter = meter;
    const meteredAbove = parent === null ? false : parent.#metered;
    this.#metered = meter !== null || meteredAbove;
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
  dead(now = Date.now()): RpcError | null {
    if (this.#revoked !== null) return this.#revoked;
    if (this.#expires !== 0 && now >= this.#expires) return expiredError();
    return this.parent?.dead(now) ?? null;
  }

  /**
   * Whether this call on the granted object, or on one that came out of it, may pass, by the params that are forwarded. One
   * that may has been counted; one that is not made all the same is to be given back.
   */
  refuses(call: Call): Verdict {
    const refusal = this.dead() ?? this.#refusesCall(call);
    if (refusal !== null || !this.#metered) return refusal;
    return this.#count(1, bytesOf(call.params));
  }

  /** The same of a call on something that the holder passed in. */
  refusesCallback(call: Call): Verdict {
    const refusal = this.dead();
    return refusal !== null || !this.#metered ? refusal : this.#count(0, bytesOf(call.params));
  }

  giveBack(call: Call): void {
    if (!this.#metered) return;
    const bytes = bytesOf(call.params);
    for (let grant: LiveGrant | null = this; grant !== null; grant = grant.parent)
      grant.#meter?.giveBack(1, bytes);
  }

  /** Whether results may pass; they have been counted then. */
  refusesResults(results: Payload): Verdict {
    const dead = this.dead();
    if (dead !== null || !this.#metered) return dead;
    return this.#results.isBusy ? IN_LINE : this.#take(0, bytesOf(results), this.#results);
  }

  /** Calls `told` when results that are in line may pass, or with why they may not. */
  whenResultsPass(results: Payload, told: (refusal: RpcError | null) => void): void {
    const waiting: Waiting = {
      attempt: () => {
        const verdict = this.dead() ?? this.#take(0, bytesOf(results), this.#results);
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
    for (let grant: LiveGrant | null = this; grant !== null && calls > 0; grant = grant.parent) {
      const refusal = grant.#meter?.tooFast() ?? null;
      if (refusal !== null) return refusal;
    }
    for (let grant: LiveGrant | null = this; grant !== null; grant = grant.parent) {
      const found: Verdict = grant.#meter?.check(calls, bytes, line.length, line.move) ?? null;
      if (found instanceof RpcError) return found;
      verdict ??= found;
    }
    if (verdict !== null) return verdict;
    for (let grant: LiveGrant | null = this; grant !== null; grant = grant.parent)
      grant.#meter?.take(calls, bytes);
    return null;
  }

  #refusesCall(call: Call): RpcError | null {
    const { interfaceId, methodId } = call;
    if (this.#methods !== null) {
      const allowed = this.#methods.get(interfaceId);
      if (allowed !== 'all' && !allowed?.has(methodId)) {
        return new RpcError('failed', `the grant does not allow ${this.#nameOf(interfaceId, methodId)}`, {
          code: 'ERR_GRANT_METHOD',
        });
      }
    }
    if (this.#constraints !== null) {
      const refusal = constraintRefusal(this.#constraints, call, this.#nameOf);
      if (refusal !== null) return refusal;
    }
    return this.parent === null ? null : this.parent.#refusesCall(call);
  }

  readonly #nameOf = (interfaceId: bigint, methodId: number): string => {
    if (this.graph.has(interfaceId)) {
      const type = this.graph.interface(interfaceId);
      const method = type.methods[methodId];
      if (method !== undefined) return `${type.name}.${method.name}`;
    }
    return `method ${methodId} of interface 0x${interfaceId.toString(16).padStart(16, '0')}`;
  };

  /** Has `part` cut when the grant dies, until `leave`. Not for a grant that is dead. */
  enter(part: Cuttable): void {
    this.#underway.add(part);
    if (this.#expires !== 0 && this.#expiry === null) this.#awaitExpiry();
  }

  leave(part: Cuttable): void {
    this.#underway.delete(part);
    if (this.#underway.size === 0 && this.#expiry !== null) {
      clearTimeout(this.#expiry);
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
    const remaining = this.#expires - Date.now();
    this.#expiry = setTimeout(
      () => {
        this.#expiry = null;
        if (Date.now() < this.#expires) this.#awaitExpiry();
        else this.#cut(expiredError());
      },
      Math.max(0, Math.min(remaining, LONGEST_TIMER)),
    );
    this.#expiry.unref();
  }

  /** The lists of it and of those above it, from the root down: the effective policy is all of them together. */
  get policies(): readonly StoredPolicy[] {
    return [...(this.parent?.policies ?? []), this.row.policy];
  }
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
