import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../examples/ledger/own-broker.js';
import { ROOT } from '../../examples/ledger/place.js';

const run = promisify(execFile);
let folder: string;
let port: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-start-'));
  port = await freePort();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs what `npm start` runs, until it has said what to type next, does `meanwhile`, and stops it gently. */
async function started(
  meanwhile: (printed: string) => Promise<void>,
): Promise<{ printed: string; code: number }> {
  const child = spawn(process.execPath, [join(ROOT, 'dist/examples/ledger/start.js'), folder, `${port}`], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  }
  try {
    await expect.poll(() => printed, { timeout: 30_000 }).toContain('Ctrl-C stops the broker.');
    await meanwhile(printed);
  } finally {
    child.kill('SIGTERM');
  }
  const [code] = await ended;
  return { printed, code };
}

test('npm start says where it listens and what to type, and never shows a secret', async () => {
  let refs = '';
  const { printed, code } = await started(async (soFar) => {
    const path = join(folder, 'example.refs');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    refs = await readFile(path, 'utf8');
    const command = /^ {2}(node .*)$/m.exec(soFar)?.[1] ?? 'nothing to type was printed';
    const { stdout } = await run('sh', ['-c', command], { cwd: ROOT });
    expect(stdout).toContain('Balance 3600.65');
  });
  expect(code).toBe(0);
  expect(printed).toContain(`127.0.0.1:${port}`);
  expect(printed).toContain(join(folder, 'sturdy.sock'));
  const secrets = refs
    .trim()
    .split('\n')
    .map((line) => line.split('#')[1]!);
  expect(secrets).toHaveLength(5);
  for (const secret of secrets) expect(printed).not.toContain(secret);
}, 90_000);

test('npm start again books nothing twice and keeps the references', async () => {
  const path = join(folder, 'example.refs');
  const before = await readFile(path, 'utf8');
  const { printed, code } = await started(async () => {});
  expect(code).toBe(0);
  expect(printed).toMatch(/alice +3600\.65/);
  expect(await readFile(path, 'utf8')).toBe(before);
}, 60_000);
