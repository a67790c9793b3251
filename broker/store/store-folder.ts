/**
 * What stands in a data folder beside the LMDB file, and opening the two together. `store.json` names the store, so that an LMDB
 * file that reads as empty there is a loss and not a beginning. It says how the file was when it was closed (its digest), and
 * where its audit log ended then.
 *
 * A file that is as it was closed is opened as it is. Any other (the broker was killed, or somebody or something has changed
 * the file) is scanned as a whole first, by another process, and has to be at least as new as it was.
 */

import { createHash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkFormat, FORMATS, type Formats } from './format.js';
import { newDomainId } from './id.js';
import { type LmdbTables, TABLES } from './lmdb-tables.js';
import { migrate } from './migrate.js';
import { checkRoot, newRoot, type Root, readRoot, writeRoot } from './root-record.js';
import type { Anchor, ScanOptions, ScanReport } from './scan.js';
import { StoreError } from './store.js';
import { scanStore } from './store-process.js';

export const STORE_FILE = 'store.mdb';
export const MARKER_FILE = 'store.json';

/** How the LMDB file was when it was closed. */
interface Closed {
  readonly size: number;
  readonly sha256: string;
}

interface Marker {
  readonly format: number;
  readonly id: string;
  /** Null: it was opened, and not closed since. Absent in the first stores. */
  readonly closed?: Closed | null;
  /** Where its audit log ended when it was closed, or else when it was opened. */
  readonly audit?: Anchor;
}

/** What is done before a store is opened. */
export type BeforeOpening = 'new' | 'closed' | 'scanned';

/**
 * Looks at what is in the folder before this process opens it, and scans it where it is not as it was closed. `scanning` is told
 * when that begins.
 * @throws StoreError where it is damaged
 */
export async function examineFolder(
  where: string,
  scanning: () => void,
  formats = FORMATS,
): Promise<BeforeOpening> {
  const marker = readMarker(where, formats);
  const path = join(where, STORE_FILE);
  if (!(await hasContent(path))) {
    if (marker === undefined) return 'new';
    throw damagedIn(
      where,
      `its root record is missing, for ${STORE_FILE} is ${existsSync(path) ? 'empty' : 'gone'}`,
    );
  }
  if (marker?.closed && (await isAsClosed(path, marker.closed))) return 'closed';
  if (marker === undefined && (await isBeginning(path))) return 'new';
  scanning();
  await scanFolder(where, { alone: true }, formats);
  return 'scanned';
}

/** Scans what is in the folder, which a broker may be using. @throws StoreError where there is none or it is damaged */
export async function scanFolder(
  where: string,
  options: Omit<ScanOptions, 'expected'> = {},
  formats = FORMATS,
): Promise<ScanReport> {
  const marker = readMarker(where, formats);
  const path = join(where, STORE_FILE);
  if (!existsSync(path)) {
    if (marker === undefined) throw new StoreError('ERR_STORE_NOT_FOUND', `there is no store in ${where}`);
    throw damagedIn(where, `its root record is missing, for ${STORE_FILE} is gone`);
  }
  return scanStore(path, { ...options, ...(marker === undefined ? {} : { expected: marker }) });
}

/** Checks the root record against the tables, or writes the first one; migrates an older format. @throws StoreError */
export async function openRoot(
  tables: LmdbTables,
  where: string,
  now: number,
  before: BeforeOpening,
  formats: Formats = FORMATS,
): Promise<void> {
  const marker = readMarker(where, formats);
  const root = readRoot(tables);
  if (root === undefined) {
    const records = TABLES.reduce((sum, table) => sum + tables.count(table), 0);
    if (marker !== undefined || records > 0) {
      throw damagedIn(where, `its root record is missing (${records} other records were found)`);
    }
    const made = { ...newRoot(newDomainId(), now), format: formats.current };
    await tables.transact((transaction) => writeRoot(transaction, made));
  } else {
    checkFormat(root.format, where, formats);
    checkRoot(tables, root, where);
    await migrate(tables, where, now, formats);
  }
  const opened = readRoot(tables)!;
  if (before !== 'closed' || marker?.format !== opened.format) writeMarker(where, markerOf(opened, null));
}

/** When the LMDB file is closed: so that the next start can tell that it is still so. */
export async function markClosed(where: string, root: Root): Promise<void> {
  const path = join(where, STORE_FILE);
  const { size } = await stat(path);
  writeMarker(where, markerOf(root, { size, sha256: await digestOfFile(path) }));
}

/** The marker of a store that is put in a folder, before it is there: until then the folder is one that lost its store. */
export function markPlaced(where: string, root: Root): void {
  writeMarker(where, markerOf(root, null));
}

function markerOf({ format, id, counts, auditHead }: Root, closed: Closed | null): Marker {
  const hash = Buffer.from(auditHead).toString('hex');
  return { format, id, closed, audit: { sequence: counts.audit, hash } };
}

/** Killed in its first moments, a broker leaves an LMDB file with nothing in it. */
async function isBeginning(path: string): Promise<boolean> {
  try {
    await scanStore(path);
    return false;
  } catch (error) {
    return (error as Error).message.endsWith('its root record is missing (0 other records were found)');
  }
}

async function isAsClosed(path: string, { size, sha256 }: Closed): Promise<boolean> {
  return (await stat(path)).size === size && (await digestOfFile(path)) === sha256;
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  try {
    const chunk = Buffer.allocUnsafe(1024 * 1024);
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length);
      if (bytesRead === 0) return hash.digest('hex');
      hash.update(chunk.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

async function hasContent(path: string): Promise<boolean> {
  return ((await stat(path).catch(() => null))?.size ?? 0) > 0;
}

function readMarker(where: string, formats: Formats): Marker | undefined {
  const path = join(where, MARKER_FILE);
  let marker: Partial<Marker>;
  try {
    marker = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StoreError('ERR_STORE_DAMAGED', `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  checkFormat(marker.format, where, formats);
  if (typeof marker.id !== 'string')
    throw new StoreError('ERR_STORE_DAMAGED', `${path} does not name its store`);
  return marker as Marker;
}

function writeMarker(where: string, marker: Marker): void {
  const path = join(where, MARKER_FILE);
  const descriptor = openSync(`${path}.new`, 'w', 0o600);
  try {
    writeSync(descriptor, `${JSON.stringify(marker)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(`${path}.new`, path);
  // The names of the new files, and of the folder itself, are on disk only when their folders are.
  for (const folder of [where, dirname(where)]) syncFolder(folder);
}

export function syncFolder(folder: string): void {
  const opened = openSync(folder, 'r');
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}

function damagedIn(where: string, found: string): StoreError {
  return new StoreError('ERR_STORE_DAMAGED', `the store in ${where} is damaged: ${found}`);
}
