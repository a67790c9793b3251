/** Upgrades of domains that are in use, over real connections. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AnyStub, type Client, type Domains, ledgerGraph, Running, testDomain } from './running.js';

// Threads start and end, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const ACCOUNT = ledgerGraph.interface('Account');
const REGISTER: Domains[string] = testDomain('register', { powers: { storage: true } });
const NEXT = testDomain('register-next').module;

let folder: string;
let running: Running;
let client: Client;
let operator: AnyStub;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-upgrade-'));
  await start({ register: REGISTER });
});
afterEach(async () => {
  await running.stop({ keep: true });
  await rm(folder, { recursive: true, force: true });
});

async function start(domains: Domains): Promise<void> {
  running = await Running.start(domains, folder);
  client = await running.connect();
  operator = await running.operator();
}

async function minted(object: string, policy: object = {}): Promise<{ secret: Uint8Array; id: string }> {
  const { ref, grant } = await operator.mint({ domain: 'register', object, policy, label: object });
  return { secret: ref.secret, id: (await grant.info({})).info.id };
}

async function account(object: string, holder = client): Promise<AnyStub> {
  return holder.restore((await minted(object)).secret, ACCOUNT);
}

const upgrade = (params: object = {}) => operator.upgrade({ domain: 'register', ...params });

async function memos(of: AnyStub): Promise<{ version: string; memos: string[] }> {
  const { name, entries } = await of.statement({});
  return { version: name, memos: entries.map(({ memo }: { memo: string }) => memo) };
}

const MOST_UNDER_WAY = 200;

/** Pays in `0`, `1`, ... without waiting, some at a time, until it is told to stop: gives how many were acknowledged. */
function steady(of: AnyStub): { stop(): Promise<number> } {
  let isOver = false;
  const all: Promise<{ entry: { number: number } }>[] = [];
  let underWay = 0;
  const ended = () => void underWay--;
  const done = (async () => {
    while (!isOver) {
      // As many as one domain takes at a time are not exceeded, however slow the machine is.
      for (let i = 0; i < 3 && underWay < MOST_UNDER_WAY; i++) {
        const call = of.deposit({ cents: 1n, memo: `${all.length}` });
        underWay++;
        call.then(ended, ended);
        all.push(call);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await done;
      const entries = await Promise.all(all);
      // Each is told its own number: none was made twice, and none overtook another.
      expect(entries.map(({ entry }) => entry.number)).toEqual(entries.map((_, i) => i + 1));
      return entries.length;
    },
  };
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => `${i}`);

async function audited(): Promise<{ detail: string; domain: string }[]> {
  const { entries } = await operator.audit({ after: 0n, limit: 0 });
  return entries.filter(({ action }: { action: string }) => action === 'domain.upgrade');
}

describe('an upgrade', () => {
  it('loses no call of a steady client, makes none twice, and keeps their order', async () => {
    const [a, b] = [await account('a'), await account('b', await running.connect())];
    const clients = [steady(a), steady(b)];
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await upgrade({ module: NEXT })).toEqual({ cut: 0 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const counts = await Promise.all(clients.map((each) => each.stop()));
    for (const [i, of] of [a, b].entries()) {
      expect(await memos(of)).toEqual({ version: 'next', memos: numbers(counts[i]!) });
    }
    expect(await audited()).toMatchObject([{ domain: 'register', detail: '' }]);
  });

  it('can be made again and again, of what is held since before the first', async () => {
    const a = await account('a');
    const client = steady(a);
    for (const module of [NEXT, '', NEXT]) expect(await upgrade({ module })).toEqual({ cut: 0 });
    const count = await client.stop();
    expect(await memos(a)).toEqual({ version: 'next', memos: numbers(count) });
  });

  it('leaves references good, and what they restore to is of the new version', async () => {
    const { secret } = await minted('a');
    const held = await client.restore(secret, ACCOUNT);
    await held.deposit({ cents: 1n, memo: 'x' });
    await upgrade({ module: NEXT });
    expect(await memos(await client.restore(secret, ACCOUNT))).toEqual({ version: 'next', memos: ['x'] });
  });

  it('waits for calls under way, and cuts those that do not end in time', async () => {
    const a = await account('a');
    const hanging = a.next({});
    hanging.catch(() => {});
    expect(await upgrade({ module: NEXT, drain: 50 })).toEqual({ cut: 1 });
    await expect(hanging).rejects.toMatchObject({ type: 'disconnected' });
    expect((await memos(a)).version).toBe('next');
    expect(await audited()).toMatchObject([{ detail: '1 calls cut' }]);
  });

  it('breaks what has no id, and nothing else', async () => {
    const a = await account('a');
    const { watch } = await a.watch({ watcher: null });
    await upgrade({ module: NEXT });
    await expect((watch as AnyStub).stop({})).rejects.toMatchObject({ type: 'disconnected' });
    expect((await memos(a)).version).toBe('next');
  });

  it('of a domain that does not run starts it', async () => {
    await upgrade({ module: NEXT });
    expect((await operator.domains({})).domains).toMatchObject([
      { name: 'register', state: 'running', starts: 1 },
    ]);
  });
});

describe('an upgrade that cannot be', () => {
  /** Holds that whoever has an account goes on with the very instance that it had. */
  async function refused(params: object, why: RegExp): Promise<void> {
    const a = await account('a');
    expect(await a.balance({})).toEqual({ cents: 1n });
    const pending = upgrade(params);
    const meanwhile = [a.balance({}), a.balance({}), a.balance({})];
    await expect(pending).rejects.toThrow(why);
    expect(await Promise.all(meanwhile)).toEqual([2n, 3n, 4n].map((cents) => ({ cents })));
    expect(await a.balance({})).toEqual({ cents: 5n });
  }

  it('because the new code does not start leaves the old instance serving', async () => {
    await refused({ module: testDomain('throws').module }, /cannot be started/);
    expect(await audited()).toMatchObject([{ detail: 'not done: the start' }]);
  });

  it('because there is no such module says so, and stops nothing', async () => {
    await refused({ module: join(folder, 'nothing.ts') }, /the program of domain register cannot be made/);
  });

  it('because the schema breaks what clients rely on names it, and stops nothing', async () => {
    const bytes = await readFile(REGISTER!.schema, 'latin1');
    const schema = join(folder, 'renamed.cgr');
    await writeFile(schema, bytes.replaceAll('statement', 'statemend'), 'latin1');
    await refused({ schema }, /method Account\.statement was removed/);
    expect(await audited()).toMatchObject([{ detail: 'not done: the schema' }]);
  });

  it('because a grant names what is gone says which grant and which field', async () => {
    const where = {
      interface: ACCOUNT.id,
      method: 'deposit',
      field: ['memo'],
      measure: 'length',
      operator: 'atMost',
    };
    const { id } = await minted('a', { constraints: [{ ...where, values: [{ integer: 9n }] }] });
    await running.stop({ keep: true });
    const bytes = await readFile(REGISTER!.schema, 'latin1');
    const schema = join(folder, 'renamed.cgr');
    await writeFile(schema, bytes.replaceAll('memo\0', 'mexo\0'), 'latin1');
    await start({ register: { ...REGISTER!, schema } });
    await expect(upgrade({})).rejects.toThrow(new RegExp(`grant ${id}: .*memo`));
    await operator.grant({ id }).grant.revoke({});
    expect(await upgrade({})).toEqual({ cut: 0 });
  });

  it('because a path is not absolute, or another upgrade is under way, says so', async () => {
    await expect(upgrade({ module: 'x.ts' })).rejects.toThrow('module: "x.ts" is not an absolute path');
    // It keeps whichever is first under way.
    (await account('a')).next({}).catch(() => {});
    const outcomes = await Promise.allSettled([upgrade({ drain: 5000 }), upgrade({ drain: 5000 })]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });
});
