import { randomInt } from 'node:crypto';
import { expect, it } from 'vitest';
import { crash, text } from './crash.js';

/** Some of what `npm run test:crash` does at length. */
const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 20);

it('A broker that is killed at any instant has what it acknowledged, nothing revoked comes back, and no count goes back', async () => {
  const seed = Number(process.env['CRASH_SEED'] ?? randomInt(2 ** 32));
  const counts = await crash({ rounds: ROUNDS, seed });
  console.log(`crash test, seed ${seed}: ${text(counts)}`);
  expect(counts['minted']).toBeGreaterThan(ROUNDS);
  expect(counts['revoked']).toBeGreaterThan(0);
  expect(counts['counted']).toBeGreaterThan(0);
  expect(counts['countsChecked']).toBeGreaterThan(0);
}, 600_000);
