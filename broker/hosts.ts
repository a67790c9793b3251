/**
 * Which host process a trust group has. A host takes domains of one group only; spare ones, which have not seen a domain
 * yet, are kept ready for the next group. A host that has lost all its domains is kept: it runs nothing.
 */

import { fileURLToPath } from 'node:url';
import { Host } from './host.js';
import type { SupervisorLog, SupervisorOptions } from './supervisor.js';

const HOST_MODULE = fileURLToPath(new URL('../worker/host.js', import.meta.url));

export class Hosts {
  readonly #byGroup = new Map<string, Host>();
  readonly #spare: { readonly host: Host; readonly heapMebibytes: number }[] = [];
  readonly #all = new Set<Host>();
  readonly #log: SupervisorLog;
  readonly #module: string;
  readonly #warm: number;
  readonly #maxThreads: number;
  #closed = false;

  constructor({ log, hostModule = HOST_MODULE, warm = 1, maxThreads = 256 }: SupervisorOptions) {
    this.#log = log;
    this.#module = hostModule;
    this.#warm = warm;
    this.#maxThreads = maxThreads;
  }

  /** The host of `group`, started if there is none. */
  of(group: string, heapMebibytes: number): Host {
    if (this.#closed) throw new Error('the supervisor is closed');
    const known = this.#byGroup.get(group);
    if (known !== undefined) return known;
    const host = this.#takeSpare(heapMebibytes) ?? this.#spawn(heapMebibytes);
    this.#byGroup.set(group, host);
    void host.gone.then(() => this.#byGroup.delete(group));
    while (this.#spare.length < this.#warm)
      this.#spare.push({ host: this.#spawn(heapMebibytes), heapMebibytes });
    return host;
  }

  async close(reason: string): Promise<void> {
    this.#closed = true;
    const hosts = [...this.#all];
    for (const host of hosts) host.kill(reason);
    await Promise.all(hosts.map(({ gone }) => gone));
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
      for (const [index, spare] of this.#spare.entries())
        if (spare.host === host) this.#spare.splice(index, 1);
    });
    return host;
  }
}
