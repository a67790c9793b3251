/**
 * Whether LMDB's list of free pages is right: it names no page twice, none that is in use, and none that there is not. No record
 * shows that, and LMDB believes the list: it would write over what is in use, or end its process while it writes.
 *
 * Reads the pages themselves, as LMDB lays them out, in a file that nobody writes to. It follows no number that it has not checked,
 * and visits no page twice.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** In front of what a page holds: its number, a transaction, a pad, flags, and the bounds of its free space or its length. */
const HEADER = 24;
const FLAGS_AT = 18;
const LOWER_AT = 20;
/** In a meta page, behind its header: the descriptions of two trees, and how far the file goes. */
const FREE_TREE_AT = HEADER + 24;
const MAIN_TREE_AT = FREE_TREE_AT + 48;
const LAST_PAGE_AT = MAIN_TREE_AT + 48;
const TRANSACTION_AT = LAST_PAGE_AT + 8;
/** Of a description of a tree: where its root is. */
const ROOT_AT = 40;
const NO_ROOT = 0xffff_ffff_ffff_ffffn;

const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
/** Of a node: its value is in pages of its own, or describes a tree. */
const BIG = 1;
const TREE = 2;
const NODE_HEADER = 8;

/** What is wrong, the first of it. */
class Wrong extends Error {}

type Leaf = (value: Buffer, flags: number) => void;

const USED = 'is in use twice';

/** What is wrong with the pages of the file at `path`; null: nothing. */
export function pagesFault(path: string): string | null {
  const file = openSync(path, 'r');
  try {
    new Pages(file).check();
    return null;
  } catch (error) {
    if (error instanceof Wrong) return error.message;
    throw error;
  } finally {
    closeSync(file);
  }
}

class Pages {
  readonly #file: number;
  readonly #size: number;
  readonly #length: number;
  readonly #meta: Buffer;
  readonly #last: number;
  /** A bit for each page that was met. */
  readonly #met: Uint8Array;

  constructor(file: number) {
    this.#file = file;
    this.#length = fstatSync(file).size;
    // The size of a page is told where the first tree is described.
    this.#size = this.#bytes(0, FREE_TREE_AT + 4).readUInt32LE(FREE_TREE_AT);
    if (this.#size < 4096 || this.#size > 65_536)
      throw new Wrong(`its pages are said to have ${this.#size} bytes`);
    const metas = [0, this.#size].map((at) => this.#bytes(at, TRANSACTION_AT + 8));
    const [first, second] = metas as [Buffer, Buffer];
    const older = first.readBigUInt64LE(TRANSACTION_AT) < second.readBigUInt64LE(TRANSACTION_AT);
    this.#meta = older ? second : first;
    this.#last = Number(this.#meta.readBigUInt64LE(LAST_PAGE_AT));
    // A file is no longer than it was written; behind its end there may be free pages, within what a run of them takes.
    if (this.#last > this.#length / this.#size + 2 ** 20)
      throw new Wrong(`its last page is said to be ${this.#last}`);
    this.#met = new Uint8Array(this.#last / 8 + 1);
  }

  check(): void {
    this.#tree(this.#meta.subarray(MAIN_TREE_AT), (value, flags) => {
      if ((flags & TREE) === 0) this.#own(value, flags);
      else this.#tree(value, (inner, innerFlags) => void this.#own(inner, innerFlags));
    });
    const lists: Buffer[] = [];
    this.#tree(this.#meta.subarray(FREE_TREE_AT), (value, flags) => {
      const own = this.#own(value, flags);
      const pages = own && this.#bytes(own.number * this.#size, own.count * this.#size);
      lists.push(pages?.subarray(HEADER) ?? value);
    });
    for (const list of lists) this.#free(list);
  }

  /** Meets every page of the tree that is described, and of what is in pages of its own. */
  #tree(described: Buffer, leaf: Leaf): void {
    if (described.length < ROOT_AT + 8) throw new Wrong('a tree of it is not described');
    const root = described.readBigUInt64LE(ROOT_AT);
    if (root !== NO_ROOT) this.#branch(Number(root), leaf);
  }

  #branch(number: number, leaf: Leaf): void {
    const page = this.#page(number);
    const flags = page.readUInt16LE(FLAGS_AT);
    if ((flags & (BRANCH | LEAF)) === 0) throw new Wrong(`its page ${number} is not one of a tree`);
    const nodes = page.readUInt16LE(LOWER_AT) / 2;
    for (let i = 0; i < nodes; i++) {
      const at = HEADER + (inside(page, HEADER + 2 * i, 2) ? page.readUInt16LE(HEADER + 2 * i) : page.length);
      if (!inside(page, at, NODE_HEADER))
        throw new Wrong(`its page ${number} has a node where there is none`);
      const low = page.readUInt32LE(at);
      const flagsOf = page.readUInt16LE(at + 4);
      if ((flags & BRANCH) !== 0) {
        this.#branch(low + flagsOf * 2 ** 32, leaf);
        continue;
      }
      const key = page.readUInt16LE(at + 6);
      const from = at + NODE_HEADER + key;
      // Of a value that is in pages of its own, where they begin.
      const length = (flagsOf & BIG) !== 0 ? 8 : low;
      if (!inside(page, from, length)) throw new Wrong(`its page ${number} has a node that does not end`);
      leaf(page.subarray(from, from + length), flagsOf);
    }
  }

  /** Meets the pages of a value that has its own, and says which they are. Null: it lies in its node. */
  #own(value: Buffer, flags: number): { readonly number: number; readonly count: number } | null {
    if ((flags & BIG) === 0) return null;
    const number = Number(value.readBigUInt64LE(0));
    const first = this.#bytes(number * this.#size, HEADER);
    const count = first.readUInt32LE(LOWER_AT);
    if (
      (first.readUInt16LE(FLAGS_AT) & OVERFLOW) === 0 ||
      count === 0 ||
      Number(first.readBigUInt64LE(0)) !== number
    )
      throw new Wrong(`its page ${number} is not one that a value begins in`);
    for (let i = 0; i < count; i++) this.#meet(number + i, USED);
    return { number, count };
  }

  #page(number: number): Buffer {
    this.#meet(number, USED);
    const page = this.#bytes(number * this.#size, this.#size);
    if (Number(page.readBigUInt64LE(0)) !== number)
      throw new Wrong(`its page ${number} says that it is another`);
    return page;
  }

  /** A list has its length in front, and then numbers of pages; in front of the first of a run, how long it is, negative; and gaps. */
  #free(list: Buffer): void {
    const entries = list.length < 8 ? Number.NaN : Number(list.readBigUInt64LE(0));
    if (!inside(list, 8, entries * 8)) throw new Wrong('its list of free pages does not end');
    for (let i = 1; i <= entries; i++) {
      let number = Number(list.readBigInt64LE(8 * i));
      if (number === 0) continue;
      const run = number < 0 ? -number : 1;
      if (number < 0) {
        i += 1;
        number = i <= entries ? Number(list.readBigInt64LE(8 * i)) : 0;
      }
      for (let page = number; page < number + run; page++)
        this.#meet(page, 'is in its list of free pages, and is in use or there twice');
    }
  }

  #meet(number: number, again: string): void {
    if (!(number >= 2 && number <= this.#last)) throw new Wrong(`it names a page ${number}, and has none`);
    const bit = 1 << (number & 7);
    if (((this.#met[number >> 3] as number) & bit) !== 0) throw new Wrong(`its page ${number} ${again}`);
    this.#met[number >> 3]! |= bit;
  }

  #bytes(at: number, length: number): Buffer {
    if (!(at >= 0 && at + length <= this.#length)) throw new Wrong('it ends in the middle of what is in use');
    const bytes = Buffer.allocUnsafe(length);
    readSync(this.#file, bytes, 0, length, at);
    return bytes;
  }
}

function inside(bytes: Buffer, at: number, length: number): boolean {
  return at >= 0 && length >= 0 && at + length <= bytes.length;
}
