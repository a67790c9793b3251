/**
 * Places in the results of a call: what a path of pointer indexes leads to, PromisedAnswer.transform on the wire. A call has
 * nearly always one that is pipelined on, a single step into it.
 */

export type Path = readonly number[];

export const NO_STEPS: Path = Object.freeze([]);

const ONE_STEP: readonly Path[] = Object.freeze(
  Array.from({ length: 16 }, (_, field) => Object.freeze([field])),
);

/** The path of one step. */
export function oneStep(field: number): Path {
  return ONE_STEP[field] ?? [field];
}

export function areSame(a: Path, b: Path): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** What there is for each place of one call, in the order in which it came. */
export class Places<T> {
  /** The only one. A map is made for more. */
  #path: Path | null = null;
  #value: T | null = null;
  #many: Map<string, { readonly path: Path; readonly value: T }> | null = null;

  get size(): number {
    return this.#many === null ? (this.#path === null ? 0 : 1) : this.#many.size;
  }

  get(path: Path): T | undefined {
    if (this.#many !== null) return this.#many.get(path.join())?.value;
    return this.#path !== null && areSame(this.#path, path) ? this.#value! : undefined;
  }

  /** Adds what there is not yet. */
  add(path: Path, value: T): void {
    if (this.#many === null) {
      if (this.#path === null) {
        this.#path = path;
        this.#value = value;
        return;
      }
      this.#many = new Map([[this.#path.join(), { path: this.#path, value: this.#value! }]]);
      this.#path = null;
      this.#value = null;
    }
    this.#many.set(path.join(), { path, value });
  }

  delete(path: Path): void {
    if (this.#many !== null) this.#many.delete(path.join());
    else if (this.#path !== null && areSame(this.#path, path)) {
      this.#path = null;
      this.#value = null;
    }
  }

  /** All of them, as they are now. */
  entries(): { readonly path: Path; readonly value: T }[] {
    if (this.#many !== null) return [...this.#many.values()];
    return this.#path === null ? [] : [{ path: this.#path, value: this.#value! }];
  }
}
