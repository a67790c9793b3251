/** What it costs to revoke a large tree, counted and not timed: what the transaction reads and writes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { type StoredGrant, text } from '../../broker/store/grant-tree.js';
import { newGrantId } from '../../broker/store/id.js';
import type { Transaction } from '../../broker/store/lmdb-tables.js';
import { pack, unpack } from '../../broker/store/record.js';
import { appendEntry, readRoot, writeRoot } from '../../broker/store/root-record.js';
import { LmdbStore, LmdbTables } from './built.js';
import { grantOf } from './new-grant.js';

const DESCENDANTS = 100_000;
const BY = { by: 'test' };

interface Cost {
  reads: number;
  writes: string[];
}

/** The cost of every transaction from now on. */
function counted(): Cost[] {
  const costs: Cost[] = [];
  const { transact } = LmdbTables.prototype;
  vi.spyOn(LmdbTables.prototype, 'transact').mockImplementation(function <T>(
    this: InstanceType<typeof LmdbTables>,
    work: (transaction: Transaction) => T,
  ): Promise<T> {
    return transact.call(this, (transaction) => {
      const cost: Cost = { reads: 0, writes: [] };
      costs.push(cost);
      return work({
        get: (table, key) => {
          cost.reads += 1;
          return transaction.get(table, key);
        },
        put: (table, key, payload) => {
          cost.writes.push(table);
          transaction.put(table, key, payload);
        },
        remove: (table, key) => {
          cost.writes.push(`${table}, removed`);
          transaction.remove(table, key);
        },
      });
    }) as Promise<T>;
  });
  return costs;
}

/** A store with a grant that has descendants, wide and, now and then, a level deeper; and one that has none. */
async function grow(folder: string): Promise<{ root: string; alone: string; last: string }> {
  const store = await LmdbStore.open(folder);
  const domain = await store.domainId('ledger');
  const { id: root } = await store.mintGrant(grantOf(domain), BY);
  const { id: alone } = await store.mintGrant(grantOf(domain), BY);
  const { id: first } = await store.mintGrant(grantOf(domain, { parent: root }), BY);
  await store.close();
  // The others are that one again, under ids of their own: to mint so many takes minutes.
  const tables = new LmdbTables(join(folder, 'store.mdb'));
  const pattern = unpack<StoredGrant>(tables.get('grants', text(first))!);
  const ids = [root, first];
  while (ids.length <= DESCENDANTS) {
    const parent = ids[Math.floor(ids.length / 7)]!;
    const size = Math.min(5000, DESCENDANTS + 1 - ids.length);
    await tables.transact((transaction) => {
      const made = Array.from({ length: size }, () => newGrantId());
      const record = readRoot(transaction)!;
      for (const id of made) {
        transaction.put('grants', text(id), pack({ ...pattern, id, parent }));
        transaction.put('children', text(parent + id), Buffer.alloc(0));
        // As the scan wants it, which comes before the store is opened.
        appendEntry(transaction, record, { at: 1, action: 'grant.attenuate', grant: id, parent, ...BY });
      }
      record.counts.grants += size;
      record.counts.children += size;
      writeRoot(transaction, record);
      ids.push(...made);
    });
  }
  await tables.close();
  return { root, alone, last: ids.at(-1)! };
}

it(`revokes ${DESCENDANTS} descendants by one transaction, which is that of a grant with none`, {
  timeout: 120_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sturdy-tree-'));
  const { root, alone, last } = await grow(folder);
  const store = await LmdbStore.open(folder);
  try {
    const costs = counted();
    expect(await store.revokeSubtree(alone, BY)).toHaveLength(1);
    let committed = 0;
    const died = await store.revokeSubtree(root, BY, () => {
      committed = costs.length;
      // On disk, for each of them, before any of them was looked at.
      expect(store.grant(last)!.revoked).toBeTypeOf('number');
    });
    expect(died).toHaveLength(DESCENDANTS + 1);
    expect(new Set(died).size).toBe(DESCENDANTS + 1);
    expect([committed, costs.length]).toEqual([2, 2]);
    expect(costs[1]).toEqual(costs[0]);
    expect(costs[1]!.writes.sort()).toEqual(['audit', 'revocations', 'root']);
    expect(costs[1]!.reads).toBeLessThan(10);
  } finally {
    vi.restoreAllMocks();
    await store.close();
    rmSync(folder, { recursive: true });
  }
});
