/** The real thing that the model is held against: a broker in a process of its own, and the ways to start and to end it. */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { SturdyRef } from 'sturdy/client';
import { connectSocket, type SocketAddress } from 'sturdy/rpc';
import { LmdbStore } from '../../broker/store/lmdb-store.js';
import type { AuditEntry } from '../../broker/store/store.js';
import { type AnyStub, Client, sturdy } from '../broker/running.js';
import type { Order } from './broker-process.js';
import { PARTIES } from './domains.js';

const SCRIPT = fileURLToPath(new URL('../../dist/test/model/broker-process.js', import.meta.url));

/** For whoever looks for secrets. */
type Seen = { readonly where: string; readonly bytes: Buffer }[];

export class System {
  #child: ChildProcess | null = null;
  /** Where clients connect: the unix socket, and TCP. */
  #addresses: readonly SocketAddress[] = [];
  #now = Date.parse('2030-01-01T00:00:00Z');

  private constructor(
    readonly folder: string,
    readonly seen: Seen,
    /** Whether there are flow labels. */
    readonly labelled: boolean,
  ) {}

  /** `seen` gets everything that a broker or a host writes, and what can be seen of the processes. */
  static async make(seen: Seen, labelled = false): Promise<System> {
    if (!existsSync(SCRIPT)) throw new Error(`${SCRIPT} does not exist: run npm run build first`);
    return new System(await mkdtemp(join(tmpdir(), 'sturdy-model-')), seen, labelled);
  }

  /** What time it is for the broker. */
  get now(): number {
    return this.#now;
  }

  /** Starts the broker. */
  async start(): Promise<void> {
    const child = fork(SCRIPT, [this.folder, `${this.#now}`, this.labelled ? 'labelled' : 'plain'], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]!.on('data', (bytes: Buffer) => this.seen.push({ where: `${name} of the broker`, bytes }));
    }
    this.#addresses = (await this.#answer(child, 'ready')) as readonly SocketAddress[];
  }

  /** Sets the clock forward. What was due by then has been done. */
  async advance(millis: number): Promise<void> {
    await this.#order({ advance: millis }, 'advanced');
    this.#now += millis;
  }

  /** Comes near, by the unix socket, or from far, by TCP. */
  async connect(party: (typeof PARTIES)[number] = 'near'): Promise<Client> {
    return new Client(await connectSocket(this.#addresses[PARTIES.indexOf(party)]!));
  }

  /** The secret of the operator's reference. */
  async operatorSecret(): Promise<Uint8Array> {
    const file = await readFile(join(this.folder, 'data/operator.ref'), 'utf8');
    return SturdyRef.parse(file.trim()).secret();
  }

  async operator(client: Client): Promise<AnyStub> {
    return client.restore(await this.operatorSecret(), sturdy.interface('Operator'));
  }

  /** Ends it as SIGTERM does. */
  async stop(): Promise<void> {
    const child = this.#child!;
    const gone = exited(child);
    child.send({ stop: true } satisfies Order);
    await gone;
    this.#child = null;
  }

  /** Ends it as `kill -9` does. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    const gone = exited(child);
    child.kill('SIGKILL');
    await gone;
    this.#child = null;
  }

  async remove(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Notes what anybody on this machine can see of the broker and its hosts, and what Node prints of the broker. */
  async look(hostPids: readonly number[]): Promise<void> {
    const inspected = (await this.#order({ inspect: true }, 'inspected')) as string;
    this.seen.push({ where: 'util.inspect of the broker', bytes: Buffer.from(inspected) });
    if (!existsSync('/proc/self/environ')) return;
    for (const pid of [this.#child!.pid!, ...hostPids]) {
      for (const what of ['cmdline', 'environ']) {
        this.seen.push({ where: `/proc/${pid}/${what}`, bytes: readFileSync(`/proc/${pid}/${what}`) });
      }
    }
  }

  /**
   * After the broker has ended: the audit log, and every file of the data folder but the one that is to hold a reference.
   */
  async stored(): Promise<{ readonly where: string; readonly bytes: Buffer }[]> {
    const data = join(this.folder, 'data');
    const store = await LmdbStore.open(data);
    const audit: AuditEntry[] = [];
    for (let more = store.audit(0, 1000); more.length > 0; more = store.audit(audit.length, 1000)) {
      audit.push(...more);
    }
    await store.close();
    const files = readdirSync(data)
      .filter((name) => name !== 'operator.ref')
      .map((name) => ({ where: `the file ${name}`, bytes: readFileSync(join(data, name)) }));
    return [
      { where: 'the audit log', bytes: Buffer.from(inspect(audit, { maxArrayLength: null })) },
      ...files,
    ];
  }

  #order(order: Order, answer: string): Promise<unknown> {
    const child = this.#child!;
    const answered = this.#answer(child, answer);
    child.send(order);
    return answered;
  }

  #answer(child: ChildProcess, key: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null, signal: string | null) => {
        const last = this.seen.slice(-3).map(({ bytes }) => bytes.toString());
        reject(new Error(`the broker ended (${code ?? signal}) before it was ${key}: ${last.join('')}`));
      };
      const told = (message: Record<string, unknown>) => {
        if (!(key in message)) return;
        child.removeListener('message', told).removeListener('exit', ended);
        resolve(message[key]);
      };
      child.on('message', told).once('exit', ended);
    });
  }
}

function exited(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('close', () => resolve());
  });
}
