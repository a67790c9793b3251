/**
 * What a policy allows so much of in all, calls or bytes: reserved on disk in blocks, ahead of use, and counted down in
 * memory. What was reserved is never given back to the disk: a broker that ends loses what it had not used, and nobody gets
 * a call twice.
 */
import { RpcError } from '../../rpc/index.js';
import type { Bounded } from '../store/store.js';
import { IN_LINE, type Verdict } from './verdict.js';

/** Of a bound, a block is one part in so many: the most that is lost when the broker ends is two of them. */
const BLOCKS = 64;
/** Smaller blocks are none: what is needed is reserved, no more, and a broker that ends loses only what it had under way. */
const SMALLEST_BLOCK: Readonly<Record<Bounded, number>> = { calls: 2, bytes: 4096 };
const LARGEST_BLOCK: Readonly<Record<Bounded, number>> = { calls: 4096, bytes: 16 * 1024 * 1024 };

export interface AllowanceOptions {
  readonly what: Bounded;
  readonly limit: number;
  /** For errors: the id of the grant. */
  readonly grant: string;
  /** Store.reserve, of this grant and bound. */
  reserve(amount: number, limit: number): Promise<number>;
  /** Store.reserved, likewise. */
  reserved(): number;
}

export class Allowance {
  readonly #options: AllowanceOptions;
  #limit!: number;
  /** 0: there are none. */
  #block!: number;
  /** What counts as used, with all that was reserved before this was made; null while nothing was asked for. */
  #used: number | null = null;
  /** Reserved, and not used. */
  #atHand = 0;
  /** There is nothing more to reserve. */
  #exhausted = false;
  #asking = false;
  /** Why the last reservation failed, while those who waited for it are told. */
  #failure: RpcError | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(options: AllowanceOptions) {
    this.#options = options;
    this.amend(options.limit);
  }

  /** Another bound. What is used stays used; what is at hand and would be beyond it is kept, in case the bound is raised again. */
  amend(limit: number): void {
    if (limit === this.#limit) return;
    const { what } = this.#options;
    const block = Math.min(Math.floor(limit / BLOCKS), LARGEST_BLOCK[what]);
    this.#limit = limit;
    this.#block = block < SMALLEST_BLOCK[what] ? 0 : block;
    this.#exhausted = false;
  }

  /** How much may be used yet, of all that was ever reserved and was not lost. */
  get left(): number {
    return Math.max(0, this.#limit - (this.#used ?? this.#options.reserved()));
  }

  /** The same, as far as it is known without reading the store, which may fail. */
  get #left(): number {
    return this.#limit - (this.#used ?? 0);
  }

  /**
   * Whether `need` can be taken now. Where it cannot yet, it is asked for, or `wanted` where that is more, and `again` is called
   * when something has come of that.
   */
  check(need: number, wanted: number, again: () => void): Verdict {
    if (need > this.#left) return this.#usedUp();
    if (this.#atHand >= need) return null;
    if (this.#exhausted) return this.#usedUp();
    if (this.#failure !== null) return this.#failure;
    this.#waiting.add(again);
    this.#ask(Math.max(this.#block, Math.max(need, wanted) - this.#atHand));
    return IN_LINE;
  }

  /** After `check` has said that it can be. */
  take(need: number): void {
    this.#move(need);
    const isLow = this.#block > 0 && this.#atHand <= this.#block / 4;
    if (isLow && !this.#exhausted && this.#atHand < this.#left) this.#ask(this.#block);
  }

  /** What was taken, for a call that was not made. */
  giveBack(need: number): void {
    this.#move(-need);
  }

  #move(need: number): void {
    this.#atHand -= need;
    this.#used = (this.#used ?? 0) + need;
  }

  /** Whether something would be lost with this. */
  get holds(): boolean {
    return this.#atHand > 0 || this.#asking;
  }

  get asking(): boolean {
    return this.#asking;
  }

  #ask(amount: number): void {
    if (this.#asking) return;
    this.#asking = true;
    const limit = this.#limit;
    this.#reserve(amount, limit).then(
      (taken) => {
        this.#atHand += taken;
        // The bound may have been raised meanwhile.
        if (taken < amount && limit === this.#limit) this.#exhausted = true;
        this.#answered(null);
      },
      (cause: unknown) => {
        const { grant, what } = this.#options;
        const message = `the ${what} of the grant could not be counted (${grant})`;
        this.#answered(new RpcError('failed', message, { code: 'ERR_GRANT_COUNT', cause }));
      },
    );
  }

  async #reserve(amount: number, limit: number): Promise<number> {
    this.#used ??= this.#options.reserved();
    return this.#options.reserve(amount, limit);
  }

  #answered(failure: RpcError | null): void {
    this.#asking = false;
    this.#failure = failure;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const again of waiting) again();
    this.#failure = null;
  }

  #usedUp(): RpcError {
    const { what, grant } = this.#options;
    return new RpcError('failed', `the grant's ${this.#limit} ${what} are used up (${grant})`, {
      code: what === 'calls' ? 'ERR_GRANT_CALLS' : 'ERR_GRANT_BYTES',
    });
  }
}
