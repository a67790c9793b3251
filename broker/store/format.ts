/**
 * The format of the store: which tables there are and what their records mean. Its number stands in the root record. A
 * new table, and a change of what a record means, is a new format: an older version must not open such a store, for it
 * would pass over what it does not know, which may be a revocation.
 *
 * A store of an older format is migrated when it is opened (migrate.ts). One of a newer format is refused, by name.
 *
 * (record.ts has a format of its own: how a record is enclosed, whatever it says.)
 */

import type { LmdbTables, Transaction } from './lmdb-tables.js';
import type { Root } from './root-record.js';
import { StoreError } from './store.js';

export const STORE_FORMAT = 3;

export interface Migration {
  /** The format it begins from; it leads to the next. */
  readonly from: number;
  /**
   * Changes what is in the tables, and in `root` (a count for a new table), which is written for it. `tables` are as they were:
   * for what has to be walked. What it changes is in memory until it is written.
   */
  migrate(transaction: Transaction, root: Root, tables: LmdbTables): void;
}

/**
 * Format 2 has the tables `reserved` and `amendments`: a version that knows nothing of them would let calls be made twice, and
 * would believe a grant to be as wide as it was minted. A store without them has no records in them, which is what readRoot counts.
 */
const RESERVED_AND_AMENDMENTS: Migration = { from: 1, migrate: () => {} };

/**
 * Format 3 has the table `upgrades`: a version that knows nothing of it would run older code than what was upgraded to, on what that has
 * stored. A store without it has no records in it.
 */
const UPGRADES: Migration = { from: 2, migrate: () => {} };

/** One for each format before this one, in their order. */
export const MIGRATIONS: readonly Migration[] = [RESERVED_AND_AMENDMENTS, UPGRADES];

export interface Formats {
  readonly current: number;
  readonly migrations: readonly Migration[];
}

export const FORMATS: Formats = { current: STORE_FORMAT, migrations: MIGRATIONS };

/** @throws StoreError ERR_STORE_FORMAT where `found` is newer than what this version knows */
export function checkFormat(found: unknown, where: string, { current }: Formats = FORMATS): void {
  if (Number.isInteger(found) && (found as number) >= 1 && (found as number) <= current) return;
  throw new StoreError(
    'ERR_STORE_FORMAT',
    `the store in ${where} has format ${String(found)}; this version reads format ${current}` +
      `${current > 1 ? ' and those before it' : ''}: open it with the version that wrote it, or a later one`,
  );
}
