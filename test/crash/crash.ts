/**
 * The crash test: a broker, as `sturdy serve` runs it, is killed (kill -9) again and again at an instant that is drawn by lot: while
 * it starts, while clients work on it, before the first acknowledgement and after the hundredth. After each start, every
 * claim is checked against what had been acknowledged.
 *
 * What is drawn comes from one seed, which is told. The instants themselves are the machine's, so a seed does not bring the very
 * same run back.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { connect, type Operator, SturdyRef } from '../../client/index.js';
import { CLI } from '../../examples/ledger/place.js';
import { sturdySchema } from '../../schema/index.js';
import { mulberry32 } from '../mulberry32.js';
import { AuditClaim } from './audit.js';
import { type Claim, type Client, type Dice, isGone } from './claim.js';
import { CountsClaim } from './counts.js';
import { GrantsClaim } from './grants.js';

/** Every claim that is made. */
const CLAIMS: readonly ((dice: Dice) => Claim)[] = [
  (dice) => new GrantsClaim(dice),
  (dice) => new CountsClaim(dice),
  () => new AuditClaim(),
];

const run = promisify(execFile);

/** After so many rounds, a folder of its own for the next ones: what has to be checked after each start grows all the time. */
const ROUNDS_A_FOLDER = 25;
/** A broker that is not there by then never comes, in milliseconds. */
const START = 30_000;

export interface CrashOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Told after each folder. */
  readonly report?: (line: string) => void;
}

export interface CrashCounts {
  readonly rounds: number;
  /** Of those, the ones in which the broker was killed before it was ready. */
  readonly killedInStart: number;
  readonly [claim: string]: number;
}

/** @throws ClaimBroken, with the folder that shows it, which is kept then */
export async function crash({ rounds, seed, report = () => {} }: CrashOptions): Promise<CrashCounts> {
  const random = mulberry32(seed);
  const dice: Dice = (below) => random() % below;
  const total: Record<string, number> = {};
  let killedInStart = 0;
  for (let done = 0; done < rounds; ) {
    const folder = mkdtempSync(join(tmpdir(), 'sturdy-crash-'));
    const claims = CLAIMS.map((make) => make(dice));
    const until = Math.min(rounds, done + ROUNDS_A_FOLDER);
    try {
      for (; done < until; done++) if (await round(folder, claims, dice)) killedInStart += 1;
      await end(folder, claims);
    } catch (error) {
      (error as Error).message += ` (seed ${seed}, round ${done + 1}, folder ${folder})`;
      throw error;
    }
    rmSync(folder, { recursive: true });
    for (const { counts } of claims)
      for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
    report(`${done} of ${rounds} rounds: ${text(total)}`);
  }
  return { rounds, killedInStart, ...total };
}

export const text = (counts: object): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

/** One life of a broker. Says whether it was killed before it was ready. */
async function round(folder: string, claims: readonly Claim[], dice: Dice): Promise<boolean> {
  const broker = new Serving(folder);
  try {
    if (dice(6) === 0) {
      // Anywhere in a start, which takes some tenths of a second.
      await pause(dice(500));
      await broker.kill();
      return true;
    }
    const client = await broker.ready();
    for (const claim of claims) await claim.check(client);
    // After so many acknowledgements, or so many milliseconds.
    const enough = dice(2) === 0 ? 1 + dice(120) : Number.POSITIVE_INFINITY;
    if (enough === Number.POSITIVE_INFINITY) setTimeout(() => void broker.kill(), dice(150));
    let acknowledged = 0;
    const more = () => {
      acknowledged += 1;
      if (acknowledged === enough) void broker.kill();
    };
    const ends = await Promise.allSettled(claims.map((claim) => claim.work(client, more)));
    for (const ended of ends) if (ended.status === 'rejected' && !isGone(ended.reason)) throw ended.reason;
    await broker.kill();
    client.session.close();
    return false;
  } finally {
    await broker.kill();
  }
}

/** A last start, a last check, an end as it should be; and a look at the whole store. */
async function end(folder: string, claims: readonly Claim[]): Promise<void> {
  const broker = new Serving(folder);
  try {
    const client = await broker.ready();
    for (const claim of claims) await claim.check(client);
    client.session.close();
    await broker.stop();
  } finally {
    await broker.kill();
  }
  await run(process.execPath, [CLI, 'store', 'check', '--data', join(folder, 'data')]);
}

/** `sturdy serve`, without a domain: what is minted are references to the operator's own object, weaker than its own. */
class Serving {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #said = '';

  constructor(private readonly folder: string) {
    const config = { data: './data', listen: { unix: './broker.sock' }, log: { level: 'warn' }, domains: {} };
    writeFileSync(join(folder, 'sturdy.config.json'), JSON.stringify(config));
    this.#child = spawn(process.execPath, [CLI, 'serve'], {
      cwd: folder,
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#ended = once(this.#child, 'close');
    this.#child.stderr!.setEncoding('utf8').on('data', (said: string) => {
      this.#said = (this.#said + said).slice(-4000);
    });
  }

  async ready(): Promise<Client> {
    const ready = (async () => {
      for await (const line of createInterface({ input: this.#child.stdout! }))
        if (line.startsWith('operator reference in')) return true;
      return false;
    })();
    if (!(await Promise.race([ready, pause(START, false, { ref: false })])))
      throw new Error(`the broker did not start: ${this.#said}`);
    const ref = SturdyRef.parse(readFileSync(join(this.folder, 'data/operator.ref'), 'utf8').trim());
    const session = await connect(ref, { reconnect: false });
    return { session, operator: session.restore<Operator>(ref, sturdySchema().interface('Operator')) };
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
    if (this.#child.exitCode !== 0)
      throw new Error(`the broker ended with ${this.#child.exitCode}: ${this.#said}`);
  }
}
