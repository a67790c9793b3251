/**
 * Things that come and go with every call, each of which knows its place: put in and taken out without a look-up.
 *
 * A Set would do, but for its memory: one that grows old keeps alive all that has been in it since (see rpc/id-table.ts).
 */

/** The place of what is in no bag. */
export const NOWHERE = -1;

export interface Placed {
  /** Its place in the one bag that it is in; NOWHERE: in none. The bag's own to change. */
  place: number;
}

export class Bag<T extends Placed> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** Puts in what is in no bag. */
  add(item: T): void {
    item.place = this.#items.length;
    this.#items.push(item);
  }

  /** Takes it out; false: it is out already. */
  delete(item: T): boolean {
    const { place } = item;
    if (place === NOWHERE) return false;
    item.place = NOWHERE;
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#items[place] = last;
      last.place = place;
    }
    return true;
  }

  /** All that is in it now, in no order. */
  all(): T[] {
    return [...this.#items];
  }
}
