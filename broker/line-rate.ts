/** How many lines a domain may log: so many a second on average, and twice as many at once after a silence. One for all its instances. */
export class LineRate {
  #tokens: number;
  #filled: number;
  #second = 0;
  #lines = 0;

  /** @param now milliseconds */
  constructor(
    readonly perSecond: number,
    private readonly now: () => number,
  ) {
    this.#tokens = this.burst;
    this.#filled = now();
  }

  get burst(): number {
    return 2 * this.perSecond;
  }

  /** Whether one more line may be written; it is, then. */
  take(): boolean {
    const now = this.now();
    // A clock that is set back gives nothing, and takes nothing.
    const more = (Math.max(0, now - this.#filled) * this.perSecond) / 1000;
    this.#tokens = Math.min(this.burst, this.#tokens + more);
    this.#filled = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    this.#lines = this.lines + 1;
    this.#second = Math.floor(now / 1000);
    return true;
  }

  /** How many lines were written in this second. */
  get lines(): number {
    return this.#second === Math.floor(this.now() / 1000) ? this.#lines : 0;
  }
}
