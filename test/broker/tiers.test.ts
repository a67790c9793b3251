/** A domain lives in every tier as in any other; what differs is its host. */
import { readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noSandbox } from '../sandbox/needs-bubblewrap.js';
import { type AnyStub, type Client, ledgerGraph, Running, testDomain } from './running.js';

const ACCOUNT = ledgerGraph.interface('Account');

interface Info {
  state: string;
  tier: string;
  hostPid: number;
}

describe.skipIf(noSandbox).each(['process', 'sandbox'] as const)('a domain in the tier %s', (tier) => {
  let running: Running;
  let client: Client;
  let operator: AnyStub;
  beforeAll(async () => {
    running = await Running.start({
      one: testDomain('counter', { tier }),
      two: testDomain('counter', { tier }),
    });
    client = await running.connect();
    operator = await running.operator();
  });
  afterAll(() => running.stop());

  const info = async (name: string): Promise<Info> =>
    (await operator.domains()).domains.find((domain: { name: string }) => domain.name === name);

  const restored = async (domain: string): Promise<{ account: AnyStub; secret: Uint8Array }> => {
    const { ref } = await operator.mint({ domain, object: 'an account' });
    return { account: await client.restore(ref.secret, ACCOUNT), secret: ref.secret };
  };

  it('answers, and has a host of its own', async () => {
    const { account: one } = await restored('one');
    const { account: two } = await restored('two');
    expect(await one.balance()).toEqual({ cents: 1n });
    expect(await two.balance()).toEqual({ cents: 1n });
    const [{ hostPid: first }, { hostPid: second }] = [await info('one'), await info('two')];
    expect((await info('one')).tier).toBe(tier);
    expect(first).not.toBe(second);
    const isApart = readlinkSync(`/proc/${first}/ns/net`) !== readlinkSync('/proc/self/ns/net');
    expect(isApart).toBe(tier === 'sandbox');
  });

  it('is ended for a turn without end, and started again when it is asked for', async () => {
    const { account, secret } = await restored('one');
    await expect(account.withdraw({ cents: 1n })).rejects.toMatchObject({ type: 'disconnected' });
    const again = () => client.restore(secret, ACCOUNT).then((stub) => stub.balance());
    await expect.poll(() => again().catch(() => null), { timeout: 20_000 }).toEqual({ cents: 1n });
  });

  it('breaks when its host is killed, and is there again', async () => {
    const { account, secret } = await restored('two');
    process.kill((await info('two')).hostPid, 'SIGKILL');
    await expect.poll(() => account.balance().catch((error: Error) => error.message)).toMatch(/SIGKILL|gone/);
    const again = () => client.restore(secret, ACCOUNT).then((stub) => stub.balance());
    await expect.poll(() => again().catch(() => null), { timeout: 20_000 }).toEqual({ cents: 1n });
  });

  it('leaves no process behind when it is stopped', async () => {
    await restored('one');
    const { hostPid } = await info('one');
    await operator.stop({ domain: 'one' });
    const isAlive = () => {
      try {
        return process.kill(hostPid, 0);
      } catch {
        return false;
      }
    };
    await expect.poll(isAlive).toBe(false);
  });
});
