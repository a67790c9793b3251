/**
 * How much of a processor a domain may use over time: as much at once as its share of a window is, and its share from then on. One that has
 * used it up is to be stopped, and has to rest until half of it is there again; that holds for the next instance as well.
 *
 * The measure is processor time, as the kernel counts it: who waits for a processor uses none.
 */
export class CpuShare {
  #left: number;
  #at: number;
  #spent = false;

  /**
   * @param share of one processor; 2 is two of them
   * @param now milliseconds of a clock that never goes back
   */
  constructor(
    readonly share: number,
    readonly windowMillis: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#left = this.#most;
    this.#at = now();
  }

  /** So much more was used, in milliseconds. Whether there is any left. */
  charge(millis: number): boolean {
    this.#refill();
    this.#left -= millis;
    if (this.#left <= 0) this.#spent = true;
    return !this.#spent;
  }

  /** What was used of one processor over the last window, about. */
  get used(): number {
    this.#refill();
    return (this.#most - this.#left) / this.windowMillis;
  }

  /** For how long one that has used up its share has to rest yet, in milliseconds; otherwise 0. */
  get restMillis(): number {
    this.#refill();
    return this.#spent ? Math.ceil((this.#most / 2 - this.#left) / this.share) : 0;
  }

  get #most(): number {
    return this.share * this.windowMillis;
  }

  #refill(): void {
    const now = this.now();
    this.#left = Math.min(this.#most, this.#left + (now - this.#at) * this.share);
    this.#at = now;
    if (this.#left >= this.#most / 2) this.#spent = false;
  }
}
