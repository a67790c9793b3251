/**
 * An entry of the audit log as a line of JSON, outside of the store: one for each entry, and a last one that says where the log
 * ends. Whoever has the lines can verify them (audit-export.ts).
 */

import type { Anchor } from './scan.js';
import type { AuditEntry } from './store.js';

/** In front of the first entry. */
export const NO_HASH = '0'.repeat(64);

/** Every field of an event, in the order in which they are packed. A new one goes to the end. */
export const EVENT_FIELDS = ['at', 'action', 'grant', 'parent', 'domain', 'by', 'peer', 'detail'] as const;

/** `previous` and `hash` in hexadecimal, `at` in milliseconds since 1970. */
export function exportLine({ sequence, previous, hash, ...event }: AuditEntry): object {
  const fields = EVENT_FIELDS.map((name) => [name, event[name]]).filter(([, value]) => value !== undefined);
  return { sequence, ...Object.fromEntries(fields), previous, hash };
}

export function endLine({ sequence, hash }: Anchor): object {
  return { end: sequence, hash };
}
