import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serve } from '../../rpc/index.js';
import { sturdySchema } from '../../schema/index.js';
import { Doorway } from './doorway.js';

let doorway: Doorway;
beforeAll(async () => {
  process.env['LOCKDOWN_ERROR_TAMING'] = 'unsafe';
  process.env['NODE_OPTIONS'] = '--no-deprecation';
  doorway = new Doorway();
  await doorway.open();
});
afterAll(() => doorway.close());

let groups = 0;
const group = (): string => `limits-${groups++}`;
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('a thread at its limits', () => {
  it.each([
    ['an endless loop', `for (;;) {}`],
    ['endless microtasks', `for (;;) await null;`],
    ['a catastrophic regular expression', `return String(/^(a+)+$/.test('a'.repeat(60) + 'b'))`],
    ['a getter of a result', `return { toString() { for (;;) {} } }.toString()`],
  ])('is ended for %s, and its neighbour is not', async (_what, source) => {
    const shared = group();
    const neighbour = await doorway.start({ group: shared });
    const domain = await doorway.start({ group: shared, turnMillis: 300 });
    expect(domain.placement.hostPid).toBe(neighbour.placement.hostPid);
    const began = performance.now();
    await expect(domain.main.evaluate({ source })).rejects.toMatchObject({ type: 'disconnected' });
    expect(await domain.ended).toBe('a turn took longer than its limit');
    expect(performance.now() - began).toBeLessThan(2000);
    await expect(neighbour.main.echo({ text: 'still here' })).resolves.toMatchObject({ text: 'still here' });
    expect(domain.ends).toHaveLength(1);
    expect(neighbour.ends).toEqual([]);
  });

  it('is ended for microtasks that fill its heap, though that may take its host with it', async () => {
    const domain = await doorway.start({ group: group(), turnMillis: 300 });
    const source = `const again = () => Promise.resolve().then(again); await again();`;
    await expect(domain.main.evaluate({ source })).rejects.toMatchObject({ type: 'disconnected' });
    // Its heap is full about when its turn is over, and a thread that cannot be ended in time takes its host with it.
    expect(await domain.ended).toMatch(/^a turn took longer than its limit|^its heap limit|^its host died/);
    expect(domain.ends).toHaveLength(1);
  });

  it('is ended for an endless loop before it has even started', async () => {
    const launch = { group: group(), turnMillis: 300 };
    await expect(doorway.start({ ...launch, source: 'for (;;) {}' })).rejects.toThrow(
      'a turn took longer than its limit',
    );
  });

  it('is left alone in a long wait, and in many short turns that add up', async () => {
    const type = sturdySchema().interface('Log');
    const log = { name: 'log', interfaceId: type.id, cap: serve(type, { write: () => ({}) }) };
    const domain = await doorway.start({ group: group(), turnMillis: 300, grants: [log] });
    await new Promise((resolve) => setTimeout(resolve, 700));
    const source = `
      for (let turn = 0; turn < 20; turn++) {
        for (let i = 0, sum = 0; i < 2e7; i++) sum += i;
        await world.grants.log.write({ message: 'a turn ends' });
      }
      return 'done';`;
    await expect(domain.main.evaluate({ source })).resolves.toEqual({ outcome: 'done' });
    expect(domain.ends).toEqual([]);
    await domain.placement.terminate('the test is over');
  });

  it('is left alone in a burst of calls, each of which is a short one', async () => {
    const domain = await doorway.start({ group: group(), turnMillis: 400 });
    const calls = Array.from({ length: 4000 }, () =>
      domain.main.evaluate({ source: 'throw new Error("short")' }).catch((thrown: Error) => thrown.message),
    );
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['short']));
    expect(domain.ends).toEqual([]);
    await domain.placement.terminate('the test is over');
  });

  it.each([
    ['arrays', `const all = []; for (;;) all.push(new Array(1000).fill(all.length));`],
    ['strings', `const all = []; for (let i = 0; ; i++) all.push(('x' + i).repeat(1000).split('').join(i));`],
    ['a map', `const all = new Map(); for (let i = 0; ; i++) all.set({}, [i]);`],
  ])('is ended for a heap that grows by %s', async (_what, source) => {
    const domain = await doorway.start({ group: group(), heapMebibytes: 32, turnMillis: 20_000 });
    await expect(domain.main.evaluate({ source })).rejects.toMatchObject({ type: 'disconnected' });
    expect(await domain.ended).toMatch(/^its heap limit of 32 MiB was met$|^its host died/);
    expect(domain.ends).toHaveLength(1);
  });

  it('is ended with its host in a builtin that cannot be interrupted', async () => {
    const shared = group();
    const neighbour = await doorway.start({ group: shared });
    const domain = await doorway.start({ group: shared, turnMillis: 300 });
    const { hostPid } = domain.placement;
    const began = performance.now();
    domain.main
      .evaluate({ source: `return String(Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1))` })
      .catch(() => {});
    expect(await domain.ended).toBe(
      'a turn took longer than its limit, and the thread could not be stopped, so its host was ended',
    );
    // The host is still there, as far as anybody can see, and takes nobody any more.
    const next = doorway.start({ group: shared });
    expect(performance.now() - began).toBeLessThan(300 + 800 + 500);
    expect(await neighbour.ended).toMatch(/^its host died \(SIGKILL\)$/);
    expect(alive(hostPid)).toBe(false);
    const { main, placement } = await next;
    await expect(main.echo({ text: 'in another host' })).resolves.toMatchObject({ text: 'in another host' });
    expect(placement.hostPid).not.toBe(hostPid);
    expect([domain.ends, neighbour.ends].map((ends) => ends.length)).toEqual([1, 1]);
  });
});

describe('a placement', () => {
  it('is terminated when it waits, with the reason that was given, once', async () => {
    const domain = await doorway.start({ group: group() });
    await Promise.all([domain.placement.terminate('enough'), domain.placement.terminate('really')]);
    expect(domain.ends).toEqual(['enough']);
    await expect(domain.main.echo({})).rejects.toMatchObject({ type: 'disconnected' });
  });

  it('is terminated within 250 ms in an endless loop, and its neighbour is not', async () => {
    const shared = group();
    const neighbour = await doorway.start({ group: shared });
    const domain = await doorway.start({ group: shared, turnMillis: 60_000 });
    domain.main.evaluate({ source: 'for (;;) {}' }).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    const began = performance.now();
    await domain.placement.terminate('enough');
    expect(performance.now() - began).toBeLessThan(250);
    expect(domain.ends).toEqual(['enough']);
    await neighbour.main.echo({});
  });

  it('is terminated with its host where the thread cannot be stopped', async () => {
    const domain = await doorway.start({ group: group(), turnMillis: 60_000 });
    domain.main
      .evaluate({ source: `return String([].indexOf.call({ length: 2 ** 53 - 1 }, 1))` })
      .catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    const began = performance.now();
    await domain.placement.terminate('enough');
    expect(performance.now() - began).toBeLessThan(600);
    expect(domain.ends).toEqual(['enough']);
    expect(alive(domain.placement.hostPid)).toBe(false);
  });

  it('ends when its host is killed, and the group gets another host', async () => {
    const shared = group();
    const domain = await doorway.start({ group: shared });
    process.kill(domain.placement.hostPid, 'SIGKILL');
    expect(await domain.ended).toBe('its host died (SIGKILL)');
    const again = await doorway.start({ group: shared });
    expect(again.placement.hostPid).not.toBe(domain.placement.hostPid);
    await again.main.echo({});
  });

  it('is in the host of its group and in no other', async () => {
    const shared = group();
    const [one, two, three] = await Promise.all(
      [shared, shared, group()].map((name) => doorway.start({ group: name })),
    );
    expect(one!.placement.hostPid).toBe(two!.placement.hostPid);
    expect(one!.placement.hostPid).not.toBe(three!.placement.hostPid);
  });
});

describe('a host', () => {
  it('ends with its last domain, and the next domain of its group gets a new one', async () => {
    const shared = group();
    const first = await doorway.start({ group: shared });
    const second = await doorway.start({ group: shared });
    await first.placement.terminate('enough');
    await second.main.echo({});
    await second.placement.terminate('enough');
    const third = await doorway.start({ group: shared });
    expect(third.placement.hostPid).not.toBe(second.placement.hostPid);
    await expect.poll(() => alive(second.placement.hostPid)).toBe(false);
  });

  it('takes no more threads than it may, and says so', async () => {
    const own = new Doorway({ warm: 0, maxThreads: 1 });
    await own.open();
    const domain = await own.start({ group: 'a' });
    await expect(own.start({ group: 'a' })).rejects.toMatchObject({
      type: 'overloaded',
      message: 'the host has 1 threads of 64 MiB already',
    });
    await domain.main.echo({});
    await own.close();
  });

  it('inherits nothing of the environment', async () => {
    const { placement } = await doorway.start({ group: group() });
    expect(readFileSync(`/proc/${placement.hostPid}/environ`, 'utf8')).toBe('TZ=UTC\0');
  });

  it('is gone when its descriptor closes', async () => {
    const module = fileURLToPath(new URL('../../dist/worker/host.js', import.meta.url));
    const settings = JSON.stringify({ heapMebibytes: 64, maxThreads: 2, warm: 1 });
    const child = spawn(process.execPath, [module, settings], {
      env: {},
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(child.exitCode).toBeNull();
    (child.stdio[3] as unknown as { destroy(): void }).destroy();
    const [, signal] = await once(child, 'exit');
    expect(signal).toBe('SIGKILL');
  });
});

describe('the supervisor', () => {
  it('ends every host when it closes, and each placement once', async () => {
    const own = new Doorway({ warm: 0 });
    await own.open();
    const domains = await Promise.all([own.start({ group: 'a' }), own.start({ group: 'b' })]);
    await own.close();
    for (const { ends, placement } of domains) {
      expect(ends).toEqual(['its host was killed: the broker stops']);
      expect(alive(placement.hostPid)).toBe(false);
    }
    await expect(own.start({})).rejects.toThrow('the supervisor is closed');
  });
});
