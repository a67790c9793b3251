/**
 * A broker of the example in a folder and a process of its own, for a tour or a test: it can be killed without warning,
 * started again, and leaves nothing behind.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type Operator, SturdyRef } from '../../client/index.js';
import { sturdySchema } from '../../schema/index.js';
import { CLI, exampleConfig } from './place.js';

const STARTING_MILLIS = 30_000;

export class OwnBroker {
  readonly folder: string;
  /** Where it listens. */
  readonly socket: string;
  readonly port: number;
  readonly #config: string;
  #child: ChildProcess | null = null;

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.socket = join(folder, 'data/sturdy.sock');
    this.port = port;
    this.#config = join(folder, 'sturdy.config.json');
  }

  /** Makes the folder and the configuration; `start` starts it. */
  static async create(): Promise<OwnBroker> {
    const folder = await mkdtemp(join(tmpdir(), 'sturdy-'));
    const broker = new OwnBroker(folder, await freePort());
    const config = await exampleConfig(join(folder, 'data'), broker.port);
    await writeFile(broker.#config, JSON.stringify(config, null, 2));
    return broker;
  }

  /** Resolves when it answers and is ready. Rejects with the end of its log where it ends instead. */
  async start(): Promise<void> {
    const log = await open(join(this.folder, 'broker.log'), 'a');
    const child = spawn(process.execPath, [CLI, 'serve', '--config', this.#config], {
      stdio: ['ignore', log.fd, log.fd],
    });
    await log.close();
    this.#child = child;
    const end = Date.now() + STARTING_MILLIS;
    while (!(await this.#ready())) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > end) {
        throw new Error(`the broker did not start; its log ends with:\n${await this.log(20)}`);
      }
      await pause(50);
    }
  }

  /** The reference in its data folder that restores to an Operator. */
  async operatorRef(): Promise<SturdyRef> {
    return SturdyRef.parse((await readFile(join(this.folder, 'data/operator.ref'), 'utf8')).trim());
  }

  /** The last lines of what it printed and logged. */
  async log(lines: number): Promise<string> {
    return (await readFile(join(this.folder, 'broker.log'), 'utf8')).split('\n').slice(-lines).join('\n');
  }

  /** SIGTERM: a graceful stop. Gives the exit code. */
  stop(): Promise<number | null> {
    return this.#end('SIGTERM');
  }

  /** SIGKILL: it does not get to do anything more. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Ends it if it runs, and deletes its folder. */
  async remove(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    return child.exitCode;
  }

  async #ready(): Promise<boolean> {
    try {
      const ref = await this.operatorRef();
      const session = await connect(ref);
      try {
        const operator = session.restore<Operator>(ref, sturdySchema().interface('Operator'));
        return (await operator.health({})).ready;
      } finally {
        session.close();
      }
    } catch {
      // Not there yet; who waits has a deadline and shows the log.
      return false;
    }
  }
}

/** A TCP port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
  return address.port;
}
