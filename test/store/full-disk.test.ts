import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LmdbStore } from './built.js';

const MODULE = new URL('../../dist/broker/store/lmdb-store.js', import.meta.url).href;

const PROGRAM = `
  const { LmdbStore } = await import(${JSON.stringify(MODULE)});
  const store = await LmdbStore.open(process.argv[1]);
  const domainId = await store.domainId('ledger');
  const said = [];
  for (let i = 0; i < 5; i++) {
    const written = store.writeStorage(domainId, [{ key: 'k' + i, put: new Uint8Array(150_000) }]);
    said.push(await written.then(() => 'ok', (error) => error.code));
  }
  said.push(await store.writeStorage(domainId, [{ key: 'k0', delete: null }]).then(() => 'ok', String));
  await store.close();
  console.log(said.join());`;

it('A store on a full disk acknowledges nothing that is not there, and goes on when there is room', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sturdy-full-'));
  // A file may grow to 400 KiB; with the signal ignored, writing more fails as it does on a full disk.
  const limited = `trap '' XFSZ; ulimit -f 800; exec "$@"`;
  const { stdout, status } = spawnSync(
    'sh',
    ['-c', limited, 'sh', process.execPath, '--input-type=module', '-e', PROGRAM, folder],
    { encoding: 'utf8' },
  );
  expect(status).toBe(0);
  expect(stdout.trim()).toBe('ok,ok,ERR_STORE_WRITE,ERR_STORE_WRITE,ERR_STORE_WRITE,ok');
  const store = await LmdbStore.open(folder);
  const domainId = await store.domainId('ledger');
  const { length } = store.listStorage(domainId, { prefix: '', after: '', limit: 9, maxBytes: 1e9 });
  expect(length).toBe(1);
  await store.close();
  rmSync(folder, { recursive: true });
});
