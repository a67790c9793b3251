/**
 * Measures what domains use, from outside of their hosts, several times a second, and says which of them use more than they may. What a host says of
 * itself counts for no more than the memory of its threads, which only it can tell apart; its own memory and its processor time are the kernel's to say.
 */

import type { CpuShare } from './cpu-share.js';
import type { Host } from './host.js';
import { RUNTIME_MEBIBYTES } from './launch.js';
import { cpuMillis, residentBytes } from './process-facts.js';
import type { HostMemory } from './tier.js';

/** What is known of what a domain uses; null where it is not, or not yet. */
export interface Use {
  readonly heapBytes: number | null;
  readonly offHeapBytes: number | null;
  /** Of one processor. */
  readonly cpu: number;
}

export interface Watched {
  readonly host: Host;
  /** As the host and as the kernel call it. */
  readonly thread: number;
  readonly task: number;
  readonly memory: HostMemory;
  readonly cpu: CpuShare;
  /** It uses more than it may. */
  over(reason: string): void;
}

const LOOK_EVERY_MILLIS = 250;

/** The young generation of a thread, its stack, and a thread that is parked beside it, in MiB. */
const THREAD_MEBIBYTES = 64;

const MEBIBYTE = 1024 * 1024;

export class HostWatch {
  /** With the processor time that each had used when it was last looked at. */
  readonly #watched = new Map<Watched, number>();
  #timer: NodeJS.Timeout | null = null;

  add(watched: Watched): void {
    this.#watched.set(watched, timeOf(watched) ?? 0);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MILLIS).unref();
  }

  remove(watched: Watched): void {
    this.#watched.delete(watched);
    if (this.#watched.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    const hosts = new Map<Host, number>();
    for (const [watched, before] of this.#watched) {
      const { host, memory } = watched;
      const allowed = memory.heapMebibytes + memory.offHeapMebibytes + THREAD_MEBIBYTES;
      hosts.set(host, (hosts.get(host) ?? RUNTIME_MEBIBYTES) + allowed);
      this.#watched.set(watched, this.#chargeTime(watched, before));
      this.#compareMemory(watched);
    }
    for (const [host, allowed] of hosts) {
      if ((residentBytes(host.pid) ?? 0) <= allowed * MEBIBYTE) continue;
      host.kill(
        `it has more than ${allowed} MiB in memory, which its domains may have together with Node ` +
          '(limits.heapMiB, limits.offHeapMiB)',
      );
    }
  }

  #chargeTime(watched: Watched, before: number): number {
    const time = timeOf(watched) ?? before;
    const { cpu } = watched;
    if (!cpu.charge(time - before)) {
      watched.over(
        `it used more of the processor than its share of ${cpu.share} over ${cpu.windowMillis} ms (limits.cpuShare)`,
      );
    }
    return time;
  }

  #compareMemory(watched: Watched): void {
    const { offHeapBytes } = useOf(watched);
    const { offHeapMebibytes } = watched.memory;
    if (offHeapBytes === null || offHeapBytes <= offHeapMebibytes * MEBIBYTE) return;
    watched.over(`its limit of ${offHeapMebibytes} MiB off the heap was met (limits.offHeapMiB)`);
  }
}

export function useOf({ host, thread, cpu }: Watched): Use {
  const { heapBytes = null, offHeapBytes = null } = host.memoryOf(thread) ?? {};
  return { heapBytes, offHeapBytes, cpu: cpu.used };
}

/** Of a host of its own, everything that it uses is the domain's. */
function timeOf({ host, task }: Watched): number | null {
  return host.tier === 'thread' ? cpuMillis(host.pid, task) : cpuMillis(host.pid);
}
