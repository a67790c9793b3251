/** Each limit of a domain is met: the domain is told, or ended, by an error that names it, and its neighbours go on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnyStub, type Client, type Domains, ledgerGraph, Running, testDomain } from './running.js';

const LEDGER = ledgerGraph.interface('Ledger');

const greedy = (limits: object): Domains[string] => testDomain('greedy', { powers: { log: true }, limits });

let running: Running;
let client: Client;
let operator: AnyStub;

beforeAll(async () => {
  running = await Running.start({
    exporting: greedy({ exports: 16 }),
    reading: greedy({ queuedMiB: 1, turnMillis: 20_000 }),
    logging: greedy({ logLinesPerSecond: 10 }),
    restarting: greedy({ restartsPerMinute: 2, turnMillis: 100 }),
    spinning: greedy({ cpuShare: 0.1, cpuWindowMillis: 2000, turnMillis: 5000 }),
    neighbour: testDomain('counter'),
  });
  client = await running.connect();
  operator = await running.operator();
});
afterAll(() => running.stop());

interface Info {
  state: string;
  detail: string;
  tier: string;
  limits: readonly { name: string; limit: number; used?: number; unknown?: null }[];
}

async function info(name: string): Promise<Info> {
  const { domains } = await operator.domains();
  return domains.find((domain: { name: string }) => domain.name === name);
}

async function ledger(domain: string): Promise<AnyStub> {
  const { ref } = await operator.mint({ domain, object: '' });
  return client.restore(ref.secret, LEDGER);
}

describe('a domain', () => {
  it('that lets others hold more of its objects than it may is ended', async () => {
    const exporting = await ledger('exporting');
    await exporting.accounts({ after: '', limit: 8 });
    await expect(exporting.accounts({ after: '', limit: 32 })).rejects.toMatchObject({
      type: 'disconnected',
    });
    await expect
      .poll(async () => (await info('exporting')).detail)
      .toContain('more than 16 capabilities were sent (limits.exports)');
  });

  it('that does not read what is sent to it is ended', async () => {
    const { account } = await (await ledger('reading')).open({ name: '' });
    account.withdraw({ cents: 1n }).catch(() => {});
    const attachment = new Uint8Array(1024 * 1024);
    const sent = Array.from({ length: 4 }, () => account.deposit({ cents: 1n, attachment }));
    const ends = await Promise.allSettled(sent);
    expect(ends.map(({ status }) => status)).toContain('rejected');
    await expect
      .poll(async () => (await info('reading')).detail)
      .toMatch(/the peer does not read: \d+ bytes wait for it \(limits\.queuedMiB\)/);
  });

  it('that logs more lines than it may is told so', async () => {
    const { account } = await (await ledger('logging')).open({ name: '' });
    await expect(account.statement({})).rejects.toThrow(
      'more than 10 lines a second (20 at once) were logged (limits.logLinesPerSecond)',
    );
    expect((await info('logging')).state).toBe('running');
  });

  it('that ends again and again is not started more often than it may be', async () => {
    for (let life = 0; life < 3; life++) {
      await expect
        .poll(
          () =>
            operator.start({ domain: 'restarting' }).then(
              () => 'running',
              () => '',
            ),
          { timeout: 20_000 },
        )
        .toBe('running');
      const { account } = await (await ledger('restarting')).open({ name: '' });
      await expect(account.withdraw({ cents: 1n })).rejects.toMatchObject({ type: 'disconnected' });
      await expect.poll(async () => (await info('restarting')).state).toBe('failed');
    }
    await expect(operator.start({ domain: 'restarting' })).rejects.toThrow(
      /it was restarted 2 times within a minute \(limits\.restartsPerMinute\); .* again in \d+ ms/,
    );
  });

  it('that uses more of the processor than its share is ended, and has to rest', async () => {
    const { account } = await (await ledger('spinning')).open({ name: '' });
    const spin = async () => {
      for (let turn = 0; turn < 100; turn++) await account.balance();
    };
    await expect(spin()).rejects.toMatchObject({ type: 'disconnected' });
    await expect
      .poll(async () => (await info('spinning')).detail)
      .toContain('it used more of the processor than its share of 0.1 over 2000 ms (limits.cpuShare)');
    await expect(operator.start({ domain: 'spinning' })).rejects.toThrow(
      /limits\.cpuShare.* again in \d+ ms/,
    );
  });

  it('shows its operator every limit that it has, and what it uses of it', async () => {
    const held = await ledger('neighbour');
    const { account } = await held.open({ name: 'held' });
    account.deposit({ cents: 1n }).catch(() => {});
    const used = async () => {
      const { limits } = await info('neighbour');
      return Object.fromEntries(limits.map(({ name, used }) => [name, used]));
    };
    // What its host says of its memory is a second old at most, and that it says it for the first time.
    await expect
      .poll(used, { timeout: 10_000 })
      .toMatchObject({ heapMiB: expect.any(Number), callsInFlight: 1 });
    const { limits, tier } = await info('neighbour');
    expect(tier).toBe('thread');
    expect(limits.map(({ name, limit }) => `${name} ${limit}`)).toEqual([
      'heapMiB 64',
      'offHeapMiB 256',
      'turnMillis 1000',
      'cpuShare 2',
      'cpuWindowMillis 10000',
      'callsInFlight 1024',
      'exports 131072',
      'queuedMiB 256',
      'logLinesPerSecond 100',
      'restartsPerMinute 30',
    ]);
    const { heapMiB, offHeapMiB, cpuShare, exports } = await used();
    expect(heapMiB).toBeGreaterThan(1);
    expect(heapMiB).toBeLessThan(64);
    expect(offHeapMiB).toBeGreaterThanOrEqual(0);
    expect(cpuShare).toBeLessThan(2);
    expect(exports).toBeGreaterThan(0);
  });
});
