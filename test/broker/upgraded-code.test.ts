/** What a domain was upgraded to, when the broker is started again; and when it is killed on the way there. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect, type Operator, SturdyRef } from '../../client/index.js';
import { CLI } from '../../examples/ledger/place.js';
import { sturdySchema } from '../../schema/index.js';
import { LmdbStore } from '../store/built.js';
import { type AnyStub, type Domains, ledgerGraph, Running, testDomain } from './running.js';

// Threads and brokers start and end, on a machine that may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 60_000 });

const ACCOUNT = ledgerGraph.interface('Account');

const REGISTER = await readFile(testDomain('register')!.module, 'utf8');

/** A module in `folder`: the register of this version. What it imports are types, of which nothing is left in a program. */
async function versioned(name: string, version: string, more = ''): Promise<string> {
  const file = join(folder, name);
  await writeFile(
    file,
    `${REGISTER.replace(/^export default .*$/m, `export default register('${version}');`)}\n${more}`,
  );
  return file;
}

let folder: string;
let domain: NonNullable<Domains[string]>;
let secret: Uint8Array;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-upgraded-'));
  domain = { ...testDomain('register', { powers: { storage: true } })!, schema: join(folder, 'ledger.cgr') };
  await copyFile(testDomain('register')!.schema, domain.schema);
  domain.module = await versioned('configured.ts', 'configured');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('what a domain was upgraded to', () => {
  let running: Running;
  let operator: AnyStub;

  beforeEach(async () => {
    await start();
    const { ref } = await operator.mint({ domain: 'register', object: 'a', policy: {}, label: 'a' });
    secret = ref.secret;
  });
  afterEach(() => running.stop({ keep: true }));

  async function start(): Promise<void> {
    // Most of these brokers are gone before a second host would be of use.
    running = await Running.start({ register: domain }, folder, { hosts: { warm: 0 } });
    operator = await running.operator();
  }
  async function restart(): Promise<void> {
    await running.stop({ keep: true });
    await start();
  }
  const upgrade = (params: object = {}) => operator.upgrade({ domain: 'register', ...params });
  const runs = async (): Promise<string> => {
    const account = await (await running.connect()).restore(secret, ACCOUNT);
    return (await account.statement({})).name;
  };
  const code = async () => (await operator.domains({})).domains[0].code;
  const audited = async (): Promise<object[]> => {
    const { entries } = await operator.audit({ after: 0n, limit: 0 });
    return entries
      .filter(({ action }: { action: string }) => action === 'domain.upgrade')
      .map(({ by, detail }: { by: string; detail: string }) => [by, detail].join(': '));
  };

  it('is shown, with its digest and since when', async () => {
    expect(await code()).toEqual({
      program: expect.stringMatching(/^[0-9a-f]{64}$/),
      origin: 'configuration',
      since: expect.any(BigInt),
    });
    const before = await code();
    const began = BigInt(Date.now());
    await upgrade({ module: await versioned('next.ts', 'next') });
    const now = await code();
    expect(now).toMatchObject({ origin: 'upgrade', program: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(now.program).not.toBe(before.program);
    expect(now.since).toBeGreaterThanOrEqual(began);
    await upgrade({});
    expect(await code()).toMatchObject({ origin: 'configuration', program: before.program });
    await restart();
    // Nobody has started it yet.
    expect(await code()).toEqual({ program: '', origin: 'configuration', since: 0n });
  });

  it('is what runs after the next start, and the one after that, though its file is gone', async () => {
    const next = await versioned('next.ts', 'next');
    await upgrade({ module: next });
    const before = await code();
    await rm(next);
    for (let i = 0; i < 2; i++) {
      await restart();
      expect(await code()).toEqual(before);
      expect(await runs()).toBe('next');
    }
    // Upgraded again, that is what runs.
    await upgrade({ module: await versioned('third.ts', 'third') });
    await restart();
    expect(await runs()).toBe('third');
    expect(await audited()).toEqual(['operator: ', 'operator: ']);
  });

  it('is nothing any more when it is upgraded to the files of the configuration, as they are at each start', async () => {
    await upgrade({ module: await versioned('next.ts', 'next') });
    await upgrade({});
    expect(await runs()).toBe('configured');
    await versioned('configured.ts', 'configured later');
    await restart();
    expect(await runs()).toBe('configured later');
  });

  it('is nothing of its own where it is the same as what the configuration has', async () => {
    await upgrade({ module: await versioned('same.ts', 'configured') });
    expect(await code()).toMatchObject({ origin: 'configuration' });
    await versioned('configured.ts', 'configured later');
    await restart();
    expect(await runs()).toBe('configured later');
  });

  it('gives way to a program of the configuration that has changed since, and is dropped for good', async () => {
    await upgrade({ module: await versioned('next.ts', 'next') });
    await versioned('configured.ts', 'deployed');
    await restart();
    expect(await code()).toMatchObject({ origin: 'configuration' });
    expect(await runs()).toBe('deployed');
    expect(await audited()).toEqual(['operator: ', 'the configuration: ended: the program has changed']);
    await versioned('configured.ts', 'configured');
    await restart();
    expect(await runs()).toBe('configured');
    expect(await audited()).toHaveLength(2);
  });

  it('gives way to the program of another module that the configuration names, and not to the same one elsewhere', async () => {
    await upgrade({ module: await versioned('next.ts', 'next') });
    domain.module = await versioned('moved.ts', 'configured');
    await restart();
    expect(await runs()).toBe('next');
    domain.module = await versioned('other.ts', 'other');
    await restart();
    expect(await runs()).toBe('other');
  });

  it('gives way to a schema of the configuration that has changed since', async () => {
    await upgrade({ module: await versioned('next.ts', 'next') });
    const bytes = await readFile(domain.schema, 'latin1');
    await writeFile(domain.schema, bytes.replaceAll('ledger.capnp', 'ledges.capnp'), 'latin1');
    await restart();
    expect(await runs()).toBe('configured');
    expect((await audited()).at(-1)).toBe('the configuration: ended: the schema has changed');
  });

  it('speaks the schema that it was upgraded with, after the next start, too', async () => {
    const schema = join(folder, 'next.cgr');
    const bytes = await readFile(domain.schema, 'latin1');
    await writeFile(schema, bytes.replaceAll('ledger.capnp', 'ledges.capnp'), 'latin1');
    await upgrade({ schema });
    const after = (await operator.schema({ domain: 'register' })).schema;
    await rm(schema);
    await restart();
    const found = (await operator.schema({ domain: 'register' })).schema;
    expect(Buffer.compare(found, after)).toBe(0);
    expect(Buffer.from(found).includes('ledges.capnp')).toBe(true);
  });

  it('goes on where the program of the configuration cannot be made', async () => {
    await upgrade({ module: await versioned('next.ts', 'next') });
    await rm(domain.module);
    await restart();
    expect(await runs()).toBe('next');
    await writeFile(domain.module, 'this is no program');
    await restart();
    expect(await runs()).toBe('next');
    await versioned('configured.ts', 'configured');
    await restart();
    expect(await runs()).toBe('next');
    await versioned('configured.ts', 'mended');
    await restart();
    expect(await runs()).toBe('mended');
  });

  it('goes on where another bundler makes another program of the configuration, which is compared from then on', async () => {
    await upgrade({ module: await versioned('next.ts', 'next') });
    await running.stop({ keep: true });
    const store = await LmdbStore.open(join(folder, 'data'));
    const id = await store.domainId('register');
    const kept = store.upgradedCode(id)!;
    const configured = {
      ...kept.configured,
      program: new Uint8Array(32),
      bundler: 'sturdy 0.0.1, esbuild 0.0.1',
    };
    await store.setUpgradedCode(
      id,
      { ...kept, configured },
      { action: 'domain.upgrade', domain: 'register' },
    );
    await store.close();
    await start();
    expect(await runs()).toBe('next');
    expect((await audited()).at(-1)).toBe('the broker: kept: another bundler');
    await restart();
    expect(await runs()).toBe('next');
    expect(await audited()).toHaveLength(3);
    await versioned('configured.ts', 'deployed');
    await restart();
    expect(await runs()).toBe('deployed');
  });

  it('is not kept where it was not upgraded', async () => {
    await expect(upgrade({ module: testDomain('throws')!.module })).rejects.toThrow(/cannot be started/);
    await restart();
    expect(await code()).toMatchObject({ origin: 'configuration' });
    expect(await runs()).toBe('configured');
  });
});

describe('a broker in a process of its own', () => {
  let child: ChildProcess;
  let log: string;

  async function serve(): Promise<void> {
    const config = {
      data: './data',
      listen: { unix: './broker.sock' },
      log: { level: 'info' },
      domains: { register: domain },
    };
    await writeFile(join(folder, 'sturdy.config.json'), JSON.stringify(config));
    // Told of a file that may not grow by an error, and not by a signal.
    child = spawn('sh', ['-c', `trap '' XFSZ; exec "$@"`, 'sh', process.execPath, CLI, 'serve'], {
      cwd: folder,
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    log = '';
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text) => {
        log += text;
      });
    }
    await expect.poll(() => log, { timeout: 60_000 }).toContain('operator reference in');
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  afterEach(() => end('SIGKILL'));

  async function asOperator<T>(
    work: (operator: Operator, restore: (secret: Uint8Array) => AnyStub) => Promise<T>,
  ): Promise<T> {
    const ref = SturdyRef.parse((await readFile(join(folder, 'data/operator.ref'), 'utf8')).trim());
    const session = await connect(ref, { reconnect: false });
    try {
      const restore = (of: Uint8Array) => session.restore<AnyStub>(SturdyRef.of(of, ref.address), ACCOUNT);
      return await work(session.restore<Operator>(ref, sturdySchema().interface('Operator')), restore);
    } finally {
      session.close();
    }
  }

  const state = () =>
    asOperator(async (operator, restore) => {
      const { origin } = (await operator.domains({})).domains[0]!.code;
      return { origin, runs: (await restore(secret).statement({})).name as string };
    });

  async function begin(): Promise<void> {
    await serve();
    await asOperator(async (operator) => {
      secret = (await operator.mint({ domain: 'register', object: 'a', label: 'a' })).ref.secret;
    });
  }

  it('that is killed on the way runs the old or the new, and the new where the upgrade was acknowledged', async () => {
    const next = await versioned('next.ts', 'next');
    await begin();
    const toNext = () =>
      asOperator((operator) => operator.upgrade({ domain: 'register', module: next })).then(
        () => true,
        () => false,
      );
    const began = Date.now();
    expect(await toNext()).toBe(true);
    const took = Date.now() - began;
    // Of the time that an upgrade takes; the last one is acknowledged.
    for (const part of [0.4, 0.7, 0.85, 1, null]) {
      await asOperator((operator) => operator.upgrade({ domain: 'register' }));
      expect(await state()).toEqual({ origin: 'configuration', runs: 'configured' });
      const upgrading = toNext();
      await (part === null ? upgrading : pause(took * part));
      await end('SIGKILL');
      const acknowledged = await upgrading;
      await serve();
      const now = await state();
      expect([
        { origin: 'configuration', runs: 'configured' },
        { origin: 'upgrade', runs: 'next' },
      ]).toContainEqual(now);
      if (acknowledged || part === null) expect([acknowledged, now.runs]).toEqual([true, 'next']);
      // Each start finds a store that is whole, and serves what it has.
      expect(log).not.toContain('damaged');
    }
  });

  it('says in its log which code it runs, and that the configuration has changed', async () => {
    const next = await versioned('next.ts', 'next');
    await begin();
    await asOperator((operator) => operator.upgrade({ domain: 'register', module: next }));
    await end('SIGTERM');
    await serve();
    expect(log).toContain('domain runs what it was upgraded to');
    expect(log).not.toContain('has changed');
    await end('SIGTERM');
    await versioned('configured.ts', 'deployed');
    await serve();
    expect(log).not.toContain('domain runs what it was upgraded to');
    expect(log).toContain('the program of the configuration has changed since the domain was upgraded');
    expect(await state()).toEqual({ origin: 'configuration', runs: 'deployed' });
  });

  it('whose disk takes no more leaves the old instance serving, and says why', async () => {
    const more = `const long = ${JSON.stringify('x'.repeat(1 << 20))};\nexport const length = () => long.length;\n`;
    const next = await versioned('next.ts', 'next', more);
    await begin();
    const { size } = await stat(join(folder, 'data/store.mdb'));
    execFileSync('prlimit', [`--pid=${child.pid}`, `--fsize=${size}:`]);
    await asOperator(async (operator, restore) => {
      const account = restore(secret);
      expect(await account.balance({})).toEqual({ cents: 1n });
      await expect(operator.upgrade({ domain: 'register', module: next })).rejects.toThrow(
        /the store could not be written/,
      );
      expect(await account.balance({})).toEqual({ cents: 2n });
      expect((await operator.domains({})).domains[0]).toMatchObject({
        state: 'running',
        code: { origin: 'configuration' },
      });
    });
    execFileSync('prlimit', [`--pid=${child.pid}`, '--fsize=unlimited:']);
    await end('SIGTERM');
    await serve();
    expect(await state()).toEqual({ origin: 'configuration', runs: 'configured' });
  });
});
