/**
 * What is said of refused restores: in aggregate, at most one line a second, so that nobody can fill a disk with them.
 */
import type { Logger } from 'pino';

const INTERVAL = 1000;

export class Refusals {
  #count = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(private readonly log: Logger) {}

  /** A restore was refused. */
  add(): void {
    this.#count++;
    if (this.#timer !== null) return;
    this.#report();
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#count > 0) this.#report();
    }, INTERVAL);
    this.#timer.unref();
  }

  #report(): void {
    this.log.warn({ refused: this.#count }, 'restores were refused');
    this.#count = 0;
  }
}
