/** A headless Chromium, driven over the pipe that it was given: no port is open meanwhile. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const NAMES = ['chromium-headless-shell', 'chromium'];

/** The program, or null where there is none. */
export function findChromium(): string | null {
  for (const name of NAMES) {
    try {
      return execFileSync('which', [name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
      // Another name, then.
    }
  }
  return null;
}

export interface Tab {
  /** What `expression` comes to, as JSON can say it. */
  evaluate(expression: string): Promise<unknown>;
  /** What it looks like, as a PNG. */
  screenshot(): Promise<Buffer>;
}

type Answer = { id?: number; result?: never; error?: { message: string } };

export class Chromium {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<number, { resolve(result: never): void; reject(error: Error): void }>();
  #asked = 0;

  private constructor(child: ChildProcess, profile: string) {
    this.#child = child;
    this.#profile = profile;
    let unread = '';
    (child.stdio[4] as Readable).setEncoding('utf8').on('data', (text: string) => {
      const answers = (unread + text).split('\0');
      unread = answers.pop()!;
      for (const answer of answers) this.#heard(JSON.parse(answer));
    });
    (child.stdio[3] as Writable).on('error', () => {});
    child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('Chromium has ended'));
    });
  }

  /** `trusts`: the SHA-256 of the public keys, in base64, of servers whose certificates nobody has signed. */
  static async start(program: string, trusts: readonly string[] = []): Promise<Chromium> {
    const profile = await mkdtemp(join(tmpdir(), 'sturdy-chromium-'));
    const child = spawn(
      program,
      [
        '--remote-debugging-pipe',
        '--no-sandbox',
        '--disable-gpu',
        '--window-size=760,420',
        `--user-data-dir=${profile}`,
        ...(trusts.length > 0 ? [`--ignore-certificate-errors-spki-list=${trusts.join()}`] : []),
      ],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
    );
    return new Chromium(child, profile);
  }

  async open(url: string): Promise<Tab> {
    const { targetId } = await this.#ask<{ targetId: string }>('Target.createTarget', { url });
    const { sessionId } = await this.#ask<{ sessionId: string }>('Target.attachToTarget', {
      targetId,
      flatten: true,
    });
    return {
      evaluate: async (expression) => {
        const { result } = await this.#ask<{ result: { value: unknown } }>(
          'Runtime.evaluate',
          { expression, returnByValue: true },
          sessionId,
        );
        return result.value;
      },
      screenshot: async () => {
        const { data } = await this.#ask<{ data: string }>('Page.captureScreenshot', {}, sessionId);
        return Buffer.from(data, 'base64');
      },
    };
  }

  async close(): Promise<void> {
    // Not `close`: processes of its own hold the pipes for a while longer.
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#ask('Browser.close', {}).catch(() => {});
    await ended;
    for (const stream of this.#child.stdio) stream?.destroy();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #ask<T>(method: string, params: object, sessionId?: string): Promise<T> {
    const id = ++this.#asked;
    const answered = new Promise<T>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    (this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return answered;
  }

  #heard({ id, result, error }: Answer): void {
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id!);
    if (error !== undefined) waiting.reject(new Error(error.message));
    else waiting.resolve(result!);
  }
}
