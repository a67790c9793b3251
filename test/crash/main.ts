/** `npm run test:crash`: CRASH_ROUNDS (500) rounds, from CRASH_SEED (any). */
import { randomInt } from 'node:crypto';
import { crash, text } from './crash.js';

const rounds = Number(process.env['CRASH_ROUNDS'] ?? 500);
const seed = Number(process.env['CRASH_SEED'] ?? randomInt(2 ** 32));
console.log(`crash test: ${rounds} rounds, seed ${seed}`);
const counts = await crash({ rounds, seed, report: console.log });
console.log(`crash test: nothing lost, nothing back. ${text(counts)}`);
