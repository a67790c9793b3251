import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sturdySchema } from 'sturdy/schema';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Guest } from './guest.js';

// Two brokers, one after the other, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

let guest: Guest;
let folder: string;

const domains = {
  guest: {
    powers: {
      clock: true,
      random: { policy: { maxCalls: 2 } },
      storage: {
        policy: { methods: ['Storage.get', 'Storage.list'], where: ['Storage.get.key prefix open/'] },
      },
      log: { policy: { expires: new Date(5) } },
    },
  },
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-granted-'));
  guest = await Guest.start(domains, folder);
});
afterAll(async () => {
  await guest?.stop();
  await rm(folder, { recursive: true, force: true });
});

const now = () => guest.run('return typeof (await grants.clock.now()).unixMillis;');

describe('the grant of a power', () => {
  it('holds the domain to its policy: methods, constraints, counts and expiry', async () => {
    expect((await guest.run(`return (await grants.storage.get({ key: 'open/a' })).entry;`)).value).toEqual({
      absent: null,
    });
    expect((await guest.run(`return await grants.storage.get({ key: 'a' });`)).refused).toMatch(/key/);
    expect((await guest.run(`return await grants.storage.usage();`)).refused).toBe(
      'the grant does not allow Storage.usage',
    );
    for (let i = 0; i < 2; i++)
      expect((await guest.run(`return (await grants.random.bytes({ count: 1 })).bytes.length;`)).value).toBe(
        1,
      );
    expect((await guest.run(`return await grants.random.bytes({ count: 1 });`)).refused).toMatch(/calls/);
    expect((await guest.run(`return await grants.log.write({ level: 'info', message: '' });`)).refused).toBe(
      'the grant has expired',
    );
  });

  it('is narrowed by the operator while the domain runs, and what it refuses is audited', async () => {
    expect((await now()).value).toBe('bigint');
    const id = await guest.grantOf('clock');
    const { grant } = await guest.operator.grant({ id });
    await grant.narrow({ policy: { methods: { only: [] } } });
    expect((await now()).refused).toBe('the grant does not allow Clock.now');
    await grant.extend({ policy: {} });
    expect((await now()).value).toBe('bigint');
    await expect
      .poll(
        async () => {
          const { entries } = await guest.operator.audit({ after: 0n, limit: 0 });
          return entries.filter(
            (each: { action: string; grant: string }) => each.action === 'call.refuse' && each.grant === id,
          ).length;
        },
        { timeout: 60_000 },
      )
      .toBeGreaterThan(0);
  });

  it('is minted from for somebody else when the operator makes it delegable, and not before', async () => {
    const storage = await guest.operator.grant({ id: await guest.grantOf('storage') });
    await expect(storage.grant.attenuate({})).rejects.toThrow('the grant is not delegable');
    const { grant } = await guest.operator.grant({ id: await guest.grantOf('clock') });
    await grant.extend({ policy: { delegable: true } });
    const minted = await grant.attenuate({ label: 'a clock for a client' });
    const clock = await guest.restore(minted.ref.secret, sturdySchema().interface('Clock'));
    expect((await clock.now({})).unixMillis).toBeGreaterThan(0n);
    await minted.grant.revoke({});
    await expect(clock.now({})).rejects.toThrow(/the grant was revoked/);
    expect((await now()).value).toBe('bigint');
  });

  it('once revoked is not minted again when the broker starts anew', async () => {
    const id = await guest.grantOf('clock');
    await guest.revoke('clock');
    expect((await now()).refused).toBe(`the grant was revoked (${id})`);
    await guest.restart(domains);
    expect((await now()).refused).toBe(`the grant was revoked (${id})`);
  });
});
