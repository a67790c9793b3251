/**
 * The root record: how many records every table has, and the head of the audit chain. It changes in the transaction of
 * what it counts. A damaged LMDB file may read as one with fewer records, and a revocation that is missing would fail
 * open; so opening compares these counts with the tables and refuses a difference.
 *
 * This is not a scan (scan.ts): a record that is damaged inside is found when it is read.
 */

import { auditKey, auditPayload, hashEntry, readEntry } from './audit-entry.js';
import { STORE_FORMAT } from './format.js';
import type { LmdbTables, Table, Transaction } from './lmdb-tables.js';
import { pack, unpack } from './record.js';
import { type AuditEvent, StoreError } from './store.js';

/** The tables whose records the root counts. Those of storage are counted by domain. */
export type Counted = Exclude<Table, 'root' | 'storage'>;

export interface Root {
  /** Of the store: see format.ts. */
  format: number;
  /** Random: tells this store from every other. */
  readonly id: string;
  readonly created: number;
  readonly counts: Record<Counted, number>;
  /** The hash of the last audit entry. */
  auditHead: Uint8Array;
}

const ROOT_KEY = Buffer.from('root');

export function newRoot(id: string, created: number): Root {
  return { format: STORE_FORMAT, id, created, counts: { ...NO_RECORDS }, auditHead: new Uint8Array(32) };
}

const NO_RECORDS: Readonly<Record<Counted, number>> = {
  grants: 0,
  digests: 0,
  children: 0,
  revocations: 0,
  reserved: 0,
  amendments: 0,
  domainNames: 0,
  domains: 0,
  configured: 0,
  upgrades: 0,
  audit: 0,
};

export function readRoot(source: {
  get(table: Table, key: Uint8Array): Buffer | undefined;
}): Root | undefined {
  const payload = source.get('root', ROOT_KEY);
  if (payload === undefined) return undefined;
  const root = unpack<Root>(payload);
  // The first stores of format 1 were written before the root named a format; and formats 1 and 2 have fewer tables.
  return { ...root, format: root.format ?? 1, counts: { ...NO_RECORDS, ...root.counts } };
}

export function writeRoot(transaction: Transaction, root: Root): void {
  transaction.put('root', ROOT_KEY, pack(root));
}

/** Appends to the audit chain and counts it in `root`, which the caller writes. */
export function appendEntry(transaction: Transaction, root: Root, event: AuditEvent): void {
  root.counts.audit += 1;
  const payload = auditPayload(root.auditHead, event);
  transaction.put('audit', auditKey(root.counts.audit), payload);
  root.auditHead = hashEntry(root.counts.audit, payload);
}

/** @throws StoreError ERR_STORE_DAMAGED, naming everything that differs. */
export function checkRoot(tables: LmdbTables, root: Root, where: string): void {
  const found: string[] = [];
  for (const [table, expected] of Object.entries(root.counts) as [Counted, number][]) {
    const count = tables.count(table);
    if (count !== expected) found.push(`table ${table} has ${count} records where ${expected} were written`);
  }
  let stored = 0;
  for (const [, payload] of tables.range('domains', {}))
    stored += unpack<{ entries: number }>(payload).entries;
  const count = tables.count('storage');
  if (count !== stored) found.push(`table storage has ${count} records where ${stored} were written`);
  const [last] = tables.range('audit', { reverse: true, limit: 1 });
  const head = last === undefined ? '0'.repeat(64) : readEntry(...last).hash;
  if (head !== Buffer.from(root.auditHead).toString('hex')) {
    found.push('the last audit entry is not the one that was written last');
  }
  if (found.length > 0) {
    throw new StoreError('ERR_STORE_DAMAGED', `the store in ${where} is damaged: ${found.join('; ')}`);
  }
}
