/** Ids for a table of ours: one that was given back, before a new one, so that they stay small and the tables dense. */
export class IdAllocator {
  #next = 0;
  readonly #free: number[] = [];

  take(): number {
    return this.#free.pop() ?? this.#next++;
  }

  /** `id` is in use on neither side any more. */
  give(id: number): void {
    this.#free.push(id);
    // An empty table starts anew, so that the free list of a flood is not kept.
    if (this.#free.length === this.#next) {
      this.#next = 0;
      this.#free.length = 0;
    }
  }
}
