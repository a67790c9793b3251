/** Starts a thread of the built tree and gives what it tells. */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ThreadOrder } from './compartment-thread.js';

const BUILT = new URL('../../../dist/test/worker/threads/compartment-thread.js', import.meta.url);

export function evaluateInThread(order: ThreadOrder, env: Record<string, string> = {}): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const told: string[] = [];
    const thread = new Worker(fileURLToPath(BUILT), {
      workerData: order,
      env,
      argv: ['an', 'argument'],
      execArgv: [],
    });
    thread.on('message', (text: string) => told.push(text));
    thread.on('error', reject);
    thread.on('exit', () => resolve(told));
  });
}
