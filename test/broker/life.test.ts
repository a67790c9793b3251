import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type AnyStub, type Domains, Running, testDomain } from './running.js';

vi.setConfig({ testTimeout: 90_000 });

/** Machines are slow at times. */
const PATIENCE = { timeout: 40_000 };

/** Below what a start may take: who waits for the start's own limit does not get there. */
const BEFORE_THE_LIMIT = 20_000;

let running: Running;
let operator: AnyStub;

afterEach(() => running.stop());

async function start(domains: Domains): Promise<void> {
  running = await Running.start(domains);
  operator = await running.operator();
}

async function info(
  name: string,
): Promise<{ state: string; detail: string; starts: number; hostPid: number }> {
  const { domains } = await operator.domains();
  return domains.find((domain: { name: string }) => domain.name === name);
}

const thrown = (promise: PromiseLike<unknown>) =>
  promise.then(
    () => null,
    (error: { type: string; message: string }) => error,
  );

describe('a domain that hangs in its start', () => {
  it('is ended by the operator, and whoever waits for it is told so', async () => {
    await start({ hangs: testDomain('hangs') });
    const waiting = thrown(operator.start({ domain: 'hangs' }));
    await expect.poll(async () => (await info('hangs')).hostPid, PATIENCE).not.toBe(0);
    await operator.stop({ domain: 'hangs' });
    expect(await waiting).toMatchObject({
      type: 'disconnected',
      message: 'domain hangs cannot be started: stopped by the operator',
    });
    expect(await info('hangs')).toMatchObject({
      state: 'stopped',
      detail: 'stopped by the operator',
      hostPid: 0,
    });
  });

  it('is ended before it has a thread, and can be started again', async () => {
    await start({ hangs: testDomain('hangs') });
    const first = thrown(operator.start({ domain: 'hangs' }));
    const stopped = operator.stop({ domain: 'hangs' });
    const second = thrown(operator.start({ domain: 'hangs' }));
    await stopped;
    expect(await first).toMatchObject({ message: expect.stringContaining('stopped by the operator') });
    await expect.poll(async () => (await info('hangs')).starts, PATIENCE).toBe(2);
    await operator.stop({ domain: 'hangs' });
    await second;
  });

  it('stays stopped, though the configuration says that it starts with the broker', async () => {
    await start({ hangs: testDomain('hangs', { start: 'eager' }) });
    await expect.poll(async () => (await info('hangs')).state, PATIENCE).toBe('starting');
    await operator.stop({ domain: 'hangs' });
    await pause(500);
    expect(await info('hangs')).toMatchObject({ state: 'stopped', starts: 1 });
  });

  it('does not keep the broker from stopping', async () => {
    await start({ hangs: testDomain('hangs', { start: 'eager' }) });
    await expect.poll(async () => (await info('hangs')).hostPid, PATIENCE).not.toBe(0);
    const late = pause(BEFORE_THE_LIMIT, 'it waits', { ref: false });
    expect(await Promise.race([running.stop().then(() => 'it has stopped'), late])).toBe('it has stopped');
  });
});
