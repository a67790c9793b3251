/** What every adapter of the store must do. `open` opens the same store again and again; `place` is empty at first. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isGood } from '../../broker/store/grant-secrets.js';
import { isId } from '../../broker/store/id.js';
import { digestOf, mintSecret } from '../../broker/store/secret.js';
import {
  type GrantRow,
  MAX_GRANT_DEPTH,
  MAX_REPLACED_SECRETS,
  type Store,
  type StoredPolicy,
} from '../../broker/store/store.js';
import { grantOf } from './new-grant.js';

export type OpenStore = (place: string, options: { now: () => number }) => Promise<Store>;

const BY = { by: 'test' };

/** The verbs of Store. Every one of them is called somewhere in the suite, which the suite sees to. */
const VERBS: Record<keyof Store, true> = {
  close: true,
  mintGrant: true,
  findByDigest: true,
  grant: true,
  lineage: true,
  grants: true,
  children: true,
  revokeSubtree: true,
  amendPolicy: true,
  rotateSecret: true,
  useOnce: true,
  subtree: true,
  livingChildren: true,
  reserve: true,
  reserved: true,
  domainId: true,
  domains: true,
  configuredGrant: true,
  setConfiguredGrant: true,
  upgradedCode: true,
  setUpgradedCode: true,
  readStorage: true,
  writeStorage: true,
  storageUse: true,
  listStorage: true,
  appendAudit: true,
  audit: true,
  lastAudit: true,
};

export function storeSuite(name: string, opening: OpenStore): void {
  const called = new Set<string>();
  /** Notes which verbs are called. */
  const open: OpenStore = async (...args) => {
    const store = await opening(...args);
    return new Proxy(store, {
      get(target, verb) {
        const method = Reflect.get(target, verb) as unknown;
        if (typeof method !== 'function') return method;
        called.add(String(verb));
        return method.bind(target);
      },
    });
  };

  describe(`the store: ${name}`, () => {
    let place: string;
    let store: Store;
    let now: number;
    let domain: string;

    beforeEach(async () => {
      place = mkdtempSync(join(tmpdir(), 'sturdy-store-'));
      now = 1_000_000;
      store = await open(place, { now: () => now++ });
      domain = await store.domainId('ledger');
    });

    afterEach(async () => {
      await store.close();
      rmSync(place, { recursive: true });
    });

    const reopen = async () => {
      await store.close();
      store = await open(place, { now: () => now++ });
    };

    it('gives back a grant as it was minted, by its id and by its digest, also after a restart', async () => {
      const digest = digestOf(mintSecret());
      const wanted = grantOf(domain, {
        digest,
        policy: {
          methods: [
            { interface: 0xd1a1f0c35e6b7a42n, methods: ['balance'] },
            { interface: 1n, methods: 'all' },
            { interface: (1n << 64n) - 1n, methods: [] },
          ],
          expires: 1_900_000_000_000,
          delegable: false,
        },
        owner: { kind: 'certificate', fingerprint: new Uint8Array(32).fill(9) },
        label: 'Grüße, 世界',
      });
      const row = await store.mintGrant(wanted, BY);
      expect(row).toMatchObject({ ...wanted, revoked: null });
      expect(isId(row.id)).toBe(true);
      for (const again of [false, true]) {
        if (again) await reopen();
        expect(store.grant(row.id)).toEqual(row);
        expect(store.findByDigest(digest)).toEqual(row);
      }
    });

    it('finds nothing under what it does not have, whatever is asked', async () => {
      expect(store.findByDigest(digestOf(mintSecret()))).toBe(null);
      expect(store.findByDigest(new Uint8Array())).toBe(null);
      for (const id of ['', 'x', 'z'.repeat(5000), '\0', domain]) {
        expect(store.grant(id)).toBe(null);
        expect(store.lineage(id)).toEqual([]);
        expect(store.children(id)).toEqual([]);
        await expect(store.revokeSubtree(id, BY)).rejects.toMatchObject({ code: 'ERR_STORE_NOT_FOUND' });
        await expect(store.mintGrant(grantOf(domain, { parent: id }), BY)).rejects.toMatchObject({
          code: 'ERR_STORE_NOT_FOUND',
        });
      }
      expect(store.grants('', 10)).toEqual([]);
    });

    it('refuses the same reference twice', async () => {
      const digest = digestOf(mintSecret());
      const results = await Promise.allSettled(
        [1, 2].map(() => store.mintGrant(grantOf(domain, { digest }), BY)),
      );
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
      expect(results[1]).toMatchObject({ reason: { code: 'ERR_STORE_EXISTS' } });
      expect(store.grants('', 10)).toHaveLength(1);
    });

    it('lists grants in the order of their ids, page by page', async () => {
      const minted = await Promise.all(
        Array.from({ length: 25 }, () => store.mintGrant(grantOf(domain), BY)),
      );
      const ids = minted.map(({ id }) => id);
      expect(ids).toEqual([...ids].sort());
      const listed: string[] = [];
      for (let page = store.grants('', 10); page.length > 0; page = store.grants(listed.at(-1)!, 10)) {
        listed.push(...page.map(({ id }) => id));
      }
      expect(listed).toEqual(ids);
      expect(store.grants('', 0)).toEqual([]);
    });

    it('revokes a grant with everything below it, and says what died', async () => {
      const root = await store.mintGrant(grantOf(domain), BY);
      const left = await store.mintGrant(grantOf(domain, { parent: root.id }), BY);
      const right = await store.mintGrant(grantOf(domain, { parent: root.id }), BY);
      const below = await store.mintGrant(grantOf(domain, { parent: left.id }), BY);
      expect(store.lineage(below.id).map(({ id }) => id)).toEqual([below.id, left.id, root.id]);
      expect(store.children(root.id).map(({ id }) => id)).toEqual([left.id, right.id]);
      expect(store.children(root.id, 1)).toHaveLength(1);

      expect(await store.revokeSubtree(left.id, BY)).toEqual([left.id, below.id]);
      expect(store.grant(left.id)!.revoked).toBe(store.grant(below.id)!.revoked);
      expect(store.grant(root.id)!.revoked).toBe(null);
      expect(await store.revokeSubtree(below.id, BY)).toEqual([]);
      expect(await store.revokeSubtree(root.id, BY)).toEqual([root.id, right.id]);
      expect(await store.revokeSubtree(root.id, BY)).toEqual([]);
      await reopen();
      for (const { id } of [root, left, right, below]) expect(store.grant(id)!.revoked).toBeTypeOf('number');
    });

    it('mints nothing below what is revoked, even in the same moment', async () => {
      const root = await store.mintGrant(grantOf(domain), BY);
      const child = await store.mintGrant(grantOf(domain, { parent: root.id }), BY);
      const [died, ...late] = await Promise.allSettled([
        store.revokeSubtree(root.id, BY),
        store.mintGrant(grantOf(domain, { parent: child.id }), BY),
        store.revokeSubtree(child.id, BY),
      ]);
      expect(died).toMatchObject({ value: [root.id, child.id] });
      expect(late).toMatchObject([{ reason: { code: 'ERR_STORE_REVOKED' } }, { value: [] }]);
    });

    it('counts no death twice when a branch and its root are revoked in the same moment', async () => {
      const root = await store.mintGrant(grantOf(domain), BY);
      const child = await store.mintGrant(grantOf(domain, { parent: root.id }), BY);
      const below = await store.mintGrant(grantOf(domain, { parent: child.id }), BY);
      const died = await Promise.all([child, root].map(({ id }) => store.revokeSubtree(id, BY)));
      expect(died).toEqual([[child.id, below.id], [root.id]]);
    });

    it('bounds the depth of the tree', async () => {
      let parent: string | null = null;
      for (let depth = 1; depth <= MAX_GRANT_DEPTH; depth++) {
        parent = (await store.mintGrant(grantOf(domain, { parent }), BY)).id;
      }
      expect(store.lineage(parent!)).toHaveLength(MAX_GRANT_DEPTH);
      await expect(store.mintGrant(grantOf(domain, { parent }), BY)).rejects.toMatchObject({
        code: 'ERR_STORE_DEPTH',
      });
    });

    it('revokes a wide tree by one record', async () => {
      const root = await store.mintGrant(grantOf(domain), BY);
      await Promise.all(
        Array.from({ length: 3000 }, () => store.mintGrant(grantOf(domain, { parent: root.id }), BY)),
      );
      expect(await store.revokeSubtree(root.id, BY)).toHaveLength(3001);
    });

    it('keeps the constraints, counts and rates of a policy as they were minted', async () => {
      const policy: StoredPolicy = {
        methods: 'all',
        expires: 0,
        delegable: true,
        constraints: [
          {
            interface: (1n << 64n) - 1n,
            method: 'open',
            field: ['path', 'name'],
            measure: 'value',
            operator: 'oneOf',
            values: [
              { int: -(2n ** 63n) },
              { int: 2n ** 64n - 1n },
              { int: 5n },
              { float: 1.5 },
              { float: 3 },
              { float: Number.POSITIVE_INFINITY },
              { text: '世\0' },
              { data: new Uint8Array([0, 255]) },
              { bool: false },
            ],
          },
        ],
        maxCalls: Number.MAX_SAFE_INTEGER,
        maxBytes: 1,
        rates: [{ calls: 1, perMillis: 1000, burst: 2 }],
      };
      const { id } = await store.mintGrant(grantOf(domain, { policy }), BY);
      for (const again of [false, true]) {
        if (again) await reopen();
        expect(store.grant(id)!.policy).toEqual(policy);
      }
    });

    it('reserves of a bound what is left of it, never more, and gives nothing back', async () => {
      const { id } = await store.mintGrant(grantOf(domain), BY);
      const other = await store.mintGrant(grantOf(domain), BY);
      expect(store.reserved(id)).toEqual({ calls: 0, bytes: 0 });
      // All at once, as one broker may.
      const taken = await Promise.all([1, 2, 3, 4].map(() => store.reserve(id, 'calls', 30, 100)));
      expect(taken).toEqual([30, 30, 30, 10]);
      expect(await store.reserve(id, 'bytes', 2 ** 40, 2 ** 50)).toBe(2 ** 40);
      await reopen();
      expect(await store.reserve(id, 'calls', 1, 100)).toBe(0);
      // Where the bound was lowered in the meantime, and where it was raised.
      expect(await store.reserve(id, 'calls', 1, 50)).toBe(0);
      expect(await store.reserve(id, 'calls', 7, 105)).toBe(5);
      expect(store.reserved(id)).toEqual({ calls: 105, bytes: 2 ** 40 });
      expect(store.reserved(other.id)).toEqual({ calls: 0, bytes: 0 });
      expect(await store.reserve(other.id, 'calls', 0, 5)).toBe(0);
      for (const unknown of ['', 'nothing', domain]) {
        expect(store.reserved(unknown)).toEqual({ calls: 0, bytes: 0 });
        await expect(store.reserve(unknown, 'calls', 1, 1)).rejects.toMatchObject({
          code: 'ERR_STORE_NOT_FOUND',
        });
      }
    });

    it('amends the policy of a grant beside its row, and the last amendment counts, also after a restart', async () => {
      const row = await store.mintGrant(grantOf(domain), BY);
      const narrow = { ...row.policy, methods: [{ interface: (1n << 64n) - 1n, methods: ['balance'] }] };
      const bound = { ...row.policy, expires: 1_900_000_000_000 };
      const seen: GrantRow[] = [];
      const action = 'grant.narrow';
      await store.amendPolicy(row.id, (now) => ({ policy: { ...now.policy, delegable: false }, bound }), {
        ...BY,
        action,
      });
      const amended = await store.amendPolicy(
        row.id,
        (now) => {
          seen.push(now);
          return { policy: narrow, bound: now.amended!.bound };
        },
        { ...BY, action: 'grant.extend' },
      );
      expect(seen).toMatchObject([{ policy: { delegable: false }, amended: { bound, minted: row.policy } }]);
      expect(amended).toEqual({
        ...row,
        policy: narrow,
        amended: { minted: row.policy, bound, replaced: [], used: null },
      });
      await reopen();
      expect(store.grant(row.id)).toEqual(amended);
      expect(store.audit(1, 10).map(({ action: each }) => each)).toEqual(['grant.narrow', 'grant.extend']);
    });

    it('amends nothing that is revoked or unknown, or where the amendment is refused', async () => {
      const row = await store.mintGrant(grantOf(domain, { digest: digestOf(mintSecret()) }), BY);
      const same = ({ policy }: GrantRow) => ({ policy, bound: policy });
      const by = { ...BY, action: 'grant.narrow' } as const;
      const refusing = () => {
        throw new Error('not so');
      };
      await expect(store.amendPolicy(row.id, refusing, by)).rejects.toThrow('not so');
      await expect(store.amendPolicy('nobody', same, by)).rejects.toMatchObject({
        code: 'ERR_STORE_NOT_FOUND',
      });
      await store.revokeSubtree(row.id, BY);
      await expect(store.amendPolicy(row.id, same, by)).rejects.toMatchObject({ code: 'ERR_STORE_REVOKED' });
      await expect(store.rotateSecret(row.id, digestOf(mintSecret()), 0, BY)).rejects.toMatchObject({
        code: 'ERR_STORE_REVOKED',
      });
      expect(store.grant(row.id)).not.toHaveProperty('amended');
      expect(store.audit(0, 10)).toHaveLength(2);
    });

    it('replaces a secret, and finds the old one as long as it overlaps, also after a restart', async () => {
      const digests = Array.from({ length: 3 }, () => digestOf(mintSecret()));
      const [first, second, third] = digests as [Uint8Array, Uint8Array, Uint8Array];
      const { id } = await store.mintGrant(grantOf(domain, { digest: first }), BY);
      const good = () => digests.map((each) => isGood(store.grant(id)!, each, now));
      now = 2_000_000;
      const row = await store.rotateSecret(id, second, 1000, BY);
      expect(row.amended?.replaced).toEqual([{ digest: first, until: 2_001_000 }]);
      await reopen();
      expect(store.grant(id)).toEqual(row);
      for (const digest of [first, second]) expect(store.findByDigest(digest)?.id).toBe(id);
      expect(good()).toEqual([true, true, false]);
      now = 2_001_000;
      expect(good()).toEqual([false, true, false]);
      // What has had its time is not kept any longer, and nothing is good for longer than it was told to be.
      await store.rotateSecret(id, third, 1000, BY);
      expect(store.findByDigest(first)).toBe(null);
      expect(good()).toEqual([false, true, true]);
      await store.rotateSecret(id, first, 0, BY);
      expect(good()).toEqual([true, false, false]);
      expect([second, third].map((digest) => store.findByDigest(digest))).toEqual([null, null]);
      await reopen();
      expect(good()).toEqual([true, false, false]);
      expect(store.audit(1, 9).map(({ action }) => action)).toEqual([
        'grant.rotate',
        'grant.rotate',
        'grant.rotate',
      ]);
    });

    it('keeps few secrets of a grant, takes none twice, and makes none where there is none', async () => {
      const digest = digestOf(mintSecret());
      const { id } = await store.mintGrant(grantOf(domain, { digest }), BY);
      const none = await store.mintGrant(grantOf(domain), BY);
      const rotate = (overlap: number) => store.rotateSecret(id, digestOf(mintSecret()), overlap, BY);
      for (let i = 0; i < MAX_REPLACED_SECRETS; i++) await rotate(100_000);
      await expect(rotate(100_000)).rejects.toMatchObject({ code: 'ERR_STORE_SECRETS' });
      await expect(store.rotateSecret(id, digest, 0, BY)).rejects.toMatchObject({ code: 'ERR_STORE_EXISTS' });
      await expect(store.rotateSecret(none.id, digestOf(mintSecret()), 0, BY)).rejects.toMatchObject({
        code: 'ERR_STORE_NO_REFERENCE',
      });
      await rotate(0);
      expect(store.grant(id)!.amended!.replaced).toEqual([]);
      await reopen();
    });

    it('uses a reference that restores once up, once, also after a restart', async () => {
      const [digest, next] = [digestOf(mintSecret()), digestOf(mintSecret())];
      const { id } = await store.mintGrant(grantOf(domain, { digest, once: true }), BY);
      const often = await store.mintGrant(grantOf(domain, { digest: digestOf(mintSecret()) }), BY);
      const revoked = await store.mintGrant(
        grantOf(domain, { digest: digestOf(mintSecret()), once: true }),
        BY,
      );
      expect(store.grant(id)!.once).toBe(true);
      await store.revokeSubtree(revoked.id, BY);
      await store.rotateSecret(id, next, 1000, BY);
      expect(await store.useOnce(id, digestOf(mintSecret()), BY)).toBe(false);
      expect(await store.useOnce(often.id, often.digest!, BY)).toBe(false);
      expect(await store.useOnce(revoked.id, revoked.digest!, BY)).toBe(false);
      expect(await Promise.all([digest, next, digest].map((each) => store.useOnce(id, each, BY)))).toEqual([
        true,
        false,
        false,
      ]);
      await reopen();
      expect(await store.useOnce(id, next, BY)).toBe(false);
      expect(store.grant(id)!.amended!.used).toBeTypeOf('number');
      expect([digest, next].map((each) => isGood(store.grant(id)!, each, now))).toEqual([false, false]);
      await expect(store.rotateSecret(id, digestOf(mintSecret()), 0, BY)).rejects.toMatchObject({
        code: 'ERR_STORE_NO_REFERENCE',
      });
      expect(store.audit(0, 20).filter(({ action }) => action === 'grant.use')).toHaveLength(1);
    });

    it('walks a tree from the top down, page by page, each grant once: a model', async () => {
      const ids = [(await store.mintGrant(grantOf(domain), BY)).id];
      const children = new Map<string, string[]>();
      for (let i = 0; i < 60; i++) {
        const parent = ids[(i * 7919) % ids.length]!;
        const { id } = await store.mintGrant(grantOf(domain, { parent }), BY);
        children.set(parent, [...(children.get(parent) ?? []), id]);
        ids.push(id);
      }
      await store.mintGrant(grantOf(domain), BY);
      await store.revokeSubtree(ids[1]!, BY);
      const below = (id: string): string[] => [id, ...(children.get(id) ?? []).flatMap(below)];
      for (const top of [ids[0]!, ids[1]!, ids[20]!]) {
        for (const limit of [1, 7, 1000]) {
          const found: GrantRow[][] = [];
          for (let after = ''; ; after = found.at(-1)![0]!.id) {
            const page = store.subtree(top, { after, limit });
            expect(page.length).toBeLessThanOrEqual(limit);
            if (page.length === 0) break;
            found.push(...page);
          }
          expect(found.map(([row]) => row!.id)).toEqual(below(top));
          for (const lineage of found) expect(lineage).toEqual(store.lineage(lineage[0]!.id));
        }
      }
      expect(store.subtree('nobody', { after: '', limit: 9 })).toEqual([]);
      expect(store.subtree(ids[0]!, { after: 'nobody', limit: 9 })).toEqual([]);
      expect(store.subtree(ids[1]!, { after: ids[0]!, limit: 9 })).toEqual([]);
    });

    it('gives a domain one id for ever, and no two the same', async () => {
      const ids = await Promise.all(['a', 'b', 'a', 'ledger'].map((name) => store.domainId(name)));
      expect(ids[0]).toBe(ids[2]);
      expect(ids[3]).toBe(domain);
      expect(new Set(ids).size).toBe(3);
      await reopen();
      expect(await store.domainId('b')).toBe(ids[1]);
      expect(store.domains().map(({ name }) => name)).toHaveLength(3);
      await expect(store.domainId('')).rejects.toMatchObject({ code: 'ERR_STORE_INVALID' });
    });

    it('remembers which grant stands for one of the configuration', async () => {
      const [one, two] = [
        await store.mintGrant(grantOf(domain), BY),
        await store.mintGrant(grantOf(domain), BY),
      ];
      expect(store.configuredGrant(domain, 'account')).toBe(null);
      await store.setConfiguredGrant(domain, 'account', one.id);
      await store.setConfiguredGrant(domain, 'account', two.id);
      await reopen();
      expect(store.configuredGrant(domain, 'account')).toBe(two.id);
      expect(store.configuredGrant(domain, 'accoun')).toBe(null);
      await expect(store.setConfiguredGrant(domain, 'x', 'nothing')).rejects.toMatchObject({
        code: 'ERR_STORE_NOT_FOUND',
      });
    });

    it('remembers what a domain was upgraded to, with an entry in the audit log, until it is said to be nothing', async () => {
      const event = { action: 'domain.upgrade', domain: 'ledger', ...BY };
      const configured = { program: digestOf(mintSecret()), schema: null, interface: 'Ledger', bundler: 'x' };
      const code = { source: 'a program', schema: Buffer.from('a schema'), since: 7, configured };
      expect(store.upgradedCode(domain)).toBe(null);
      await store.setUpgradedCode(domain, { ...code, source: 'x'.repeat(3 << 20) }, event);
      await store.setUpgradedCode(domain, code, { ...event, detail: 'again' });
      await reopen();
      expect(store.upgradedCode(domain)).toEqual({
        ...code,
        configured: { ...configured, program: Buffer.from(configured.program) },
      });
      expect(store.upgradedCode(await store.domainId('other'))).toBe(null);
      await store.setUpgradedCode(domain, null, { ...event, detail: 'ended' });
      await store.setUpgradedCode(domain, null, { ...event, detail: 'ended twice' });
      await reopen();
      expect(store.upgradedCode(domain)).toBe(null);
      const entries = store.audit(0, 10).map(({ action, detail }) => [action, detail]);
      expect(entries).toEqual(
        [undefined, 'again', 'ended', 'ended twice'].map((detail) => ['domain.upgrade', detail]),
      );
      await expect(store.setUpgradedCode('nobody', code, event)).rejects.toMatchObject({
        code: 'ERR_STORE_NOT_FOUND',
      });
    });

    it('keeps a storage for each domain, apart from every other', async () => {
      const other = await store.domainId('other');
      await store.writeStorage(domain, [{ key: 'k', put: Buffer.from('mine') }]);
      await store.writeStorage(other, [{ key: 'k', put: Buffer.from('theirs') }]);
      await store.writeStorage(domain, [{ key: 'empty', put: new Uint8Array() }]);
      await reopen();
      expect(store.readStorage(domain, 'k')).toEqual(new Uint8Array(Buffer.from('mine')));
      expect(store.readStorage(domain, 'empty')).toEqual(new Uint8Array());
      expect(store.readStorage(domain, 'none')).toBe(null);
      expect(store.listStorage(other, { prefix: '', after: '', limit: 10, maxBytes: 100 })).toHaveLength(1);
      await store.writeStorage(domain, [
        { key: 'k', delete: null },
        { key: 'none', delete: null },
      ]);
      expect(store.readStorage(domain, 'k')).toBe(null);
      await expect(store.writeStorage('nobody', [])).rejects.toMatchObject({ code: 'ERR_STORE_NOT_FOUND' });
      expect(() => store.readStorage('nobody', 'k')).toThrow(/no domain/);
    });

    it('writes all changes of storage or none', async () => {
      const big = 'k'.repeat(1025);
      const changes = [
        { key: 'a', put: Buffer.from('1') },
        { key: big, put: Buffer.from('2') },
      ];
      await expect(store.writeStorage(domain, changes)).rejects.toMatchObject({ code: 'ERR_STORE_INVALID' });
      expect(store.readStorage(domain, 'a')).toBe(null);
    });

    it('changes storage where all checks hold, and otherwise nothing of it, and says which does not', async () => {
      const a = { key: 'a', put: Buffer.from('1') };
      const absent = { key: 'a', present: false };
      expect(await store.writeStorage(domain, [a], undefined, [absent])).toBe(null);
      expect(await store.writeStorage(domain, [{ key: 'b', put: a.put }], undefined, [absent])).toBe(0);
      const isOne = { key: 'a', value: Buffer.from('1') };
      const isTwo = { key: 'a', value: Buffer.from('2') };
      const changes = [
        { key: 'a', put: isTwo.value },
        { key: 'b', put: Buffer.from('') },
      ];
      expect(await store.writeStorage(domain, changes, undefined, [isOne, { key: 'b', present: true }])).toBe(
        1,
      );
      // Of two in one group, the second sees what the first has done.
      const both = [1, 2].map(() => store.writeStorage(domain, changes, undefined, [isOne]));
      expect(await Promise.all(both)).toEqual([null, 0]);
      expect(await store.writeStorage(domain, [], undefined, [{ key: 'b', value: new Uint8Array(1) }])).toBe(
        0,
      );
      expect(
        await store.writeStorage(domain, [], undefined, [isTwo, { key: 'b', value: new Uint8Array() }]),
      ).toBe(null);
      await expect(
        store.writeStorage(domain, [], undefined, [{ key: 'k'.repeat(1025), present: false }]),
      ).rejects.toMatchObject({ code: 'ERR_STORE_INVALID' });
      await reopen();
      expect(store.readStorage(domain, 'a')).toEqual(new Uint8Array(isTwo.value));
      expect(store.storageUse(domain)).toEqual({ bytes: 3, entries: 2 });
    });

    it('holds storage to its quota, and always lets it shrink', async () => {
      const quota = { bytes: 100, entries: 3 };
      const put = (key: string, size: number) => [{ key, put: new Uint8Array(size) }];
      await store.writeStorage(domain, put('a', 90), quota);
      await expect(store.writeStorage(domain, put('b', 10), quota)).rejects.toThrow(
        'the storage would have 102 bytes; 100 are allowed',
      );
      await store.writeStorage(domain, put('a', 10), quota);
      await store.writeStorage(domain, put('b', 10), quota);
      await store.writeStorage(domain, put('c', 10), quota);
      await expect(store.writeStorage(domain, put('d', 1), quota)).rejects.toThrow(
        '4 entries; 3 are allowed',
      );
      await store.writeStorage(domain, [{ key: 'a', delete: null }], { bytes: 1, entries: 1 });
    });

    it('lists storage as an ordered map does: a model', async () => {
      const key = fc.string({
        unit: fc.constantFrom('a', 'b', 'é', '世', '😀', '\0', '~'),
        minLength: 1,
        maxLength: 4,
      });
      const model = new Map<string, string>();
      const order = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(key, fc.option(fc.string({ maxLength: 9 }))), { maxLength: 8 }),
          fc.oneof(fc.constant(''), key),
          fc.oneof(fc.constant(''), key),
          fc.integer({ min: 0, max: 6 }),
          async (changes, prefix, after, limit) => {
            await store.writeStorage(
              domain,
              changes.map(([k, v]) =>
                v === null ? { key: k, delete: null } : { key: k, put: Buffer.from(v) },
              ),
            );
            for (const [k, v] of changes) v === null ? model.delete(k) : model.set(k, v);
            const expected = [...model]
              .filter(([k]) => k.startsWith(prefix) && (after === '' || order(k, after) > 0))
              .sort(([a], [b]) => order(a, b))
              .slice(0, limit);
            const listed = store.listStorage(domain, { prefix, after, limit, maxBytes: 1e6 });
            expect(listed.map(({ key: k, value }) => [k, Buffer.from(value).toString()])).toEqual(expected);
          },
        ),
        { numRuns: 60 },
      );
      await reopen();
    });

    it('refuses a listing that is too large rather than cutting it short', async () => {
      for (const key of ['a', 'b', 'c']) await store.writeStorage(domain, [{ key, put: new Uint8Array(50) }]);
      const range = { prefix: '', after: '', limit: 3, maxBytes: 110 };
      expect(() => store.listStorage(domain, range)).toThrow(/first 3 entries are larger than 110 bytes/);
      expect(store.listStorage(domain, { ...range, limit: 2 })).toHaveLength(2);
    });

    it('writes an audit entry with every mint and revoke, chained', async () => {
      const row = await store.mintGrant(grantOf(domain), { by: 'operator' });
      await store.revokeSubtree(row.id, { by: 'connection 7' });
      await store.revokeSubtree(row.id, { by: 'connection 8' });
      await store.appendAudit({ action: 'grant.refused', by: 'gate', detail: '3 in a minute' });
      await reopen();
      const entries = store.audit(0, 100);
      expect(entries).toMatchObject([
        { sequence: 1, action: 'grant.mint', grant: row.id, domain: 'ledger', by: 'operator' },
        { sequence: 2, action: 'grant.revoke', grant: row.id, by: 'connection 7' },
        { sequence: 3, action: 'grant.refused', by: 'gate', detail: '3 in a minute' },
      ]);
      expect(entries.map(({ previous }) => previous)).toEqual([
        '0'.repeat(64),
        entries[0]!.hash,
        entries[1]!.hash,
      ]);
      expect(store.audit(1, 1)).toEqual([entries[1]]);
      expect(store.audit(3, 10)).toEqual([]);
    });

    it('notes in the audit log what a grant was minted from, and over which connection', async () => {
      const root = await store.mintGrant(grantOf(domain), { by: 'operator', peer: 'unix, connection 1' });
      const child = await store.mintGrant(grantOf(domain, { parent: root.id }), {
        by: `grant ${root.id}`,
        peer: 'tcp 127.0.0.1, connection 2',
      });
      await store.revokeSubtree(child.id, { by: 'operator', peer: 'unix, connection 3' });
      await reopen();
      const [first, second, third] = store.audit(0, 10);
      expect(first).toMatchObject({ action: 'grant.mint', peer: 'unix, connection 1' });
      expect(first).not.toHaveProperty('parent');
      expect(second).toMatchObject({
        action: 'grant.attenuate',
        grant: child.id,
        parent: root.id,
        by: `grant ${root.id}`,
        peer: 'tcp 127.0.0.1, connection 2',
      });
      expect(third).toMatchObject({ action: 'grant.revoke', grant: child.id, peer: 'unix, connection 3' });
    });

    it('writes no audit entry for what was refused, and counts none', async () => {
      const root = await store.mintGrant(grantOf(domain), BY);
      await store.revokeSubtree(root.id, BY);
      await expect(store.mintGrant(grantOf(domain, { parent: root.id }), BY)).rejects.toThrow();
      await expect(store.revokeSubtree('nothing', BY)).rejects.toThrow();
      expect(store.lastAudit()).toBe(2);
      await reopen();
      expect(store.lastAudit()).toBe(2);
    });

    it('reads the audit log in pages, and nothing behind its end, wherever that is asked to be', async () => {
      for (let i = 0; i < 25; i++) await store.appendAudit({ action: 'test', detail: `${i}` });
      const read: number[] = [];
      for (let page = store.audit(0, 10); page.length > 0; page = store.audit(read.at(-1)!, 10))
        read.push(...page.map(({ sequence }) => sequence));
      expect(read).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
      for (const after of [25, 26, 2 ** 40, Number.MAX_SAFE_INTEGER, 2 ** 64])
        expect(store.audit(after, 10)).toEqual([]);
      expect(store.audit(-5, 1)).toMatchObject([{ sequence: 1 }]);
      expect(store.audit(0, 0)).toEqual([]);
    });

    it('tells that a revocation is on disk before it looks for what died by it', async () => {
      const root = await store.mintGrant(grantOf(domain), BY);
      await store.mintGrant(grantOf(domain, { parent: root.id }), BY);
      let seen: number | null | undefined;
      const died = store.revokeSubtree(root.id, BY, () => {
        seen = store.grant(root.id)!.revoked;
      });
      expect(await died).toHaveLength(2);
      expect(seen).toBeTypeOf('number');
      const again = store.revokeSubtree(root.id, BY, () => expect.unreachable('it was dead already'));
      expect(await again).toEqual([]);
    });

    it('counts the living children, and none of what is dead', async () => {
      const root = await store.mintGrant(grantOf(domain), BY);
      const children = await Promise.all(
        Array.from({ length: 5 }, () => store.mintGrant(grantOf(domain, { parent: root.id }), BY)),
      );
      await store.mintGrant(grantOf(domain, { parent: children[0]!.id }), BY);
      expect(store.livingChildren(root.id, 100)).toBe(5);
      expect(store.livingChildren(root.id, 3)).toBe(3);
      await store.revokeSubtree(children[1]!.id, BY);
      expect(store.livingChildren(root.id, 100)).toBe(4);
      await reopen();
      expect(store.livingChildren(root.id, 100)).toBe(4);
      await store.revokeSubtree(root.id, BY);
      expect(store.livingChildren(root.id, 100)).toBe(0);
      expect(store.livingChildren('nothing', 100)).toBe(0);
    });

    it('writes what it was asked before it closes, and takes nothing afterwards', async () => {
      const asked = Array.from({ length: 600 }, () => store.mintGrant(grantOf(domain), BY));
      await store.close();
      await expect(Promise.all(asked)).resolves.toHaveLength(600);
      await expect(store.mintGrant(grantOf(domain), BY)).rejects.toMatchObject({ code: 'ERR_STORE_CLOSED' });
      expect(() => store.grants('', 1)).toThrow(/closed/);
      await reopen();
      expect(store.grants('', 1000)).toHaveLength(600);
    });

    it('was called by every verb that it has', () => {
      expect([...called].sort()).toEqual(Object.keys(VERBS).sort());
    });
  });
}
