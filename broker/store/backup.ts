/**
 * Backups: one LMDB file, of one moment, which is scanned before it counts as one; and putting one in the place of a store that
 * is lost or damaged.
 *
 * A backup is older than what it replaces, and that is dangerous: see COMES_BACK. So whoever restores one has to say that this is known, and the audit log says it from then on. What was
 * minted since is gone, which is merely a nuisance.
 */

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { lockFolder } from './folder-lock.js';
import { LmdbTables } from './lmdb-tables.js';
import { appendEntry, type Root, readRoot, writeRoot } from './root-record.js';
import type { ScanReport } from './scan.js';
import { StoreError } from './store.js';
import { MARKER_FILE, markPlaced, STORE_FILE, scanFolder, syncFolder } from './store-folder.js';
import { copyStore } from './store-process.js';

/** What is true again of a store that is put back to what it was at an earlier time. */
export const COMES_BACK = [
  'every grant that was revoked since is alive',
  'what was narrowed since is as wide as it was',
  'secrets that were replaced since are good, and those that replaced them are not',
  'references that restore once and were used since restore once more',
  'calls and bytes that were counted since can be used again',
  'domains find their storage as it was',
] as const;

/**
 * Writes a backup of the store in `folder`, which a broker may be using, to the new file `to` (mode 0600). It has been scanned,
 * and is on disk, when it has that name.
 * @throws StoreError ERR_STORE_NOT_FOUND, ERR_STORE_EXISTS, ERR_STORE_DAMAGED, ERR_STORE_FORMAT, ERR_STORE_WRITE
 */
export async function backUp(folder: string, to: string): Promise<ScanReport> {
  const from = join(resolve(folder), STORE_FILE);
  const file = resolve(to);
  if (!existsSync(from)) throw new StoreError('ERR_STORE_NOT_FOUND', `there is no store in ${folder}`);
  if (existsSync(file)) throw exists(file);
  const unchecked = `${file}.${randomBytes(6).toString('hex')}.new`;
  try {
    const report = await copyStore(from, unchecked);
    // Another name for the same file: unlike renaming, it never takes the place of one that is there.
    written(file, () => {
      chmodSync(unchecked, 0o600);
      syncFile(unchecked);
      linkSync(unchecked, file);
      syncFolder(dirname(file));
    });
    return report;
  } finally {
    removeStoreFile(unchecked);
  }
}

export interface Restored {
  /** Of the backup. */
  readonly report: ScanReport;
  /** The folder with what was there before; null where there was nothing. */
  readonly keptAside: string | null;
}

export interface RestoreOptions {
  /** Whoever asks for it knows what comes back. */
  readonly acceptsLostRevocations: boolean;
  readonly now?: () => number;
}

/**
 * Puts the backup in the place of the store in `folder`, which must be damaged, or not there. What was there is kept. The
 * operator's reference stays: where the backup does not know it, the next start makes another.
 * @throws StoreError ERR_STORE_HELD, ERR_STORE_UNACKNOWLEDGED, ERR_STORE_EXISTS (a store that is whole), ERR_STORE_DAMAGED (the backup)
 */
export async function restoreBackup(
  backup: string,
  folder: string,
  options: RestoreOptions,
): Promise<Restored> {
  const { acceptsLostRevocations, now = Date.now } = options;
  const where = resolve(folder);
  if (!existsSync(backup)) throw new StoreError('ERR_STORE_NOT_FOUND', `there is no backup ${backup}`);
  mkdirSync(where, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(where);
  // LMDB makes a lock beside whatever it reads; where there was one, somebody uses it.
  const hadLock = existsSync(`${backup}-lock`);
  const coming = join(where, 'restoring.mdb');
  try {
    removeStoreFile(coming);
    const report = await copyStore(resolve(backup), coming);
    const there = await whatIsThere(where);
    if (!acceptsLostRevocations) throw unacknowledged(report);
    const root = await note(coming, report, now());
    return { report, keptAside: put(where, coming, root, there === 'damaged' ? now() : null) };
  } finally {
    removeStoreFile(coming);
    if (!hadLock) rmSync(`${backup}-lock`, { force: true });
    await lock.release();
  }
}

async function whatIsThere(where: string): Promise<'nothing' | 'damaged'> {
  if (![STORE_FILE, MARKER_FILE].some((name) => existsSync(join(where, name)))) return 'nothing';
  try {
    await scanFolder(where, { alone: true });
  } catch (error) {
    if (error instanceof StoreError && error.code === 'ERR_STORE_DAMAGED') return 'damaged';
    throw error;
  }
  throw new StoreError(
    'ERR_STORE_EXISTS',
    `the store in ${where} is whole, and a backup is older: nothing was changed. Where the older state is wanted all the ` +
      `same, move ${STORE_FILE} and ${MARKER_FILE} out of the folder first`,
  );
}

function unacknowledged({ audit }: ScanReport): StoreError {
  const moment =
    audit.at === null ? 'before its first audit entry' : `of ${new Date(audit.at).toISOString()}`;
  return new StoreError(
    'ERR_STORE_UNACKNOWLEDGED',
    `the backup's last audit entry is ${audit.sequence}, ${moment}. In it, ${COMES_BACK.join('; ')}. Nothing was changed. Where that ` +
      'is known and taken into account, say --accept-lost-revocations, and revoke, narrow and rotate again before clients are let in',
  );
}

/** Has the audit log of the store say that it is a backup. */
async function note(path: string, { audit }: ScanReport, now: number): Promise<Root> {
  const tables = new LmdbTables(path);
  try {
    return await tables.transact((transaction) => {
      const root = readRoot(transaction)!;
      appendEntry(transaction, root, {
        at: now,
        action: 'store.restore',
        by: 'whoever has the data folder',
        detail: `from a backup that ends with entry ${audit.sequence}; as was accepted, ${COMES_BACK.join('; ')}`,
      });
      writeRoot(transaction, root);
      return root;
    });
  } finally {
    await tables.close();
  }
}

/**
 * First what was there is copied, then the folder is marked as one whose store is `restored`, then the store gets there: cut short
 * anywhere, it is a folder whose store is damaged, and not one that never had any.
 */
function put(where: string, coming: string, restored: Root, aside: number | null): string | null {
  let kept: string | null = null;
  written(join(where, STORE_FILE), () => {
    if (aside !== null) {
      kept = join(where, `damaged-${new Date(aside).toISOString().replace(/[:.]/g, '-')}`);
      mkdirSync(kept, { mode: 0o700 });
      if (existsSync(join(where, MARKER_FILE)))
        copyFileSync(join(where, MARKER_FILE), join(kept, MARKER_FILE));
    }
    markPlaced(where, restored);
    for (const name of [STORE_FILE, `${STORE_FILE}-lock`]) {
      const path = join(where, name);
      if (!existsSync(path)) continue;
      if (kept === null) rmSync(path);
      else renameSync(path, join(kept, name));
    }
    chmodSync(coming, 0o600);
    syncFile(coming);
    renameSync(coming, join(where, STORE_FILE));
    if (kept !== null) syncFolder(kept);
    syncFolder(where);
  });
  return kept;
}

function written(path: string, work: () => void): void {
  try {
    work();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw exists(path);
    throw new StoreError('ERR_STORE_WRITE', `cannot write ${path}: ${code ?? message}`, { cause });
  }
}

function syncFile(path: string): void {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function removeStoreFile(path: string): void {
  for (const name of [path, `${path}-lock`]) rmSync(name, { force: true });
}

function exists(path: string): StoreError {
  return new StoreError('ERR_STORE_EXISTS', `${path} exists already; choose another file`);
}
