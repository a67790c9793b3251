import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LivingTimers, TimersPower } from '../../broker/powers/timers.js';
import { serve } from '../../rpc/index.js';
import { sturdySchema } from '../../schema/index.js';
import type { AnyStub } from '../broker/running.js';
import { Guest } from './guest.js';

let guest: Guest;

const timers = { timers: { maxTimers: 5, minMillis: 20 } };

beforeAll(async () => {
  guest = await Guest.start({
    guest: { powers: timers },
    cut: { powers: timers },
    counted: {
      powers: { timers: { policy: { maxCalls: 2, methods: ['Timers.after', 'Timers.Timer.cancel'] } } },
    },
  });
});
afterAll(() => guest?.stop());

describe('a timer of a domain', () => {
  it('calls back once, or again and again until it is cancelled', async () => {
    const { value } = await guest.run(`
      let once = 0, often = 0;
      const enough = new Promise((resolve) => {
        self.timer = grants.timers.every({ millis: 20, callback: { fired: () => { if (++often === 3) resolve(); } } });
      });
      await new Promise((resolve) =>
        grants.timers.after({ millis: 20, callback: { fired: () => { once++; resolve(); } } }));
      await enough;
      const { timer } = await self.timer;
      await timer.cancel();
      await timer.cancel();
      const then = often;
      await new Promise((resolve) => grants.timers.after({ millis: 200, callback: { fired: resolve } }));
      return { once, more: often - then };`);
    expect(value).toEqual({ once: 1, more: 0 });
  });

  it('is not called a second time while the first call is under way, nor ended by what a call throws', async () => {
    const { value } = await guest.run(`
      let running = 0, most = 0, calls = 0;
      const wait = (millis) => new Promise((resolve) => grants.timers.after({ millis, callback: { fired: () => resolve() } }));
      const { timer } = await grants.timers.every({ millis: 20, callback: { async fired() {
        calls++;
        most = Math.max(most, ++running);
        await wait(100);
        running--;
        throw new Error('thrown');
      } } });
      while (calls < 3) await wait(50);
      await timer.cancel();
      await wait(150);
      return most;`);
    expect(value).toBe(1);
  });

  it('is one of so many, no shorter and no longer than it may be, and with something to call', async () => {
    const { value } = await guest.run(`
      const said = [];
      const start = async (millis, callback = { fired() {} }) => {
        try { return (await grants.timers.after({ millis, callback })).timer; }
        catch (error) { said.push(error.message); }
      };
      await start(19);
      await start(2147483648);
      await start(20, null);
      const all = await Promise.all(Array.from({ length: 6 }, () => start(60000)));
      for (const each of all) if (each) await each.cancel();
      const after = await start(60000);
      await after.cancel();
      return said;`);
    expect(value).toEqual([
      'millis: 19; expected 20 to 2147483647 (powers.timers.minMillis)',
      'millis: 2147483648; expected 20 to 2147483647',
      'callback: missing; expected a capability to call',
      '5 timers are alive (powers.timers.maxTimers)',
    ]);
  });

  it('is under the policy of its grant', async () => {
    const start = `grants.timers.after({ millis: 60000, callback: { fired() {} } })`;
    expect((await guest.run(`await ${start.replace('after', 'every')};`, 'counted')).refused).toBe(
      'the grant does not allow Timers.every',
    );
    expect((await guest.run(`await (await ${start}).timer.cancel();`, 'counted')).value).toBe(null);
    expect((await guest.run(`await ${start};`, 'counted')).refused).toMatch(/calls/);
  });

  it('ends with the grant, and calls nobody any more', async () => {
    const { value } = await guest.run(
      `self.ticks = 0;
       await grants.timers.every({ millis: 20, callback: { fired: () => { self.ticks++; } } });
       await new Promise((resolve) => grants.timers.after({ millis: 100, callback: { fired: () => resolve() } }));
       return self.ticks;`,
      'cut',
    );
    expect(value).toBeGreaterThan(0);
    await guest.revoke('timers', 'cut');
    const ticks = async () => (await guest.run('return self.ticks;', 'cut')).value;
    const before = await ticks();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await ticks()).toBe(before);
  });

  it('ends with the domain, and counts no more', async () => {
    const fill = `for (let i = 0; i < 5; i++)
      await grants.timers.every({ millis: 20, callback: { fired: () => {} } });`;
    expect((await guest.run(fill)).value).toBe(null);
    expect((await guest.run(fill)).refused).toMatch(/maxTimers/);
    await guest.operator.stop({ domain: 'guest' });
    await guest.operator.start({ domain: 'guest' });
    await guest.renew('guest');
    expect((await guest.run(fill)).value).toBe(null);
  });
});

describe('the timers', () => {
  const type = sturdySchema().interface('Timers');
  const alarm = (fired: () => unknown) => ({ fired });

  it('leave nothing alive when the last reference to them is gone', async () => {
    const living = new LivingTimers({ maxTimers: 10, minMillis: 1 });
    const power = serve<AnyStub>(type, new TimersPower(living));
    let fired = 0;
    for (let i = 0; i < 10; i++) await power.every({ millis: 5, callback: alarm(() => fired++) });
    expect(living.alive).toBe(10);
    power[Symbol.dispose]();
    await expect.poll(() => living.alive).toBe(0);
    const before = fired;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(fired).toBe(before);
  });

  it('let go of one that has fired, of its callback, and of one whose callback is broken', async () => {
    const living = new LivingTimers({ maxTimers: 10, minMillis: 1 });
    using power = serve<AnyStub>(type, new TimersPower(living));
    let gone = 0;
    const callback = { fired: () => {}, [Symbol.dispose]: () => gone++ };
    await power.after({ millis: 1, callback });
    await expect.poll(() => [living.alive, gone]).toEqual([0, 1]);
    // It has no such method: it is called in vain, as often as it was asked for.
    const { timer } = await power.every({ millis: 1, callback: {} });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(living.alive).toBe(1);
    await timer.cancel();
    expect(living.alive).toBe(0);
  });
});
