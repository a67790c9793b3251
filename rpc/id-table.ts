/**
 * What a table of a connection has by ids: a Map of numbers, made for entries that come and go with every call.
 *
 * A Map of V8's is laid out anew after so many entries, and each layout points to the next one: those that have grown old
 * keep alive all that has stood in them, with everything that it refers to, until the whole heap is collected. So the
 * entries of small ids stand in slots, which stay where they are. Ids of the peer's choice may be any: there are never more
 * slots than four times as many as were in use at one time, and what does not fit stands in a Map all the same.
 */

/**
 * How many slots there always may be, and are kept by a table that has become empty: as a pipeline becomes now and then, to be as
 * full again at once. (In one whose calls are answered as they come, its high ids are alone.)
 */
export const FEW = 512;

/** A value is stored into an object, not into an array: in a locked-down thread that takes a quarter of the time. */
class Slot<T> {
  value: T | undefined = undefined;
}

export class IdTable<T extends object> {
  #slots: Slot<T>[] = [];
  #inSlots = 0;
  /** How many stood in slots at a time, since none did. */
  #most = 0;
  readonly #others = new Map<number, T>();

  get size(): number {
    return this.#inSlots + this.#others.size;
  }

  /** How many slots there are, for tests. */
  get slots(): number {
    return this.#slots.length;
  }

  get(id: number): T | undefined {
    if (id < this.#slots.length) {
      const { value } = this.#slots[id]!;
      if (value !== undefined) return value;
    }
    return this.#others.size === 0 ? undefined : this.#others.get(id);
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  set(id: number, value: T): void {
    if (this.#isElsewhere(id) || !this.#hasSlot(id)) {
      this.#others.set(id, value);
      return;
    }
    const slot = this.#slots[id]!;
    if (slot.value === undefined) this.#inSlots++;
    slot.value = value;
  }

  /** A Map is not asked for what is nearly never in it: that costs more than all the rest. */
  #isElsewhere(id: number): boolean {
    return this.#others.size > 0 && this.#others.has(id);
  }

  /** Whether there is a slot for `id`; those up to it are made where there may be so many. */
  #hasSlot(id: number): boolean {
    if (id >= this.#slots.length) {
      this.#most = Math.max(this.#most, this.#inSlots);
      if (id >= FEW + 4 * this.#most) return false;
      while (this.#slots.length <= id) this.#slots.push(new Slot());
    }
    return true;
  }

  delete(id: number): boolean {
    const slot = id < this.#slots.length ? this.#slots[id]! : null;
    if (slot !== null && slot.value !== undefined) {
      // Nothing is called from here on: where a program has used up the stack, it is either there or gone.
      slot.value = undefined;
      if (--this.#inSlots === 0) {
        // Slots that have run empty are few from then on, so that those of a flood are not kept: as many again take as many entries.
        this.#most = 0;
        if (this.#slots.length > FEW) this.#slots = [];
      }
      return true;
    }
    return this.#isElsewhere(id) && this.#others.delete(id);
  }

  clear(): void {
    this.#slots = [];
    this.#inSlots = 0;
    this.#most = 0;
    this.#others.clear();
  }

  /** All of them, as they are now. */
  values(): T[] {
    const values: T[] = [];
    for (const { value } of this.#slots) if (value !== undefined) values.push(value);
    for (const value of this.#others.values()) values.push(value);
    return values;
  }

  keys(): number[] {
    const keys: number[] = [];
    this.#slots.forEach(({ value }, id) => {
      if (value !== undefined) keys.push(id);
    });
    for (const id of this.#others.keys()) keys.push(id);
    return keys;
  }
}
