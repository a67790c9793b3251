import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { LmdbStore } from './built.js';

const MODULE = new URL('../../dist/broker/store/', import.meta.url).href;
const ROUNDS = 15;

/** Mints, revokes and stores without end, and says what was acknowledged, at once and synchronously. */
const PROGRAM = `
  import { writeSync } from 'node:fs';
  const [, folder, round] = process.argv;
  const { LmdbStore } = await import(${JSON.stringify(`${MODULE}lmdb-store.js`)});
  const { digestOf, mintSecret } = await import(${JSON.stringify(`${MODULE}secret.js`)});
  const store = await LmdbStore.open(folder);
  const domainId = await store.domainId('ledger');
  const say = (...words) => writeSync(1, words.join(' ') + '\\n');
  const roots = [];
  let counter = 0;
  async function worker() {
    for (;;) {
      const parent = Math.random() < 0.5 ? roots[Math.floor(Math.random() * roots.length)] ?? null : null;
      const digest = digestOf(mintSecret());
      try {
        const { id } = await store.mintGrant({
          parent, digest, domainId, domain: 'ledger', object: '', label: 'round ' + round, owner: { kind: 'anyone' }, once: true,
          policy: { methods: 'all', expires: 0, delegable: true },
        }, { by: 'worker' });
        say('minted', id, Buffer.from(digest).toString('hex'));
        roots.push(id);
        for (let i = 0; i < 3; i++) say('reserved', id, await store.reserve(id, 'calls', 2 + i, 7));
        const expires = ++counter;
        await store.amendPolicy(id, ({ policy }) => ({ policy: { ...policy, expires }, bound: policy }), { by: 'worker', action: 'grant.narrow' });
        say('narrowed', id, expires);
        if (await store.useOnce(id, digest, { by: 'worker' })) say('used', id);
      } catch (error) {
        if (error.code !== 'ERR_STORE_REVOKED') throw error;
      }
      if (roots.length > 2) {
        const [id] = roots.splice(Math.floor(Math.random() * roots.length), 1);
        for (const dead of await store.revokeSubtree(id, { by: 'worker' })) say('revoked', dead);
      }
      const value = ++counter;
      await store.writeStorage(domainId, [
        { key: 'left ' + value % 10, put: Buffer.from(round + ' ' + value) },
        { key: 'right ' + value % 10, put: Buffer.from(round + ' ' + value) },
      ]);
      say('stored', value % 10, round, value);
    }
  }
  say('begun');
  await Promise.all([worker(), worker(), worker(), worker()]);`;

describe('a store whose broker is killed', () => {
  it('has everything that was acknowledged, and nothing revoked comes back', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sturdy-kill-'));
    const minted = new Map<string, string>();
    const revoked = new Set<string>();
    const reserved = new Map<string, number>();
    const narrowed = new Map<string, number>();
    const used = new Set<string>();
    for (let round = 1; round <= ROUNDS; round++) {
      const stored = new Map<string, number>();
      const killAfter = 1 + Math.floor(Math.random() * 100);
      let acknowledged = 0;
      const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, folder, String(round)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const lines = createInterface(child.stdout);
      lines.on('line', (line) => {
        const [word, a = '', b = '', c = ''] = line.split(' ');
        acknowledged += 1;
        if (acknowledged === killAfter) child.kill('SIGKILL');
        if (word === 'minted') minted.set(a, b);
        if (word === 'revoked') revoked.add(a);
        if (word === 'reserved') reserved.set(a, (reserved.get(a) ?? 0) + Number(b));
        if (word === 'narrowed') narrowed.set(a, Number(b));
        if (word === 'used') used.add(a);
        if (word === 'stored') stored.set(a, Math.max(stored.get(a) ?? 0, Number(c)));
      });
      await Promise.all([once(lines, 'close'), once(child, 'close')]);
      expect(child.signalCode).toBe('SIGKILL');

      const store = await LmdbStore.open(folder);
      for (const [id, digest] of minted) {
        const row = store.findByDigest(Buffer.from(digest, 'hex'));
        expect(row?.id).toBe(id);
        if (revoked.has(id)) expect(row!.revoked).toBeTypeOf('number');
        if (narrowed.has(id)) expect(row!.policy.expires).toBe(narrowed.get(id));
        if (used.has(id)) expect(row!.amended?.used).toBeTypeOf('number');
      }
      for (const [id, calls] of reserved) {
        expect(store.reserved(id).calls).toBeGreaterThanOrEqual(calls);
        expect(calls).toBeLessThanOrEqual(7);
      }
      const domainId = await store.domainId('ledger');
      const read = (key: string) => Buffer.from(store.readStorage(domainId, key)!).toString();
      for (const [slot, value] of stored) {
        expect(read(`left ${slot}`)).toBe(read(`right ${slot}`));
        const [inRound, found] = read(`left ${slot}`).split(' ').map(Number);
        expect(inRound).toBe(round);
        expect(found).toBeGreaterThanOrEqual(value);
      }
      let last = 0;
      for (let page = store.audit(0, 1000); page.length > 0; page = store.audit(last, 1000)) {
        last = page.at(-1)!.sequence;
      }
      expect(last).toBeGreaterThanOrEqual(minted.size);
      await store.close();
    }
    expect(minted.size).toBeGreaterThan(ROUNDS);
    for (const each of [revoked, narrowed, used]) expect(each.size).toBeGreaterThan(ROUNDS / 3);
    expect([...reserved.values()].filter((calls) => calls === 7).length).toBeGreaterThan(ROUNDS / 3);
    rmSync(folder, { recursive: true });
  }, 120_000);
});
