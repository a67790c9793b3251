/** Only digests at rest: a broker mints in every way that there is, and no byte of its data folder is a secret's. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SturdyRef } from 'sturdy/client';
import { expect, it } from 'vitest';
import { CLI } from '../../examples/ledger/place.js';
import { asDelegable, ledgerGraph, Running } from '../broker/running.js';

const run = promisify(execFile);

/** As bytes, and in each of the ways in which one might have been printed. */
function spellings(secret: Uint8Array): Buffer[] {
  const bytes = Buffer.from(secret);
  const texts = (['hex', 'base64', 'base64url'] as const).map((encoding) => bytes.toString(encoding));
  // Without the version in front, too; and base64 of what stands behind it.
  const bare = bytes.subarray(1);
  return [bare, ...texts.map((text) => Buffer.from(text)), Buffer.from(bare.toString('base64url'))];
}

function filesIn(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    const found = statSync(path);
    return found.isDirectory() ? filesIn(path) : found.isFile() ? [path] : [];
  });
}

it('Only digests of secrets are at rest, wherever they were minted, and in a backup as well', {
  timeout: 120_000,
}, async () => {
  const running = await Running.start();
  const data = join(running.folder, 'data');
  const secrets: Uint8Array[] = [];
  const digestsToo: Uint8Array[] = [];
  try {
    const client = await running.connect();
    const operator = await running.operator(client);
    const all = { policy: { methods: { all: null } } };
    const root = await operator['mint']!({ domain: 'ledger', object: '', label: 'root', ...all });
    const ledger = await client.restore(root.ref.secret, ledgerGraph.interface('Ledger'));
    const saved = await asDelegable(ledger)['save']!({});
    const narrowed = await asDelegable(ledger)['attenuate']!({ label: 'narrowed', ...all });
    const below = await narrowed.grant.attenuate({ label: 'below', ...all });
    const dead = await asDelegable(operator)['attenuate']!({ label: 'revoked', ...all });
    await dead.grant.revoke({});
    secrets.push(
      root.ref.secret,
      saved.sturdyRef.secret,
      narrowed.ref.secret,
      below.ref.secret,
      dead.ref.secret,
    );
    for (const secret of [...secrets]) await client.gate['restore']!({ ref: { secret } }).catch(() => {});
    // One that was never minted, and is shown all the same.
    const stranger = new Uint8Array(33).map((_, i) => (i === 0 ? 1 : (i * 89) % 251));
    await expect(client.gate['restore']!({ ref: { secret: stranger } })).rejects.toThrow('no such reference');
    secrets.push(stranger);
    secrets.push(SturdyRef.parse(readFileSync(join(data, 'operator.ref'), 'utf8').trim()).secret());
    const { createHash } = await import('node:crypto');
    for (const secret of secrets.slice(0, 5)) digestsToo.push(createHash('sha256').update(secret).digest());
    await run(process.execPath, [CLI, 'store', 'backup', join(data, 'backup'), '--data', data]);
  } finally {
    await running.stop({ keep: true });
  }
  await run(process.execPath, [CLI, 'audit', 'export', '--out', join(data, 'export.jsonl'), '--data', data]);
  // The one file that holds one, by intent.
  const files = filesIn(data).filter((path) => !path.endsWith('operator.ref'));
  expect(files.map((path) => path.slice(data.length + 1)).sort()).toEqual([
    'backup',
    'export.jsonl',
    'store.json',
    'store.mdb',
    'store.mdb-lock',
  ]);
  for (const path of files) {
    const bytes = readFileSync(path);
    for (const secret of secrets)
      for (const spelling of spellings(secret)) expect(bytes.includes(spelling), path).toBe(false);
  }
  // The search finds what is there.
  const store = readFileSync(join(data, 'store.mdb'));
  for (const digest of digestsToo) expect(store.includes(Buffer.from(digest))).toBe(true);
});
