/** Damage to LMDB's list of free pages: no record shows it, and LMDB would write over what is in use, or end its process. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pagesFault } from '../../broker/store/free-pages.js';
import { digestOf, mintSecret } from '../../broker/store/secret.js';
import { LmdbStore, scanFolder } from './built.js';
import { grantOf } from './new-grant.js';

const PAGE = 4096;
/** Of a page, where what it holds begins. */
const HEADER = 24;

let folder: string;
let file: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sturdy-free-pages-'));
  file = join(folder, 'store.mdb');
  const store = await LmdbStore.open(folder);
  const domain = await store.domainId('ledger');
  for (let i = 0; i < 60; i++) {
    await store.mintGrant(grantOf(domain, { digest: digestOf(mintSecret()) }), { by: 'test' });
    await store.writeStorage(domain, [{ key: `key ${i % 10}`, put: Buffer.alloc((i * 997) % 30_000, i) }]);
  }
  await store.close();
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The two trees that the later meta page tells of: where their roots begin in the file. */
function roots(bytes: Buffer): { free: number; main: number } {
  const later = bytes.readBigUInt64LE(152) < bytes.readBigUInt64LE(PAGE + 152) ? PAGE : 0;
  const root = (at: number) => Number(bytes.readBigUInt64LE(later + at)) * PAGE;
  return { free: root(88), main: root(136) };
}

/** Where the first record of the list of free pages begins: its length, then numbers. */
function firstList(bytes: Buffer): number {
  const { free } = roots(bytes);
  const node = free + HEADER + bytes.readUInt16LE(free + HEADER);
  return node + 8 + bytes.readUInt16LE(node + 6);
}

function damage(change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(file);
  change(bytes);
  writeFileSync(file, bytes);
}

describe('A list of free pages', () => {
  it('is found right as LMDB has written it, in a new store and in one that was written to for long', async () => {
    expect(pagesFault(file)).toBe(null);
    const other = mkdtempSync(join(tmpdir(), 'sturdy-free-pages-'));
    await (await LmdbStore.open(other)).close();
    expect(pagesFault(join(other, 'store.mdb'))).toBe(null);
    rmSync(other, { recursive: true });
  });

  it('that names a page in use is found before the store is opened, though every record is as it was written', async () => {
    damage((bytes) => {
      const list = firstList(bytes);
      expect(bytes.readBigUInt64LE(list)).toBeGreaterThan(0n);
      bytes.writeBigInt64LE(BigInt(roots(bytes).main / PAGE), list + 8);
    });
    // All that a broker that runs could be asked for is whole.
    await expect(scanFolder(folder)).resolves.toMatchObject({ records: { grants: 60 } });
    await expect(LmdbStore.open(folder)).rejects.toMatchObject({
      code: 'ERR_STORE_DAMAGED',
      message: expect.stringMatching(
        /its page \d+ is in its list of free pages, and is in use or there twice$/,
      ),
    });
  });

  it('that names a page which is not there, or does not end, is found as well', async () => {
    const whole = readFileSync(file);
    damage((bytes) => bytes.writeBigInt64LE(1n << 40n, firstList(bytes) + 8));
    await expect(LmdbStore.open(folder)).rejects.toThrow('it names a page 1099511627776, and has none');
    writeFileSync(file, whole);
    damage((bytes) => bytes.writeBigUInt64LE(1n << 40n, firstList(bytes)));
    await expect(LmdbStore.open(folder)).rejects.toThrow('its list of free pages does not end');
  });
});
