/**
 * The tables of the LMDB file, and the one way to write to them: a transaction that reads what is committed and what it
 * and those before it in its group have changed, and is then written with them in one LMDB transaction. While one
 * group goes to disk, the next one gathers, so that many small writes share one flush.
 *
 * Durability: LMDB is opened without overlapping sync and without any of its noSync options. Its commit then flushes the
 * data pages, writes the meta page through (O_DSYNC), and only then does its promise resolve; a resolved promise here
 * means: on disk. The addon's own asynchronous transactions with a callback are not used: on Node 20 they do not come
 * back. Since the folder has one writer (folder-lock.ts), what was read is still so when it is written.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';
import { type Database, open, type RootDatabase } from 'lmdb';
import { seal, unseal } from './record.js';
import { StoreError } from './store.js';

export const TABLES = [
  'root',
  'grants',
  'digests',
  'children',
  'revocations',
  'reserved',
  'amendments',
  'domainNames',
  'domains',
  'configured',
  'upgrades',
  'storage',
  'audit',
] as const;
export type Table = (typeof TABLES)[number];

/** The most transactions that share one commit; bounds the pause that they make together. */
const GROUP_SIZE = 256;

export interface Transaction {
  get(table: Table, key: Uint8Array): Buffer | undefined;
  put(table: Table, key: Uint8Array, payload: Uint8Array): void;
  remove(table: Table, key: Uint8Array): void;
}

interface Change {
  readonly table: Table;
  readonly key: Uint8Array;
  /** Undefined: the record is removed. */
  readonly payload: Uint8Array | undefined;
}
type Changes = Map<string, Change>;

interface Pending {
  readonly work: (transaction: Transaction) => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class LmdbTables {
  readonly #environment: RootDatabase<Buffer, Uint8Array>;
  readonly #tables: ReadonlyMap<Table, Database<Buffer, Uint8Array>>;
  readonly #pending: Pending[] = [];
  #writing: Promise<void> | null = null;
  #state: 'open' | 'closing' | 'closed' = 'open';

  /** @throws StoreError ERR_STORE_DAMAGED */
  constructor(path: string) {
    checkHeader(path);
    const encoding = { encoding: 'binary', keyEncoding: 'binary' } as const;
    try {
      this.#environment = open({
        path,
        maxDbs: TABLES.length + 1,
        overlappingSync: false,
        // With it, a commit that fails rejects a promise that only the addon has, and that would end the broker.
        eventTurnBatching: false,
        ...encoding,
      });
      this.#tables = new Map(TABLES.map((name) => [name, this.#environment.openDB({ name, ...encoding })]));
    } catch (error) {
      throw new StoreError('ERR_STORE_DAMAGED', `${path} cannot be opened: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  /** As committed. */
  get(table: Table, key: Uint8Array): Buffer | undefined {
    this.#checkOpen();
    const record = asked(() => this.#table(table).getBinary(key));
    return record === undefined ? undefined : unseal(table, key, record);
  }

  /** As committed, in the order of the keys, from behind `after` (or from `from` on), up to but not including `end`. */
  *range(
    table: Table,
    bounds: { from?: Uint8Array; after?: Uint8Array; end?: Uint8Array; limit?: number; reverse?: boolean },
  ): Generator<[key: Buffer, payload: Buffer]> {
    this.#checkOpen();
    const start = bounds.after ?? bounds.from;
    const options = {
      ...(start === undefined ? {} : { start }),
      ...(bounds.end === undefined ? {} : { end: bounds.end }),
      ...(bounds.limit === undefined ? {} : { limit: bounds.limit }),
      ...(bounds.reverse === undefined ? {} : { reverse: bounds.reverse }),
      exclusiveStart: bounds.after !== undefined,
    };
    const rows = asked(() =>
      this.#table(table)
        .getRange(options as object)
        [Symbol.iterator](),
    );
    try {
      for (let row = asked(() => rows.next()); row.done !== true; row = asked(() => rows.next())) {
        const { key, value } = row.value;
        yield [Buffer.from(key), unseal(table, key, value)];
      }
    } finally {
      asked(() => rows.return?.());
    }
  }

  /** How many records LMDB says that the table has. */
  count(table: Table): number {
    this.#checkOpen();
    return asked(() => this.#table(table).getStats() as { entryCount: number }).entryCount;
  }

  /**
   * Runs `work` and resolves with its result when what it changed is on disk. If `work` throws, nothing of it is
   * written. It runs later, in the order of the calls, and must not wait for anything.
   */
  transact<T>(work: (transaction: Transaction) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#state !== 'open') {
        reject(closed());
        return;
      }
      this.#pending.push({ work, resolve: resolve as (result: unknown) => void, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /** When everything that was asked for is written, or has failed; nothing more is taken. */
  async settled(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    if (this.#state === 'open') this.#state = 'closing';
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    await this.settled();
    this.#state = 'closed';
    await this.#environment.close();
  }

  async #writeAll(): Promise<void> {
    // Let everything that this turn of the event loop asks for join the first group.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#pending.length > 0) await this.#writeGroup(this.#pending.splice(0, GROUP_SIZE));
    this.#writing = null;
  }

  async #writeGroup(group: Pending[]): Promise<void> {
    this.#environment.resetReadTxn();
    const changes: Changes = new Map();
    const done: (() => void)[] = [];
    const failed: ((error: unknown) => void)[] = [];
    for (const { work, resolve, reject } of group) {
      const own: Changes = new Map();
      try {
        const result = work(this.#transaction(own, changes));
        for (const [name, change] of own) changes.set(name, change);
        done.push(() => resolve(result));
        failed.push(reject);
      } catch (error) {
        reject(error);
      }
    }
    try {
      if (changes.size > 0) await this.#commit(changes);
    } catch (error) {
      for (const reject of failed) reject(error);
      return;
    }
    for (const resolve of done) resolve();
  }

  #transaction(own: Changes, group: Changes): Transaction {
    return {
      get: (table, key) => {
        const name = nameOf(table, key);
        const change = own.get(name) ?? group.get(name);
        if (change === undefined) return this.get(table, key);
        return change.payload === undefined ? undefined : Buffer.from(change.payload);
      },
      put: (table, key, payload) => {
        own.set(nameOf(table, key), { table, key, payload });
      },
      remove: (table, key) => {
        own.set(nameOf(table, key), { table, key, payload: undefined });
      },
    };
  }

  async #commit(changes: Changes): Promise<void> {
    // Sealed before the batch begins: nothing in it may throw, or half of it would be written.
    const writes = Array.from(changes.values(), ({ table, key, payload }) => ({
      database: this.#table(table),
      key,
      record: payload === undefined ? undefined : seal(table, key, payload),
    }));
    try {
      await this.#environment.batch(() => {
        for (const { database, key, record } of writes) {
          const write = record === undefined ? database.remove(key) : database.put(key, record);
          // It fails with the batch, whose promise tells of it; a rejection that nobody handles would end the broker.
          Promise.resolve(write).catch(() => {});
        }
      });
    } catch (error) {
      // LMDB's reason comes as a promise that rejects a little later; nobody else would handle it.
      const reason = await (error as { commitError?: Promise<never> }).commitError?.catch(
        (cause: unknown) => cause,
      );
      const message = ((reason ?? error) as Error).message;
      throw new StoreError('ERR_STORE_WRITE', `the store could not be written: ${message}`, {
        cause: reason ?? error,
      });
    }
    this.#environment.resetReadTxn();
  }

  #table(name: Table): Database<Buffer, Uint8Array> {
    return this.#tables.get(name)!;
  }

  #checkOpen(): void {
    if (this.#state === 'closed') throw closed();
  }
}

/** What LMDB says of the process that asks, and of no store: MDB_READERS_FULL, _TLS_FULL, _MAP_RESIZED, _BAD_RSLOT (lmdb.h); ENOMEM. */
const OF_NO_STORE: ReadonlySet<unknown> = new Set([-30_790, -30_789, -30_785, -30_783, 12]);

/**
 * What LMDB says where it is asked for what it has.
 * @throws StoreError ERR_STORE_DAMAGED where it cannot say, and the store is to blame: one that is damaged may be replaced
 */
export function asked<T>(ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (OF_NO_STORE.has((error as { code?: unknown }).code)) throw error;
    throw new StoreError('ERR_STORE_DAMAGED', `the store cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Where LMDB's first meta page has its magic number, behind the page header. Its pages have 4096 bytes or more. */
const MAGIC = 0xbeefc0de;
const MAGIC_AT = 24;

/** The LMDB addon ends the process when the file is not LMDB's at all, so that is looked at first. */
export function checkHeader(path: string): void {
  const start = Buffer.alloc(MAGIC_AT + 4);
  let size: number;
  try {
    const descriptor = openSync(path, 'r+');
    try {
      size = fstatSync(descriptor).size;
      readSync(descriptor, start, 0, start.length, 0);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new StoreError('ERR_STORE_DAMAGED', `${path} cannot be opened: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (size === 0) return;
  const magic = endianness() === 'LE' ? start.readUInt32LE(MAGIC_AT) : start.readUInt32BE(MAGIC_AT);
  if (size < 2 * 4096 || magic !== MAGIC) {
    throw new StoreError(
      'ERR_STORE_DAMAGED',
      `${path} is not a store: it does not begin as one (${size} bytes)`,
    );
  }
}

function nameOf(table: Table, key: Uint8Array): string {
  return `${table} ${Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')}`;
}

function closed(): StoreError {
  return new StoreError('ERR_STORE_CLOSED', 'the store is closed');
}
