/** Stores of other formats than this version's: those before it, and the next one, which is made up here. */
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Formats, MIGRATIONS, STORE_FORMAT } from '../../broker/store/format.js';
import type { StoredGrant } from '../../broker/store/grant-tree.js';
import { pack, unpack } from '../../broker/store/record.js';
import type { Root } from '../../broker/store/root-record.js';
import type { GrantRow } from '../../broker/store/store.js';
import { LmdbStore, scanStore } from './built.js';
import { grantOf } from './new-grant.js';

const BY = { by: 'test' };
const NEXT = STORE_FORMAT + 1;

/** The next format: every label ends with an exclamation mark. */
const next: Formats = {
  current: NEXT,
  migrations: [
    ...MIGRATIONS,
    {
      from: STORE_FORMAT,
      migrate(transaction, root, tables) {
        expect(root.counts.grants).toBe(2);
        for (const [key, payload] of tables.range('grants', {})) {
          const grant = unpack<StoredGrant>(payload);
          transaction.put('grants', key, pack({ ...grant, label: `${grant.label}!` }));
        }
      },
    },
  ],
};

let folder: string;
let grants: GrantRow[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sturdy-format-'));
  const store = await LmdbStore.open(folder);
  const domain = await store.domainId('ledger');
  grants = [await store.mintGrant(grantOf(domain), BY), await store.mintGrant(grantOf(domain), BY)];
  await store.revokeSubtree(grants[1]!.id, BY);
  await store.close();
});
afterEach(() => rmSync(folder, { recursive: true }));

const marker = () => JSON.parse(readFileSync(join(folder, 'store.json'), 'utf8'));

describe('a store of an older format', { timeout: 120_000 }, () => {
  it('is migrated when it is opened, with its audit log telling so, and what was revoked stays so', async () => {
    const store = await LmdbStore.open(folder, { formats: next });
    expect(store.grants('', 10).map(({ label }) => label)).toEqual(['a label!', 'a label!']);
    expect(store.grant(grants[1]!.id)!.revoked).toBeTypeOf('number');
    expect(store.audit(3, 10)).toMatchObject([
      { action: 'store.migrate', by: 'the broker', detail: `from format ${STORE_FORMAT} to ${NEXT}` },
    ]);
    await store.close();
    expect(marker().format).toBe(NEXT);
    const again = await LmdbStore.open(folder, { formats: next });
    expect(again.lastAudit()).toBe(4);
    expect(again.grants('', 10)[0]!.label).toBe('a label!');
    await again.close();
  });

  it('is copied first, and the copy can be opened by the version before', async () => {
    await (await LmdbStore.open(folder, { formats: next })).close();
    const copy = join(folder, `store.format-${STORE_FORMAT}.mdb`);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    expect(await scanStore(copy)).toMatchObject({
      format: STORE_FORMAT,
      records: { grants: 2, revocations: 1 },
    });
    for (const name of ['store.mdb', 'store.json']) rmSync(join(folder, name));
    copyFileSync(copy, join(folder, 'store.mdb'));
    const store = await LmdbStore.open(folder);
    expect(store.grants('', 10).map(({ label }) => label)).toEqual(['a label', 'a label']);
    await store.close();
  });

  it('stays as it was where a migration fails, and is migrated by the next that does not', async () => {
    const failing: Formats = {
      current: NEXT,
      migrations: [
        {
          from: STORE_FORMAT,
          migrate(transaction, root, tables) {
            next.migrations.at(-1)!.migrate(transaction, root, tables);
            throw new Error('the migration failed');
          },
        },
      ],
    };
    await expect(LmdbStore.open(folder, { formats: failing })).rejects.toThrow('the migration failed');
    const store = await LmdbStore.open(folder);
    expect(store.grant(grants[0]!.id)!.label).toBe('a label');
    expect(store.lastAudit()).toBe(3);
    await store.close();
    const migrated = await LmdbStore.open(folder, { formats: next });
    expect(migrated.grant(grants[0]!.id)!.label).toBe('a label!');
    await migrated.close();
  });

  it('is migrated once where the broker was killed between the migration and the marker', async () => {
    const before = readFileSync(join(folder, 'store.json'));
    await (await LmdbStore.open(folder, { formats: next })).close();
    writeFileSync(
      join(folder, 'store.json'),
      JSON.stringify({ ...JSON.parse(before.toString()), format: NEXT }),
    );
    rmSync(join(folder, `store.format-${STORE_FORMAT}.mdb`));
    // This version's own scan knows only its own format: the marker says that the file is as it was closed.
    const { closed } = await closedAs(folder);
    writeFileSync(join(folder, 'store.json'), JSON.stringify({ ...JSON.parse(before.toString()), closed }));
    const store = await LmdbStore.open(folder, { formats: next });
    expect(store.grants('', 10)[0]!.label).toBe('a label!');
    expect(existsSync(join(folder, `store.format-${STORE_FORMAT}.mdb`))).toBe(false);
    await store.close();
    expect(marker().format).toBe(NEXT);
  });

  it('is opened where it is of format 1, which had no table of reserved calls and none of amendments', async () => {
    await becomeFormat1({ named: true });
    const store = await LmdbStore.open(folder);
    expect(store.grants('', 10)).toHaveLength(2);
    expect(store.grant(grants[1]!.id)!.revoked).toBeTypeOf('number');
    expect(store.audit(3, 10)).toMatchObject([
      { action: 'store.migrate', detail: `from format 1 to ${STORE_FORMAT}` },
    ]);
    // What it had no table for is counted and amended from now on.
    const { id, policy } = grants[0]!;
    expect(await store.reserve(id, 'calls', 5, 100)).toBe(5);
    const narrowed = { ...policy, maxCalls: 100 };
    const by = { ...BY, action: 'grant.narrow' } as const;
    await store.amendPolicy(id, () => ({ policy: narrowed, bound: policy }), by);
    await store.close();
    expect(await scanStore(join(folder, 'store.mdb'))).toMatchObject({
      format: STORE_FORMAT,
      records: { reserved: 1, amendments: 1 },
    });
    const again = await LmdbStore.open(folder);
    expect(again.reserved(id).calls).toBe(5);
    expect(again.grant(id)!.policy).toEqual(narrowed);
    await again.close();
  });

  it('is opened where it is of format 2, which had no table of upgrades', async () => {
    await become(2, ({ upgrades: _upgrades, ...fewer }) => fewer);
    const store = await LmdbStore.open(folder);
    expect(store.grant(grants[1]!.id)!.revoked).toBeTypeOf('number');
    expect(store.audit(3, 10)).toMatchObject([
      { action: 'store.migrate', detail: `from format 2 to ${STORE_FORMAT}` },
    ]);
    const domain = await store.domainId('ledger');
    expect(store.upgradedCode(domain)).toBe(null);
    const configured = { program: null, schema: null, interface: 'Ledger', bundler: 'x' };
    const code = { source: 'x', schema: Buffer.from('y'), since: 7, configured };
    await store.setUpgradedCode(domain, code, { ...BY, action: 'domain.upgrade' });
    await store.close();
    expect(await scanStore(join(folder, 'store.mdb'))).toMatchObject({ records: { upgrades: 1 } });
    expect((await scanStore(join(folder, 'store.format-2.mdb'))).format).toBe(2);
  });

  it('is one without a format in its root record, too: the first ones had none', async () => {
    await becomeFormat1({ named: false });
    const store = await LmdbStore.open(folder);
    expect(store.grants('', 10)).toHaveLength(2);
    expect(store.lastAudit()).toBe(4);
    await store.close();
    expect(marker().format).toBe(STORE_FORMAT);
  });
});

/** `named`: the root record says that it is of format 1. */
const becomeFormat1 = ({ named }: { named: boolean }) =>
  become(
    named ? 1 : undefined,
    ({ reserved: _reserved, amendments: _amendments, upgrades: _upgrades, ...fewer }) => fewer,
  );

/** The root record has this format, and counts what there was in it. The tables that it had not are empty. */
async function become(
  format: number | undefined,
  counted: (counts: Root['counts']) => Partial<Root['counts']>,
): Promise<void> {
  const { LmdbTables } = await import('./built.js');
  const tables = new LmdbTables(join(folder, 'store.mdb'));
  await tables.transact((transaction) => {
    const key = Buffer.from('root');
    const { format: _format, counts, ...rest } = unpack<Root>(transaction.get('root', key)!);
    const root = { ...rest, counts: counted(counts), ...(format !== undefined && { format }) };
    transaction.put('root', key, pack(root));
  });
  await tables.close();
  // It was not closed by a store; the marker names its format all the same.
  writeFileSync(
    join(folder, 'store.json'),
    JSON.stringify({ ...marker(), format: format ?? 1, closed: null }),
  );
}

describe('a store of a newer format', { timeout: 120_000 }, () => {
  it('is refused by name, by every way to it, and stays as it is', async () => {
    await (await LmdbStore.open(folder, { formats: next })).close();
    const refused = {
      code: 'ERR_STORE_FORMAT',
      message: expect.stringMatching(
        new RegExp(`the store in .* has format ${NEXT}; this version reads format ${STORE_FORMAT}`),
      ),
    };
    const before = readFileSync(join(folder, 'store.mdb'));
    await expect(LmdbStore.open(folder)).rejects.toMatchObject(refused);
    rmSync(join(folder, 'store.json'));
    await expect(LmdbStore.open(folder)).rejects.toMatchObject(refused);
    await expect(scanStore(join(folder, 'store.mdb'))).rejects.toMatchObject(refused);
    expect(readFileSync(join(folder, 'store.mdb')).equals(before)).toBe(true);
    expect(readdirSync(folder)).not.toContain('store.json');
  });
});

async function closedAs(where: string): Promise<{ closed: { size: number; sha256: string } }> {
  const { createHash } = await import('node:crypto');
  const bytes = readFileSync(join(where, 'store.mdb'));
  return { closed: { size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') } };
}

it('every format before this one has a step that leads on from it', () => {
  expect(MIGRATIONS.map(({ from }) => from)).toEqual(
    Array.from({ length: STORE_FORMAT - 1 }, (_, i) => i + 1),
  );
});
