import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Guest } from './guest.js';

let guest: Guest;

beforeAll(async () => {
  guest = await Guest.start({
    guest: { powers: { storage: { maxBytes: 5000, maxKeys: 20 } } },
    other: { powers: { storage: true } },
  });
});
afterAll(() => guest?.stop());

describe('the storage of a domain', () => {
  it('counts right, whoever else changes it between reading and writing', async () => {
    const { value } = await guest.run(`
      const { storage } = grants;
      await storage.write({ changes: [{ key: 'count', put: bytes('0') }] });
      let conflicts = 0;
      const add = async () => {
        for (;;) {
          const { entry: { value } } = await storage.get({ key: 'count' });
          const { committed, conflict } = await storage.transact({
            checks: [{ key: 'count', value }],
            changes: [{ key: 'count', put: bytes(String(Number(text(value)) + 1)) }],
          });
          if (committed) return;
          conflicts += conflict + 1;
        }
      };
      await Promise.all(Array.from({ length: 12 }, add));
      return [(await storage.get({ key: 'count' })).entry.value, conflicts > 0];`);
    expect(value).toEqual(['12', true]);
  });

  it('is scanned by a prefix, page by page, each key once', async () => {
    const { value } = await guest.run(`
      const { storage } = grants;
      await storage.write({ changes: Array.from({ length: 9 }, (_, i) => ({ key: 'page/' + i, put: bytes('x') })) });
      const seen = [];
      for (let after = ''; ; ) {
        const { entries } = await storage.list({ prefix: 'page/', after, limit: 4 });
        if (entries.length === 0) return seen;
        seen.push(entries.map(({ key }) => key.slice(5)).join(''));
        after = entries.at(-1).key;
      }`);
    expect(value).toEqual(['0123', '4567', '8']);
  });

  it('has the quota that is configured, says what is used of it, and gets smaller at any time', async () => {
    const { value } = await guest.run(`
      const { storage } = grants;
      const said = [];
      const put = (key, size) => storage.transact({ checks: [], changes: [{ key, put: new Uint8Array(size) }] });
      await put('large', 6000).catch((error) => said.push(error.message));
      const many = Array.from({ length: 30 }, (_, i) => ({ key: 'many/' + i, put: bytes('') }));
      await storage.write({ changes: many }).catch((error) => said.push(error.message));
      await storage.write({ changes: many.map(({ key }) => ({ key, delete: null })) });
      const { bytes: used, keys, maxBytes, maxKeys } = await storage.usage();
      return [...said, used > 0n, keys, maxBytes, maxKeys];`);
    expect(value).toEqual([
      expect.stringMatching(
        /^the storage would have \d+ bytes; 5000 are allowed \(powers.storage.maxBytes\)$/,
      ),
      expect.stringMatching(
        /^the storage would have \d+ entries; 20 are allowed \(powers.storage.maxKeys\)$/,
      ),
      true,
      '10',
      '5000',
      '20',
    ]);
  });

  it("is nobody else's", async () => {
    const { value } = await guest.run(
      `return (await grants.storage.list({ prefix: '', after: '', limit: 0 })).entries;`,
      'other',
    );
    expect(value).toEqual([]);
  });

  it('is out of reach when its grant is revoked', async () => {
    const id = await guest.grantOf('storage');
    await guest.revoke('storage');
    expect((await guest.run(`await grants.storage.usage();`)).refused).toBe(`the grant was revoked (${id})`);
  });
});
