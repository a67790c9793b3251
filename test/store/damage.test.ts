import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { STORE_FORMAT } from '../../broker/store/format.js';
import { digestOf, mintSecret } from '../../broker/store/secret.js';
import type { GrantRow } from '../../broker/store/store.js';
import { LmdbStore } from './built.js';
import { grantOf } from './new-grant.js';

const BY = { by: 'test' };
const digest = digestOf(mintSecret());
let folder: string;
let root: GrantRow;
let child: GrantRow;
let domain: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sturdy-damage-'));
  const store = await LmdbStore.open(folder);
  domain = await store.domainId('ledger');
  root = await store.mintGrant(grantOf(domain), BY);
  child = await store.mintGrant(grantOf(domain, { parent: root.id, digest }), BY);
  const narrow = ({ policy }: GrantRow) => ({ policy: { ...policy, delegable: false }, bound: policy });
  await store.amendPolicy(child.id, narrow, { ...BY, action: 'grant.narrow' });
  await store.revokeSubtree(child.id, BY);
  await store.reserve(root.id, 'calls', 3, 10);
  await store.writeStorage(domain, [{ key: 'balance', put: Buffer.from('a hundred') }]);
  const configured = { program: null, schema: null, interface: 'Ledger', bundler: 'x' };
  const code = { source: 'a program', schema: Buffer.from('a schema'), since: 7, configured };
  await store.setUpgradedCode(domain, code, { ...BY, action: 'domain.upgrade' });
  await store.close();
});
afterEach(() => rmSync(folder, { recursive: true }));

const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;

/** Changes a table behind the store's back. */
async function tamper(
  table: string,
  change: (records: RootDatabase<Buffer, Uint8Array>, key: Buffer) => void,
  at = 0,
): Promise<void> {
  const environment = open<Buffer, Uint8Array>({
    path: join(folder, 'store.mdb'),
    maxDbs: 16,
    overlappingSync: false,
    ...binary,
  });
  const records = environment.openDB<Buffer, Uint8Array>({ name: table, ...binary });
  const key = Buffer.from([...records.getKeys()].at(at)!);
  await environment.batch(() => change(records as RootDatabase<Buffer, Uint8Array>, key));
  await environment.close();
}

/** Opens the store and reads everything in it. */
async function readAll(): Promise<void> {
  const store = await LmdbStore.open(folder);
  try {
    store.grants('', 1000);
    store.children(root.id);
    store.findByDigest(digest);
    store.reserved(root.id);
    store.domains();
    store.readStorage(domain, 'balance');
    store.upgradedCode(domain);
    store.audit(0, 1000);
    await store.domainId('ledger');
  } finally {
    await store.close();
  }
}

const TABLES = [
  'root',
  'grants',
  'digests',
  'revocations',
  'reserved',
  'amendments',
  'domainNames',
  'domains',
  'upgrades',
  'storage',
  'audit',
];

describe('a damaged store', () => {
  it('is one that does not come from this test', async () => {
    await expect(readAll()).resolves.toBeUndefined();
  });

  it.each(TABLES)('is found where any byte of a record is flipped: table %s', async (table) => {
    const original = readFileSync(join(folder, 'store.mdb'));
    let length = 1;
    for (let at = 0; at < length; at += Math.max(1, Math.floor(length / 4))) {
      writeFileSync(join(folder, 'store.mdb'), original);
      await tamper(table, (records, key) => {
        const value = Buffer.from(records.getBinary(key)!);
        length = value.length;
        value[at]! ^= 1 << (at % 8);
        records.put(key, value);
      });
      await expect(readAll()).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_STORE_(DAMAGED|FORMAT)$/),
      });
    }
  });

  it.each([...TABLES, 'children'])('refuses to open where a record is missing: table %s', async (table) => {
    await tamper(table, (records, key) => records.remove(key));
    const damage = {
      code: 'ERR_STORE_DAMAGED',
      message: expect.stringContaining(`the store in ${folder}/store.mdb is damaged`),
    };
    await expect(LmdbStore.open(folder)).rejects.toMatchObject(damage);
  });

  it('says what it found', async () => {
    await tamper('revocations', (records, key) => records.remove(key));
    await expect(LmdbStore.open(folder)).rejects.toThrow(
      /table revocations has 0 records where 1 were written; the revocation of [0-9a-z]{26} \(audit entry 4\) is missing$/,
    );
  });

  it('is found where a record was put in the place of another', async () => {
    await tamper('grants', (records, key) => {
      const [first, second] = [...records.getRange({})];
      expect(first!.key).toEqual(key);
      records.put(key, Buffer.from(second!.value));
    });
    await expect(readAll()).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
  });

  it('is found where its file is gone, empty, or not a store at all', async () => {
    const path = join(folder, 'store.mdb');
    copyFileSync(path, `${path}.kept`);
    rmSync(path);
    await expect(LmdbStore.open(folder)).rejects.toThrow(/its root record is missing/);
    writeFileSync(path, '');
    await expect(LmdbStore.open(folder)).rejects.toThrow(/its root record is missing/);
    writeFileSync(path, 'not a store'.repeat(1000));
    await expect(LmdbStore.open(folder)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
    copyFileSync(`${path}.kept`, path);
    await expect(readAll()).resolves.toBeUndefined();
  });

  it('is found where its file is that of another store', async () => {
    const other = mkdtempSync(join(tmpdir(), 'sturdy-damage-'));
    await (await LmdbStore.open(other)).close();
    copyFileSync(join(other, 'store.mdb'), join(folder, 'store.mdb'));
    rmSync(other, { recursive: true });
    await expect(LmdbStore.open(folder)).rejects.toThrow(/is not the one that was made there/);
  });

  it('is not opened by a version that does not know its format', async () => {
    writeFileSync(join(folder, 'store.json'), `{"format":${STORE_FORMAT + 1},"id":"x"}`);
    await expect(LmdbStore.open(folder)).rejects.toMatchObject({ code: 'ERR_STORE_FORMAT' });
    writeFileSync(join(folder, 'store.json'), '{"format":1');
    await expect(LmdbStore.open(folder)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
  });

  it('leaves the folder free when it is refused', async () => {
    await tamper('audit', (records, key) => records.remove(key));
    for (let i = 0; i < 3; i++) {
      await expect(LmdbStore.open(folder)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
    }
  });
});
