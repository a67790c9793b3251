/**
 * Verifies an export of the audit log, the lines of audit-line.ts: whether one of them was changed, taken out or moved.
 *
 * What nobody can tell from the lines alone is whether all of them from some place on were made anew, with hashes to match.
 * For that, keep the number and the hash of an entry somewhere else, and compare.
 */

import { AuditChain, entryFor } from './audit-entry.js';
import { EVENT_FIELDS } from './audit-line.js';
import type { Anchor } from './scan.js';
import { type AuditEntry, StoreError } from './store.js';

/** The longest line that is looked at, in characters. An entry has far less. */
const LONGEST_LINE = 65_536;

/**
 * Checks the lines of an export that begins behind the entry `after`. Gives the last entry.
 * @throws StoreError ERR_STORE_DAMAGED, naming the first line that is not as it was written
 */
export async function verifyExport(
  lines: AsyncIterable<string>,
  after = 0,
  known: Anchor | null = null,
): Promise<Anchor> {
  let chain: AuditChain | null = after === 0 ? new AuditChain() : null;
  let ended = false;
  let number = 0;
  for await (const line of lines) {
    number += 1;
    const wrong = (what: string) => new StoreError('ERR_STORE_DAMAGED', `line ${number}: ${what}`);
    if (ended) throw wrong('it stands behind the end');
    const fields = parsed(line);
    if (fields === null) throw wrong('it is not an entry of an audit log');
    if ('end' in fields) {
      chain ??= new AuditChain(after, String(fields['hash']));
      if (fields['end'] !== chain.sequence || fields['hash'] !== chain.hash)
        throw wrong(
          `the log went on to entry ${fields['end']}, or ended with another entry ${chain.sequence}: entries were removed`,
        );
      ended = true;
      continue;
    }
    const entry = entryIn(fields);
    if (entry === null)
      throw wrong(`entry ${String(fields['sequence'])} was changed: what it says is not what its hash is of`);
    chain ??= new AuditChain(after, entry.previous);
    const broken = chain.follow(entry);
    if (broken !== null) throw wrong(broken);
    if (known !== null && entry.sequence === known.sequence && entry.hash !== known.hash)
      throw wrong(`entry ${known.sequence} is not the one that is known: its hash is another`);
  }
  if (chain === null || !ended) {
    const last = chain === null || chain.sequence === after ? 'nothing' : `entry ${chain.sequence}`;
    throw new StoreError(
      'ERR_STORE_DAMAGED',
      `behind line ${number} (${last}): the end is missing; the file was cut short`,
    );
  }
  if (known !== null && (known.sequence > chain.sequence || known.sequence <= after))
    throw new StoreError('ERR_STORE_DAMAGED', `entry ${known.sequence}, which is known, is not in the file`);
  return { sequence: chain.sequence, hash: chain.hash };
}

function parsed(line: string): Record<string, unknown> | null {
  if (line.length > LONGEST_LINE) return null;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** The entry that the line shows, if that is what its hash is of. */
function entryIn({ sequence, previous, hash, ...event }: Record<string, unknown>): AuditEntry | null {
  const names: readonly string[] = EVENT_FIELDS;
  const typed = Object.entries(event).every(
    ([name, value]) => names.includes(name) && typeof value === (name === 'at' ? 'number' : 'string'),
  );
  if (!typed || !Number.isSafeInteger(sequence) || (sequence as number) < 1) return null;
  if (typeof previous !== 'string' || !/^[0-9a-f]{64}$/.test(previous)) return null;
  const entry = entryFor(sequence as number, previous, event as never);
  return entry.hash === hash ? entry : null;
}
