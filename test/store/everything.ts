/** All that a store says, by its verbs: to compare it with what it said before. */
import type { Store } from '../../broker/store/store.js';

export interface Everything {
  /** Each with its row, and with what its digest leads to. */
  readonly grants: readonly [id: string, row: string, found: string | null][];
  readonly audit: readonly string[];
  readonly domains: readonly string[];
  readonly storage: readonly [domain: string, key: string, value: string][];
}

export function everything(store: Store): Everything {
  const grants: Everything['grants'][number][] = [];
  for (let page = store.grants('', 1000); page.length > 0; page = store.grants(page.at(-1)!.id, 1000)) {
    for (const row of page) {
      const found = row.digest === null ? null : store.findByDigest(row.digest);
      grants.push([row.id, JSON.stringify(row), found === null ? null : `${found.id} ${found.revoked}`]);
    }
  }
  const audit: string[] = [];
  for (let page = store.audit(0, 1000); page.length > 0; page = store.audit(page.at(-1)!.sequence, 1000))
    audit.push(...page.map(({ hash }) => hash));
  const domains = store.domains();
  const storage = domains.flatMap(({ id }) =>
    store
      .listStorage(id, { prefix: '', after: '', limit: 1000, maxBytes: 1e9 })
      .map(({ key, value }): Everything['storage'][number] => [id, key, Buffer.from(value).toString('hex')]),
  );
  return { grants, audit, domains: domains.map((domain) => JSON.stringify(domain)), storage };
}
