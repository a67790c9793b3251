/**
 * An entry of the audit log, as it is packed and hashed. Each entry has the hash of the one before in it, so that none can be
 * changed, taken out or put elsewhere without changing every one behind it; the root record has the hash of the last.
 *
 * What is hashed is the sequence number (8 bytes, big-endian), the hash of the entry before (32 bytes) and the packed event.
 * The event is packed in one way only, with its fields in one order and without those that say nothing: so that
 * whoever has the fields, as an export has them, comes to the same hash.
 */

import { hash } from 'node:crypto';
import { EVENT_FIELDS, NO_HASH } from './audit-line.js';
import { pack, unpack } from './record.js';
import type { AuditEntry, AuditEvent } from './store.js';

export function packEvent(event: AuditEvent): Buffer {
  const fields: Record<string, unknown> = {};
  for (const name of EVENT_FIELDS) {
    const value = event[name];
    // What is no text (a lone half of a surrogate pair) would be another after it was written and read.
    if (value !== undefined && value !== '')
      fields[name] = typeof value === 'string' ? value.toWellFormed() : value;
  }
  return pack(fields);
}

/** What lies in the table: the hash of the entry before, and the event. */
export function auditPayload(previous: Uint8Array, event: AuditEvent): Buffer {
  return Buffer.concat([previous, packEvent(event)]);
}

export function hashEntry(sequence: number, payload: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([auditKey(sequence), payload]), 'buffer');
}

export function readEntry(key: Uint8Array, payload: Uint8Array): AuditEntry {
  const sequence = Number(Buffer.from(key).readBigUInt64BE());
  return {
    ...unpack<AuditEvent>(payload.subarray(32)),
    sequence,
    previous: Buffer.from(payload.subarray(0, 32)).toString('hex'),
    hash: hashEntry(sequence, payload).toString('hex'),
  };
}

export function auditKey(sequence: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(sequence));
  return key;
}

/** The entry that an event behind `previous` comes to: what an entry that is shown has to be equal to. */
export function entryFor(sequence: number, previous: string, event: AuditEvent): AuditEntry {
  const payload = auditPayload(Buffer.from(previous, 'hex'), event);
  return readEntry(auditKey(sequence), payload);
}

/** Follows a chain from entry to entry, and says of the first that does not belong there what is wrong with it. */
export class AuditChain {
  /** `sequence` and `hash` are those of the entry that it begins behind. */
  constructor(
    public sequence = 0,
    public hash: string = NO_HASH,
  ) {}

  /** What is wrong, or null: then the chain has gone on to this entry. */
  follow(entry: Pick<AuditEntry, 'sequence' | 'previous' | 'hash'>): string | null {
    const expected = this.sequence + 1;
    if (entry.sequence !== expected) {
      return `where entry ${expected} is expected, there is entry ${entry.sequence}: one was removed, added or moved`;
    }
    if (entry.previous !== this.hash) {
      return this.sequence === 0
        ? 'entry 1 is not the first of a chain: it names one before'
        : `entry ${expected} does not follow entry ${this.sequence}: one of the two is not what was written`;
    }
    this.sequence = expected;
    this.hash = entry.hash;
    return null;
  }
}
