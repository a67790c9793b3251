/**
 * The books: accounts and their entries in the storage power, each posting one atomic write. Nothing is kept
 * in memory between two postings, so a domain killed at any instant starts again from what is true. It knows
 * nothing of capabilities; who may post what is decided in ledger.ts.
 */

import { checkPosting, newBalance, type Posting } from './posting.js';
import {
  type AccountRecord,
  decodeAccount,
  decodeEntry,
  type Entry,
  encodeAccount,
  encodeEntry,
} from './record.js';

/** The powers that the books need, as their stubs look. See `Storage` and `Clock` in sturdy.capnp. */
export interface Storage {
  get(params: { key: string }): Promise<{ entry: { absent: null } | { value: Uint8Array } }>;
  write(params: { changes: Change[] }): Promise<unknown>;
  list(params: { prefix: string; after: string; limit: number }): Promise<{ entries: Pair[] }>;
}
export interface Clock {
  now(params: Record<never, never>): Promise<{ unixMillis: bigint }>;
}
type Change = { key: string; put: Uint8Array };
type Pair = { readonly key: string; readonly value: Uint8Array };

/** The params of a page of entries: `Page` in ledger.capnp. */
export type Page = { readonly limit: number } & (
  | { readonly newest: null }
  | { readonly after: number }
  | { readonly before: number }
);

/** What is booked on one account; the rest of an entry follows from the account. */
type Deed = Omit<Entry, 'number' | 'time' | 'balance'>;

const MAX_LIMIT = 1000;

export class Book {
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #booked: (name: string, entry: Entry) => void;
  /** Settles when the posting that began last has ended. */
  #last: Promise<unknown> = Promise.resolve();

  /** `booked` is told of each entry once it is on disk, in the order of booking; it must not throw. */
  constructor(storage: Storage, clock: Clock, booked: (name: string, entry: Entry) => void) {
    this.#storage = storage;
    this.#clock = clock;
    this.#booked = booked;
  }

  /** Opens the account of this (checked) name, unless there is one. True where it was opened now. */
  open(name: string): Promise<boolean> {
    return this.#oneAtATime(async () => {
      if (await this.#find(name)) return false;
      const account = { balance: 0n, entries: 0, time: await this.#now() };
      await this.#storage.write({ changes: [{ key: accountKey(name), put: encodeAccount(account) }] });
      return true;
    });
  }

  async account(name: string): Promise<AccountRecord> {
    const account = await this.#find(name);
    if (!account) throw new Error(`there is no account ${name}`);
    return account;
  }

  async accounts(after: string, limit: number): Promise<{ name: string; balance: bigint }[]> {
    const { entries } = await this.#storage.list({
      prefix: accountKey(''),
      after: after === '' ? '' : accountKey(after),
      limit: Math.min(limit || 100, MAX_LIMIT),
    });
    return entries.map(({ key, value }) => ({
      name: key.slice(accountKey('').length),
      balance: decodeAccount(value).balance,
    }));
  }

  /** Books cash in or out. Gives the earlier entry where the reference has been booked before. */
  async cash(name: string, kind: 'deposit' | 'withdrawal', asked: Posting): Promise<Entry> {
    const posting = checkPosting(asked);
    const cents = kind === 'deposit' ? posting.cents : -posting.cents;
    return this.#oneAtATime(async () => {
      const account = await this.account(name);
      const deed: Deed = { ...posting, kind, cents, other: { cash: null } };
      const earlier = await this.#earlier(name, deed);
      if (earlier) return earlier;
      const made = entryOf(name, account, await this.#now(), deed);
      await this.#storage.write({ changes: changesFor(name, made) });
      this.#booked(name, made);
      return made;
    });
  }

  /** Books both sides of a transfer in one write. Gives the entry of `from`. */
  async transfer(from: string, to: string, asked: Posting): Promise<Entry> {
    const posting = checkPosting(asked);
    if (from === to) throw new Error(`from and to are the same account, ${from}`);
    return this.#oneAtATime(async () => {
      const [payer, payee] = [await this.account(from), await this.account(to)];
      const sending: Deed = { ...posting, kind: 'sent', cents: -posting.cents, other: { account: to } };
      const earlier = await this.#earlier(from, sending);
      if (earlier) return earlier;
      // The reference is the payer's own; the payee has no use for it and may not learn it.
      const arrival: Deed = { ...posting, kind: 'received', reference: '', other: { account: from } };
      const now = await this.#now();
      const sent = entryOf(from, payer, now, sending);
      const received = entryOf(to, payee, now, arrival);
      await this.#storage.write({ changes: [...changesFor(from, sent), ...changesFor(to, received)] });
      this.#booked(from, sent);
      this.#booked(to, received);
      return sent;
    });
  }

  async entry(name: string, number: number): Promise<Entry | undefined> {
    const { entry } = await this.#storage.get({ key: entryKey(name, number) });
    return 'value' in entry ? decodeEntry(entry.value) : undefined;
  }

  /** The entries of one page, with the balance before and after them. */
  async page(name: string, page: Page): Promise<{ opening: bigint; entries: Entry[]; closing: bigint }> {
    const { entries: count } = await this.account(name);
    const limit = Math.min(page.limit, MAX_LIMIT);
    // Behind `first`, up to and with `last`: entries are numbered without gaps, so a page is a range.
    const last = 'after' in page ? Math.min(count, page.after + limit) : Math.min(count, lastOf(page));
    const first = 'after' in page ? Math.min(count, page.after) : Math.max(0, last - limit);
    if (last <= first) {
      const rest = (await this.entry(name, first))?.balance ?? 0n;
      return { opening: rest, entries: [], closing: rest };
    }
    const { entries: pairs } = await this.#storage.list({
      prefix: entryKey(name),
      after: entryKey(name, first),
      limit: last - first,
    });
    const entries = pairs.map(({ value }) => decodeEntry(value));
    const [oldest, newest] = [entries[0], entries.at(-1)];
    if (!oldest || !newest) throw new Error(`account ${name} lacks the entries ${first + 1} to ${last}`);
    return { opening: oldest.balance - oldest.cents, entries, closing: newest.balance };
  }

  async #find(name: string): Promise<AccountRecord | undefined> {
    const { entry } = await this.#storage.get({ key: accountKey(name) });
    return 'value' in entry ? decodeAccount(entry.value) : undefined;
  }

  /** The entry that already has the deed's reference; an error where that was another deed. */
  async #earlier(name: string, deed: Deed): Promise<Entry | undefined> {
    if (deed.reference === '') return undefined;
    const { entry: number } = await this.#storage.get({ key: referenceKey(name, deed.reference) });
    if (!('value' in number)) return undefined;
    const earlier = await this.entry(name, Number(String.fromCharCode(...number.value)));
    if (earlier && sameDeed(earlier, deed)) return earlier;
    throw new Error(`account ${name} has booked something else under the reference ${deed.reference}`);
  }

  async #now(): Promise<bigint> {
    return (await this.#clock.now({})).unixMillis;
  }

  /**
   * Postings read, decide and write with awaits between, so they run one after the other: two
   * withdrawals that interleave could otherwise both be paid from the same money. `work` may wait for the
   * broker's powers only, never for a caller's capability, which could hold up everybody.
   */
  #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => undefined);
    return run;
  }
}

function entryOf(name: string, account: AccountRecord, now: bigint, deed: Deed): Entry {
  return {
    ...deed,
    number: account.entries + 1,
    // Clocks are set back; the book's order is not.
    time: now > account.time ? now : account.time,
    balance: newBalance(name, account.balance, deed.cents),
  };
}

function changesFor(name: string, entry: Entry): Change[] {
  const { number, balance, time, reference } = entry;
  const changes = [
    { key: accountKey(name), put: encodeAccount({ balance, entries: number, time }) },
    { key: entryKey(name, number), put: encodeEntry(entry) },
  ];
  if (reference !== '') {
    changes.push({
      key: referenceKey(name, reference),
      put: Uint8Array.from(`${number}`, (digit) => digit.charCodeAt(0)),
    });
  }
  return changes;
}

function sameDeed(a: Deed, b: Deed): boolean {
  const account = ({ other }: Deed) => ('account' in other ? other.account : '');
  return a.kind === b.kind && a.cents === b.cents && account(a) === account(b);
}

function lastOf(page: { readonly newest: null } | { readonly before: number }): number {
  return 'before' in page ? Math.max(0, page.before - 1) : Number.POSITIVE_INFINITY;
}

const accountKey = (name: string) => `account/${name}`;
const referenceKey = (name: string, reference: string) => `reference/${name}/${reference}`;
/** Padded, so that the order of the keys is the order of the numbers. */
const entryKey = (name: string, number?: number) =>
  `entry/${name}/${number === undefined ? '' : `${number}`.padStart(10, '0')}`;
