/**
 * Opening what is in a data folder, or making it. Beside the LMDB file stands `store.json`, written once: a folder that has
 * it had a store, so an LMDB file that reads as empty there is a loss and not a beginning.
 */

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { newDomainId } from './id.js';
import { type LmdbTables, TABLES } from './lmdb-tables.js';
import { RECORD_FORMAT } from './record.js';
import { checkRoot, newRoot, readRoot, writeRoot } from './root-record.js';
import { StoreError } from './store.js';

/** Checks the root record against the tables, or writes the first one. @throws StoreError */
export async function openRoot(tables: LmdbTables, where: string, now: number): Promise<void> {
  const marker = readMarker(where);
  let root = readRoot(tables);
  if (root === undefined) {
    const records = TABLES.reduce((sum, table) => sum + tables.count(table), 0);
    if (marker !== undefined || records > 0) {
      throw new StoreError(
        'ERR_STORE_DAMAGED',
        `the store in ${where} is damaged: its root record is missing (${records} other records were found)`,
      );
    }
    const made = newRoot(newDomainId(), now);
    await tables.transact((transaction) => writeRoot(transaction, made));
    root = made;
  } else {
    checkRoot(tables, root, where);
  }
  if (marker === undefined) writeMarker(where, root.id);
  else if (marker.id !== root.id) {
    throw new StoreError(
      'ERR_STORE_DAMAGED',
      `the store in ${where} is not the one that was made there (found ${root.id}, store.json names ${marker.id})`,
    );
  }
}

function readMarker(where: string): { id: string } | undefined {
  const path = join(where, 'store.json');
  let marker: { format?: unknown; id?: unknown };
  try {
    marker = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StoreError('ERR_STORE_DAMAGED', `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (marker.format !== RECORD_FORMAT) {
    throw new StoreError(
      'ERR_STORE_FORMAT',
      `the store in ${where} has format ${String(marker.format)}; this version reads format ${RECORD_FORMAT}`,
    );
  }
  if (typeof marker.id !== 'string')
    throw new StoreError('ERR_STORE_DAMAGED', `${path} does not name its store`);
  return { id: marker.id };
}

function writeMarker(where: string, id: string): void {
  const path = join(where, 'store.json');
  const descriptor = openSync(`${path}.new`, 'w', 0o600);
  try {
    writeSync(descriptor, `${JSON.stringify({ format: RECORD_FORMAT, id })}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(`${path}.new`, path);
  // The names of the new files, and of the folder itself, are on disk only when their folders are.
  for (const folder of [where, dirname(where)]) {
    const opened = openSync(folder, 'r');
    try {
      fsyncSync(opened);
    } finally {
      closeSync(opened);
    }
  }
}
