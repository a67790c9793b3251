import { expect, it } from 'vitest';
import { lastDescendant } from '../../broker/process-facts.js';
import { noSandbox } from '../sandbox/needs-bubblewrap.js';
import { Doorway } from './doorway.js';

it.skipIf(noSandbox).each(['thread', 'process', 'sandbox'] as const)(
  'a host that is kept ready in the tier %s is given to the next domain of its kind, and to none of another',
  async (tier) => {
    const doorway = new Doorway({ warm: 1 });
    await doorway.open();
    const hosts = () =>
      doorway.lines
        .filter(({ message }) => message === 'a host was started')
        .map(({ hostPid }) => hostPid as number);
    const first = await doorway.start({ tier, group: 'first' });
    await expect.poll(() => hosts().length, { timeout: 10_000 }).toBe(2);
    const ready = hosts();
    const second = await doorway.start({ tier, group: 'second' });
    expect(second.placement.hostPid).not.toBe(first.placement.hostPid);
    expect(ready.map(lastDescendant)).toContain(second.placement.hostPid);
    const third = await doorway.start({ tier: tier === 'process' ? 'sandbox' : 'process', group: 'third' });
    expect(third.ends).toEqual([]);
    expect(new Set([first, second, third].map(({ placement }) => placement.hostPid)).size).toBe(3);
    await doorway.close();
  },
  60_000,
);
