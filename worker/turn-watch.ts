/**
 * Watches, from a host's main thread, that its domains' threads come back to their event loops: a thread whose turn lasts
 * longer than its limit is overdue. An idle thread costs a look at a counter; one that is busy is asked for a sign of life,
 * which it can only give between two turns.
 *
 * Wall-clock time is all that can be seen of a thread from here. Where the machine is so loaded that this watch itself
 * comes late, every thread is given as much longer.
 */

/** How a thread looks from outside. */
export interface WatchedThread {
  /** Milliseconds that its loop has spent waiting so far, the wait that goes on included. */
  idleMillis(): number;
  /** Asks for a call of `TurnWatch.alive`. */
  ping(): void;
  /** Its turn has lasted longer than its limit. Called once; it is watched no longer. */
  overdue(): void;
}

interface Watch {
  readonly thread: WatchedThread;
  readonly turnMillis: number;
  idle: number;
  /** When it was last known to be between two turns. */
  seen: number;
  asked: boolean;
}

const LOOK_EVERY_MILLIS = 25;

export class TurnWatch {
  readonly #watches = new Map<WatchedThread, Watch>();
  #timer: NodeJS.Timeout | null = null;
  #looked = 0;

  /** @param now milliseconds of a clock that never goes back. */
  constructor(private readonly now: () => number = () => performance.now()) {}

  add(thread: WatchedThread, turnMillis: number): void {
    this.#watches.set(thread, {
      thread,
      turnMillis,
      idle: thread.idleMillis(),
      seen: this.now(),
      asked: false,
    });
    if (this.#timer === null) {
      this.#looked = this.now();
      this.#timer = setInterval(() => this.look(), LOOK_EVERY_MILLIS);
    }
  }

  remove(thread: WatchedThread): void {
    this.#watches.delete(thread);
    if (this.#watches.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
  }

  /** The answer to a ping. */
  alive(thread: WatchedThread): void {
    const watch = this.#watches.get(thread);
    if (watch === undefined) return;
    watch.seen = this.now();
    watch.asked = false;
  }

  /** What the timer does. */
  look(): void {
    const now = this.now();
    const late = Math.max(0, now - this.#looked - 2 * LOOK_EVERY_MILLIS);
    this.#looked = now;
    for (const watch of [...this.#watches.values()]) {
      watch.seen += late;
      const idle = watch.thread.idleMillis();
      if (idle > watch.idle) {
        watch.idle = idle;
        watch.seen = now;
        watch.asked = false;
      } else if (now - watch.seen > watch.turnMillis) {
        this.remove(watch.thread);
        watch.thread.overdue();
      } else if (!watch.asked) {
        watch.asked = true;
        watch.thread.ping();
      }
    }
  }
}
