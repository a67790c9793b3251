import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInThisContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bundler, type BundlerOptions } from '../../broker/bundler.js';
import { Running, testDomain } from './running.js';

const processModule = fileURLToPath(new URL('../../dist/worker/bundle-process.js', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sturdy-bundler-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** A module that keeps whoever reads it waiting. */
function endless(name: string): string {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  return path;
}

const bundler = (options: Partial<BundlerOptions> = {}): Bundler =>
  new Bundler({ withheld: [], processModule, ...options });

/** The processes that this one has started, with esbuild's below them. */
function bundling(): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state !== 'Z') parents.set(Number(name), Number(parent));
    } catch {
      // It has ended since.
    }
  }
  const ours = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === process.pid || ours(parent));
  };
  return [...parents.keys()].filter((pid) => {
    const command = () => readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    try {
      return ours(pid) && /bundle-process|esbuild\0--service/.test(command());
    } catch {
      return false;
    }
  });
}

/** The pids of a process of ours and esbuild's, at work. */
async function atWork(): Promise<number[]> {
  await expect.poll(() => bundling().length, { timeout: 10_000 }).toBe(2);
  return bundling();
}

/** Whoever has lost its parent is not below us any more: hence by their pids. */
async function areGone(pids: readonly number[]): Promise<void> {
  await expect.poll(() => pids.filter((pid) => existsSync(`/proc/${pid}/exe`))).toEqual([]);
}

describe('the bundler', () => {
  it('gives the program of a module', async () => {
    const module = written('main.ts', `export default (n: number): string => 'ü' + n;`);
    expect(runInThisContext(await bundler().bundle(module))(1)).toBe('ü1');
  });

  it('gives the faults of one that cannot be bundled', async () => {
    const module = written('faulty.ts', `import 'node:fs';\nexport default 1 +;`);
    await expect(bundler().bundle(module)).rejects.toMatchObject({
      name: 'BundleError',
      module,
      faults: [expect.stringMatching(/^faulty\.ts:2:19: /)],
    });
  });

  it('takes nothing of the folders that are withheld', async () => {
    const module = written('inside/main.js', 'export default 1;');
    await expect(bundler({ withheld: [dirname(module)] }).bundle(module)).rejects.toThrow(
      '"main.js" is in a folder that is withheld from every program',
    );
  });

  it.runIf(process.platform === 'linux')(
    "has neither the environment nor the open files of the broker, nor has esbuild's process",
    async () => {
      const pids: number[] = [];
      const running = await Running.start({ endless: testDomain('counter', { module: endless('open.js') }) });
      process.env['STURDY_TEST_SECRET'] = 'x';
      try {
        // This process does hold the store: the look is a real one.
        const own = readdirSync('/proc/self/fd').map((fd) => linkOf('self', fd));
        expect(own.some((path) => path.startsWith(running.folder))).toBe(true);
        const operator = await running.operator();
        operator.start({ domain: 'endless' }).catch(() => {});
        pids.push(...(await atWork()));
        for (const pid of pids) {
          const open = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(pid, fd));
          expect(open.length).toBeGreaterThan(2);
          expect(open.filter((path) => path.startsWith(running.folder))).toEqual([]);
          expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('STURDY_TEST_SECRET');
          expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('PATH=');
        }
      } finally {
        delete process.env['STURDY_TEST_SECRET'];
        await running.stop();
      }
      await areGone(pids);
    },
  );

  it.runIf(process.platform === 'linux')('ends what takes too long, whole', async () => {
    const late = bundler({ limitMillis: 2500 }).bundle(endless('late.js'));
    const ended = expect(late).rejects.toMatchObject({ faults: ['it took longer than 2500 ms'] });
    const pids = await atWork();
    await ended;
    await areGone(pids);
  });

  it('ends what gives too long a program', async () => {
    const module = written('long.js', `export default ${JSON.stringify('x'.repeat(100_000))};`);
    await expect(bundler({ programBytes: 50_000 }).bundle(module)).rejects.toMatchObject({
      faults: ['its program is larger than 50000 bytes'],
    });
    await expect(bundler({ programBytes: 200_000 }).bundle(module)).resolves.toContain('x'.repeat(100_000));
  });

  it.runIf(process.platform === 'linux')('ends what takes too much memory', async () => {
    const module = written('large.js', `export default [${'{a:[1,2,3]},'.repeat(2_000_000)}];`);
    await expect(bundler({ memoryMebibytes: 256 }).bundle(module)).rejects.toMatchObject({
      faults: [expect.stringContaining('perhaps for want of memory: it may use 256 MiB')],
    });
  });

  it.runIf(process.platform === 'linux')('leaves nothing running when the broker is killed', async () => {
    const order = JSON.stringify({ module: endless('orphan.js'), withheld: [] });
    const child = spawn(process.execPath, [processModule, order], { env: {}, detached: true });
    const pids = await atWork();
    child.stdin.destroy();
    expect((await once(child, 'exit'))[1]).toBe('SIGKILL');
    await areGone(pids);
  });

  it.runIf(process.platform === 'linux')('when it is closed, ends what runs and what waits', async () => {
    const own = bundler();
    const modules = Array.from({ length: 20 }, (_, i) => endless(`waiting-${i}.js`));
    const all = Promise.allSettled(modules.map((module) => own.bundle(module)));
    await expect.poll(() => bundling().length).toBeGreaterThan(0);
    own.close();
    for (const { reason } of (await all) as PromiseRejectedResult[])
      expect(reason.faults).toEqual(['the broker stops']);
    await expect.poll(bundling).toEqual([]);
  });
});

function linkOf(pid: number | string, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}
