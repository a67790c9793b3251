/**
 * The meter of one grant: what of its policy is counted, over time or in all. It is charged for every call through the grant
 * and through every grant below it.
 *
 * A meter is kept as long as something would be forgotten with it, a bucket that is not full or a reserve that is not used,
 * though nobody has the grant in use: a holder gets no fresh bucket by letting go and coming again.
 */
import { RpcError } from '../../rpc/index.js';
import type { Bounded, GrantRow, Store, StoredPolicy } from '../store/store.js';
import { Allowance } from './count.js';
import { rateText, TokenBucket } from './rate.js';
import type { Verdict } from './verdict.js';

/** The most meters that are kept: a grant that was not in use is `overloaded` then, until buckets have filled again. */
export const MAX_METERS = 100_000;

/** How often the whole of them is looked through where there are too many, in milliseconds. */
const SWEEP_PAUSE = 1000;

/** Of each bound of a grant's own policy, how much is left; null where there is none. */
export type Left = Readonly<Record<Bounded, number | null>>;

export class Meter {
  readonly #id: string;
  readonly #meters: Meters;
  #rates: readonly TokenBucket[] = [];
  #calls: Allowance | null = null;
  #bytes: Allowance | null = null;
  /** Whether Meters keeps it. Its own to change. */
  isKept = false;

  constructor(id: string, policy: StoredPolicy, meters: Meters) {
    this.#id = id;
    this.#meters = meters;
    this.amend(policy);
  }

  /** Another policy of the grant. What is used stays used, and the bucket of a rate that stays is as full as it was. */
  amend({ rates = [], maxCalls, maxBytes }: StoredPolicy): void {
    const known = new Map(this.#rates.map((bucket) => [rateText(bucket.rate), bucket]));
    this.#rates = rates.map((rate) => known.get(rateText(rate)) ?? new TokenBucket(rate, this.#meters.now));
    this.#calls = this.#bounded('calls', this.#calls, maxCalls);
    this.#bytes = this.#bounded('bytes', this.#bytes, maxBytes);
  }

  #bounded(what: Bounded, known: Allowance | null, limit: number | undefined): Allowance | null {
    if (limit === undefined) return null;
    known?.amend(limit);
    const { store } = this.#meters;
    const id = this.#id;
    return (
      known ??
      new Allowance({
        what,
        limit,
        grant: id,
        reserve: (amount, most) => store.reserve(id, what, amount, most),
        reserved: () => store.reserved(id)[what],
      })
    );
  }

  /** How much there is left of what it bounds in all. */
  get left(): Left {
    return { calls: this.#calls?.left ?? null, bytes: this.#bytes?.left ?? null };
  }

  get countsBytes(): boolean {
    return this.#bytes !== null;
  }

  /** Why a call may not be made now, or null. Takes nothing. */
  tooFast(): RpcError | null {
    for (const bucket of this.#rates) if (!bucket.ready) return this.#refuses(bucket);
    return null;
  }

  #refuses(over: TokenBucket): RpcError {
    const message = `calls come faster than the grant allows: ${rateText(over.rate)} (${this.#id})`;
    return new RpcError('overloaded', message, { code: 'ERR_GRANT_CALL_RATE' });
  }

  /**
   * Whether so much may be taken of what is counted in all, by the first of `waiting` calls in a row. `again` as in
   * Allowance.check.
   */
  check(calls: number, bytes: number, waiting: number, again: () => void): Verdict {
    if (!this.isKept && !this.#meters.keep(this.#id, this)) {
      return new RpcError('overloaded', 'too many grants with counts and rates are in use; try again later', {
        code: 'ERR_GRANT_METERS',
      });
    }
    const verdict = calls === 0 ? null : (this.#calls?.check(calls, waiting, again) ?? null);
    // Both are asked for at once.
    const other = this.#bytes?.check(bytes, bytes, again) ?? null;
    return verdict instanceof RpcError ? verdict : other instanceof RpcError ? other : (verdict ?? other);
  }

  take(calls: number, bytes: number): void {
    if (calls > 0) for (const bucket of this.#rates) bucket.take();
    if (calls > 0) this.#calls?.take(calls);
    this.#bytes?.take(bytes);
  }

  giveBack(calls: number, bytes: number): void {
    if (calls > 0) for (const bucket of this.#rates) bucket.giveBack();
    if (calls > 0) this.#calls?.giveBack(calls);
    this.#bytes?.giveBack(bytes);
  }

  /** Whether a new one in its place would allow more. */
  get mustBeKept(): boolean {
    const asks = this.#calls?.asking || this.#bytes?.asking;
    return asks || this.#rates.some((bucket) => !bucket.isFull);
  }

  /** Whether a new one in its place would have to reserve again. */
  get holds(): boolean {
    return this.#calls?.holds || this.#bytes?.holds || false;
  }
}

export interface MetersOptions {
  readonly store: Pick<Store, 'reserve' | 'reserved'>;
  /** Milliseconds of a clock; one that is set gives nobody more than the bursts. */
  readonly now?: () => number;
}

export class Meters {
  readonly store: Pick<Store, 'reserve' | 'reserved'>;
  readonly now: () => number;
  readonly #kept = new Map<string, Meter>();
  #sweepAt = 1024;
  #swept = Number.NEGATIVE_INFINITY;

  constructor({ store, now = () => performance.now() }: MetersOptions) {
    this.store = store;
    this.now = now;
  }

  /** The meter of this grant by its policy as it is now; null where that has nothing to count. One grant in use has one meter. */
  of({ id, policy }: Pick<GrantRow, 'id' | 'policy'>): Meter | null {
    if (!isMetered(policy)) return null;
    const kept = this.#kept.get(id);
    kept?.amend(policy);
    return kept ?? new Meter(id, policy, this);
  }

  /** Of this grant by itself: one above it may have less. */
  left(row: Pick<GrantRow, 'id' | 'policy'>): Left {
    return this.of(row)?.left ?? { calls: null, bytes: null };
  }

  /** Keeps `meter`, which is about to be used. False: there are too many. */
  keep(id: string, meter: Meter): boolean {
    if (this.#kept.size >= this.#sweepAt) this.#sweep();
    if (this.#kept.size >= MAX_METERS) return false;
    // One that was in its place is in use no more.
    this.#forget(id);
    this.#kept.set(id, meter);
    meter.isKept = true;
    return true;
  }

  #forget(id: string): void {
    const meter = this.#kept.get(id);
    if (meter === undefined) return;
    meter.isKept = false;
    this.#kept.delete(id);
  }

  get size(): number {
    return this.#kept.size;
  }

  #sweep(): void {
    const pause = Math.abs(this.now() - this.#swept);
    if (this.#kept.size >= MAX_METERS && pause < SWEEP_PAUSE) return;
    this.#swept = this.now();
    const idle = [...this.#kept].filter(([, meter]) => !meter.mustBeKept);
    for (const [id, meter] of idle) if (!meter.holds) this.#forget(id);
    // Reserves are given up only where there is no other way.
    for (const [id] of idle) if (this.#kept.size >= MAX_METERS / 2) this.#forget(id);
    this.#sweepAt = Math.min(MAX_METERS, Math.max(1024, 2 * this.#kept.size));
  }
}

export function isMetered({ maxCalls, maxBytes, rates = [] }: StoredPolicy): boolean {
  return maxCalls !== undefined || maxBytes !== undefined || rates.length > 0;
}
