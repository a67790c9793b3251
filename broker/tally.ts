/**
 * What strangers can cause (a reference that is not good, a connection that breaks the protocol) is logged in aggregate: for
 * each kind a line a second at most, however much there was of it, and nothing in it that a stranger wrote. So nobody can
 * fill a disk.
 */
import type { Logger } from 'pino';

const INTERVAL = 1000;

export class Tally {
  readonly #counts = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;

  /** `fields` are those of a line that says that there were `count` of a kind. */
  constructor(
    private readonly log: Logger,
    private readonly message: string,
    private readonly fields: (count: number, kind: string) => object,
  ) {}

  /** One more. Of kinds, which are words of ours, there are few. */
  add(kind = ''): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    if (this.#timer !== null) return;
    this.#report();
    this.#wait();
  }

  #wait(): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#counts.size === 0) return;
      this.#report();
      this.#wait();
    }, INTERVAL);
    this.#timer.unref();
  }

  #report(): void {
    for (const [kind, count] of this.#counts) this.log.warn(this.fields(count, kind), this.message);
    this.#counts.clear();
  }
}
