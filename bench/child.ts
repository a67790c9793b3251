/** A process of the bench: says lines, is told lines, and is ended with all that it did not end itself. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const ENDING_MILLIS = 5_000;
const STDERR_KEPT = 4_000;

export class Child {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #name: string;
  readonly #closed: Promise<void>;
  #stderr = '';
  #over = false;
  #wake: () => void = () => {};

  /** With `core`, the process and all that it starts stay on that core. */
  constructor(command: readonly string[], core: number | null, environment: Record<string, string> = {}) {
    const [program, ...args] = core === null ? command : ['taskset', '-c', `${core}`, ...command];
    const child = spawn(program!, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    this.#process = child;
    // taskset becomes the program: the pid is the program's.
    this.pid = child.pid ?? 0;
    this.#name = command.slice(0, 3).join(' ');
    createInterface({ input: child.stdout! }).on('line', (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    child.stdin!.on('error', () => {}); // It has ended: whoever waits for a line is told.
    this.#closed = new Promise((resolve) => {
      const over = () => {
        this.#over = true;
        this.#wake();
        resolve();
      };
      child.once('error', (error) => {
        this.#stderr += error.message;
        over();
      });
      child.once('close', over);
    });
  }

  say(line: string): void {
    this.#process.stdin!.write(`${line}\n`);
  }

  /** The next line that it says. Rejects with what it wrote to standard error where none comes. */
  async line(seconds: number): Promise<string> {
    const end = Date.now() + seconds * 1000;
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      if (this.#over) throw new Error(`${this.#name} ended: ${this.#stderr.trim() || 'it said nothing'}`);
      if (Date.now() >= end)
        throw new Error(`${this.#name} said nothing for ${seconds} s: ${this.#stderr.trim()}`);
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, end - Date.now());
      });
      clearTimeout(timer);
    }
  }

  /** The end of what it wrote to standard error: its log. */
  log(lines: number): string {
    return this.#stderr.trim().split('\n').slice(-lines).join(' ');
  }

  /** Rejects where the next line is another. */
  async ready(seconds = 30): Promise<void> {
    const line = await this.line(seconds);
    if (line !== 'ready') throw new Error(`${this.#name} said ${JSON.stringify(line)}; expected ready`);
  }

  /** Asks it to end, and ends it where it does not. */
  async end(): Promise<void> {
    if (this.#over) return;
    this.#process.kill('SIGTERM');
    const late = setTimeout(() => this.#process.kill('SIGKILL'), ENDING_MILLIS);
    await this.#closed;
    clearTimeout(late);
  }
}
