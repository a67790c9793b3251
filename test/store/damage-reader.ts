/**
 * Opens damaged stores and says what it made of them, in a process of its own: LMDB may end it. A line in is a folder; a line
 * out is `refused CODE`, `same`, `later CODE` (it was the same, and was refused when it had been written to), or `believed`,
 * with what is not as it was.
 */
import { createInterface } from 'node:readline';
import { LmdbStore } from '../../broker/store/lmdb-store.js';
import { digestOf, mintSecret } from '../../broker/store/secret.js';
import { type Store, StoreError } from '../../broker/store/store.js';
import { type Everything, everything } from './everything.js';
import { grantOf } from './new-grant.js';

for await (const line of createInterface({ input: process.stdin })) {
  const { folder, was } = JSON.parse(line) as { folder: string; was: Everything };
  console.log(await outcome(folder, was));
}

async function outcome(folder: string, was: Everything): Promise<string> {
  let said = 'refused';
  try {
    let store = await LmdbStore.open(folder);
    try {
      const wrong = difference(was, everything(store));
      if (wrong !== null) return `believed: ${wrong}`;
      said = 'later';
      const now = await written(store, was);
      await store.close();
      store = await LmdbStore.open(folder);
      const wrongLater = difference(now, everything(store));
      return wrongLater === null ? 'same' : `believed, when it had been written to: ${wrongLater}`;
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof StoreError)) return `believed: it threw ${(error as Error).stack}`;
    return `${said} ${error.code}`;
  }
}

/** Writes enough that LMDB uses the pages again that it believes to be free. */
async function written(store: Store, was: Everything): Promise<Everything> {
  const domain = store.domains()[0]!.id;
  const minted = await Promise.all(
    Array.from({ length: 40 }, () =>
      store.mintGrant(grantOf(domain, { digest: digestOf(mintSecret()) }), { by: 'test' }),
    ),
  );
  for (const { id } of minted.slice(0, 5)) await store.revokeSubtree(id, { by: 'test' });
  const now = everything(store);
  const own = new Set(minted.map(({ id }) => id));
  const others = {
    ...now,
    grants: now.grants.filter(([id]) => !own.has(id)),
    audit: now.audit.slice(0, was.audit.length),
  };
  const wrong = difference(was, others);
  if (wrong !== null) throw new Error(`what was there is not as it was: ${wrong}`);
  return now;
}

function difference(was: Everything, is: Everything): string | null {
  for (const name of Object.keys(was) as (keyof Everything)[]) {
    const [before, after] = [
      was[name].map((each) => JSON.stringify(each)),
      is[name].map((each) => JSON.stringify(each)),
    ];
    if (before.length !== after.length) return `${name}: ${after.length} where there were ${before.length}`;
    const at = before.findIndex((each, i) => each !== after[i]);
    if (at !== -1) return `${name}: ${after[at]} where there was ${before[at]}`;
  }
  return null;
}
