import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serve } from '../../rpc/index.js';
import { sturdySchema } from '../../schema/index.js';
import { noSandbox } from '../sandbox/needs-bubblewrap.js';
import { Doorway } from './doorway.js';

let doorway: Doorway;
beforeAll(async () => {
  doorway = new Doorway();
  await doorway.open();
});
afterAll(() => doorway.close());

const HOARD = (mebibytes: number) => `
  const held = [];
  for (let i = 0; i < ${mebibytes}; i += 16) held.push(new Uint8Array(16 * 1024 * 1024).fill(1));
  self.held = held;
  return 'hoarded';`;

describe('a domain that has more memory off its heap than it may', () => {
  it('is ended between two turns, and its neighbour in the same host is not', async () => {
    const neighbour = await doorway.start({ group: 'hoard' });
    const domain = await doorway.start({ group: 'hoard', offHeapMebibytes: 64, turnMillis: 20_000 });
    expect(domain.placement.hostPid).toBe(neighbour.placement.hostPid);
    await expect(domain.main.evaluate({ source: HOARD(128) })).resolves.toEqual({ outcome: 'hoarded' });
    expect(await domain.ended).toBe('its limit of 64 MiB off the heap was met (limits.offHeapMiB)');
    await neighbour.main.echo({});
    expect(neighbour.ends).toEqual([]);
    await neighbour.placement.terminate('the test is over');
  });

  it('is ended with its host in the middle of a turn', async () => {
    const domain = await doorway.start({ group: 'glut', offHeapMebibytes: 64, turnMillis: 60_000 });
    await expect(domain.main.evaluate({ source: HOARD(8192) })).rejects.toMatchObject({
      type: 'disconnected',
    });
    expect(await domain.ended).toBe(
      'its host was killed: it has more than 448 MiB in memory, which its domains may have together with Node ' +
        '(limits.heapMiB, limits.offHeapMiB)',
    );
  });

  it.skipIf(noSandbox).each(['process', 'sandbox'] as const)(
    'is refused in the tier %s what its host may not have at all, and goes on',
    async (tier) => {
      const domain = await doorway.start({ tier, offHeapMebibytes: 64, turnMillis: 60_000 });
      await expect(domain.main.evaluate({ source: 'new Uint8Array(2 ** 30)' })).rejects.toThrow(
        'Array buffer allocation failed',
      );
      await domain.main.echo({});
      expect(domain.ends).toEqual([]);
      await domain.placement.terminate('the test is over');
    },
  );

  it.skipIf(noSandbox).each(['process', 'sandbox'] as const)(
    'has no more in the tier %s: it is refused it or ended, whichever comes first',
    async (tier) => {
      const domain = await doorway.start({ tier, offHeapMebibytes: 64, turnMillis: 60_000 });
      const refusal = await domain.main.evaluate({ source: HOARD(8192) }).then(
        () => 'hoarded',
        (error: Error) => error.message,
      );
      if (refusal === 'Array buffer allocation failed') await domain.placement.terminate('the test is over');
      else expect(await domain.ended).toMatch(/limits\.offHeapMiB|^its host died/);
      expect(refusal).not.toBe('hoarded');
    },
  );
});

describe('a domain that uses more of the processor than its share', () => {
  it('is ended, though each of its turns is a short one, and its neighbour in the same host is not', async () => {
    const type = sturdySchema().interface('Log');
    const log = { name: 'log', interfaceId: type.id, cap: serve(type, { write: () => ({}) }) };
    const neighbour = await doorway.start({ group: 'spin' });
    const domain = await doorway.start({
      group: 'spin',
      cpuShare: 0.2,
      cpuWindowMillis: 1000,
      grants: [log],
    });
    const source = `
      for (;;) {
        for (let i = 0, sum = 0; i < 1e7; i++) sum += i;
        await world.grants.log.write({ message: 'a turn ends' });
      }`;
    await expect(domain.main.evaluate({ source })).rejects.toMatchObject({ type: 'disconnected' });
    expect(await domain.ended).toBe(
      'it used more of the processor than its share of 0.2 over 1000 ms (limits.cpuShare)',
    );
    await neighbour.main.echo({});
    expect(neighbour.ends).toEqual([]);
    await neighbour.placement.terminate('the test is over');
  });
});
