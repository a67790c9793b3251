import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mulberry32 } from '../mulberry32.js';
import { type AnyStub, asDelegable, type Client, ledgerGraph, only, Running, testDomain } from './running.js';

const ACCOUNT = ledgerGraph.interface('Account');
const LEDGER = ledgerGraph.interface('Ledger');
const PATIENCE = { timeout: 20_000, interval: 25 };
const IDLE = 150;
/** Calls that a domain may have in flight for all: the least that can be set. Each client has 8 beside them. */
const FOR_ALL = 16;
const FOR_EACH = 8;

interface Info {
  readonly state: string;
  readonly detail: string;
  readonly starts: number;
  readonly wakes: number;
  readonly hostPid: number;
  readonly idleMillis: bigint;
}

let running: Running;
let client: Client;
let operator: AnyStub;

const sleeper = (rest = {}) =>
  testDomain('sleeper', { powers: { storage: true }, idleMillis: IDLE, ...rest });

beforeAll(async () => {
  running = await Running.start({
    sleeper: sleeper(),
    kept: sleeper(),
    crashing: sleeper(),
    stopped: sleeper(),
    narrow: sleeper({ limits: { callsInFlight: FOR_ALL } }),
    awake: testDomain('sleeper', { powers: { storage: true } }),
    ledger: sleeper(),
    racing: sleeper({ idleMillis: 100 }),
    holder: testDomain('relay', {
      grants: { account: { domain: 'ledger', object: 'lent', interface: 'Account', methods: 'all' } },
    }),
  });
  client = await running.connect();
  operator = await running.operator();
});
afterAll(() => running.stop());

async function info(name: string): Promise<Info> {
  const { domains } = await operator.domains();
  return domains.find((domain: { name: string }) => domain.name === name);
}

const asleep = (name: string) => expect.poll(async () => (await info(name)).state, PATIENCE).toBe('asleep');

/** What the domain itself has counted. Wakes it. */
async function counted(domain: string, what: string): Promise<bigint> {
  using main = await mainOf(domain);
  const { accounts } = await main.accounts();
  return accounts.find(({ name }: { name: string }) => name === what)?.balance ?? 0n;
}

async function mainOf(domain: string): Promise<AnyStub> {
  const { ref } = await operator.mint({ domain, object: '' });
  return client.restore(ref.secret, LEDGER);
}

async function restored(domain: string, object: string, by = client): Promise<AnyStub> {
  const { ref } = await operator.mint({ domain, object });
  return by.restore(ref.secret, ACCOUNT);
}

describe('a reference to a domain that does not run', () => {
  it('starts it and restores the object, once for any number of restores', async () => {
    const { ref } = await operator.mint({ domain: 'awake', object: 'many' });
    await operator.stop({ domain: 'awake' });
    const { starts } = await info('awake');
    const own = await counted('awake', 'starts');
    await operator.stop({ domain: 'awake' });
    const restores = await counted('awake', 'restore many');
    await operator.stop({ domain: 'awake' });
    const clients = await Promise.all(Array.from({ length: 4 }, () => running.connect()));
    const accounts = await Promise.all(
      Array.from({ length: 20 }, (_, i) => clients[i % 4]!.restore(ref.secret, ACCOUNT)),
    );
    for (const account of accounts) await account.deposit({ cents: 1n });
    // One instance: every deposit was made on it.
    expect(await accounts[0]!.balance()).toEqual({ cents: 20n });
    expect((await info('awake')).starts).toBe(starts + 3);
    expect(await counted('awake', 'starts')).toBe(own + 3n - 1n);
    expect(await counted('awake', 'restore many')).toBe(restores + 1n);
  });

  it('is good after a crash, too', async () => {
    const { ref } = await operator.mint({ domain: 'awake', object: 'crashed' });
    const account = await client.restore(ref.secret, ACCOUNT);
    process.kill((await info('awake')).hostPid, 'SIGKILL');
    await expect.poll(async () => (await info('awake')).state, PATIENCE).not.toBe('running');
    await expect(account.balance()).rejects.toMatchObject({ type: 'disconnected' });
    const again = await Promise.all(Array.from({ length: 5 }, () => client.restore(ref.secret, ACCOUNT)));
    await Promise.all(again.map((each) => each.deposit({ cents: 1n })));
    expect(await again[0]!.balance()).toEqual({ cents: 5n });
    await expect(account.balance()).rejects.toMatchObject({ type: 'disconnected' });
  });
});

describe('an object that is held', () => {
  it('has one instance: who restores its id gets that one, and the program is not asked again', async () => {
    const first = await restored('awake', 'held');
    await first.deposit({ cents: 1n });
    const restores = await counted('awake', 'restore held');
    const second = await restored('awake', 'held', await running.connect());
    expect(await second.balance()).toEqual({ cents: 1n });
    expect(await counted('awake', 'restore held')).toBe(restores);
  });

  it('has one instance though its last holder lets it go while others restore it', async () => {
    const { ref } = await operator.mint({ domain: 'awake', object: 'fleeting' });
    const other = await running.connect();
    for (let i = 0; i < 20; i++) {
      const held = await client.restore(ref.secret, ACCOUNT);
      held[Symbol.dispose]();
      const all = await Promise.all([
        client.restore(ref.secret, ACCOUNT),
        other.restore(ref.secret, ACCOUNT),
        client.restore(ref.secret, ACCOUNT),
      ]);
      const before = (await all[0]!.balance()).cents;
      for (const each of all) await each.deposit({ cents: 1n });
      for (const each of all) expect(await each.balance()).toEqual({ cents: before + 3n });
      for (const each of all) each[Symbol.dispose]();
    }
  });
});

describe('a domain that is idle', () => {
  it('sleeps, and what is held of its persistent objects wakes it, once, in the order of the calls', async () => {
    const main = await mainOf('sleeper');
    const { account } = await main.open({ name: 'ordered' });
    await account.deposit({ cents: 1n, memo: 'in an earlier life' });
    await asleep('sleeper');
    expect(await info('sleeper')).toMatchObject({ hostPid: 0, detail: 'it was idle', idleMillis: 0n });
    const before = await info('sleeper');
    const memos = Array.from({ length: 12 }, (_, i) => `${i}`);
    const numbers = await Promise.all(
      memos.map(async (memo) => (await account.deposit({ cents: 1n, memo })).entry.number),
    );
    expect(numbers).toEqual(memos.map((_, i) => i + 1));
    const { entries } = await account.statement({});
    expect(entries.map(({ memo }: { memo: string }) => memo)).toEqual(memos);
    const after = await info('sleeper');
    expect(after).toMatchObject({ state: 'running', starts: before.starts + 1, wakes: before.wakes + 1 });
    expect(await counted('sleeper', 'restore ordered')).toBe(1n);
  });

  it('sleeps and wakes again and again, and the same capabilities stay good, with what is pipelined on them', async () => {
    const main = await mainOf('sleeper');
    const account = await restored('sleeper', 'again');
    const { wakes } = await info('sleeper');
    for (let i = 1; i <= 3; i++) {
      await asleep('sleeper');
      const [{ entry }, opened] = await Promise.all([
        account.deposit({ cents: 1n, memo: `${i}` }),
        main.open({ name: 'again' }).account.balance(),
      ]);
      expect(entry).toMatchObject({ number: 1, memo: `${i}` });
      expect(opened).toEqual({ cents: 0n });
      expect((await info('sleeper')).wakes).toBe(wakes + i);
    }
  });

  it('is woken by a restore as well, which gives the same instance', async () => {
    const account = await restored('sleeper', 'both');
    const { ref } = await operator.mint({ domain: 'sleeper', object: 'both' });
    await asleep('sleeper');
    const [, again] = await Promise.all([
      account.deposit({ cents: 1n }),
      client.restore(ref.secret, ACCOUNT),
    ]);
    await again.deposit({ cents: 1n });
    expect(await account.balance()).toEqual({ cents: 2n });
  });

  it('is named and saved without being woken, and knows its own when that comes home', async () => {
    const main = await mainOf('sleeper');
    const { account: from } = await main.open({ name: 'from' });
    const { account: to } = await main.open({ name: 'to' });
    await asleep('sleeper');
    const { wakes } = await info('sleeper');
    const saved = await asDelegable(from).save({});
    const { cap } = await asDelegable(from).attenuate({ policy: only('Account.balance'), label: 'less' });
    expect(await info('sleeper')).toMatchObject({ state: 'asleep', wakes });
    const { entry } = await main.transfer({ from, to });
    expect(entry.memo).toBe('from to to');
    await expect(main.transfer({ from: cap, to })).rejects.toThrow('from does not allow it');
    const again = await client.restore(saved.sturdyRef.secret, ACCOUNT);
    expect(await again.balance()).toEqual({ cents: 0n });
  });

  it('stays under the grant when it is woken', async () => {
    const account = await restored('sleeper', 'narrowed');
    const { cap } = await asDelegable(account).attenuate({ policy: only('Account.balance'), label: 'less' });
    const narrow = (cap as AnyStub).as<AnyStub>(ACCOUNT);
    await asleep('sleeper');
    const { wakes } = await info('sleeper');
    await expect(narrow.deposit({ cents: 1n })).rejects.toThrow('the grant does not allow Account.deposit');
    expect(await info('sleeper')).toMatchObject({ state: 'asleep', wakes });
    expect(await narrow.balance()).toEqual({ cents: 0n });
    await expect(narrow.deposit({ cents: 1n })).rejects.toThrow('the grant does not allow Account.deposit');
    await asleep('sleeper');
    await expect(narrow.deposit({ cents: 1n })).rejects.toThrow('the grant does not allow Account.deposit');
  });

  it('is not woken by a call on a grant that was revoked while it slept', async () => {
    const account = await restored('sleeper', 'revoked');
    const { cap, grant } = await asDelegable(account).attenuate({ label: 'doomed' });
    const doomed = (cap as AnyStub).as<AnyStub>(ACCOUNT);
    await asleep('sleeper');
    const { wakes } = await info('sleeper');
    expect(await grant.revoke()).toMatchObject({ revoked: 1, cut: 0, ended: false });
    await expect(doomed.balance()).rejects.toThrow('the grant was revoked');
    expect(await info('sleeper')).toMatchObject({ state: 'asleep', wakes });
    // One that is revoked while the domain wakes for it does not arrive either.
    const second = await asDelegable(account).attenuate({ label: 'doomed, too' });
    const waking = (second.cap as AnyStub).as<AnyStub>(ACCOUNT).deposit({ cents: 1n });
    const failed = expect(waking).rejects.toThrow('the grant was revoked');
    await second.grant.revoke();
    await failed;
    expect(await account.balance()).toEqual({ cents: 0n });
  });

  it('queues the calls that wake it as calls in flight: each client has its share, and more are overloaded', async () => {
    const [greedy, modest] = [await running.connect(), await running.connect()];
    const account = await restored('narrow', 'greedy', greedy);
    const other = await restored('narrow', 'modest', modest);
    await asleep('narrow');
    const calls = Array.from({ length: FOR_ALL + FOR_EACH + 3 }, () => account.deposit({ cents: 1n }));
    const theirs = Array.from({ length: FOR_EACH }, () => other.deposit({ cents: 1n }));
    const results = await Promise.allSettled(calls);
    expect(results.map(({ status }) => status)).toEqual([
      ...Array(FOR_ALL + FOR_EACH).fill('fulfilled'),
      ...Array(3).fill('rejected'),
    ]);
    expect(results.at(-1)).toMatchObject({
      reason: { type: 'overloaded', message: expect.stringContaining('limits.callsInFlight') },
    });
    await Promise.all(theirs);
    expect(await account.balance()).toEqual({ cents: BigInt(FOR_ALL + FOR_EACH) });
  });

  it('tells whoever woke it why it cannot give the object any more, and is asked again by the next call', async () => {
    const main = await mainOf('sleeper');
    const { account } = await main.open({ name: 'nobody' });
    await asleep('sleeper');
    const failures = await Promise.allSettled([account.balance(), account.balance()]);
    for (const failure of failures) {
      expect(failure).toMatchObject({ reason: { type: 'failed', message: 'nobody is nobody' } });
    }
    const restores = await counted('sleeper', 'restore nobody');
    await expect(account.balance()).rejects.toThrow('nobody is nobody');
    expect(await counted('sleeper', 'restore nobody')).toBe(restores + 1n);
  });

  it('loses no call that comes just when it falls asleep, and no order', async () => {
    const accounts = await Promise.all(['p', 'q', 'r'].map((name) => restored('racing', name)));
    const { wakes } = await info('racing');
    const random = mulberry32(20_250_706);
    const until = Date.now() + 4000;
    await Promise.all(
      accounts.map(async (account) => {
        let last = 0;
        while (Date.now() < until) {
          const burst = Array.from({ length: 1 + (random() % 3) }, () => account.deposit({ cents: 1n }));
          for (const { entry } of await Promise.all(burst)) {
            // One life is behind the other: numbers go on, or begin anew.
            expect([1, last + 1]).toContain(entry.number);
            last = entry.number;
          }
          await new Promise((resolve) => setTimeout(resolve, random() % 320));
        }
      }),
    );
    expect((await info('racing')).wakes).toBeGreaterThan(wakes);
  });

  it('is woken by the domains that were granted its objects', async () => {
    const relay = await mainOf('holder');
    const posted = async () => (await relay.open({ name: 'x' })).isNew;
    expect(await posted()).toBe(true);
    await asleep('ledger');
    expect(await posted()).toBe(true);
    expect(await info('ledger')).toMatchObject({ wakes: 1 });
  });
});

describe('a domain is kept awake', () => {
  const staysAwake = async (why: string) => {
    await expect
      .poll(async () => info('kept'), PATIENCE)
      .toMatchObject({ state: 'running', detail: `it could sleep, but ${why}` });
  };

  it('by a call that is under way, and sleeps when that is cancelled', async () => {
    const account = await restored('kept', 'call');
    const given = new AbortController();
    const waiting = account.next({ after: 0 }, { signal: given.signal });
    waiting.catch(() => {});
    await staysAwake('a call is under way');
    given.abort();
    await asleep('kept');
  });

  it('by an object without an id that somebody holds, and sleeps when that is let go', async () => {
    const account = await restored('kept', 'object');
    const { watch } = await account.watch({ watcher: null });
    await staysAwake('somebody holds an object without an id');
    expect(await watch.stop()).toEqual({});
    watch[Symbol.dispose]();
    await asleep('kept');
  });

  it('by what was passed to it, until that is gone', async () => {
    const leaving = await running.connect();
    const account = await restored('kept', 'callback', leaving);
    const { watch } = await account.watch({ watcher: { booked() {} } });
    watch[Symbol.dispose]();
    await staysAwake('it holds what was passed to it');
    leaving.session.close();
    await asleep('kept');
  });

  it('by an object of its own that came home to it', async () => {
    const account = await restored('kept', 'home');
    const { watch } = await account.watch({ watcher: account.as(ledgerGraph.interface('Watcher')) });
    await watch.stop();
    const { watch: second } = await account.watch({ watcher: account.as(ledgerGraph.interface('Watcher')) });
    second[Symbol.dispose]();
    watch[Symbol.dispose]();
    await staysAwake('it holds what was passed to it');
    const { watch: again } = await account.watch({ watcher: null });
    await again.stop();
    again[Symbol.dispose]();
    await asleep('kept');
  });

  it('by nothing but a policy that says nothing of sleep', async () => {
    await mainOf('awake');
    await new Promise((resolve) => setTimeout(resolve, 4 * IDLE));
    expect(await info('awake')).toMatchObject({ state: 'running', idleMillis: 0n, wakes: 0 });
  });
});

describe('a live capability', () => {
  it('that was woken breaks when the domain crashes, and stays so, as any other', async () => {
    const { ref } = await operator.mint({ domain: 'crashing', object: 'woken' });
    const account = await client.restore(ref.secret, ACCOUNT);
    await asleep('crashing');
    await account.deposit({ cents: 1n });
    process.kill((await info('crashing')).hostPid, 'SIGKILL');
    await expect.poll(async () => (await info('crashing')).state, PATIENCE).not.toBe('running');
    await expect(account.balance()).rejects.toMatchObject({ type: 'disconnected' });
    const again = await client.restore(ref.secret, ACCOUNT);
    expect(await again.balance()).toEqual({ cents: 0n });
    await expect(account.balance()).rejects.toMatchObject({ type: 'disconnected' });
    // Another sleep does not mend it, and what was restored in the meantime does not share its fate.
    await asleep('crashing');
    await expect(account.balance()).rejects.toMatchObject({ type: 'disconnected' });
    expect(await info('crashing')).toMatchObject({ state: 'asleep' });
    expect(await again.balance()).toEqual({ cents: 0n });
    await expect(account.balance()).rejects.toMatchObject({ type: 'disconnected' });
  });

  it('that sleeps breaks when the operator stops the domain', async () => {
    const { ref } = await operator.mint({ domain: 'stopped', object: 'x' });
    const account = await client.restore(ref.secret, ACCOUNT);
    await asleep('stopped');
    await operator.stop({ domain: 'stopped' });
    await expect(account.balance()).rejects.toMatchObject({
      type: 'disconnected',
      message: 'domain stopped ended: stopped by the operator',
    });
    expect(await info('stopped')).toMatchObject({ state: 'stopped' });
    const again = await client.restore(ref.secret, ACCOUNT);
    expect(await again.balance()).toEqual({ cents: 0n });
  });
});
