/**
 * A store whose file is damaged anywhere: cut short, zeroed, bits flipped. Either that is found, when it is opened, scanned or
 * read; or nothing that it says has changed, and nothing of it is lost when it is written to. It is never believed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { digestOf, mintSecret } from '../../broker/store/secret.js';
import type { GrantRow } from '../../broker/store/store.js';
import { mulberry32 } from '../mulberry32.js';
import { LmdbStore } from './built.js';
import { type Everything, everything } from './everything.js';
import { grantOf } from './new-grant.js';

const ROUNDS = Number(process.env['DAMAGE_ROUNDS'] ?? 60);
const READER = fileURLToPath(new URL('../../dist/test/store/damage-reader.js', import.meta.url));
const PAGE = 4096;

type Dice = (below: number) => number;

const narrow = ({ policy }: GrantRow) => ({ policy: { ...policy, maxCalls: 3 }, bound: policy });

/** Three levels of grants, many amended, every fourth one revoked, two domains with storage of all sizes. */
async function makeStore(folder: string): Promise<Everything> {
  const store = await LmdbStore.open(folder);
  const domains = [await store.domainId('ledger'), await store.domainId('statement')];
  const ids: string[] = [];
  for (let i = 0; i < 120; i++) {
    const parent = i % 3 === 0 ? null : ids[Math.floor(i / 3)]!;
    const digest = i % 7 === 0 ? null : digestOf(mintSecret());
    const { id } = await store.mintGrant(grantOf(domains[i % 2]!, { digest, parent }), { by: 'test' });
    ids.push(id);
    if (i % 5 === 0) await store.amendPolicy(id, narrow, { by: 'test', action: 'grant.narrow' });
    if (digest !== null && i % 4 === 0)
      await store.rotateSecret(id, digestOf(mintSecret()), 1e9, { by: 'test' });
    await store.writeStorage(domains[i % 2]!, [
      { key: `key ${i % 50}`, put: Buffer.alloc((i * 97) % 9000, i) },
    ]);
  }
  for (let i = 119; i >= 0; i -= 4) await store.revokeSubtree(ids[i]!, { by: 'test' });
  const was = everything(store);
  await store.close();
  return was;
}

const DAMAGES: Record<string, (bytes: Buffer, dice: Dice) => Buffer> = {
  'cut short': (bytes, dice) => bytes.subarray(0, dice(bytes.length)),
  'cut at a page': (bytes, dice) => bytes.subarray(0, (1 + dice(bytes.length / PAGE - 1)) * PAGE),
  'a page zeroed': (bytes, dice) => bytes.fill(0, ...rangeOf(dice(bytes.length / PAGE) * PAGE, PAGE)),
  'some bytes zeroed': (bytes, dice) => bytes.fill(0, ...rangeOf(dice(bytes.length), 1 + dice(600))),
  'a bit flipped': (bytes, dice) => flipped(bytes, dice, 1),
  'bits flipped': (bytes, dice) => flipped(bytes, dice, 2 + dice(30)),
  'bits flipped where pages begin': (bytes, dice) => {
    for (let i = 0; i < 3; i++) bytes[dice(bytes.length / PAGE) * PAGE + dice(64)]! ^= 1 << dice(8);
    return bytes;
  },
  'bits flipped in the list of free pages': (bytes, dice) => {
    // The root of its tree, as the later of the two meta pages tells it.
    const later = bytes.readBigUInt64LE(152) < bytes.readBigUInt64LE(PAGE + 152) ? PAGE : 0;
    const page = Number(bytes.readBigUInt64LE(later + 88)) * PAGE;
    for (let i = 0; i < 8; i++) bytes[page + dice(PAGE)]! ^= 1 << dice(8);
    return bytes;
  },
  'a page in the place of another': (bytes, dice) => {
    const [from, to] = [dice(bytes.length / PAGE) * PAGE, dice(bytes.length / PAGE) * PAGE];
    return bytes.fill(bytes.subarray(from, from + PAGE), to, to + PAGE);
  },
};

const rangeOf = (from: number, length: number): [number, number] => [from, from + length];

function flipped(bytes: Buffer, dice: Dice, count: number): Buffer {
  for (let i = 0; i < count; i++) bytes[dice(bytes.length)]! ^= 1 << dice(8);
  return bytes;
}

/** A process that reads stores; another one, when it was ended by one. */
class Reader {
  #child: ChildProcess | null = null;
  #lines: AsyncIterator<string> | null = null;

  async read(folder: string, was: Everything): Promise<string> {
    if (this.#child === null) {
      this.#child = spawn(process.execPath, [READER], { stdio: ['pipe', 'pipe', 'inherit'] });
      this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
    }
    this.#child.stdin!.write(`${JSON.stringify({ folder, was })}\n`);
    const { value, done } = await this.#lines!.next();
    if (done !== true) return value;
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
    const how = `ended by ${this.#child.signalCode ?? this.#child.exitCode}`;
    this.#child = null;
    return how;
  }

  async close(): Promise<void> {
    if (this.#child === null) return;
    const gone = once(this.#child, 'exit');
    this.#child.stdin!.end();
    await gone;
  }
}

it(`A store that is damaged at random is found out, or says what it said: ${ROUNDS} rounds`, {
  timeout: 3_600_000,
}, async () => {
  const seed = Number(process.env['DAMAGE_SEED'] ?? randomInt(2 ** 32));
  const random = mulberry32(seed);
  const dice: Dice = (below) => random() % Math.floor(below);
  const place = mkdtempSync(join(tmpdir(), 'sturdy-random-damage-'));
  const whole = join(place, 'whole');
  const was = await makeStore(whole);
  const original = readFileSync(join(whole, 'store.mdb'));
  const kinds = Object.keys(DAMAGES);
  const reader = new Reader();
  const outcomes: Record<string, number> = {};
  for (let round = 1; round <= ROUNDS; round++) {
    const kind = kinds[round % kinds.length]!;
    const folder = join(place, `${round}`);
    cpSync(whole, folder, { recursive: true });
    const damaged = DAMAGES[kind]!(Buffer.from(original), dice);
    writeFileSync(join(folder, 'store.mdb'), damaged);
    const outcome = damaged.equals(original) ? 'nothing changed' : await reader.read(folder, was);
    expect(outcome, `seed ${seed}, round ${round}, ${kind}`).not.toContain('believed');
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    rmSync(folder, { recursive: true });
  }
  await reader.close();
  rmSync(place, { recursive: true });
  console.log(`damage, seed ${seed}: ${ROUNDS} rounds, ${JSON.stringify(outcomes)}`);
  expect(outcomes['refused ERR_STORE_DAMAGED']).toBeGreaterThan(ROUNDS / 3);
});
