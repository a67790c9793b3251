/**
 * Which host process a domain has: in the tier `thread` that of its trust group, otherwise one of its own. A host takes domains of one
 * group only, and ends with the last of them: what a domain has done to its process is never there for the next. Spare hosts, which
 * have not seen a domain yet, are kept ready for the next.
 */

import { fileURLToPath } from 'node:url';
import type { HostSettings } from '../worker/host-settings.js';
import { Host } from './host.js';
import { Launcher } from './launch.js';
import type { SupervisorLog, SupervisorOptions } from './supervisor.js';
import { type HostMemory, type Tier, TierError } from './tier.js';

const HOST_MODULE = fileURLToPath(new URL('../worker/host.js', import.meta.url));

/** Spare hosts are made so long after one was taken, to leave the machine to the domain that starts. */
const REFILL_MILLIS = 500;

/** What sets hosts apart from their start on. */
export interface HostKind extends HostMemory {
  readonly tier: Tier;
}

const nameOf = ({ tier, heapMebibytes, offHeapMebibytes }: HostKind): string =>
  `${tier} ${heapMebibytes} ${offHeapMebibytes}`;

/** Whether a spare host can be used where `wanted` is. In the tier `thread` a host bounds no memory from its start on. */
const fits = (spare: HostKind, wanted: HostKind): boolean =>
  wanted.tier === 'thread' ? spare.tier === 'thread' : nameOf(spare) === nameOf(wanted);

export class Hosts {
  readonly #byGroup = new Map<string, Host>();
  /** How many domains a host has, those that are being started included. */
  readonly #domains = new Map<Host, number>();
  readonly #spare: { readonly host: Host; readonly kind: HostKind }[] = [];
  /** What was asked for since the spare hosts were made, by name. */
  readonly #kinds = new Map<string, HostKind>();
  readonly #all = new Set<Host>();
  readonly #log: SupervisorLog;
  readonly #launcher: Launcher;
  readonly #warm: number;
  readonly #maxThreads: number;
  #refill: NodeJS.Timeout | null = null;
  #closed = false;

  constructor({ log, hostModule = HOST_MODULE, warm = 1, maxThreads = 256 }: SupervisorOptions) {
    this.#log = log;
    this.#launcher = new Launcher(hostModule);
    this.#warm = warm;
    this.#maxThreads = maxThreads;
  }

  /**
   * A host for a domain: in the tier `thread` that of `group`, otherwise one of its own; started if there is none. The caller says `leave`
   * when the domain it is for is gone.
   * @throws TierError where this machine cannot give the tier
   */
  enter(group: string, kind: HostKind): Host {
    if (this.#closed) throw new Error('the supervisor is closed');
    const known = kind.tier === 'thread' ? this.#byGroup.get(group) : undefined;
    const shared = known?.takesDomains === true ? known : undefined;
    const host = shared ?? this.#takeSpare(kind) ?? this.#spawn(kind);
    if (kind.tier === 'thread') this.#byGroup.set(group, host);
    this.#domains.set(host, (this.#domains.get(host) ?? 0) + 1);
    this.#kinds.set(nameOf(kind), kind);
    this.#refill ??= setTimeout(() => this.#fill(), REFILL_MILLIS);
    this.#refill.unref();
    return host;
  }

  /** A host that no domain gets: to see whether there can be one. The caller kills it. */
  trial(tier: Tier): Host {
    return this.#spawn({ tier, heapMebibytes: 32, offHeapMebibytes: 32 });
  }

  leave(host: Host): void {
    const domains = this.#domains.get(host);
    if (domains === undefined) return; // It died.
    this.#domains.set(host, domains - 1);
    if (domains > 1) return;
    this.#forget(host);
    host.kill('it has no domain any more');
  }

  async close(reason: string): Promise<void> {
    this.#closed = true;
    if (this.#refill !== null) clearTimeout(this.#refill);
    const hosts = [...this.#all];
    for (const host of hosts) host.kill(reason);
    await Promise.all(hosts.map(({ gone }) => gone));
  }

  /** Those of each kind that was asked for since. */
  #fill(): void {
    this.#refill = null;
    for (const kind of this.#kinds.values()) {
      const alike = () => this.#spare.filter((spare) => fits(spare.kind, kind)).length;
      while (alike() < this.#warm) this.#spare.push({ host: this.#spawn(kind), kind });
    }
    this.#kinds.clear();
  }

  /** One whose parked thread is of the right class; in the tier `thread` any will do, whose host makes another thread. */
  #takeSpare(wanted: HostKind): Host | undefined {
    const exact = this.#spare.findIndex(({ kind }) => nameOf(kind) === nameOf(wanted));
    const index = exact === -1 ? this.#spare.findIndex(({ kind }) => fits(kind, wanted)) : exact;
    return index === -1 ? undefined : this.#spare.splice(index, 1)[0]!.host;
  }

  #spawn(kind: HostKind): Host {
    const { tier, heapMebibytes } = kind;
    const settings: HostSettings = {
      heapMebibytes,
      maxThreads: tier === 'thread' ? this.#maxThreads : 1,
      warm: this.#warm,
    };
    const launch = this.#launcher.launch(tier, kind, JSON.stringify(settings));
    let host: Host;
    try {
      host = new Host(tier, launch, this.#log);
    } catch (cause) {
      const as = launch.options.uid === undefined ? '' : ` as user ${launch.options.uid}`;
      throw new TierError(tier, `a host cannot be started${as}: ${(cause as Error).message}`, { cause });
    }
    this.#all.add(host);
    void host.gone.then(() => {
      this.#all.delete(host);
      this.#forget(host);
    });
    return host;
  }

  /** Gives it to nobody any more. */
  #forget(host: Host): void {
    this.#domains.delete(host);
    for (const [group, known] of this.#byGroup) if (known === host) this.#byGroup.delete(group);
    for (const [index, spare] of this.#spare.entries()) if (spare.host === host) this.#spare.splice(index, 1);
  }
}
