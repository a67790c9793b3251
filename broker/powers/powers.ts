/**
 * The powers of one domain, by the names under which it is granted them. Each is an implementation of an interface of
 * schema/sturdy.capnp; what a method promises is written there.
 *
 * The caller is a guest. Nothing that it sends reaches the log unescaped or unbounded, and no error tells it about the broker's
 * machine.
 */
import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { LineRate } from '../line-rate.js';
import { StartupError } from '../startup-error.js';
import type { Store } from '../store/store.js';
import { ClockPower } from './clock.js';
import { DirectoryPower } from './directory.js';
import { DirectoryShare } from './directory-share.js';
import { HttpPower, type Resolve } from './http.js';
import { LogPower } from './log.js';
import { RandomPower } from './random.js';
import { openRoot, whyNotRooted } from './rooted.js';
import { readSecret, SecretPower } from './secret.js';
import type { SecretUses } from './secret-uses.js';
import type {
  DirectorySettings,
  HttpSettings,
  PolicySettings,
  PowerSettings,
  SecretSettings,
} from './settings.js';
import { StoragePower } from './storage.js';
import { LivingTimers, TimersPower } from './timers.js';

export interface PowersOptions {
  readonly domainId: string;
  readonly domain: string;
  readonly settings: PowerSettings;
  /** Where the domain stands in the configuration, for errors. */
  readonly at: string;
  /** Of the secrets of all domains: one may be passed to another. */
  readonly uses: SecretUses;
  readonly store: Store;
  readonly log: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Of the lines that the domain logs. */
  readonly lines: LineRate;
  /** How names are resolved. Default: by the system. */
  readonly resolve?: Resolve;
}

/** A power as it is granted to a domain. */
export interface Power {
  /** The name of its interface. */
  readonly interface: string;
  /** Where it stands below the domain in the configuration. */
  readonly at: string;
  readonly policy: PolicySettings | undefined;
  /** The implementation: one for all, or one for each capability to it. */
  implement(): object;
}

export type Powers = ReadonlyMap<string, Power>;

/**
 * Those that the settings grant.
 * @throws StartupError where a file or a directory of theirs is not what it has to be
 */
export async function openPowers(options: PowersOptions): Promise<Powers> {
  const { domainId, domain, settings, store, log, now, lines } = options;
  const { clock, random, log: logged, storage, timers, http, directory = {}, secret = {} } = settings;
  const found = new Map<string, Power>();
  const add = (
    kind: keyof PowerSettings,
    { policy }: { policy?: PolicySettings | undefined },
    implement: () => object,
    name?: string,
  ): void => {
    const type = `${kind[0]!.toUpperCase()}${kind.slice(1)}`;
    const at = name === undefined ? `powers.${kind}` : `powers.${kind}.${name}`;
    found.set(name ?? kind, { interface: type, at, policy, implement });
  };
  const one =
    <T>(made: T) =>
    () =>
      made;

  if (clock) add('clock', clock, one(new ClockPower(now)));
  if (random) add('random', random, one(new RandomPower()));
  if (logged) add('log', logged, one(new LogPower(log.child({ domain }), lines)));
  if (storage) {
    const quota = { bytes: storage.maxBytes, entries: storage.maxKeys };
    add('storage', storage, one(new StoragePower(store, domainId, quota)));
  }
  if (timers) {
    const living = new LivingTimers(timers);
    add('timers', timers, () => new TimersPower(living));
  }
  if (http) add('http', http, one(await openHttp(http, options)));
  for (const [name, each] of Object.entries(directory)) {
    const share = await openDirectory(each, `powers.directory.${name}`, options.at);
    add('directory', each, () => new DirectoryPower(share, each.mode === 'readWrite'), name);
  }
  for (const [name, each] of Object.entries(secret)) {
    add('secret', each, one(await openSecret(name, each, options)), name);
  }
  return found;
}

async function openHttp(settings: HttpSettings, { at, uses, resolve }: PowersOptions): Promise<HttpPower> {
  const { authorities: path } = settings;
  let authorities: string | null = null;
  if (path !== undefined) {
    authorities = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new StartupError(`${at}.powers.http.authorities: cannot read ${path}: ${cause.code}`, { cause });
    });
  }
  return new HttpPower({ settings, authorities, uses, ...(resolve && { resolve }) });
}

/** `at` is for the domain's eyes, without the name of the domain; `domainAt` is where that stands. */
async function openDirectory(
  settings: DirectorySettings,
  at: string,
  domainAt: string,
): Promise<DirectoryShare> {
  const why = await whyNotRooted();
  if (why !== null)
    throw new StartupError(`${domainAt}.${at}: a directory cannot be granted on this machine: ${why}`);
  try {
    (await openRoot(settings.root)).release();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StartupError(`${domainAt}.${at}.root: ${settings.root} is not a directory (${code})`, {
      cause,
    });
  }
  return new DirectoryShare(settings, at);
}

async function openSecret(
  name: string,
  settings: SecretSettings,
  { at, uses }: PowersOptions,
): Promise<SecretPower> {
  const value = await readSecret(settings.file, `${at}.powers.secret.${name}`);
  return new SecretPower(name, value, settings, uses);
}
