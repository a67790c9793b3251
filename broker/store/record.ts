/**
 * How a record lies on disk: one byte of format version, 16 bytes of checksum, the payload. The checksum is over the
 * version, the table, the key and the payload, so that a record that was damaged, or that turns up under another key or in
 * another table, is found out. It is not a signature: whoever may write the file can make one.
 */

import { hash } from 'node:crypto';
import { Packr } from 'msgpackr';
import { StoreError } from './store.js';

export const RECORD_FORMAT = 1;
const CHECKSUM_BYTES = 16;
const HEADER_BYTES = 1 + CHECKSUM_BYTES;

const packr = new Packr({ useRecords: false, moreTypes: false, copyBuffers: true } as object);

export function pack(value: unknown): Buffer {
  // A copy: the packer's own buffer is used again.
  return Buffer.from(packr.pack(value));
}

export function unpack<T>(payload: Uint8Array): T {
  return packr.unpack(payload) as T;
}

export function seal(table: string, key: Uint8Array, payload: Uint8Array): Buffer {
  const record = Buffer.alloc(HEADER_BYTES + payload.length);
  record[0] = RECORD_FORMAT;
  record.set(checksum(table, key, payload), 1);
  record.set(payload, HEADER_BYTES);
  return record;
}

/**
 * The payload, a copy.
 * @throws StoreError ERR_STORE_DAMAGED, ERR_STORE_FORMAT
 */
export function unseal(table: string, key: Uint8Array, record: Uint8Array): Buffer {
  if (record.length < HEADER_BYTES) throw damaged(table, key, `it has ${record.length} bytes`);
  if (record[0] !== RECORD_FORMAT) {
    throw new StoreError(
      'ERR_STORE_FORMAT',
      `the record ${describe(table, key)} has format ${record[0]}; this version reads format ${RECORD_FORMAT}`,
    );
  }
  const payload = Buffer.from(record.subarray(HEADER_BYTES));
  if (!checksum(table, key, payload).equals(record.subarray(1, HEADER_BYTES))) {
    throw damaged(table, key, 'its checksum does not match');
  }
  return payload;
}

function checksum(table: string, key: Uint8Array, payload: Uint8Array): Buffer {
  const prefix = Buffer.from(`sturdy record ${RECORD_FORMAT} ${table} ${key.length} `);
  return hash('sha256', Buffer.concat([prefix, key, payload]), 'buffer').subarray(0, CHECKSUM_BYTES);
}

function damaged(table: string, key: Uint8Array, found: string): StoreError {
  return new StoreError('ERR_STORE_DAMAGED', `the record ${describe(table, key)} is damaged: ${found}`);
}

/** Keys are public (ids, digests, sequence numbers) but for those of storage, which are the guest's. */
function describe(table: string, key: Uint8Array): string {
  const bytes = Buffer.from(key);
  if (table === 'storage') return `of table storage for domain ${bytes.subarray(0, 26).toString('latin1')}`;
  if (table === 'audit' && bytes.length === 8) return `of table audit, entry ${bytes.readBigUInt64BE()},`;
  const isPlain = bytes.every((byte) => byte > 0x20 && byte < 0x7f);
  return `of table ${table} under ${isPlain ? bytes.toString('latin1') : `0x${bytes.toString('hex')}`}`;
}
