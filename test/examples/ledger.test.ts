import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BrokerSession, connect, type Delegable, type Operator, SturdyRef } from '../../client/index.js';
import { OwnBroker } from '../../examples/ledger/own-broker.js';
import { exampleSchema } from '../../examples/ledger/place.js';
import type { Entry } from '../../examples/ledger/record.js';
import type { Account, Ledger } from '../../examples/ledger/stubs.js';
import { sturdySchema } from '../../schema/index.js';

const types = exampleSchema();
const ACCOUNT = types.interface('Account');

let broker: OwnBroker;
let ledgerRef: SturdyRef;
let session: BrokerSession;
let ledger: Ledger;
let opened = 0;

beforeAll(async () => {
  broker = await OwnBroker.create();
  await broker.start();
  const operatorRef = await broker.operatorRef();
  session = await connect(operatorRef);
  const operator = session.restore<Operator>(operatorRef, sturdySchema().interface('Operator'));
  const { ref } = await operator.mint({ domain: 'ledger', object: '', label: 'test' });
  ledgerRef = SturdyRef.of(ref.secret, operatorRef.address);
  ledger = session.restore<Ledger>(ledgerRef, types.interface('Ledger'));
}, 60_000);

afterAll(async () => {
  session?.close();
  await broker?.remove();
});

/** A new account with this much in it, and its name. */
async function open(cents = 0n): Promise<{ account: Account; name: string }> {
  opened += 1;
  const name = `account-${opened}`;
  const { account } = await ledger.open({ name });
  if (cents > 0n) await account.deposit({ cents });
  return { account, name };
}

const balanceOf = async (account: Account): Promise<bigint> => (await account.balance({})).cents;

describe('the books', () => {
  test('pay only one of two transfers that are after the same money', async () => {
    const [{ account: from }, { account: to }] = [await open(100n), await open()];
    const outcomes = await Promise.allSettled(
      [60n, 60n, 60n].map((cents) => ledger.transfer({ from, to, cents })),
    );
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect([await balanceOf(from), await balanceOf(to)]).toEqual([40n, 60n]);
  });

  test('book a reference once, and give the earlier entry after a kill -9 too', async () => {
    const { account, name } = await open();
    const first = await account.deposit({ cents: 500n, reference: 'salary-1' });
    await broker.kill();
    session.close();
    await broker.start();
    session = await connect(ledgerRef);
    ledger = session.restore<Ledger>(ledgerRef, types.interface('Ledger'));
    const again = ledger.find({ name }).account;
    expect((await again.deposit({ cents: 500n, reference: 'salary-1' })).entry).toEqual(first.entry);
    expect(await balanceOf(again)).toBe(500n);
    await expect(again.deposit({ cents: 501n, reference: 'salary-1' })).rejects.toThrow('something else');
  });

  test('never hold more than an Int64 does', async () => {
    const { account } = await open(2n ** 63n - 2n);
    await account.deposit({ cents: 1n });
    await expect(account.deposit({ cents: 1n })).rejects.toThrow('cannot hold 0.01 more');
    expect(await balanceOf(account)).toBe(2n ** 63n - 1n);
  });

  test('give pages that join without a gap', async () => {
    const { account } = await open();
    for (let cents = 1n; cents <= 7n; cents += 1n) await account.deposit({ cents });
    const newest = await account.statement({ page: { limit: 3 } });
    expect(newest.entries.map(({ number }) => number)).toEqual([5, 6, 7]);
    const before = await account.statement({ page: { before: 5, limit: 3 } });
    expect(before.entries.map(({ number }) => number)).toEqual([2, 3, 4]);
    expect(before.closing).toBe(newest.opening);
    const after = await account.statement({ page: { after: 7, limit: 3 } });
    expect([after.entries, after.opening, after.closing]).toEqual([[], 28n, 28n]);
  });
});

describe('hostile params', () => {
  test.each([
    ['an amount of nothing', { cents: 0n }, 'must be greater than 0'],
    ['a negative amount', { cents: -(2n ** 63n) }, 'must be greater than 0'],
    ['a memo that is too long', { cents: 1n, memo: 'x'.repeat(201) }, 'more than 200 characters'],
    ['a memo that draws on the terminal', { cents: 1n, memo: '\x1b[2J' }, 'control characters'],
    ['an attachment that is too big', { cents: 1n, attachment: new Uint8Array(4097) }, 'at most 4096'],
    ['a reference that climbs', { cents: 1n, reference: '../../account/bob' }, 'at most 64 of'],
  ])('are refused, and nothing is booked: %s', async (_what, posting, why) => {
    const { account } = await open();
    await expect(account.deposit(posting)).rejects.toThrow(why);
    expect((await account.statement({ page: { limit: 1 } })).entries).toEqual([]);
  });

  test.each(['', '__proto__', 'constructor/', '../ledger', 'a'.repeat(64), 'Alice', '-a', 'ä'])(
    'are refused: an account of the name %j',
    async (name) => {
      await expect(ledger.open({ name })).rejects.toThrow("1 to 63 of a-z, 0-9 and '-'");
      await expect(ledger.find({ name })).rejects.toThrow("1 to 63 of a-z, 0-9 and '-'");
    },
  );

  test('an account of the name constructor is like any other', async () => {
    const { account } = await ledger.open({ name: 'constructor' });
    await account.deposit({ cents: 5n });
    expect(await balanceOf(ledger.find({ name: 'constructor' }).account)).toBe(5n);
  });
});

describe('a transfer', () => {
  test('is refused where `from` may only be read', async () => {
    const [{ account }, { account: to }] = [await open(100n), await open()];
    const only = [{ interface: ACCOUNT.id, methods: ['balance'] }];
    const delegable = account.as<Delegable>(sturdySchema().interface('Delegable'));
    const { cap } = await delegable.attenuate({ policy: { methods: { only } } });
    const reader = cap.as<Account>(ACCOUNT);
    await expect(ledger.transfer({ from: reader, to, cents: 1n })).rejects.toThrow(
      'from does not allow Account.withdraw',
    );
    await expect(ledger.transfer({ from: account, to: reader, cents: 1n })).rejects.toThrow(
      'to does not allow Account.deposit',
    );
    expect(await balanceOf(account)).toBe(100n);
  });

  test('is refused where `from` is no account of this ledger', async () => {
    const { account: to } = await open();
    const mine = { balance: async () => ({ cents: 10n ** 9n }), withdraw: async () => ({}) };
    const from = mine as unknown as Account;
    await expect(ledger.transfer({ from, to, cents: 1n })).rejects.toThrow('not an account of this ledger');
    await expect(ledger.transfer({ from: ledger.as<Account>(ACCOUNT), to, cents: 1n })).rejects.toThrow(
      'not an account of this ledger',
    );
    expect(await balanceOf(to)).toBe(0n);
  });

  test('from an account to itself is refused', async () => {
    const { account } = await open(10n);
    await expect(ledger.transfer({ from: account, to: account, cents: 1n })).rejects.toThrow('same account');
  });
});

describe('a watcher', () => {
  test('that never answers holds up nobody, and is let go', async () => {
    const { account } = await open();
    let calls = 0;
    const silent = {
      booked: () => {
        calls += 1;
        return new Promise<Record<never, never>>(() => {});
      },
    };
    const { watch } = await account.watch({ watcher: silent });
    for (let i = 0; i < 40; i += 1) await account.deposit({ cents: 1n });
    await watch.stop({});
    expect(calls).toBe(32);
    expect(await balanceOf(account)).toBe(40n);
  });

  test('is told of every entry in order, until its watch is let go', async () => {
    const { account } = await open();
    const told: Entry[] = [];
    const watcher = {
      booked: async ({ entry }: { entry: Entry }) => {
        told.push(entry);
        return {};
      },
    };
    const { watch } = await account.watch({ watcher });
    await Promise.all([1n, 2n, 3n, 4n, 5n].map((cents) => account.deposit({ cents })));
    await expect.poll(() => told.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5]);
    watch[Symbol.dispose]();
    await balanceOf(account);
    await account.deposit({ cents: 6n });
    expect(told).toHaveLength(5);
  });

  test('is one of at most 16', async () => {
    const { account } = await open();
    const watcher = { booked: async () => ({}) };
    for (let i = 0; i < 16; i += 1) await account.watch({ watcher });
    await expect(account.watch({ watcher })).rejects.toThrow('16 watchers, which is the limit');
  });
});
