/** When a store is scanned before it is opened, and what a scan finds that no single record shows. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { auditPayload, hashEntry } from '../../broker/store/audit-entry.js';
import { STORE_FORMAT } from '../../broker/store/format.js';
import { keyOf, type StoredAmendment, type StoredGrant } from '../../broker/store/grant-tree.js';
import type { Transaction } from '../../broker/store/lmdb-tables.js';
import { pack, unpack } from '../../broker/store/record.js';
import { type Root, readRoot, writeRoot } from '../../broker/store/root-record.js';
import { digestOf, mintSecret } from '../../broker/store/secret.js';
import type { GrantRow } from '../../broker/store/store.js';
import { LmdbStore, LmdbTables, scanFolder } from './built.js';
import { grantOf } from './new-grant.js';

const BY = { by: 'test' };
const UPGRADED = {
  source: 'a program',
  schema: Buffer.from('a schema'),
  since: 7,
  configured: { program: null, schema: null, interface: 'Ledger', bundler: 'x' },
};

const MODULE = new URL('../../dist/broker/store/lmdb-store.js', import.meta.url).href;

let folder: string;
let file: string;
let scans: number;
let domain: string;
let root: GrantRow;
let child: GrantRow;

const openStore = () => LmdbStore.open(folder, { scanning: () => scans++ });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sturdy-scan-'));
  file = join(folder, 'store.mdb');
  scans = 0;
  const store = await openStore();
  domain = await store.domainId('ledger');
  root = await store.mintGrant(grantOf(domain), BY);
  child = await store.mintGrant(grantOf(domain, { parent: root.id, digest: digestOf(mintSecret()) }), BY);
  await store.revokeSubtree(child.id, BY);
  await store.setConfiguredGrant(domain, 'account', root.id);
  await store.writeStorage(domain, [{ key: 'balance', put: Buffer.from('a hundred') }]);
  await store.close();
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A process that opens the store, writes to it, and is killed. */
async function killed(): Promise<void> {
  const program = `
    const { LmdbStore } = await import(${JSON.stringify(MODULE)});
    const store = await LmdbStore.open(${JSON.stringify(folder)});
    await store.appendAudit({ action: 'test' });
    console.log('written');
    setInterval(() => {}, 1000);`;
  const process_: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = once(process_, 'close');
  await once(createInterface(process_.stdout!), 'line');
  process_.kill('SIGKILL');
  await gone;
}

describe('a store is scanned before it is opened', { timeout: 120_000 }, () => {
  it('not where it is new, nor where it is as it was closed', async () => {
    await (await openStore()).close();
    await (await openStore()).close();
    expect(scans).toBe(0);
  });

  it('where its broker was killed; and not again, when it was closed after that', async () => {
    await killed();
    await (await openStore()).close();
    expect(scans).toBe(1);
    await (await openStore()).close();
    expect(scans).toBe(1);
  });

  it('where its file is not the one that was closed, were it one byte in a page that nobody uses', async () => {
    const bytes = readFileSync(file);
    writeFileSync(file, Buffer.concat([bytes, Buffer.alloc(4096)]));
    await (await openStore()).close();
    expect(scans).toBe(1);
  });

  it('where it was written before stores said how they were closed', async () => {
    const { id } = JSON.parse(readFileSync(join(folder, 'store.json'), 'utf8'));
    writeFileSync(join(folder, 'store.json'), JSON.stringify({ format: STORE_FORMAT, id }));
    await (await openStore()).close();
    expect(scans).toBe(1);
  });

  it('and refused where it is an older state of itself: what was revoked since would be alive', async () => {
    copyFileSync(file, join(folder, 'older'));
    const store = await openStore();
    await store.revokeSubtree(root.id, BY);
    await store.close();
    copyFileSync(join(folder, 'older'), file);
    await expect(openStore()).rejects.toThrow(
      /is damaged: it is older than it was .* its audit log ends with entry 3, and had 4/,
    );
  });

  it('and refused where it went another way from an older state of itself on', async () => {
    copyFileSync(file, join(folder, 'older'));
    const marker = join(folder, 'store.json');
    const before = readFileSync(marker);
    const store = await openStore();
    await store.revokeSubtree(root.id, BY);
    await store.close();
    const after = readFileSync(marker);
    copyFileSync(join(folder, 'older'), file);
    writeFileSync(marker, before);
    const other = await openStore();
    for (let i = 0; i < 3; i++) await other.appendAudit({ action: 'test' });
    await other.close();
    writeFileSync(marker, after);
    await expect(openStore()).rejects.toThrow(/entry 4 of its audit log is not the one that was there/);
  });

  it('by a process of its own: where that is ended by what it reads, the store is refused, and the table named', async () => {
    const { size } = statSync(file);
    // The pages behind the first are gone: reading them ends whoever reads.
    truncateSync(file, 2 * 4096);
    expect(size).toBeGreaterThan(2 * 4096);
    await expect(openStore()).rejects.toMatchObject({
      code: 'ERR_STORE_DAMAGED',
      message: expect.stringMatching(
        /the process that read it (was ended by SIG\w+|ended with code \d+) at table \w+/,
      ),
    });
  });
});

/** Changes what is in the store as a writer does that is wrong: with checksums that match. */
async function miswrite(change: (transaction: Transaction, root: Root) => void): Promise<void> {
  const tables = new LmdbTables(file);
  await tables.transact((transaction) => {
    const record = readRoot(transaction)!;
    change(transaction, record);
    writeRoot(transaction, record);
  });
  await tables.close();
}

const restored = (transaction: Transaction, id: string, change: Partial<StoredGrant>) =>
  transaction.put(
    'grants',
    keyOf(id),
    pack({ ...unpack<StoredGrant>(transaction.get('grants', keyOf(id))!), ...change }),
  );

describe('a scan finds, though every record is whole and counted,', { timeout: 120_000 }, () => {
  it.each<[string, (transaction: Transaction, root: Root) => void, RegExp]>([
    [
      'a revocation that is missing',
      (transaction, record) => {
        transaction.remove('revocations', keyOf(child.id));
        record.counts.revocations -= 1;
      },
      /the audit log tells of 1 revocations where 0 were written|the revocation of \w+ \(audit entry 3\) is missing/,
    ],
    [
      'a revocation of a grant that there is not',
      (transaction, record) => {
        transaction.put('revocations', keyOf(domain), pack({ at: 1 }));
        record.counts.revocations += 1;
      },
      /was revoked, and is missing/,
    ],
    [
      'a grant that nobody minted',
      (transaction, record) => {
        const grant = unpack<StoredGrant>(transaction.get('grants', keyOf(root.id))!);
        transaction.put('grants', keyOf(domain), pack({ ...grant, id: domain }));
        record.counts.grants += 1;
      },
      /the audit log tells of 2 grants where 3 were written/,
    ],
    [
      'a grant with another id',
      (transaction) => restored(transaction, root.id, { id: child.id }),
      /the grant \w+ is stored as/,
    ],
    [
      'a grant that has another parent than it had',
      (transaction) => restored(transaction, child.id, { parent: null }),
      /stands below \w+, which is not its parent/,
    ],
    [
      'a grant whose parent there is not',
      (transaction) => restored(transaction, child.id, { parent: domain }),
      /is missing below its parent|which is not its parent/,
    ],
    [
      'grants that are each above the other',
      (transaction, record) => {
        restored(transaction, root.id, { parent: child.id });
        transaction.put('children', keyOf(child.id + root.id), Buffer.alloc(0));
        record.counts.children += 1;
      },
      /has too many above it/,
    ],
    [
      'a digest that stands for another grant',
      (transaction) => transaction.put('digests', child.digest!, Buffer.from(root.id)),
      /which is not its own|stands for another/,
    ],
    [
      'a digest that is missing',
      (transaction, record) => {
        transaction.remove('digests', child.digest!);
        record.counts.digests -= 1;
      },
      /a digest of the grant \w+ is missing/,
    ],
    [
      'a name that leads to no domain',
      (transaction) => transaction.put('domainNames', Buffer.from('ledger'), Buffer.from(root.id)),
      /is missing, but not its name|the name of the domain/,
    ],
    [
      'a grant of the configuration that there is not',
      (transaction) => transaction.put('configured', Buffer.from(`${domain}account`), Buffer.from(domain)),
      /the grant \w+ of the configuration is missing/,
    ],
    [
      'the upgrade of a domain that there is not',
      (transaction, record) => {
        transaction.put('upgrades', Buffer.from(root.id), pack(UPGRADED));
        record.counts.upgrades += 1;
      },
      /the domain \w+ was upgraded, and is missing/,
    ],
    [
      'an upgrade to what is no program',
      (transaction, record) => {
        transaction.put('upgrades', Buffer.from(domain), pack({ ...UPGRADED, source: 7 }));
        record.counts.upgrades += 1;
      },
      /what the domain \w+ was upgraded to is no program with a schema/,
    ],
    [
      'storage that is missing',
      (transaction) => transaction.remove('storage', Buffer.from(`${domain}balance`)),
      /0 domains have storage where 1 had/,
    ],
    [
      'storage that is larger than it was',
      (transaction) => transaction.put('storage', Buffer.from(`${domain}balance`), Buffer.from('a thousand')),
      /has 1 entries of 17 bytes where 1 of 16 bytes were written/,
    ],
    [
      'an audit entry that was changed',
      (transaction) => {
        const key = auditKeyOf(2);
        const old = transaction.get('audit', key)!;
        transaction.put(
          'audit',
          key,
          auditPayload(old.subarray(0, 32), { at: 1, action: 'grant.attenuate', grant: child.id }),
        );
      },
      /the audit log is broken: entry 3 does not follow entry 2/,
    ],
    [
      'a last audit entry that was changed',
      (transaction) => {
        const key = auditKeyOf(3);
        const old = transaction.get('audit', key)!;
        transaction.put(
          'audit',
          key,
          auditPayload(old.subarray(0, 32), { at: 1, action: 'grant.revoke', grant: child.id }),
        );
      },
      /the last entry of the audit log is not the one that was written last/,
    ],
    [
      'a last audit entry that was taken off, and the root record with it',
      (transaction, record) => {
        transaction.remove('audit', auditKeyOf(3));
        record.counts.audit = 2;
        record.auditHead = hashEntry(2, transaction.get('audit', auditKeyOf(2))!);
      },
      /the audit log tells of 0 revocations where 1 were written/,
    ],
  ])('%s', async (_what, change, found) => {
    await miswrite(change);
    const refused = await scanFolder(folder).catch((error: Error) => error);
    expect(refused).toMatchObject({ code: 'ERR_STORE_DAMAGED' });
    expect((refused as Error).message).toMatch(found);
  });

  it('and says no more than twenty things, and how many more there were', async () => {
    const store = await openStore();
    const grants = await Promise.all(Array.from({ length: 30 }, () => store.mintGrant(grantOf(domain), BY)));
    await store.close();
    await miswrite((transaction) => {
      for (const { id } of grants) restored(transaction, id, { id: root.id });
    });
    await expect(scanFolder(folder)).rejects.toThrow(/(?:[^;]*is stored as \w+; ){20}and 10 more$/);
  });

  it('nothing in a store that is whole, and says what is in it', async () => {
    expect(await scanFolder(folder)).toMatchObject({
      format: STORE_FORMAT,
      records: {
        grants: 2,
        digests: 1,
        children: 1,
        revocations: 1,
        domains: 1,
        configured: 1,
        storage: 1,
        audit: 3,
      },
      audit: { sequence: 3, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    const empty = mkdtempSync(join(tmpdir(), 'sturdy-scan-'));
    await expect(scanFolder(empty)).rejects.toMatchObject({ code: 'ERR_STORE_NOT_FOUND' });
    rmSync(empty, { recursive: true });
  });

  it('the same while a broker writes to the store: it sees one moment', async () => {
    const store = await openStore();
    let writing = true;
    const write = async () => {
      while (writing) {
        const { id } = await store.mintGrant(grantOf(domain), BY);
        await store.revokeSubtree(id, BY);
        await store.writeStorage(domain, [{ key: `k${Math.random()}`, put: Buffer.from('x') }]);
      }
    };
    const writers = Array.from({ length: 4 }, write);
    const ends: number[] = [];
    for (let i = 0; i < 5; i++) ends.push((await scanFolder(folder)).audit.sequence);
    writing = false;
    await Promise.all(writers);
    await store.close();
    expect(ends).toEqual([...ends].sort((a, b) => a - b));
    expect(ends.at(-1)).toBeGreaterThan(ends[0]!);
  });
});

function auditKeyOf(sequence: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(BigInt(sequence));
  return key;
}

describe('a scan of what was amended finds', { timeout: 120_000 }, () => {
  beforeEach(async () => {
    const store = await openStore();
    const kept = ({ policy }: GrantRow) => ({ policy, bound: policy });
    await store.amendPolicy(root.id, kept, { ...BY, action: 'grant.narrow' });
    await store.amendPolicy(root.id, kept, { ...BY, action: 'grant.extend' });
    await store.close();
  });

  const amended = (transaction: Transaction, change: Partial<StoredAmendment>) => {
    const made = unpack<StoredAmendment>(transaction.get('amendments', keyOf(root.id))!);
    transaction.put('amendments', keyOf(root.id), pack({ ...made, ...change }));
  };

  it.each<[string, (transaction: Transaction, root: Root) => void, RegExp]>([
    [
      'an amendment that is missing',
      (transaction, record) => {
        transaction.remove('amendments', keyOf(root.id));
        record.counts.amendments -= 1;
      },
      /the amendment of \w+ \(audit entry 4\) is missing/,
    ],
    [
      'an amendment that is older than the last',
      (transaction) => amended(transaction, { entry: 4 }),
      /the amendment of \w+ \(audit entry 5\) is missing/,
    ],
    [
      'an amendment that nobody made',
      (transaction, record) => {
        const made = transaction.get('amendments', keyOf(root.id))!;
        transaction.put('amendments', keyOf(child.id), made);
        record.counts.amendments += 1;
      },
      /the audit log does not tell of the amendment of the grant \w+/,
    ],
    [
      'an amendment of a grant that there is not',
      (transaction, record) => {
        const made = transaction.get('amendments', keyOf(root.id))!;
        transaction.put('amendments', keyOf(domain), made);
        record.counts.amendments += 1;
      },
      /the grant \w+ was amended, and is missing/,
    ],
    [
      'an amendment without a policy',
      (transaction) => amended(transaction, { policy: null as never }),
      /the amendment of the grant \w+ has no policy, or no bound/,
    ],
    [
      'a reference that was used up, and is not one that restores once',
      (transaction) => amended(transaction, { used: 1 }),
      /was used up, and is not one that restores once/,
    ],
    [
      'a secret that was replaced and leads nowhere',
      (transaction) => amended(transaction, { replaced: [{ digest: digestOf(mintSecret()), until: 9 }] }),
      /a digest of the grant \w+ is missing, or stands for another/,
    ],
    [
      'a secret in the place of none',
      (transaction) => amended(transaction, { digest: child.digest }),
      /gives it a reference, or takes it away/,
    ],
  ])('%s', async (_what, change, found) => {
    await miswrite(change);
    await expect(scanFolder(folder)).rejects.toThrow(found);
  });

  it('nothing where it is whole: narrowed, rotated again and again, used up, revoked', async () => {
    const store = await openStore();
    const once = await store.mintGrant(grantOf(domain, { once: true, digest: digestOf(mintSecret()) }), BY);
    for (const overlap of [1_000_000, 1_000_000, 0, 1_000_000])
      await store.rotateSecret(once.id, digestOf(mintSecret()), overlap, BY);
    await store.useOnce(once.id, store.grant(once.id)!.digest!, BY);
    const narrow = ({ policy }: GrantRow) => ({ policy: { ...policy, maxCalls: 1 }, bound: policy });
    await store.amendPolicy(once.id, narrow, { ...BY, action: 'grant.narrow' });
    await store.revokeSubtree(once.id, BY);
    await store.close();
    expect(await scanFolder(folder)).toMatchObject({ records: { amendments: 2, digests: 3 } });
  });
});
