/** Policies that constrain and count, in a whole broker with a real domain behind it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writtenConstraint } from '../../../broker/policy/constraint.js';
import { constraintToWire } from '../../../broker/policy/constraint-wire.js';
import {
  type AnyStub,
  asDelegable,
  type Client,
  type Domains,
  LEDGER_DOMAIN,
  ledgerGraph,
  only,
  Running,
  testDomain,
} from '../running.js';

const LEDGER = ledgerGraph.interface('Ledger');
const ACCOUNT = ledgerGraph.interface('Account');

let folder: string;
let running: Running;
let client: Client;
let operator: AnyStub;
let ledger: AnyStub;

async function start(domains?: Domains): Promise<void> {
  running = await Running.start(domains, folder);
  client = await running.connect();
  operator = await running.operator();
  const { ref } = await operator.mint({ domain: 'ledger', object: '' });
  ledger = await client.restore(ref.secret, LEDGER);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-policy-'));
  await start();
});
afterAll(async () => {
  await running.stop({ keep: true });
  await rm(folder, { recursive: true, force: true });
});

const where = (...texts: string[]) => ({
  constraints: texts.map((text) => constraintToWire(writtenConstraint(text, ledgerGraph))),
});

async function account(name: string, cents: bigint): Promise<AnyStub> {
  const { account: opened } = await ledger.open({ name });
  await opened.deposit({ cents });
  return opened;
}

async function attenuated(object: AnyStub, policy: object, type = ACCOUNT): Promise<AnyStub> {
  const { ref } = await asDelegable(object).attenuate({ policy });
  return client.restore(ref.secret, type);
}

describe('a grant with constraints', () => {
  it('lets a call pass where all of its own and of those above it hold', async () => {
    const alice = await account('alice', 10_000n);
    const small = await attenuated(
      alice,
      where('Account.withdraw.cents<=100', 'Account.withdraw.memo prefix shop/'),
    );
    const smaller = await attenuated(small, where('Account.withdraw.cents<=50'));
    expect((await small.withdraw({ cents: 100n, memo: 'shop/1' })).entry.balance).toBe(9900n);
    await expect(small.withdraw({ cents: 101n, memo: 'shop/1' })).rejects.toMatchObject({
      type: 'failed',
      message: 'the grant allows Account.withdraw only where withdraw.cents <= 100',
    });
    await expect(small.withdraw({ cents: 1n, memo: 'bar' })).rejects.toThrow(
      'only where withdraw.memo prefix "shop/"',
    );
    expect((await smaller.withdraw({ cents: 50n, memo: 'shop/2' })).entry.balance).toBe(9850n);
    await expect(smaller.withdraw({ cents: 51n, memo: 'shop/2' })).rejects.toThrow('withdraw.cents <= 50');
    await expect(smaller.withdraw({ cents: 50n })).rejects.toThrow('prefix "shop/"');
    // Of what nothing was said nothing is asked.
    expect((await smaller.deposit({ cents: 1000n })).entry.balance).toBe(10_850n);
  });

  it('binds what comes out of it, and says so where it is described', async () => {
    await account('bob', 500n);
    const counter = await attenuated(
      ledger,
      where('Account.withdraw.cents<10', 'Ledger.open.name in [bob]'),
      LEDGER,
    );
    const { account: bob } = await counter.open({ name: 'bob' });
    await expect(counter.open({ name: 'alice' })).rejects.toThrow('open.name in ["bob"]');
    await expect(bob.withdraw({ cents: 10n })).rejects.toThrow('withdraw.cents < 10');
    const below = await attenuated(bob, { maxCalls: 7n, ...where('Account.withdraw.cents<5') });
    const { policy } = await asDelegable(below).describe({});
    expect(policy.constraints).toEqual(
      where('Account.withdraw.cents<10', 'Ledger.open.name in [bob]', 'Account.withdraw.cents<5').constraints,
    );
    expect(policy.maxCalls).toBe(7n);
  });

  it('does not become more than it is when it comes home', async () => {
    const from = await account('home', 500n);
    const to = await account('other', 1n);
    const small = await attenuated(from, where('Account.withdraw.cents<=100'));
    const few = await attenuated(from, { maxCalls: 1000n });
    for (const narrowed of [small, few]) {
      await expect(ledger.transfer({ from: narrowed, to, cents: 500n })).rejects.toThrow(
        'from does not allow Account.withdraw',
      );
    }
    // What is not constrained is allowed.
    expect((await ledger.transfer({ from: to, to: small, cents: 1n })).entry.balance).toBe(0n);
  });

  it('is refused by name where the schema does not have what it speaks of', async () => {
    const [good] = where('Account.withdraw.cents<=100').constraints;
    for (const [change, reason] of [
      [
        { method: 'withdrew' },
        'policy.constraints[0]: Account has no method "withdrew"; it has balance, deposit',
      ],
      [
        { field: ['cent'] },
        'policy.constraints[0]: Account.withdraw has no field "cent"; it has cents, memo',
      ],
      [
        { operator: 'prefix' },
        'policy.constraints[0]: Account.withdraw.cents, an Int64, is not compared by prefix',
      ],
      [{ values: [{ text: '100' }] }, 'is compared with an integer, not a text'],
    ] as const) {
      const policy = { constraints: [{ ...good!, ...change }] };
      await expect(asDelegable(ledger).attenuate({ policy })).rejects.toThrow(reason);
      await expect(operator.mint({ domain: 'ledger', policy })).rejects.toThrow(reason);
    }
  });
});

describe('a grant with counts', () => {
  it('counts for all who hold it or something below it, across restarts, and not what the broker answers', async () => {
    const alice = await account('counted', 100n);
    const { ref } = await asDelegable(alice).attenuate({ policy: { maxCalls: 5n } });
    const one = await (await running.connect()).restore(ref.secret, ACCOUNT);
    const other = await (await running.connect()).restore(ref.secret, ACCOUNT);
    const child = await attenuated(one, only('Account.balance'));
    for (const each of [one, other, child]) {
      expect(await each.balance()).toEqual({ cents: 100n });
      await asDelegable(each).describe({});
      await asDelegable(each).save({});
    }
    await running.stop({ keep: true });
    await start();
    const again = await client.restore(ref.secret, ACCOUNT);
    expect(await Promise.all([again.balance(), again.balance()])).toHaveLength(2);
    await expect(again.balance()).rejects.toMatchObject({
      type: 'failed',
      message: expect.stringMatching(/^the grant's 5 calls are used up \([0-9a-z]{26}\)$/),
    });
  });

  it('counts bytes of params and of results', async () => {
    const alice = await account('bytes', 100n);
    const small = await attenuated(alice, { maxBytes: 2000n });
    expect(await small.balance()).toEqual({ cents: 100n });
    await expect(small.deposit({ cents: 1n, attachment: new Uint8Array(3000) })).rejects.toThrow(
      "the grant's 2000 bytes are used up",
    );
    expect(await small.balance()).toEqual({ cents: 100n });
    await expect(Promise.all(Array.from({ length: 60 }, () => small.balance()))).rejects.toThrow(
      '2000 bytes are used up',
    );
  });

  it('is as fast as its rate', async () => {
    const alice = await account('rate', 100n);
    const slow = await attenuated(alice, { rates: [{ calls: 1, perMillis: 3_600_000, burst: 3 }] });
    const all = await Promise.allSettled(Array.from({ length: 5 }, () => slow.balance()));
    expect(all.map(({ status }) => status)).toEqual([...Array(3).fill('fulfilled'), 'rejected', 'rejected']);
    expect(all[4]).toMatchObject({ reason: { type: 'overloaded' } });
  });

  it('lets calls arrive in the order in which they were made, also before the object is there', async () => {
    const { ref } = await asDelegable(await account('order', 1n)).attenuate({ policy: { maxCalls: 50n } });
    const fresh = await running.connect();
    using object = fresh.gate.restore({ ref }).cap.as(ACCOUNT) as AnyStub;
    const made = Array.from({ length: 30 }, (_, i) => object.deposit({ cents: 1n, memo: `${i}` }));
    const entries = (await Promise.all(made)).map(({ entry }) => entry);
    expect(entries.map(({ memo }) => memo)).toEqual(made.map((_, i) => `${i}`));
    const numbers = entries.map(({ number }) => number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });
});

describe('a configured grant', () => {
  it('can be constrained and counted, is the same after a restart, and another where that changes', {
    timeout: 90_000,
  }, async () => {
    await running.stop({ keep: true });
    const schema = testDomain('counter')!.schema;
    const configured = (more: object): Domains => ({
      ledger: LEDGER_DOMAIN,
      user: testDomain('counter', {
        schema,
        grants: {
          account: { domain: 'ledger', object: 'alice', interface: 'Account', methods: 'all', ...more },
        },
      }),
    });
    const seen = async (): Promise<string[]> => {
      await operator.start({ domain: 'user' });
      const { grants } = await operator.grants({});
      return grants
        .filter(({ label }: { label: string }) => label === 'configured: user.account')
        .map(
          ({ state, policy }: AnyStub) => `${state} ${policy['maxCalls']} ${policy['constraints'].length}`,
        );
    };
    const bounds = { where: ['Account.withdraw.cents<=100'], maxCalls: 9, maxBytes: '1MiB', rate: '10/s' };
    for (let i = 0; i < 2; i++) {
      await start(configured(bounds));
      expect(await seen()).toEqual(['live 9 1']);
      await running.stop({ keep: true });
    }
    await start(configured({ ...bounds, maxCalls: 10 }));
    expect(await seen()).toEqual(['revoked 9 1', 'live 10 1']);
    await running.stop({ keep: true });
    await start(configured({ where: ['Account.withdraw.cent<=100'] }));
    await expect(seen()).rejects.toThrow('domain user');
    const { domains } = await operator.domains({});
    expect(domains.find(({ name }: { name: string }) => name === 'user').detail).toContain(
      'domains.user.grants.account.where[0]: Account.withdraw has no field "cent"; it has cents',
    );
  });
});
