/**
 * The same attempts without the wall, where they have to succeed: no test may pass because an attempt was mistyped. Each
 * runs in a thread of its own that is thrown away, so that nothing it breaks is there for the next.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Harm } from './denial-class.js';
import { asProgram } from './escape-class.js';

/**
 * Where an attempt runs that no wall of ours holds:
 *
 * - `worker`: a plain worker thread;
 * - `vm`: a plain context of node:vm in one, which was handed objects of the realm outside;
 * - `scope`: a function whose free names are shadowed by `with`, and whose text was looked through for words: a language
 *   filtered by a program in it.
 */
export type BareKind = 'worker' | 'vm' | 'scope';

export interface BareOrder {
  readonly kind: BareKind;
  /** The body of an async function that returns a text. */
  readonly program: string;
}

const THREAD = fileURLToPath(new URL('../../../dist/test/escapes/harness/bare-thread.js', import.meta.url));

const PROCESS = fileURLToPath(new URL('../../../dist/test/escapes/harness/bare-process.js', import.meta.url));

/** For a thread that an attempt has made hang. */
const LIMIT_MILLIS = 30_000;
/** For a process that has to fill a memory. */
const HARM_LIMIT_MILLIS = 60_000;

export class Bare {
  readonly #processes = new Set<ChildProcess>();

  /** Runs an attempt; whether it got out. */
  async escapes(body: string, kind: BareKind = 'worker'): Promise<string> {
    return this.outcome(asProgram(body), kind);
  }

  /** Runs any program in a thread of its own, and gives the text that it returned, or what it threw. */
  outcome(program: string, kind: BareKind = 'worker'): Promise<string> {
    const thread = new Worker(THREAD, {
      workerData: { kind, program } satisfies BareOrder,
      env: {},
      execArgv: [],
      stdout: true,
      stderr: true,
    });
    return new Promise((resolve) => {
      const end = (outcome: string): void => {
        clearTimeout(late);
        resolve(outcome);
        void thread.terminate();
      };
      const late = setTimeout(() => end('it did not come to an end'), LIMIT_MILLIS);
      thread.once('message', (told: unknown) => end(String(told)));
      thread.once('error', (error) => end(`the thread failed: ${String(error)}`));
      thread.once('exit', (code) => end(`the thread exited with ${code}`));
    });
  }

  /** Runs a program in a process without limits, and says what harm it did. */
  async harm(program: string, expected: Harm): Promise<string> {
    const child = spawn(process.execPath, [PROCESS, program, expected], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#processes.add(child);
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    const late = setTimeout(() => child.kill('SIGKILL'), HARM_LIMIT_MILLIS);
    const [, signal] = (await once(child, 'close')) as [number | null, string | null];
    clearTimeout(late);
    this.#processes.delete(child);
    // A process that runs out of memory does not say so.
    return said === '' && signal !== 'SIGKILL' && expected === 'fills' ? 'fills' : said;
  }

  /** Ends the processes of tests that were given up. */
  end(): void {
    for (const child of this.#processes) child.kill('SIGKILL');
  }
}
