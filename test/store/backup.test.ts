import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, mintSecret } from '../../broker/store/secret.js';
import type { GrantRow, Store } from '../../broker/store/store.js';
import { backUp, LmdbStore, restoreBackup, scanFolder } from './built.js';
import { everything } from './everything.js';
import { grantOf } from './new-grant.js';

const BY = { by: 'test' };
const ACCEPTED = { acceptsLostRevocations: true };

let place: string;
let folder: string;
let file: string;
let store: Store;
let domain: string;
let root: GrantRow;
let child: GrantRow;

beforeEach(async () => {
  place = mkdtempSync(join(tmpdir(), 'sturdy-backup-'));
  folder = join(place, 'data');
  file = join(place, 'backup.mdb');
  store = await LmdbStore.open(folder);
  domain = await store.domainId('ledger');
  root = await store.mintGrant(grantOf(domain), BY);
  child = await store.mintGrant(grantOf(domain, { parent: root.id, digest: digestOf(mintSecret()) }), BY);
  await store.writeStorage(domain, [{ key: 'balance', put: Buffer.from('a hundred') }]);
});
afterEach(async () => {
  await store.close();
  rmSync(place, { recursive: true });
});

/** Flips a bit of every record of the table of grants, and leaves the rest. */
function damage(where = folder): void {
  const path = join(where, 'store.mdb');
  const bytes = readFileSync(path);
  for (const mark of ['a label', root.id, child.id]) {
    for (let at = bytes.indexOf(mark); at !== -1; at = bytes.indexOf(mark, at + 1)) bytes[at]! ^= 1;
  }
  writeFileSync(path, bytes);
}

describe('a backup', { timeout: 120_000 }, () => {
  it('is what was there, while a broker runs and when none does', async () => {
    const was = everything(store);
    await backUp(folder, file);
    await store.close();
    await backUp(folder, join(place, 'second.mdb'));
    for (const backup of ['backup.mdb', 'second.mdb']) {
      const other = join(place, `from ${backup}`);
      await restoreBackup(join(place, backup), other, ACCEPTED);
      const opened = await LmdbStore.open(other);
      const is = everything(opened);
      await opened.close();
      expect({ ...is, audit: is.audit.slice(0, -1) }).toEqual(was);
    }
  });

  it('has what was amended as it was: policies, bounds, secrets that overlap, counts, and what was used up', async () => {
    const [old, fresh, once] = [1, 2, 3].map(() => digestOf(mintSecret())) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const { id } = await store.mintGrant(grantOf(domain, { parent: root.id, digest: old }), BY);
    const used = await store.mintGrant(grantOf(domain, { once: true, digest: once }), BY);
    const value = { text: 'shop/' };
    const constraint = {
      interface: 1n,
      method: 'pay',
      field: ['to'],
      measure: 'value',
      operator: 'prefix',
    } as const;
    const narrow = ({ policy }: GrantRow) => ({
      policy: { ...policy, maxCalls: 5, constraints: [{ ...constraint, values: [value] }] },
      bound: { ...policy, maxCalls: 9 },
    });
    await store.amendPolicy(id, narrow, { ...BY, action: 'grant.narrow' });
    await store.rotateSecret(id, fresh, 1_000_000, BY);
    await store.useOnce(used.id, once, BY);
    await store.reserve(id, 'calls', 3, 5);
    const was = [store.grant(id)!, store.grant(used.id)!];
    expect(was[0]).toMatchObject({
      digest: fresh,
      amended: { bound: { maxCalls: 9 }, replaced: [{ digest: old }] },
    });
    await backUp(folder, file);
    const other = join(place, 'other');
    await restoreBackup(file, other, ACCEPTED);
    await expect(scanFolder(other)).resolves.toMatchObject({ records: { amendments: 2, reserved: 1 } });
    const opened = await LmdbStore.open(other);
    expect([opened.grant(id), opened.grant(used.id)]).toEqual(was);
    for (const digest of [old, fresh]) expect(opened.findByDigest(digest)?.id).toBe(id);
    expect(await opened.useOnce(used.id, once, BY)).toBe(false);
    expect(await opened.reserve(id, 'calls', 9, 5)).toBe(2);
    await opened.close();
  });

  it('is of one moment, whatever is written meanwhile', async () => {
    let writing = true;
    const writers = Array.from({ length: 4 }, async (_, worker) => {
      for (let i = 0; writing; i++) {
        const { id } = await store.mintGrant(grantOf(domain, { parent: root.id }), BY);
        await store.revokeSubtree(id, BY);
        const put = Buffer.from(`${i}`);
        await store.writeStorage(domain, [
          { key: `left ${worker}`, put },
          { key: `right ${worker}`, put },
        ]);
      }
    });
    for (let i = 0; i < 2; i++) {
      const backup = join(place, `${i}.mdb`);
      const { audit } = await backUp(folder, backup);
      const other = join(place, `${i}`);
      await restoreBackup(backup, other, ACCEPTED);
      const opened = await LmdbStore.open(other);
      expect(opened.lastAudit()).toBe(audit.sequence + 1);
      for (let worker = 0; worker < 4; worker++) {
        const left = opened.readStorage(domain, `left ${worker}`);
        expect(opened.readStorage(domain, `right ${worker}`)).toEqual(left);
      }
      await opened.close();
    }
    writing = false;
    await Promise.all(writers);
  });

  it('can be read by its owner only, and takes the place of no file', async () => {
    await backUp(folder, file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await expect(backUp(folder, file)).rejects.toMatchObject({
      code: 'ERR_STORE_EXISTS',
      message: `${file} exists already; choose another file`,
    });
    expect(readdirSync(place).sort()).toEqual(['backup.mdb', 'data']);
  });

  it('of a damaged store is none: nothing is left of it', async () => {
    await store.close();
    damage();
    await expect(backUp(folder, file)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
    expect(readdirSync(place)).toEqual(['data']);
    await expect(backUp(join(place, 'nowhere'), file)).rejects.toMatchObject({ code: 'ERR_STORE_NOT_FOUND' });
  });
});

describe('restoring a backup', { timeout: 120_000 }, () => {
  it('says what comes back by it, and changes nothing, where that was not accepted', async () => {
    const { audit } = await backUp(folder, file);
    await store.revokeSubtree(child.id, BY);
    await store.close();
    damage();
    const before = readFileSync(join(folder, 'store.mdb'));
    const refused = await restoreBackup(file, folder, { acceptsLostRevocations: false }).catch(
      (error) => error,
    );
    expect(refused).toMatchObject({
      code: 'ERR_STORE_UNACKNOWLEDGED',
      message: expect.stringContaining(
        `the backup's last audit entry is 2, of ${new Date(audit.at!).toISOString()}. In it, every grant that was revoked since is alive; what was narrowed since is as wide`,
      ),
    });
    expect(refused.message).toContain('--accept-lost-revocations');
    expect(readFileSync(join(folder, 'store.mdb')).equals(before)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(['store.json', 'store.mdb', 'store.mdb-lock']);
  });

  it('puts it in the place of what was damaged, keeps that aside, and has the audit log say so', async () => {
    await backUp(folder, file);
    await store.revokeSubtree(child.id, BY);
    await store.close();
    damage();
    const damaged = readFileSync(join(folder, 'store.mdb'));
    writeFileSync(join(folder, 'operator.ref'), 'stays');
    await expect(LmdbStore.open(folder)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });

    const { keptAside } = await restoreBackup(file, folder, ACCEPTED);
    expect(keptAside).toMatch(/data\/damaged-\d{4}-\d\d-\d\dT/);
    expect(readFileSync(join(keptAside!, 'store.mdb')).equals(damaged)).toBe(true);
    expect(statSync(keptAside!).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(folder, 'operator.ref'), 'utf8')).toBe('stays');
    expect(statSync(join(folder, 'store.mdb')).mode & 0o777).toBe(0o600);

    store = await LmdbStore.open(folder);
    // What the flag is for.
    expect(store.grant(child.id)!.revoked).toBe(null);
    expect(store.audit(2, 10)).toMatchObject([
      {
        sequence: 3,
        action: 'store.restore',
        detail: expect.stringMatching(
          /^from a backup that ends with entry 2; as was accepted, every grant that was revoked since is alive; /,
        ),
      },
    ]);
  });

  it('needs no store to be there, and none that can be read at all', async () => {
    await backUp(folder, file);
    await store.close();
    rmSync(join(folder, 'store.mdb'));
    expect((await restoreBackup(file, folder, ACCEPTED)).keptAside).not.toBe(null);
    await (await LmdbStore.open(folder)).close();
    writeFileSync(join(folder, 'store.mdb'), 'not a store');
    writeFileSync(join(folder, 'store.json'), 'nor this');
    expect((await restoreBackup(file, folder, ACCEPTED)).keptAside).not.toBe(null);
    await (await LmdbStore.open(folder)).close();
    const empty = join(place, 'empty');
    mkdirSync(empty);
    expect((await restoreBackup(file, empty, ACCEPTED)).keptAside).toBe(null);
    await (await LmdbStore.open(empty)).close();
  });

  it('is refused where a broker runs, where the store is whole, and where the backup is not', async () => {
    await backUp(folder, file);
    await expect(restoreBackup(file, folder, ACCEPTED)).rejects.toMatchObject({ code: 'ERR_STORE_HELD' });
    await store.close();
    await expect(restoreBackup(file, folder, ACCEPTED)).rejects.toMatchObject({
      code: 'ERR_STORE_EXISTS',
      message: expect.stringContaining('is whole, and a backup is older: nothing was changed'),
    });
    damage();
    const bytes = readFileSync(file);
    bytes[bytes.indexOf('a label')]! ^= 1;
    writeFileSync(file, bytes);
    await expect(restoreBackup(file, folder, ACCEPTED)).rejects.toMatchObject({
      code: 'ERR_STORE_DAMAGED',
      message: expect.stringContaining(file),
    });
    await expect(restoreBackup(join(place, 'none'), folder, ACCEPTED)).rejects.toMatchObject({
      code: 'ERR_STORE_NOT_FOUND',
    });
    expect(readdirSync(folder).sort()).toEqual(['store.json', 'store.mdb', 'store.mdb-lock']);
  });

  it('that was cut short leaves a folder that is refused, and can be restored again', async () => {
    await backUp(folder, file);
    await store.close();
    damage();
    // As it is between the old store's leaving and the new one's coming.
    rmSync(join(folder, 'store.mdb'));
    writeFileSync(join(folder, 'restoring.mdb'), 'half of it');
    await expect(LmdbStore.open(folder)).rejects.toMatchObject({ code: 'ERR_STORE_DAMAGED' });
    await restoreBackup(file, folder, ACCEPTED);
    await (await LmdbStore.open(folder)).close();
    expect(readdirSync(folder)).not.toContain('restoring.mdb');
    await scanFolder(folder);
  });

  it('brings nothing back that a later one did not have: a backup of a restored store says that it is one', async () => {
    await backUp(folder, file);
    await store.close();
    damage();
    await restoreBackup(file, folder, ACCEPTED);
    const second = join(place, 'second.mdb');
    expect((await backUp(folder, second)).audit.sequence).toBe(3);
  });
});
