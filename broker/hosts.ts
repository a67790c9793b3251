/**
 * Which host process a trust group has. A host takes domains of one group only, and ends with the last of them: what a
 * domain has done to its process is never there for the next. Spare hosts, which have not seen a domain yet, are kept ready
 * for the next group.
 */

import { fileURLToPath } from 'node:url';
import { Host } from './host.js';
import type { SupervisorLog, SupervisorOptions } from './supervisor.js';

const HOST_MODULE = fileURLToPath(new URL('../worker/host.js', import.meta.url));

/** Spare hosts are made so long after one was taken, to leave the machine to the domain that starts. */
const REFILL_MILLIS = 500;

export class Hosts {
  readonly #byGroup = new Map<string, Host>();
  /** How many domains a host has, those that are being started included. */
  readonly #domains = new Map<Host, number>();
  readonly #spare: { readonly host: Host; readonly heapMebibytes: number }[] = [];
  readonly #all = new Set<Host>();
  readonly #log: SupervisorLog;
  readonly #module: string;
  readonly #warm: number;
  readonly #maxThreads: number;
  #refill: NodeJS.Timeout | null = null;
  #closed = false;

  constructor({ log, hostModule = HOST_MODULE, warm = 1, maxThreads = 256 }: SupervisorOptions) {
    this.#log = log;
    this.#module = hostModule;
    this.#warm = warm;
    this.#maxThreads = maxThreads;
  }

  /** The host of `group`, started if there is none. The caller says `leave` when the domain it is for is gone. */
  enter(group: string, heapMebibytes: number): Host {
    if (this.#closed) throw new Error('the supervisor is closed');
    const host = this.#byGroup.get(group) ?? this.#takeSpare(heapMebibytes) ?? this.#spawn(heapMebibytes);
    this.#byGroup.set(group, host);
    this.#domains.set(host, (this.#domains.get(host) ?? 0) + 1);
    this.#refill ??= setTimeout(() => this.#fill(heapMebibytes), REFILL_MILLIS);
    this.#refill.unref();
    return host;
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

  #fill(heapMebibytes: number): void {
    this.#refill = null;
    while (this.#spare.length < this.#warm)
      this.#spare.push({ host: this.#spawn(heapMebibytes), heapMebibytes });
  }

  /** One whose parked thread is of the right class, or any. */
  #takeSpare(heapMebibytes: number): Host | undefined {
    const index = this.#spare.findIndex((spare) => spare.heapMebibytes === heapMebibytes);
    return this.#spare.splice(Math.max(index, 0), 1)[0]?.host;
  }

  #spawn(heapMebibytes: number): Host {
    const settings = { heapMebibytes, maxThreads: this.#maxThreads, warm: this.#warm };
    const host = new Host(this.#module, settings, this.#log);
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
