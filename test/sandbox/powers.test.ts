/**
 * What code with all of Node's powers can still not do in the sandbox. Each attempt is made in the same host without the sandbox first, where it
 * has to succeed: one that is mistyped proves nothing.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Tier } from '../../broker/tier.js';
import { type Domain, Doorway, type Launch } from '../worker/doorway.js';
import { noSandbox } from './needs-bubblewrap.js';

const hostModule = fileURLToPath(new URL('../../dist/test/sandbox/open-host.js', import.meta.url));

describe.skipIf(noSandbox)('code with all of the powers of Node', () => {
  let doorway: Doorway;
  let folder: string;
  const servers: Server[] = [];
  let socketPath: string;
  let port: number;
  const domains = new Map<Tier, Domain>();

  beforeAll(async () => {
    doorway = new Doorway({ warm: 0, hostModule });
    await doorway.open();
    folder = mkdtempSync(join(tmpdir(), 'sturdy-sandbox-'));
    // What an ordinary user may not read either would prove nothing.
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'secret'), 'the secret', { mode: 0o644 });
    socketPath = join(folder, 'host.sock');
    for (const where of [socketPath, 0]) {
      const server = createServer((socket) => socket.end('hello from the host'));
      await new Promise<void>((listening) => {
        if (typeof where === 'string') server.listen(where, listening);
        else server.listen(where, '127.0.0.1', listening);
      });
      servers.push(server);
    }
    chmodSync(socketPath, 0o777);
    port = (servers[1]!.address() as { port: number }).port;
    for (const tier of ['thread', 'sandbox'] as const)
      domains.set(tier, await doorway.start({ tier, group: tier, offHeapMebibytes: 2048 }));
  });
  afterAll(async () => {
    await doorway.close();
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What the attempt gives without the sandbox, and what in it. An error is its code. */
  async function attempt(body: string): Promise<{ bare: string; sandboxed: string }> {
    const source = `try { ${body} } catch (error) { return String(error.code ?? error.message); }`;
    const [bare, sandboxed] = await Promise.all(
      (['thread', 'sandbox'] as const).map(
        async (tier) => (await domains.get(tier)!.main.evaluate({ source })).outcome as string,
      ),
    );
    return { bare: bare!, sandboxed: sandboxed! };
  }

  const connecting = (to: object): string => `
    const socket = require('net').connect(${JSON.stringify(to)});
    return await new Promise((resolve, reject) => {
      socket.on('data', (data) => resolve(String(data)));
      socket.on('error', reject);
    });`;

  it('cannot read a file of the host', async () => {
    const { bare, sandboxed } = await attempt(
      `return require('fs').readFileSync(${JSON.stringify(join(folder, 'secret'))}, 'utf8');`,
    );
    expect(bare).toBe('the secret');
    expect(sandboxed).toBe('ENOENT');
  });

  it('sees a root in which there is nothing but the runtime', async () => {
    const { bare, sandboxed } = await attempt(`return require('fs').readdirSync('/').sort().join(' ');`);
    expect(bare).toContain('home');
    expect(sandboxed.split(' ')).toEqual(expect.arrayContaining(['proc', 'runtime']));
    for (const name of ['home', 'root', 'tmp', 'usr', 'bin', 'dev', 'sys', 'var'])
      expect(sandboxed.split(' ')).not.toContain(name);
  });

  it.each([
    ['its root', '/', process.getuid!() === 0 ? 'may be written' : 'EACCES'],
    ['its own memory, past JavaScript', '/proc/self/mem', 'may be written'],
  ])('cannot write to %s', async (_what, path, expected) => {
    const { bare, sandboxed } = await attempt(`
      const { accessSync, constants, openSync, statSync } = require('fs');
      if (statSync(${JSON.stringify(path)}).isDirectory()) accessSync(${JSON.stringify(path)}, constants.W_OK);
      else openSync(${JSON.stringify(path)}, constants.O_WRONLY);
      return 'may be written';`);
    expect(bare).toBe(expected);
    expect(sandboxed).toMatch(/^(ERR_ACCESS_DENIED|EROFS)$/);
  });

  it('cannot reach a unix socket of the host', async () => {
    const { bare, sandboxed } = await attempt(connecting({ path: socketPath }));
    expect(bare).toBe('hello from the host');
    expect(sandboxed).toMatch(/^(ENOSYS|EPERM)$/);
  });

  it('cannot reach an address', async () => {
    const { bare, sandboxed } = await attempt(connecting({ host: '127.0.0.1', port }));
    expect(bare).toBe('hello from the host');
    expect(sandboxed).toMatch(/^(ENOSYS|EPERM)$/);
  });

  it('sees no process but its own, and that which waits for it', async () => {
    const processes = await attempt(
      `return require('fs').readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).join(' ');`,
    );
    expect(processes.bare.split(' ')).toContain(`${process.pid}`);
    expect(processes.sandboxed).toBe('1 2');
    const signal = await attempt(`return String(process.kill(${process.pid}, 0));`);
    expect(signal).toEqual({ bare: 'true', sandboxed: 'ESRCH' });
  });

  it('cannot start another program, nor another process of its own', async () => {
    const { bare, sandboxed } = await attempt(`
      const { spawnSync } = require('child_process');
      const { error, stdout } = spawnSync(process.execPath, ['-p', '6 * 7'], { encoding: 'utf8' });
      if (error) throw error;
      return stdout.trim();`);
    expect(bare).toBe('42');
    expect(sandboxed).toBe('ERR_ACCESS_DENIED');
  });

  it('has no environment but the time zone, and no name of the machine', async () => {
    const { sandboxed } = await attempt(
      `return [Object.keys(process.env).sort().join(' '), require('os').hostname()].join();`,
    );
    expect(sandboxed).toBe('PWD TZ,sandbox');
  });

  it('cannot have more memory than it was given', async () => {
    const source = `
      const held = [];
      for (let i = 0; i < 16; i++) held.push(Buffer.alloc(64 * 1024 * 1024, 1));
      return held.length;`;
    const run = async (launch: Launch): Promise<string> => {
      const domain = await doorway.start(launch);
      const outcome = domain.main.evaluate({ source }).then(
        ({ outcome }: { outcome: string }) => outcome,
        (error: Error) => error.message,
      );
      const result = (await outcome) as string;
      await domain.placement.terminate('the test is over');
      return result;
    };
    expect(await run({ tier: 'thread', group: 'memory', offHeapMebibytes: 2048 })).toBe('16');
    expect(await run({ tier: 'sandbox', offHeapMebibytes: 2048 })).toBe('16');
    expect(await run({ tier: 'sandbox', offHeapMebibytes: 128 })).toMatch(
      /allocation failed|limits\.offHeapMiB/i,
    );
  });

  it('cannot have more of the processor than its share', async () => {
    const source = `for (const end = Date.now() + 3000; Date.now() < end; ); return 'done';`;
    const spinning = async (cpuShare: number): Promise<{ outcome: string; ended: string | undefined }> => {
      const domain = await doorway.start({ tier: 'sandbox', cpuShare, cpuWindowMillis: 2000 });
      const outcome: string = await domain.main.evaluate({ source }).then(
        ({ outcome }: { outcome: string }) => outcome,
        (error: Error) => error.message,
      );
      await domain.placement.terminate('the test is over');
      return { outcome, ended: domain.ends[0] };
    };
    expect(await spinning(2)).toEqual({ outcome: 'done', ended: 'the test is over' });
    const { outcome, ended } = await spinning(0.2);
    expect(outcome).not.toBe('done');
    expect(ended).toBe('it used more of the processor than its share of 0.2 over 2000 ms (limits.cpuShare)');
  });
});
