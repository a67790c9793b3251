/** How often a domain may be started again within a minute, after it has ended by itself. */

const MINUTE = 60_000;

export class Restarts {
  /** When they were, the oldest first. */
  readonly #times: number[] = [];

  /** @param now milliseconds */
  constructor(
    readonly perMinute: number,
    private readonly now: () => number,
  ) {}

  add(): void {
    this.#times.push(this.now());
    // More of them than the limit say nothing.
    if (this.#times.length > this.perMinute) this.#times.shift();
  }

  /** How many there were within the last minute. */
  get recent(): number {
    return this.#times.filter((time) => this.now() - time < MINUTE).length;
  }

  /** How long until there may be another one, in milliseconds. */
  get restMillis(): number {
    return this.recent < this.perMinute ? 0 : this.#times[0]! + MINUTE - this.now();
  }

  toString(): string {
    return `${this.recent} times within a minute (limits.restartsPerMinute)`;
  }
}
