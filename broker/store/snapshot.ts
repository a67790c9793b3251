/**
 * The LMDB file, to be read only, as it was committed at one moment: for a scan, which may go on while a broker writes. It lives
 * within one turn of the event loop; LMDB's read transaction ends with the turn.
 *
 * It is for processes that may end by it (store-process.ts): LMDB believes what a damaged page says, and reads where it points.
 */

import { type Database, open, type RootDatabase } from 'lmdb';
import { checkHeader, TABLES, type Table } from './lmdb-tables.js';
import { unseal } from './record.js';
import { StoreError } from './store.js';

const ENCODING = { encoding: 'binary', keyEncoding: 'binary' } as const;

export class Snapshot {
  readonly #environment: RootDatabase<Buffer, Uint8Array>;
  /** A file of an older format has fewer. */
  readonly #tables = new Map<Table, Database<Buffer, Uint8Array>>();

  /** @throws StoreError ERR_STORE_DAMAGED */
  constructor(path: string) {
    checkHeader(path);
    try {
      // `noSubdir`: a file whatever its name; a backup's may have no extension.
      this.#environment = open({
        path,
        noSubdir: true,
        readOnly: true,
        maxDbs: TABLES.length + 1,
        ...ENCODING,
      });
      for (const name of TABLES) {
        const table = this.#environment.openDB<Buffer, Uint8Array>({ name, ...ENCODING });
        if (table !== undefined) this.#tables.set(name, table);
      }
    } catch (error) {
      throw new StoreError('ERR_STORE_DAMAGED', `${path} cannot be opened: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  get(table: Table, key: Uint8Array): Buffer | undefined {
    const record = this.#tables.get(table)?.getBinary(key);
    return record === undefined ? undefined : unseal(table, key, record);
  }

  /** Whether there is such a record, whatever it says. */
  has(table: Table, key: Uint8Array): boolean {
    return this.#tables.get(table)?.getBinary(key) !== undefined;
  }

  /** Every record as it lies there, in the order of the keys. */
  *records(table: Table): Generator<[key: Buffer, record: Buffer]> {
    for (const { key, value } of this.#tables.get(table)?.getRange({}) ?? []) {
      yield [Buffer.from(key), Buffer.from(value)];
    }
  }

  /** How many records LMDB says that the table has. */
  count(table: Table): number {
    return (this.#tables.get(table)?.getStats() as { entryCount: number } | undefined)?.entryCount ?? 0;
  }

  /** A copy without what is free in it, in a new file. Consistent: LMDB makes it from one moment's state. */
  async copy(to: string): Promise<void> {
    await this.#environment.backup(to, true);
  }

  async close(): Promise<void> {
    await this.#environment.close();
  }
}
