/** Who waits for more of what is counted, in the order in which they came. Nobody overtakes. */

export interface Waiting {
  /** Passes, or is refused: then it is done. False: it still has to wait. */
  attempt(): boolean;
}

export class Line {
  readonly #waiting = new Set<Waiting>();
  #moving = false;

  get length(): number {
    return this.#waiting.size;
  }

  /** Whether somebody is in it, or just passing: whoever comes now stands behind. */
  get isBusy(): boolean {
    return this.#moving || this.#waiting.size > 0;
  }

  join(waiting: Waiting): void {
    this.#waiting.add(waiting);
  }

  /** Without passing. */
  leave(waiting: Waiting): void {
    if (this.#waiting.delete(waiting)) this.move();
  }

  /** Has all pass that can. */
  readonly move = (): void => {
    if (this.#moving) return;
    this.#moving = true;
    try {
      // Who joins or leaves meanwhile is met, or not, in its place.
      for (const waiting of this.#waiting) {
        if (!waiting.attempt()) break;
        this.#waiting.delete(waiting);
      }
    } finally {
      this.#moving = false;
    }
  };
}
