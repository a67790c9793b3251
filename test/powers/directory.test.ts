import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Guest } from './guest.js';

// Thousands of attempts, on a machine that may be busy.
const RACE = { timeout: 300_000 };

let guest: Guest;
let place: string;
let inside: string;
let outside: string;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'sturdy-directory-'));
  inside = join(place, 'inside');
  outside = join(place, 'outside');
  for (const folder of [inside, outside, join(inside, 'sub'), join(place, 'small'), join(place, 'ticks')])
    mkdirSync(folder);
  writeFileSync(join(outside, 'secret'), 'the secret');
  writeFileSync(join(inside, 'hello'), 'hello, world');
  writeFileSync(join(inside, 'sub/deep'), 'deep');
  symlinkSync(join(outside, 'secret'), join(inside, 'link'));
  symlinkSync(outside, join(inside, 'way'));
  symlinkSync('sub', join(inside, 'alias'));
  execFileSync('mkfifo', [join(inside, 'fifo')]);
  linkSync(join(inside, 'hello'), join(inside, 'twin'));
  guest = await Guest.start({
    guest: {
      powers: {
        directory: {
          input: { root: inside },
          output: { root: inside, mode: 'readWrite' },
          small: { root: join(place, 'small'), mode: 'readWrite', maxEntries: 5, maxBytes: 1000, maxOpen: 4 },
          narrow: { root: inside, maxConcurrent: 1 },
          reports: {
            root: inside,
            policy: { methods: ['Directory.read'], where: ['Directory.read.path within sub'] },
          },
        },
      },
    },
  });
});
afterAll(async () => {
  await guest?.stop();
  rmSync(place, { recursive: true, force: true });
});

/** Reads a file whole, by its path. */
const read = (path: string, from = 'input') =>
  guest.run(
    `return (await grants.${from}.read({ path: ${JSON.stringify(path)}, offset: 0n, length: 1000 })).data;`,
  );

describe('a directory that a domain may read', () => {
  it('is read by paths within it', async () => {
    expect(await read('hello')).toEqual({ value: 'hello, world' });
    expect(await read('sub/deep')).toEqual({ value: 'deep' });
    expect(
      await guest.run(`
        const { data, end } = await grants.input.read({ path: 'hello', offset: 7n, length: 3 });
        const rest = await grants.input.read({ path: 'hello', offset: 10n, length: 99 });
        return [data, end, rest.data, rest.end];`),
    ).toEqual({ value: ['wor', false, 'ld', true] });
    const { value } = await guest.run(`return (await grants.input.stat({ path: 'hello' })).stat;`);
    expect(value).toMatchObject({ kind: 'file', size: '12' });
  });

  it('is listed in order, page by page, with links as what they are', async () => {
    const { value } = await guest.run(`
      const first = await grants.input.list({ path: '', after: '', limit: 3 });
      const rest = await grants.input.list({ path: '', after: first.entries.at(-1).name, limit: 0 });
      return [...first.entries, ...rest.entries].map(({ name, kind }) => name + ' ' + kind);`);
    expect(value).toEqual([
      'alias other',
      'fifo other',
      'hello file',
      'link other',
      'sub directory',
      'twin file',
      'way other',
    ]);
  });

  it.each([
    '..',
    '../outside/secret',
    'sub/../../outside/secret',
    '/etc/passwd',
    './hello',
    'sub//deep',
    'sub/',
    '.',
    'hello\0.txt',
    `${'x/'.repeat(64)}x`,
    'x'.repeat(256),
  ])('refuses a path that is not one of names: %j', async (path) => {
    const { refused } = await read(path);
    expect(refused).toMatch(/^path: /);
  });

  it.each(['link', 'way/secret', 'way', 'alias/deep', 'fifo', 'sub', ''])(
    'follows no link and opens nothing but a file: %j',
    async (path) => {
      const { refused } = await read(path);
      expect(refused).toMatch(/symbolic link|is a directory|is no file/);
      expect(refused).not.toContain(place);
    },
  );

  it('lists no directory by a link, and makes no other root of one', async () => {
    for (const path of ['way', 'alias', 'link']) {
      for (const call of [
        `list({ path: '${path}', after: '', limit: 0 })`,
        `subdirectory({ path: '${path}' })`,
      ])
        expect((await guest.run(`await grants.input.${call};`)).refused).toContain('symbolic link');
    }
  });

  it('cannot be changed, also where its files could be', async () => {
    for (const call of [
      `write({ path: 'new', offset: 0n, data: bytes('x'), truncate: false })`,
      `remove({ path: 'hello' })`,
      `makeDirectory({ path: 'new' })`,
    ]) {
      expect((await guest.run(`await grants.input.${call};`)).refused).toBe(
        'the directory can only be read (powers.directory.input.mode)',
      );
      const viaReadOnly = await guest.run(`
        const { directory } = await grants.output.readOnly();
        await directory.${call};`);
      expect(viaReadOnly.refused).toBe('the directory can only be read');
    }
    expect(readdirSync(inside)).toContain('hello');
  });

  it('has a bound for what is read at a time, and no file is longer than it is', async () => {
    const over = await guest.run(`await grants.input.read({ path: 'hello', offset: 0n, length: 1048577 });`);
    expect(over.refused).toBe('length: 1048577 bytes; at most 1048576 are read at a time');
    const far = await guest.run(
      `return await grants.input.read({ path: 'hello', offset: 4503599627370496n, length: 1 });`,
    );
    expect(far).toEqual({ value: { data: '', end: true } });
    const farther = await guest.run(
      `return await grants.input.read({ path: 'hello', offset: 18446744073709551615n, length: 1 });`,
    );
    expect(farther.refused).toMatch(/^offset: /);
  });

  it('is bound by the policy of its grant, constraints of the path included', async () => {
    expect(await read('sub/deep', 'reports')).toEqual({ value: 'deep' });
    expect((await read('hello', 'reports')).refused).toMatch(/path/);
    expect((await guest.run(`await grants.reports.readOnly();`)).refused).toBe(
      'the grant does not allow Directory.readOnly',
    );
  });

  it('has so many calls wait as may, and more are overloaded', async () => {
    const { value } = await guest.run(`
      const calls = Array.from({ length: 100 }, () => grants.narrow.list({ path: '', after: '', limit: 1 }));
      const ended = await Promise.allSettled(calls);
      return ended.filter(({ status }) => status === 'rejected').map(({ reason }) => reason.message);`);
    expect(value.length).toBeGreaterThan(0);
    expect(value.length).toBeLessThan(100 - 16);
    expect(new Set(value)).toEqual(
      new Set(['16 calls wait already (powers.directory.narrow.maxConcurrent)']),
    );
  });
});

describe('a subdirectory', () => {
  it('is a root of its own', async () => {
    const { value } = await guest.run(`
      const { directory } = await grants.input.subdirectory({ path: 'sub' });
      const { data } = await directory.read({ path: 'deep', offset: 0n, length: 10 });
      const up = await directory.stat({ path: '../hello' }).catch((error) => error.message);
      const { entries } = await directory.list({ path: '', after: '', limit: 0 });
      return [data, up, entries.length];`);
    expect(value).toEqual(['deep', expect.stringMatching(/^path: /), 1]);
  });

  it('is held by so many at a time, and let go of with its capability', async () => {
    const { value } = await guest.run(`
      await grants.small.makeDirectory({ path: 'a' });
      const held = [];
      let refused = '';
      for (let i = 0; i < 9 && refused === ''; i++)
        await grants.small.subdirectory({ path: 'a' }).then(
          ({ directory }) => held.push(directory),
          (error) => { refused = error.message; },
        );
      const count = held.length;
      for (const each of held) each[Symbol.dispose]();
      for (let i = 0; i < 50; i++) {
        const { directory } = await grants.small.subdirectory({ path: 'a' });
        directory[Symbol.dispose]();
        await directory.stat({ path: '' }).catch(() => {});
        await grants.small.stat({ path: '' });
      }
      await grants.small.remove({ path: 'a' });
      return [count, refused];`);
    expect(value).toEqual([3, '4 directories are held (powers.directory.small.maxOpen)']);
  });

  it('is not moved by who moves the directory away and puts a link there', async () => {
    mkdirSync(join(inside, 'moved'));
    writeFileSync(join(inside, 'moved/mine'), 'mine');
    const { value } = await guest.run(`
      const { directory } = await grants.input.subdirectory({ path: 'moved' });
      self.kept = directory;
      return true;`);
    expect(value).toBe(true);
    rmSync(join(inside, 'moved'), { recursive: true });
    symlinkSync(outside, join(inside, 'moved'));
    const after = await guest.run(`return await self.kept.read({ path: 'secret', offset: 0n, length: 9 });`);
    expect(after.refused).toBe('"secret" is not there (ENOENT)');
    rmSync(join(inside, 'moved'));
  });
});

describe('a directory that a domain may write to', () => {
  it('has files made, written in places, cut and removed', async () => {
    const { value } = await guest.run(`
      const { output } = grants;
      await output.makeDirectory({ path: 'made' });
      await output.write({ path: 'made/file', offset: 0n, data: bytes('hello'), truncate: false });
      await output.write({ path: 'made/file', offset: 1n, data: bytes('a'), truncate: false });
      const all = await output.read({ path: 'made/file', offset: 0n, length: 99 });
      await output.write({ path: 'made/file', offset: 2n, data: bytes('t'), truncate: true });
      const cut = await output.read({ path: 'made/file', offset: 0n, length: 99 });
      const full = await output.remove({ path: 'made' }).catch((error) => error.message);
      await output.remove({ path: 'made/file' });
      await output.remove({ path: 'made' });
      return [all.data, cut.data, full];`);
    expect(value).toEqual(['hallo', 'hat', '"made" is a directory with something in it (ENOTEMPTY)']);
  });

  it.each([
    `write({ path: 'link', offset: 0n, data: bytes('x'), truncate: true })`,
    `write({ path: 'way/new', offset: 0n, data: bytes('x'), truncate: false })`,
    `write({ path: 'fifo', offset: 0n, data: bytes('x'), truncate: false })`,
    `write({ path: 'twin', offset: 0n, data: bytes('x'), truncate: false })`,
    `write({ path: '', offset: 0n, data: bytes('x'), truncate: false })`,
    `remove({ path: 'way/secret' })`,
    `remove({ path: '' })`,
    `makeDirectory({ path: 'way/new' })`,
    `makeDirectory({ path: 'hello' })`,
  ])('changes nothing outside of it, nor what is no file of its own: %s', async (call) => {
    const { refused } = await guest.run(`await grants.output.${call};`);
    expect(refused).toMatch(/symbolic link|no file|another name|empty|already/);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('the secret');
    expect(readFileSync(join(inside, 'hello'), 'utf8')).toBe('hello, world');
    expect(readdirSync(outside)).toEqual(['secret']);
  });

  it('has a link removed, and not what it leads to', async () => {
    symlinkSync(join(outside, 'secret'), join(inside, 'other'));
    expect(await guest.run(`await grants.output.remove({ path: 'other' });`)).toEqual({ value: null });
    expect(existsSync(join(inside, 'other'))).toBe(false);
    expect(existsSync(join(outside, 'secret'))).toBe(true);
  });

  it('has a quota of bytes and of entries, and more room when something is removed', async () => {
    const { value } = await guest.run(`
      const { small } = grants;
      const file = (path, size, offset = 0n) =>
        small.write({ path, offset, data: new Uint8Array(size), truncate: false }).then(() => 'ok', (e) => e.message);
      const said = [await file('a', 600), await file('b', 600), await file('b', 400), await file('a', 1)];
      said.push(await file('c', 1));
      said.push(await file('a', 1, 4503599627370495n));
      await small.remove({ path: 'a' });
      said.push(await file('c', 500));
      for (const name of ['d', 'e', 'f', 'g']) said.push(await file(name, 0));
      said.push(await small.makeDirectory({ path: 'h' }).catch((e) => e.message));
      return said;`);
    const bytes = 'the directory would have more than 1000 bytes (powers.directory.small.maxBytes)';
    const entries =
      'the directory would have more than 5 files and directories (powers.directory.small.maxEntries)';
    expect(value).toEqual(['ok', bytes, 'ok', 'ok', bytes, bytes, 'ok', 'ok', 'ok', 'ok', entries, entries]);
    expect(readdirSync(join(place, 'small')).sort()).toEqual(['b', 'c', 'd', 'e', 'f']);
  });

  it('is not listed where there is more in it than may be', async () => {
    for (const name of ['x', 'y']) writeFileSync(join(place, 'small', name), '');
    const { refused } = await guest.run(`await grants.small.list({ path: '', after: '', limit: 1 });`);
    expect(refused).toBe('"" has more than 5 entries (powers.directory.small.maxEntries)');
  });

  it('takes so much at a time', async () => {
    const { refused } = await guest.run(
      `await grants.output.write({ path: 'big', offset: 0n, data: new Uint8Array(1048577), truncate: false });`,
    );
    expect(refused).toBe('data: 1048577 bytes; at most 1048576 are written at a time');
  });
});

describe('a race for what a name means', () => {
  it(
    'is never won: a component that is swapped for a link, forwards and back, leads nowhere',
    RACE,
    async () => {
      const ticks = join(place, 'ticks');
      const shared = join(ticks, 'shared');
      mkdirSync(shared);
      mkdirSync(join(ticks, 'real'));
      for (const name of ['real', 'shared']) writeFileSync(join(ticks, name, 'secret'), 'inside');
      symlinkSync(outside, join(ticks, 'bait'));
      const stop = new SharedArrayBuffer(4);
      const racing = new Worker(SWAPPER, { eval: true, workerData: { ticks, stop } });
      const swaps = new Promise<number>((told) => racing.once('message', told));
      const racer = await Guest.start({
        guest: { powers: { directory: { tree: { root: ticks, mode: 'readWrite', maxConcurrent: 16 } } } },
      });
      try {
        const { value } = await racer.run(`
        const seen = { inside: 0, refused: 0, other: [] };
        for (let round = 0; round < 250; round++) {
          await Promise.all(Array.from({ length: 16 }, async (_, i) => {
            try {
              if (i === 15) {
                await grants.tree.write({ path: 'shared/written', offset: 0n, data: bytes('x'), truncate: false });
                return;
              }
              const { data } = await grants.tree.read({ path: 'shared/secret', offset: 0n, length: 20 });
              if (text(data) === 'inside') seen.inside++;
              else seen.other.push(text(data));
            } catch (error) {
              seen.refused++;
            }
          }));
        }
        return seen;`);
        Atomics.store(new Int32Array(stop), 0, 1);
        expect(value.other).toEqual([]);
        // Both happened: it was a race.
        expect(value.inside).toBeGreaterThan(0);
        expect(value.refused).toBeGreaterThan(0);
        expect(await swaps).toBeGreaterThan(0);
        expect(readdirSync(outside)).toEqual(['secret']);
      } finally {
        Atomics.store(new Int32Array(stop), 0, 1);
        await racer.stop();
        await racing.terminate();
      }
    },
  );
});

/** Two names change places again and again, each by a rename, which is atomic. */
const SWAPPER = `
  const { renameSync } = require('node:fs');
  const { workerData: { ticks, stop }, parentPort } = require('node:worker_threads');
  const until = new Int32Array(stop);
  let swaps = 0;
  while (Atomics.load(until, 0) === 0) {
    renameSync(ticks + '/shared', ticks + '/aside');
    renameSync(ticks + '/bait', ticks + '/shared');
    renameSync(ticks + '/shared', ticks + '/bait');
    renameSync(ticks + '/aside', ticks + '/shared');
    swaps++;
  }
  parentPort.postMessage(swaps);`;

describe('the power over a directory', () => {
  it('is gone with its grant, for what came out of it as well', async () => {
    await guest.run(`self.held = (await grants.input.subdirectory({ path: 'sub' })).directory;`);
    const id = await guest.grantOf('input');
    await guest.revoke('input');
    expect((await read('hello')).refused).toBe(`the grant was revoked (${id})`);
    expect((await guest.run(`await self.held.stat({ path: '' });`)).refused).toBe(
      `the grant was revoked (${id})`,
    );
    expect(await read('hello', 'output')).toEqual({ value: 'hello, world' });
  });

  it('is refused at the start of the broker where its root is no directory', async () => {
    const start = (root: string) => Guest.start({ guest: { powers: { directory: { input: { root } } } } });
    await expect(start(join(inside, 'hello'))).rejects.toThrow(
      /^domains\.guest\.powers\.directory\.input\.root: .* is not a directory \(ENOTDIR\)$/,
    );
    await expect(start(join(inside, 'none'))).rejects.toThrow(/\(ENOENT\)$/);
  });
});
