/**
 * Scanning and copying a store in a process of its own: LMDB reads where a damaged page points to, and that may end the
 * process that reads. The broker, or the command, learns of it and says which table it was.
 */

import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { withoutInherited } from '../inherited.js';
import type { ScanOptions, ScanOutcome, ScanReport } from './scan.js';
import { StoreError, type StoreErrorCode } from './store.js';

export type StoreOrder =
  | { readonly do: 'scan'; readonly path: string; readonly options: ScanOptions }
  | { readonly do: 'copy'; readonly path: string; readonly to: string };

export type StoreSaid =
  | { readonly reading: string }
  | ScanOutcome
  | { readonly error: { readonly code: StoreErrorCode; readonly message: string } };

const MODULE = fileURLToPath(new URL('./store-process-main.js', import.meta.url));

/** A scan holds a record at a time. */
const HEAP_MEBIBYTES = 256;
const MAX_COMPLAINT = 500;

/**
 * Scans the LMDB file at `path`, which a broker may be writing to.
 * @throws StoreError ERR_STORE_DAMAGED, with what was found; ERR_STORE_FORMAT
 */
export async function scanStore(path: string, options: ScanOptions = {}): Promise<ScanReport> {
  return inProcess({ do: 'scan', path: resolve(path), options });
}

/**
 * Copies the LMDB file at `path`, which a broker may be writing to, to a new file of mode 0600, as it is at one moment, and scans
 * the copy. One that is not whole does not stay.
 * @throws StoreError as scanStore
 */
export async function copyStore(path: string, to: string): Promise<ScanReport> {
  try {
    return await inProcess({ do: 'copy', path: resolve(path), to: resolve(to) });
  } catch (error) {
    rmSync(to, { force: true });
    throw error;
  } finally {
    rmSync(`${to}-lock`, { force: true });
  }
}

async function inProcess(order: StoreOrder): Promise<ScanReport> {
  const flags = [`--max-old-space-size=${HEAP_MEBIBYTES}`, '--no-warnings'];
  const child = spawn(process.execPath, [...flags, MODULE, JSON.stringify(order)], {
    env: {},
    cwd: '/',
    stdio: withoutInherited(['ignore', 'pipe', 'pipe']),
  });
  let complaint = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, MAX_COMPLAINT);
  });
  let reading = 'root';
  const said: StoreSaid[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const heard = JSON.parse(line) as StoreSaid;
    if ('reading' in heard) reading = heard.reading;
    else said.push(heard);
  });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((done, reject) => {
    child.once('error', (cause) =>
      reject(
        new StoreError(
          'ERR_STORE_UNSCANNED',
          `the process that reads ${order.path} cannot be started: ${cause.message}`,
        ),
      ),
    );
    child.once('close', (...ended) => done(ended));
  });
  const answer = said.at(-1);
  if (answer === undefined) {
    const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
    const why = complaint.split('\n').find((line) => line.trim() !== '');
    throw damaged(
      order.path,
      `the process that read it ${how} at ${/^[a-zA-Z]+$/.test(reading) ? `table ${reading}` : reading}` +
        `${why === undefined ? '' : ` (${why.trim()})`}`,
    );
  }
  if ('error' in answer) {
    const { code, message } = answer.error;
    throw new StoreError(code, message.includes(order.path) ? message : `${order.path}: ${message}`);
  }
  if ('report' in answer) return answer.report;
  const { findings, more } = answer as Extract<ScanOutcome, { findings: unknown }>;
  throw damaged(order.path, `${findings.join('; ')}${more > 0 ? `; and ${more} more` : ''}`);
}

function damaged(path: string, found: string): StoreError {
  return new StoreError('ERR_STORE_DAMAGED', `the store in ${path} is damaged: ${found}`);
}
