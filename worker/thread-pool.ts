/**
 * The threads of one class of limits: resource limits belong to a Piscina pool, not to a run of it, so there is one pool
 * for each. It begins with a few threads parked, so that a start need not wait for one to be made, and keeps that up once
 * it is used by more than one domain.
 */

import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { DomainThread } from './domain-thread.js';
import type { TurnWatch } from './turn-watch.js';

const SHELL = fileURLToPath(new URL('./shell.js', import.meta.url));

export interface ThreadPoolOptions {
  readonly heapMebibytes: number;
  /** Threads, parked ones included. */
  readonly maxThreads: number;
  /** How many threads are to be parked, as far as `maxThreads` allows. */
  readonly warm: number;
  readonly watch: TurnWatch;
  /** A thread's turn was too long. */
  onOverdue(thread: DomainThread): void;
  /** No thread can be started. */
  onBroken(error: Error): void;
}

export class ThreadPool {
  readonly #pool: Piscina;
  readonly #spare = new Set<DomainThread>();
  #count = 0;

  constructor(private readonly options: ThreadPoolOptions) {
    this.#pool = new Piscina({
      filename: SHELL,
      minThreads: 0,
      maxThreads: options.maxThreads,
      concurrentTasksPerWorker: 1,
      // Its default freezes the idle event loop of a thread, and then one task's rejection fails the next.
      atomics: 'disabled',
      resourceLimits: {
        maxOldGenerationSizeMb: options.heapMebibytes,
        maxYoungGenerationSizeMb: 16,
        stackSizeMb: 4,
      },
      env: {},
      // The host's own flags: without them a thread would have no permission model, and addons.
      argv: [],
      recordTiming: false,
    });
    // A thread that fails before it has a task: the next one would as well, and Piscina makes no more of them.
    this.#pool.on('error', options.onBroken);
    this.#warmUp();
  }

  /** A parked thread, or null where no thread may be added. The caller gives it to a domain or terminates it. */
  async take(): Promise<DomainThread | null> {
    const thread = this.#parked() ?? this.#spare.values().next().value ?? this.#add();
    if (thread === null) return null;
    this.#spare.delete(thread);
    await thread.parked;
    // One for the next domain only where there is likely to be one: most hosts have one domain for good.
    if (this.#count - this.#spare.size > 1) this.#warmUp();
    return thread;
  }

  #parked(): DomainThread | undefined {
    for (const thread of this.#spare) if (thread.isParked) return thread;
    return undefined;
  }

  #warmUp(): void {
    while (this.#spare.size < this.options.warm) {
      const thread = this.#add();
      if (thread === null) return;
      this.#spare.add(thread);
    }
  }

  #add(): DomainThread | null {
    if (this.#count >= this.options.maxThreads) return null;
    this.#count++;
    const { watch, heapMebibytes, onOverdue } = this.options;
    const thread = new DomainThread(this.#pool, heapMebibytes, watch, onOverdue);
    void thread.gone.then(() => {
      this.#count--;
      this.#spare.delete(thread);
    });
    return thread;
  }
}
