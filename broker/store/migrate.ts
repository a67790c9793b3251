/**
 * Brings a store of an older format to this one: a copy of it is put beside it and scanned, and then every step from its
 * format to this one is done in one transaction, with an audit entry. A broker that is killed on the way leaves a store of
 * the older format, or of this one.
 */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { checkFormat, type Formats } from './format.js';
import type { LmdbTables } from './lmdb-tables.js';
import { appendEntry, type Root, readRoot, writeRoot } from './root-record.js';
import { copyStore } from './store-process.js';

/** @throws StoreError ERR_STORE_FORMAT, ERR_STORE_DAMAGED, ERR_STORE_WRITE */
export async function migrate(
  tables: LmdbTables,
  where: string,
  now: number,
  formats: Formats,
): Promise<void> {
  const { format: from } = readRoot(tables) as Root;
  checkFormat(from, where, formats);
  if (from === formats.current) return;
  const steps = formats.migrations.filter((step) => step.from >= from && step.from < formats.current);
  if (steps.length !== formats.current - from) throw new Error(`no migration leads from format ${from} on`);
  const copy = join(where, `store.format-${from}.mdb`);
  // One that is there is of a migration that did not come to its end: the store still has the older format.
  rmSync(copy, { force: true });
  await copyStore(join(where, 'store.mdb'), copy);
  await tables.transact((transaction) => {
    const root = readRoot(transaction)!;
    for (const step of steps) {
      step.migrate(transaction, root, tables);
      root.format = step.from + 1;
    }
    appendEntry(transaction, root, {
      at: now,
      action: 'store.migrate',
      by: 'the broker',
      detail: `from format ${from} to ${formats.current}`,
    });
    writeRoot(transaction, root);
  });
}
