/** The audit log of a data folder, page by page, whether a broker runs on it or not. */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { auditKey, readEntry } from './audit-entry.js';
import { Snapshot } from './snapshot.js';
import { type AuditEntry, StoreError } from './store.js';
import { STORE_FILE } from './store-folder.js';

/** The entries behind `after` of a store that no broker has to run on; at most `limit`. */
export async function auditOf(
  folder: string,
  after: number,
  limit: number,
): Promise<{ entries: AuditEntry[]; last: number }> {
  const path = resolve(folder, STORE_FILE);
  if (!existsSync(path)) throw new StoreError('ERR_STORE_NOT_FOUND', `there is no store in ${folder}`);
  const snapshot = new Snapshot(path);
  const entries: AuditEntry[] = [];
  for (let sequence = after + 1; entries.length < limit; sequence++) {
    try {
      const payload = snapshot.get('audit', auditKey(sequence));
      if (payload === undefined) break;
      entries.push(readEntry(auditKey(sequence), payload));
    } catch (error) {
      // What is whole in front of it is given first.
      if (entries.length > 0) break;
      throw error;
    }
  }
  const last = snapshot.count('audit');
  await snapshot.close();
  return { entries, last };
}
