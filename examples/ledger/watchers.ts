/**
 * Who wants to be told of an account's entries: callbacks that are held past the call which brought them, and
 * calls that wait. Both are other people's code or other people's patience, so both are bounded, and nothing
 * here ever waits for a watcher.
 */

import type { CallSignal } from 'sturdy/worker';
import type { Entry } from './record.js';

/** A stub of `Watcher` in ledger.capnp. */
export interface WatcherStub {
  booked(params: { entry: Entry }): Promise<unknown>;
  dup(): WatcherStub;
  [Symbol.dispose](): void;
}

const MAX_WATCHERS = 16;
const MAX_UNANSWERED = 32;
const MAX_WAITING = 64;

export class Watchers {
  readonly #account: string;
  readonly #watching = new Set<Watching>();
  readonly #waiting = new Set<{ readonly number: number; resolve(entry: Entry): void }>();

  constructor(account: string) {
    this.#account = account;
  }

  /** Keeps a reference to `watcher` of its own. Returns what ends the watch. */
  watch(watcher: WatcherStub): () => void {
    if (this.#watching.size >= MAX_WATCHERS) {
      throw new Error(`account ${this.#account} has ${MAX_WATCHERS} watchers, which is the limit`);
    }
    const watching: Watching = { watcher: watcher.dup(), unanswered: 0 };
    this.#watching.add(watching);
    return () => this.#drop(watching);
  }

  /**
   * Waits for the entry of this number. `entry` rejects when `signal` aborts or on `cancel`, which the
   * caller calls in any case when it has its answer.
   */
  next(number: number, signal: CallSignal): { entry: Promise<Entry>; cancel(): void } {
    if (this.#waiting.size >= MAX_WAITING) {
      throw new Error(`account ${this.#account} has ${MAX_WAITING} calls waiting, which is the limit`);
    }
    let cancel = () => {};
    const entry = new Promise<Entry>((resolve, reject) => {
      const waiting = { number, resolve };
      this.#waiting.add(waiting);
      cancel = () => {
        this.#waiting.delete(waiting);
        reject(new Error('the call was cancelled'));
      };
    });
    // Whether anybody still looks at it when it is cancelled does not matter.
    entry.catch(() => undefined);
    signal.addEventListener('abort', cancel);
    if (signal.aborted) cancel();
    return { entry, cancel };
  }

  /** Tells everybody, in the order in which this is called, and returns without waiting for them. */
  tell(entry: Entry): void {
    for (const waiting of this.#waiting) if (waiting.number === entry.number) waiting.resolve(entry);
    for (const watching of [...this.#watching]) {
      if (watching.unanswered >= MAX_UNANSWERED) {
        this.#drop(watching);
        continue;
      }
      watching.unanswered += 1;
      watching.watcher.booked({ entry }).then(
        () => {
          watching.unanswered -= 1;
        },
        () => this.#drop(watching),
      );
    }
  }

  #drop(watching: Watching): void {
    // Twice is possible: stopped by its holder while a call on it fails.
    if (this.#watching.delete(watching)) watching.watcher[Symbol.dispose]();
  }
}

interface Watching {
  readonly watcher: WatcherStub;
  unanswered: number;
}
