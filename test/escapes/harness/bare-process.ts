/**
 * A process without limits, which runs one program in a thread (see bare.ts) and says what harm it does: that the thread
 * answers no more, that memory fills, or that it dies of it. It ends with whoever started it: when its input does.
 */

import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { BareOrder } from './bare.js';
import type { Harm } from './denial-class.js';

const THREAD = fileURLToPath(new URL('./bare-thread.js', import.meta.url));
/** More than any domain of these tests may have. */
const FULL_BYTES = 400 * 1024 * 1024;
const SILENT_MILLIS = 400;
const LOOK_EVERY_MILLIS = 20;

/** `process.exit` would wait for the thread, which may be in what nothing interrupts. */
function end(): void {
  process.kill(process.pid, 'SIGKILL');
}

function report(harm: Harm | 'none'): void {
  process.stdout.write(harm, end);
}

process.stdin.on('close', end).resume();

const expected = process.argv[3] as Harm;
const order: BareOrder = { kind: 'worker', program: process.argv[2] ?? '' };
const thread = new Worker(THREAD, { workerData: order, env: {}, stdout: true, stderr: true });
let heard = performance.now();
thread.once('online', () => {
  heard = performance.now();
});
thread.on('message', (text: unknown) => {
  heard = performance.now();
  if (text !== 'alive' && expected !== 'dies') report('none');
});
thread.on('error', () => report('dies'));
setInterval(() => {
  thread.postMessage('are you there?');
  if (expected === 'fills' && process.memoryUsage.rss() > FULL_BYTES) report('fills');
  if (expected === 'hangs' && performance.now() - heard > SILENT_MILLIS) report('hangs');
}, LOOK_EVERY_MILLIS);
