import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AnyStub,
  asDelegable,
  type Client,
  LEDGER_DOMAIN,
  ledgerGraph,
  Running,
  testDomain,
} from './running.js';

const ACCOUNT = ledgerGraph.interface('Account');
const LEDGER = ledgerGraph.interface('Ledger');

/** There is none. */
const BROKEN = join(import.meta.dirname, 'domains/no-such-module.ts');

let running: Running;
let client: Client;
let operator: AnyStub;

beforeAll(async () => {
  running = await Running.start({
    counter: testDomain('counter', { limits: { turnMillis: 1000, heapMiB: 64 } }),
    neighbour: testDomain('counter'),
    throws: testDomain('throws'),
    broken: testDomain('counter', { module: BROKEN }),
    names: testDomain('names'),
    granted: {
      ...LEDGER_DOMAIN,
      trusted: false,
      grants: {
        other: { domain: 'counter', object: 'granted', interface: 'Account', methods: ['Account.balance'] },
      },
    },
  });
  client = await running.connect();
  operator = await running.operator();
});

afterAll(() => running.stop());

async function info(
  name: string,
): Promise<{ state: string; detail: string; starts: number; hostPid: number }> {
  const { domains } = await operator.domains();
  return domains.find((domain: { name: string }) => domain.name === name);
}

async function restored(domain: string, object: string): Promise<{ account: AnyStub; secret: Uint8Array }> {
  const { ref } = await operator.mint({ domain, object, label: `${domain} ${object}` });
  return { account: await client.restore(ref.secret, ACCOUNT), secret: ref.secret };
}

describe('a domain', () => {
  it('is started when one of its objects is restored, once for any number of restores', async () => {
    const { secret } = await restored('neighbour', 'a');
    await operator.stop({ domain: 'neighbour' });
    expect(await info('neighbour')).toMatchObject({ state: 'stopped', hostPid: 0 });
    const { starts } = await info('neighbour');
    const accounts = await Promise.all(Array.from({ length: 20 }, () => client.restore(secret, ACCOUNT)));
    expect(await info('neighbour')).toMatchObject({ state: 'running', starts: starts + 1 });
    await Promise.all(accounts.map((account) => account.balance()));
    // One live instance for one object id.
    expect(await accounts[0]!.balance()).toEqual({ cents: 21n });
  });

  it('that throws while it starts is named, with its message and how often it was tried', async () => {
    const error = await operator.mint({ domain: 'throws', object: '' }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ type: 'disconnected' });
    expect(error.message).toContain('throws');
    expect(error.message).toContain('the vault is jammed');
    const again = await operator.start({ domain: 'throws' }).catch((thrown: unknown) => thrown);
    expect(again.message).toMatch(/the vault is jammed.*tried 1 time/);
    expect(await info('throws')).toMatchObject({ state: 'failed', starts: 1 });
  });

  it('whose module is no good is named at once, and only the operator is told where the module is', async () => {
    const first = await operator.mint({ domain: 'broken', object: '' }).catch((thrown: unknown) => thrown);
    expect(first).toMatchObject({
      type: 'disconnected',
      message: "domain broken cannot be started: its program cannot be made; the broker's log says why",
    });
    const again = await operator.start({ domain: 'broken' }).catch((thrown: unknown) => thrown);
    expect(again.message).toMatch(/its program cannot be made; .*; tried 1 times, again in \d+ ms$/);
    expect((await info('broken')).detail).toContain(BROKEN);
  });

  it('whose object is not known says so, by its own message', async () => {
    await expect(operator.mint({ domain: 'counter', object: 'nobody' })).rejects.toThrow('nobody is nobody');
  });

  it('that loops for ever is ended; its live capabilities break, its references stay good, its neighbours do not notice', async () => {
    const { account, secret } = await restored('counter', 'looping');
    const { account: neighbour } = await restored('neighbour', 'steady');
    const before = await info('neighbour');
    const waiting = account.deposit({ cents: 1n }).catch((error: unknown) => error);
    const looping = account.withdraw({ cents: 1n }).catch((error: unknown) => error);
    expect(await looping).toMatchObject({ type: 'disconnected' });
    expect(await waiting).toMatchObject({ type: 'disconnected' });
    await expect(account.balance()).rejects.toMatchObject({ type: 'disconnected' });
    await neighbour.balance();
    expect((await info('neighbour')).starts).toBe(before.starts);
    await expect.poll(async () => (await info('counter')).detail).toMatch(/turn/);
    await expect
      .poll(
        () =>
          client.restore(secret, ACCOUNT).then(
            (again) => again.balance(),
            () => null,
          ),
        { timeout: 10_000 },
      )
      .toEqual({ cents: 1n });
  });

  it('whose host is killed is reached again through the same reference', async () => {
    const { account, secret } = await restored('neighbour', 'killed');
    await account.balance();
    const { hostPid } = await info('neighbour');
    process.kill(hostPid, 'SIGKILL');
    await expect.poll(async () => (await info('neighbour')).hostPid).not.toBe(hostPid);
    await expect(account.balance()).rejects.toMatchObject({
      type: 'disconnected',
      message: expect.stringContaining('domain neighbour '),
    });
    await expect
      .poll(
        () =>
          client.restore(secret, ACCOUNT).then(
            (again) => again.balance(),
            () => null,
          ),
        { timeout: 10_000 },
      )
      .toEqual({ cents: 1n });
  });

  it('has its objects saved under the very id that it gave them', async () => {
    const { ref } = await operator.mint({ domain: 'names', object: '' });
    const ledger = await client.restore(ref.secret, LEDGER);
    // A byte order mark, which many a decoder drops.
    const { account } = await ledger.find({ name: '\uFEFFadmin' });
    const saved = await asDelegable(account).save({});
    const again = await client.restore(saved.sturdyRef.secret, ACCOUNT);
    expect(await again.balance()).toEqual({ cents: 6n });
  });

  it('that throws in a method tells the caller the message and nothing else', async () => {
    const { account } = await restored('neighbour', 'throwing');
    await expect(account.statement({})).rejects.toMatchObject({
      type: 'failed',
      message: 'there is no statement here',
    });
  });

  it('of its own runs in a host of its own, and trusted ones share one', async () => {
    await operator.start({ domain: 'neighbour' });
    await operator.start({ domain: 'granted' });
    expect((await info('neighbour')).hostPid).not.toBe((await info('granted')).hostPid);
  });

  it('holds what the configuration grants it, as a grant that can be listed and revoked', async () => {
    const { grants } = await operator.grants({});
    await operator.start({ domain: 'granted' });
    const after = (await operator.grants({})).grants as {
      label: string;
      owner: object;
      policy: object;
      id: string;
    }[];
    expect(after.length).toBeGreaterThanOrEqual(grants.length);
    const configured = after.find(({ label }) => label === 'configured: granted.other');
    expect(configured).toMatchObject({ owner: { domain: expect.any(String) } });
    const { grant } = await operator.grant({ id: configured!.id });
    expect(await grant.revoke()).toMatchObject({ revoked: 1 });
  });
});

describe('a broker that is stopped and started again', () => {
  it('knows its references, its revocations and its domains', async () => {
    const first = await Running.start({ ledger: LEDGER_DOMAIN });
    const op = await first.operator();
    const kept = await op.mint({ domain: 'ledger', object: '', label: 'kept' });
    const dead = await op.mint({ domain: 'ledger', object: '', label: 'dead' });
    await dead.grant.revoke();
    const one = await first.connect();
    const ledger = await one.restore(kept.ref.secret, LEDGER);
    const { account } = await ledger.open({ name: 'alice' });
    await account.deposit({ cents: 77n });
    await first.stop({ keep: true });

    const second = await Running.start({ ledger: LEDGER_DOMAIN }, first.folder);
    try {
      const two = await second.connect();
      const again = await two.restore(kept.ref.secret, LEDGER);
      expect(await again.find({ name: 'alice' }).account.balance()).toEqual({ cents: 77n });
      await expect(two.gate.restore({ ref: dead.ref })).rejects.toThrow('no such reference');
      // The operator's reference is the same file, and good.
      expect((await (await second.operator()).domains()).domains).toHaveLength(1);
    } finally {
      await second.stop();
    }
  });
});
