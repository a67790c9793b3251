import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withoutInherited } from '../../broker/inherited.js';
import { LmdbStore } from './built.js';

const MODULE = new URL('../../dist/broker/store/lmdb-store.js', import.meta.url).href;

let folder: string;
let children: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sturdy-lock-'));
  children = [];
});
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  rmSync(folder, { recursive: true });
});

/** A process that opens the store, says how that went, and stays until it is killed. */
async function opener(place = folder): Promise<{ child: ChildProcess; said: string }> {
  const program = `
    const { LmdbStore } = await import(${JSON.stringify(MODULE)});
    try {
      globalThis.store = await LmdbStore.open(${JSON.stringify(place)});
      console.log('open');
      setInterval(() => {}, 1000);
    } catch (error) {
      console.log(error.code + ' ' + error.message);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [said] = (await once(createInterface(child.stdout!), 'line')) as [string];
  return { child, said };
}

describe('the data folder', () => {
  it('is held by one broker: a second is told the folder and the pid', async () => {
    const first = await opener();
    expect(first.said).toBe('open');
    const held = `the data folder ${folder} is held by another broker (process ${first.child.pid})`;
    expect((await opener()).said).toContain(`ERR_STORE_HELD ${held}`);
    await expect(LmdbStore.open(folder)).rejects.toMatchObject({
      code: 'ERR_STORE_HELD',
      message: expect.stringContaining(held),
    });
  });

  it('is free when its broker was killed, and nothing of the dead is left in it', async () => {
    for (let round = 0; round < 3; round++) {
      const { child, said } = await opener();
      expect(said).toBe('open');
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await (await LmdbStore.open(folder)).close();
    expect(readdirSync(folder).sort()).toEqual(['store.json', 'store.mdb', 'store.mdb-lock']);
  });

  it('stays held while its broker is stopped', async () => {
    const { child } = await opener();
    child.kill('SIGSTOP');
    await expect(LmdbStore.open(folder)).rejects.toMatchObject({ code: 'ERR_STORE_HELD' });
  });

  it('is never held by two, however many begin at once', async () => {
    const said = await Promise.all(Array.from({ length: 6 }, () => opener())).then((all) =>
      all.map(({ said }) => said.split(' ')[0]),
    );
    expect(said.filter((word) => word === 'open').length).toBeLessThanOrEqual(1);
    expect(said.every((word) => word === 'open' || word === 'ERR_STORE_HELD')).toBe(true);
  });

  it('is held once within one process, too', async () => {
    const opened = await Promise.allSettled(Array.from({ length: 5 }, () => LmdbStore.open(folder)));
    const stores = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(stores.length).toBeLessThanOrEqual(1);
    for (const store of stores) await store.close();
    await (await LmdbStore.open(folder)).close();
  });

  it('may lie deeper than the name of a socket can say', async () => {
    const deep = join(folder, 'x'.repeat(100), 'y'.repeat(100));
    mkdirSync(deep, { recursive: true });
    const { child, said } = await opener(deep);
    expect(said).toBe('open');
    await expect(LmdbStore.open(deep)).rejects.toMatchObject({ code: 'ERR_STORE_HELD' });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await LmdbStore.open(deep)).close();
  });

  it('is not open in the processes that the broker starts', async () => {
    const store = await LmdbStore.open(folder);
    const program = `
      import { readdirSync, readlinkSync } from 'node:fs';
      for (const name of readdirSync('/proc/self/fd')) {
        try { console.log(readlinkSync('/proc/self/fd/' + name)); } catch {}
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: withoutInherited(['ignore', 'pipe', 'inherit']),
    });
    let open = '';
    child.stdout!.on('data', (data) => {
      open += data;
    });
    await once(child, 'close');
    await store.close();
    expect(open).not.toContain(folder);
  });
});
