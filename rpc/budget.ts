/**
 * What the connections of one listener may hold between them. Each has a share for which it need not ask; what it holds
 * beyond that is drawn from a pool that is there for all. So a flood, from however many connections, ends at the pool, and
 * who stays within the share does not notice.
 */

export interface BudgetSize {
  /** What each connection may hold in any case. */
  readonly share: number;
  /** What all of them may hold beyond their shares. */
  readonly pool: number;
}

class Budget {
  #drawn = 0;

  constructor(readonly size: BudgetSize) {}

  draw(amount: number): boolean {
    if (amount > 0 && this.#drawn + amount > this.size.pool) return false;
    this.#drawn += amount;
    return true;
  }
}

/** What one connection holds of one kind. */
export class Account {
  #held = 0;

  constructor(private readonly budget: Budget | null) {}

  /** Whether so much more may be held; it is, then. */
  take(amount: number): boolean {
    const { budget } = this;
    if (budget === null) return true;
    const { share } = budget.size;
    const before = this.#held;
    const after = before + amount;
    if (after > share && !budget.draw(after - Math.max(before, share))) return false;
    this.#held = after;
    return true;
  }

  /** So much is held no more. */
  give(amount: number): void {
    const { budget } = this;
    if (budget === null) return;
    const { share } = budget.size;
    const before = this.#held;
    const after = before - amount;
    if (before > share) budget.draw(Math.max(after, share) - before);
    this.#held = after;
  }
}

/** The accounts of one connection. */
export interface Accounts {
  /**
   * Bytes of messages that are not complete, of calls in flight, of results that are kept because the peer may pipeline on them, and
   * of what waits to be read by the peer.
   */
  readonly bytes: Account;
  /** Calls of the peer's that it has not finished. */
  readonly calls: Account;
  /** Calls that were refused, and what else is answered and not finished. A peer is cut that has more. */
  readonly refusals: Account;
  /** Capabilities of the peer's that we hold. */
  readonly imports: Account;
  /** Capabilities of ours that the peer holds. */
  readonly exports: Account;
}

export type BudgetSizes = { readonly [K in keyof Accounts]: BudgetSize };

export const DEFAULT_BUDGETS: BudgetSizes = {
  bytes: { share: 256 * 1024, pool: 128 * 1024 * 1024 },
  calls: { share: 16, pool: 32 * 1024 },
  refusals: { share: 256, pool: 32 * 1024 },
  imports: { share: 64, pool: 16 * 1024 },
  exports: { share: 64, pool: 32 * 1024 },
};

export class Budgets {
  readonly #budgets: { readonly [K in keyof Accounts]: Budget };

  constructor(sizes: Partial<BudgetSizes> = {}) {
    const all = { ...DEFAULT_BUDGETS, ...sizes };
    this.#budgets = {
      bytes: new Budget(all.bytes),
      calls: new Budget(all.calls),
      refusals: new Budget(all.refusals),
      imports: new Budget(all.imports),
      exports: new Budget(all.exports),
    };
  }

  /** For a new connection. */
  accounts(): Accounts {
    const { bytes, calls, refusals, imports, exports } = this.#budgets;
    return {
      bytes: new Account(bytes),
      calls: new Account(calls),
      refusals: new Account(refusals),
      imports: new Account(imports),
      exports: new Account(exports),
    };
  }
}

const UNBOUNDED = new Account(null);

/** For a connection that shares its limits with no other. */
export const NO_BUDGET: Accounts = {
  bytes: UNBOUNDED,
  calls: UNBOUNDED,
  refusals: UNBOUNDED,
  imports: UNBOUNDED,
  exports: UNBOUNDED,
};
