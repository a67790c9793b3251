import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LineRate } from '../../broker/line-rate.js';
import { createLogger } from '../../broker/log.js';
import { ClockPower } from '../../broker/powers/clock.js';
import { LOG_RATE, LogPower, MAX_LOG_MESSAGE } from '../../broker/powers/log.js';
import { RandomPower } from '../../broker/powers/random.js';
import { StoragePower } from '../../broker/powers/storage.js';
import { LmdbStore } from '../../broker/store/lmdb-store.js';
import { mintSecret } from '../../broker/store/secret.js';
import { RpcError } from '../../rpc/index.js';

let folder: string;
let store: LmdbStore;
let lines: string[];
let now: number;
let power: { clock: ClockPower; random: RandomPower; log: LogPower; storage: StoragePower };

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sturdy-powers-'));
  store = await LmdbStore.open(folder);
  lines = [];
  now = 1_000_000;
  const log = createLogger({ level: 'trace' }, { write: (line) => lines.push(line) });
  const clock = () => now;
  power = {
    clock: new ClockPower(clock),
    random: new RandomPower(),
    log: new LogPower(log.child({ domain: 'guest' }), new LineRate(LOG_RATE, clock)),
    storage: new StoragePower(store, await store.domainId('guest'), { bytes: 3 << 20, entries: 2000 }),
  };
});

afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

/** What `call` fails with. */
async function failure(call: () => unknown): Promise<RpcError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

describe('the clock', () => {
  it('tells whole milliseconds', () => {
    now = 1234.9;
    expect(power.clock.now()).toEqual({ unixMillis: 1234n });
  });
});

describe('random', () => {
  it('gives as many bytes as were asked for, never the same, and not too many', async () => {
    expect(power.random.bytes({ count: 0 }).bytes).toHaveLength(0);
    expect(power.random.bytes({ count: 65536 }).bytes).toHaveLength(65536);
    expect(power.random.bytes({ count: 32 }).bytes).not.toEqual(power.random.bytes({ count: 32 }).bytes);
    expect(await failure(() => power.random.bytes({ count: 65537 }))).toMatchObject({
      type: 'failed',
      message: 'count: 65537 bytes; at most 65536 are given at a time',
    });
  });
});

describe('the log of a domain', () => {
  const last = () => JSON.parse(lines.at(-1)!) as Record<string, unknown>;

  it("goes to the broker's log under the domain's name", () => {
    power.log.write({ level: 'warn', message: 'careful' });
    expect(last()).toMatchObject({ level: 'warn', domain: 'guest', guest: true, msg: 'careful' });
  });

  it('cannot pass for a line of its own or command a terminal', () => {
    power.log.write({ level: 'info', message: 'x\n{"level":"fatal"}\u001b[2J\u202e\u0000%s %j' });
    expect(lines).toHaveLength(1);
    expect(last()['msg']).toBe('x\\n{"level":"fatal"}\\u001b[2J\\u202e\\u0000%s %j');
  });

  it('is cut at 8192 characters, and no secret is cut in half', () => {
    power.log.write({ level: 'info', message: 'y'.repeat(1 << 20) });
    expect(last()['msg']).toBe(`${'y'.repeat(MAX_LOG_MESSAGE)}…`);
    power.log.write({ level: 'info', message: 'y'.repeat(MAX_LOG_MESSAGE) });
    expect(last()['msg']).toBe('y'.repeat(MAX_LOG_MESSAGE));
    const text = Buffer.from(mintSecret()).toString('base64url');
    for (const offset of [MAX_LOG_MESSAGE, 2 * MAX_LOG_MESSAGE]) {
      power.log.write({ level: 'info', message: ' '.repeat(offset - 20) + text + ' '.repeat(99) });
      expect(lines.at(-1)).not.toContain(text.slice(0, 10));
      const many = `${text} `.repeat(offset / 45).slice(0, offset - 20) + text;
      power.log.write({ level: 'info', message: many + ' '.repeat(99) });
      expect(lines.at(-1)).not.toContain(text.slice(0, 10));
    }
  });

  it('has a rate, over which it is overloaded, and recovers', async () => {
    for (let i = 0; i < 2 * LOG_RATE; i++) power.log.write({ level: 'debug', message: String(i) });
    expect(await failure(() => power.log.write({ level: 'debug', message: 'one more' }))).toMatchObject({
      type: 'overloaded',
      code: 'ERR_LOG_RATE',
    });
    expect(lines).toHaveLength(2 * LOG_RATE);
    now -= 5000;
    expect((await failure(() => power.log.write({ level: 'debug', message: '' }))).type).toBe('overloaded');
    now += 1000;
    for (let i = 0; i < LOG_RATE; i++) power.log.write({ level: 'debug', message: String(i) });
    expect((await failure(() => power.log.write({ level: 'debug', message: '' }))).type).toBe('overloaded');
  });

  it('refuses a level that it does not know', async () => {
    expect(await failure(() => power.log.write({ level: 7, message: '' }))).toMatchObject({
      message: 'level: expected debug, info, warn, error, got 7',
    });
  });
});

describe('storage', () => {
  const put = (key: string, size = 1) => ({ key, put: new Uint8Array(size) });

  it('keeps what was written, and lists it in order', async () => {
    await power.storage.write({ changes: [put('b/2'), put('b/1', 3), put('a')] });
    await power.storage.write({ changes: [{ key: 'a', delete: null }] });
    expect(power.storage.get({ key: 'b/1' })).toEqual({ entry: { value: new Uint8Array(3) } });
    expect(power.storage.get({ key: 'a' })).toEqual({ entry: { absent: null } });
    const { entries } = power.storage.list({ prefix: 'b/', after: '', limit: 0 });
    expect(entries.map(({ key }) => key)).toEqual(['b/1', 'b/2']);
    expect(power.storage.list({ prefix: 'b/', after: 'b/1', limit: 9 }).entries).toHaveLength(1);
    expect(power.storage.list({ prefix: '', after: '', limit: 1 }).entries).toHaveLength(1);
  });

  it('lists a thousand at a time at most', async () => {
    await power.storage.write({ changes: Array.from({ length: 1500 }, (_, i) => put(`k${i}`)) });
    for (const limit of [0, 1000, 4_000_000_000]) {
      expect(power.storage.list({ prefix: '', after: '', limit }).entries).toHaveLength(1000);
    }
  });

  it.each([
    [() => power.storage.get({ key: '' }), 'key: empty; a key has 1 to 1024 bytes'],
    [() => power.storage.get({ key: 'é'.repeat(513) }), 'key: 1026 bytes of UTF-8; at most 1024 are allowed'],
    [
      () => power.storage.write({ changes: [put('a'), put('')] }),
      'changes[1].key: empty; a key has 1 to 1024 bytes',
    ],
    [
      () => power.storage.write({ changes: [put('a', (1 << 20) + 1)] }),
      'changes[0].put: 1048577 bytes; at most 1048576 are allowed',
    ],
    [
      () => power.storage.write({ changes: Array.from({ length: 4097 }, () => put('a')) }),
      'changes: 4097 of them; at most 4096 are taken at a time',
    ],
    [
      () => power.storage.write({ changes: Array.from({ length: 17 }, () => put('a', 1 << 20)) }),
      'more than 16777216 bytes of keys and values are in the call',
    ],
    [() => power.storage.write({ changes: [{ key: 'a' } as never] }), 'changes[0]: expected delete or put'],
    [
      () => power.storage.list({ prefix: 'x'.repeat(1025), after: '', limit: 1 }),
      'prefix: 1025 bytes of UTF-8; at most 1024 are allowed',
    ],
  ])('refuses what is over a limit, and says which: %#', async (call, message) => {
    expect(await failure(call)).toMatchObject({ type: 'failed', message });
    expect(power.storage.list({ prefix: '', after: '', limit: 1 }).entries).toEqual([]);
  });

  it('has a quota, over which it is overloaded', async () => {
    for (const key of ['a', 'b']) await power.storage.write({ changes: [put(key, 1 << 20)] });
    expect(await failure(() => power.storage.write({ changes: [put('c', 1 << 20)] }))).toMatchObject({
      type: 'overloaded',
      code: 'ERR_STORAGE_QUOTA',
      message: 'the storage would have 3145731 bytes; 3145728 are allowed (powers.storage.maxBytes)',
    });
  });

  it('changes what is there only if every check holds, and says which does not', async () => {
    const check = { key: 'a', absent: null } as const;
    expect(await power.storage.transact({ checks: [check], changes: [put('a'), put('b')] })).toEqual({
      committed: true,
    });
    const value = { key: 'a', value: new Uint8Array(1) } as const;
    for (const checks of [
      [check],
      [value, check],
      [{ key: 'a', value: new Uint8Array(2) }],
      [{ key: 'c', present: null }],
      [{ key: 'c', value: new Uint8Array() }],
    ] as const) {
      const changes = [{ key: 'b', delete: null }, put('a', 9)];
      expect(await power.storage.transact({ checks, changes })).toEqual({
        committed: false,
        conflict: checks.length - 1,
      });
    }
    expect(power.storage.get({ key: 'a' })).toEqual({ entry: { value: new Uint8Array(1) } });
    const checks = [value, { key: 'b', present: null }, { key: 'c', absent: null }] as const;
    expect(await power.storage.transact({ checks, changes: [{ key: 'a', delete: null }] })).toEqual({
      committed: true,
    });
    expect(power.storage.usage()).toEqual({
      bytes: 2n,
      keys: 1n,
      maxBytes: BigInt(3 << 20),
      maxKeys: 2000n,
    });
  });

  it('lets one of several that change the same value at once', async () => {
    const values = Array.from({ length: 20 }, (_, i) => new Uint8Array([i]));
    const results = await Promise.all(
      values.map((value) =>
        power.storage.transact({ checks: [{ key: 'a', absent: null }], changes: [{ key: 'a', put: value }] }),
      ),
    );
    expect(results.filter(({ committed }) => committed)).toHaveLength(1);
  });

  it('has a bound of keys, over which it is overloaded, and of checks', async () => {
    await power.storage.write({ changes: Array.from({ length: 2000 }, (_, i) => put(`k${i}`)) });
    expect(await failure(() => power.storage.write({ changes: [put('one more')] }))).toMatchObject({
      type: 'overloaded',
      message: 'the storage would have 2001 entries; 2000 are allowed (powers.storage.maxKeys)',
    });
    const checks = Array.from({ length: 4097 }, () => ({ key: 'a', absent: null }) as const);
    expect(await failure(() => power.storage.transact({ checks, changes: [] }))).toMatchObject({
      message: 'checks: 4097 of them; at most 4096 are taken at a time',
    });
  });

  it('takes only so much at once that is not yet on disk', async () => {
    const write = (key: string) =>
      power.storage.write({ changes: Array.from({ length: 15 }, (_, i) => put(key + (i % 2), 1 << 20)) });
    const results = await Promise.allSettled(['a', 'a', 'a', 'a', 'a'].map(write));
    expect(results.map(({ status }) => status)).toEqual([...Array(4).fill('fulfilled'), 'rejected']);
    expect(results[4]).toMatchObject({ reason: { type: 'overloaded', code: 'ERR_STORAGE_PENDING' } });
    await write('a');
  });

  it('says nothing of the machine when the store fails', async () => {
    await store.close();
    expect(await failure(() => power.storage.get({ key: 'a' }))).toMatchObject({
      type: 'disconnected',
      message: 'the broker stops',
    });
    expect((await failure(() => power.storage.write({ changes: [put('a')] }))).type).toBe('disconnected');
  });
});
