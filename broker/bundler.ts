/**
 * Bundles the modules of domains, each in a process of its own that has nothing of the broker's: no environment, no open
 * files, none of its memory. What it may use is bounded, and whatever it says is only ever the text of a program or of faults.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { BundleError } from '../worker/bundle-error.js';
import { type BundleOrder, EXIT_FAULTS } from '../worker/bundle-order.js';
import { bounded } from './bounded.js';
import { withoutInherited } from './inherited.js';

export interface BundlerOptions {
  /** Folders of which nothing may go into a program. */
  readonly withheld: readonly string[];
  /** How long one module may take. Default 30 s. */
  readonly limitMillis?: number;
  /** Of each of the two processes that bundle: ours and esbuild's. Default 1024. */
  readonly memoryMebibytes?: number;
  /** The longest program, in bytes. Default 16 MiB. */
  readonly programBytes?: number;
  /** The module that a bundling process runs. Default: the one of worker/, in the built tree. */
  readonly processModule?: string;
}

const ENVIRONMENT = { TZ: 'UTC' };
const FLAGS = ['--no-warnings', '--no-addons', '--no-global-search-paths'];

/** As much as is kept of what a process says of its own failure, and as much as is told of it. */
const MAX_COMPLAINT = 4000;
const MAX_COMPLAINT_TOLD = 200;

export class Bundler {
  readonly #withheld: readonly string[];
  readonly #limitMillis: number;
  readonly #memoryMebibytes: number;
  readonly #programBytes: number;
  readonly #processModule: string;
  /** Bundling waits in here for one of the others to end: more at a time than there are processors would only take longer. */
  readonly #waiting: (() => void)[] = [];
  readonly #running = new Set<BundleProcess>();
  #free = availableParallelism();
  #closed = false;

  constructor(options: BundlerOptions) {
    this.#withheld = options.withheld;
    this.#limitMillis = options.limitMillis ?? 30_000;
    this.#memoryMebibytes = options.memoryMebibytes ?? 1024;
    this.#programBytes = options.programBytes ?? 16 * 1024 * 1024;
    this.#processModule =
      options.processModule ?? fileURLToPath(new URL('../worker/bundle-process.js', import.meta.url));
  }

  /** The program of the module at the path `module`. Rejects with BundleError. */
  async bundle(module: string): Promise<string> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((go) => this.#waiting.push(go));
    try {
      if (this.#closed) throw new BundleError(module, ['the broker stops']);
      return await this.#bundle(module);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  async #bundle(module: string): Promise<string> {
    const order: BundleOrder = { module: resolve(module), withheld: this.#withheld };
    const bundling = new BundleProcess(this.#commandFor(order), this.#programBytes);
    this.#running.add(bundling);
    const late = setTimeout(
      () => bundling.kill(`it took longer than ${this.#limitMillis} ms`),
      this.#limitMillis,
    );
    try {
      const { killed, code, signal, output, complaint } = await bundling.end;
      if (killed !== null) throw new BundleError(module, [killed]);
      if (code === 0) return output;
      if (code === EXIT_FAULTS) throw new BundleError(module, JSON.parse(output) as string[]);
      throw new BundleError(module, [
        `its bundling failed (${signal ?? `exit code ${code}`}), perhaps for want of memory: it may use ` +
          `${this.#memoryMebibytes} MiB${complaint === '' ? '' : `. It said: ${complaint}`}`,
      ]);
    } finally {
      clearTimeout(late);
      this.#running.delete(bundling);
    }
  }

  #commandFor(order: BundleOrder): string[] {
    // esbuild's process inherits the bound.
    return bounded({ dataMebibytes: this.#memoryMebibytes }, [
      process.execPath,
      ...FLAGS,
      this.#processModule,
      JSON.stringify(order),
    ]);
  }

  /** Ends what is being bundled, and takes no more. */
  close(): void {
    this.#closed = true;
    for (const bundling of this.#running) bundling.kill('the broker stops');
  }
}

interface End {
  /** Why it was killed, if we killed it. */
  readonly killed: string | null;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly complaint: string;
}

class BundleProcess {
  /** Fulfilled when the process is gone and everything that it said was read. */
  readonly end: Promise<End>;
  readonly #process: ChildProcess;
  #killed: string | null = null;

  constructor([program, ...args]: string[], programBytes: number) {
    const child = spawn(program!, args, {
      env: ENVIRONMENT,
      cwd: '/',
      // A process group of its own, so that esbuild's process goes with it.
      detached: true,
      // Its standard input says nothing: it ends with the broker.
      stdio: withoutInherited(['pipe', 'pipe', 'pipe']),
    });
    this.#process = child;
    child.stdin!.on('error', () => {});
    const output: Buffer[] = [];
    collect(child.stdout!, output, programBytes, () =>
      this.kill(`its program is larger than ${programBytes} bytes`),
    );
    const complaint: Buffer[] = [];
    collect(child.stderr!, complaint, MAX_COMPLAINT, () => {});
    this.end = new Promise((resolve) => {
      const ended = (code: number | null, signal: NodeJS.Signals | null) =>
        resolve({
          killed: this.#killed,
          code,
          signal,
          output: Buffer.concat(output).toString('utf8'),
          complaint: mainLine(Buffer.concat(complaint).toString('utf8')),
        });
      child.once('error', (error) => {
        this.#killed ??= `its bundling could not be started: ${error.message}`;
        ended(null, null);
      });
      child.once('close', ended);
    });
  }

  /** Kills the process and esbuild's. The first reason counts. */
  kill(reason: string): void {
    this.#killed ??= reason;
    const { pid } = this.#process;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It is gone.
    }
  }
}

/** The line that says what went wrong, of a stack trace or of a dump. */
function mainLine(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  return (lines.find((line) => /^(fatal |\w*)error\b/i.test(line)) ?? lines[0]!).slice(0, MAX_COMPLAINT_TOLD);
}

/** Keeps the first `limit` bytes of `stream`, and calls `over` if there are more. */
function collect(stream: Readable, into: Buffer[], limit: number, over: () => void): void {
  let length = 0;
  stream.on('data', (chunk: Buffer) => {
    if (length < limit) into.push(chunk.subarray(0, limit - length));
    length += chunk.length;
    if (length > limit) over();
  });
}
