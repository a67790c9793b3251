/** Secrets where none may be: in each place that is looked at, one. Not a part of the suite: secrets.test.ts runs it, and it has to fail. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { createLogger } from 'sturdy/broker';
import { afterAll, expect, it } from 'vitest';
import { mintSecret } from '../../broker/store/secret.js';
import { Running } from '../broker/running.js';
import { note } from './recorder.js';

const planted = (): string => Buffer.from(mintSecret()).toString('base64url');
const folder = mkdtempSync(join(tmpdir(), 'sturdy-planted-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a program that does nothing, or what it is told to. */
async function run(program: string, { args = [] as string[], env = {}, input = '' } = {}): Promise<void> {
  const child = spawn(process.execPath, ['-e', program, ...args], { env: { ...process.env, ...env } });
  child.stdin.end(input);
  await once(child, 'close');
}

it('printed by a process', () => run('process.stdin.pipe(process.stdout)', { input: planted() }));

it('printed as an error of a process', () => run('process.stdin.pipe(process.stderr)', { input: planted() }));

it('printed by a process that was waited for', () => {
  spawnSync('cat', [], { input: Buffer.from(planted(), 'base64url').toString('hex') });
});

it('an argument', () => run('', { args: [planted()] }));

it('a variable of an environment', () => run('', { env: { REFERENCE: planted() } }));

it('minted and printed by another process', () => {
  const module = new URL('../../dist/broker/store/secret.js', import.meta.url);
  return run(`import('${module}').then(({ mintSecret }) => console.log(mintSecret()))`);
});

it('thrown', () => {
  const secret = planted();
  expect(() => {
    throw new Error('no', { cause: { secret } });
  }).toThrow('no');
});

it('a rejection', async () => {
  await expect(Promise.reject(new Error(`no ${planted()}`))).rejects.toThrow('no');
});

it('inspected', () => note('util.inspect of an object', inspect({ secret: mintSecret() })));

it('logged', () => {
  const log = createLogger({ level: 'info' }, { write: (line) => note('the log of a broker', line) });
  log.info(`restores ${planted()}`);
});

it('in a file', () => writeFileSync(join(folder, 'plain.txt'), planted()));

it('in a file of a folder that is removed', () => {
  mkdirSync(join(folder, 'gone'));
  writeFileSync(join(folder, 'gone', 'removed.txt'), planted());
  rmSync(join(folder, 'gone'), { recursive: true });
});

it('in a file of a reference that others may read', () => {
  writeFileSync(join(folder, 'open.ref'), planted());
  chmodSync(join(folder, 'open.ref'), 0o644);
});

it('in a file of a reference that nobody else may read', () => {
  writeFileSync(join(folder, 'closed.ref'), planted(), { mode: 0o600 });
});

it('in the records of a broker', async () => {
  const running = await Running.start();
  const operator = await running.operator();
  await operator['mint']!({
    domain: 'ledger',
    object: '',
    label: planted(),
    policy: { methods: { all: null } },
  });
  await running.stop();
}, 60_000);

it('printed by the run', () => console.log(planted()));
