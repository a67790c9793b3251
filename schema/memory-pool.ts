/**
 * The memory of messages that are not small, which is used again, within one thread. A new buffer costs a page fault for each of
 * its pages, and the engine counts it as garbage that it has to collect: that is most of what such a message costs.
 */

import { Memory } from './memory.js';

/** How long, in milliseconds, what is free is kept that nobody has needed meanwhile: at most twice as long. */
const KEPT_MILLIS = 1_000;

/** Taken when the module is loaded: a thread that has been stripped for a domain has none later. */
const { setTimeout } = globalThis;

const soon = Promise.resolve();

/** What is free of one size, and how much of it was free all the time since this was last looked at. */
interface Shelf {
  readonly free: Memory[];
  idle: number;
}

/** By the size, of which there are four between a power of two and the next. */
const shelves: (Shelf | undefined)[] = [];
let freeBytes = 0;
let isWatched = false;

function watch(): void {
  // It does not keep a process alive, where timers would.
  (setTimeout(letGo, KEPT_MILLIS) as { unref?(): void }).unref?.();
}

function letGo(): void {
  for (const shelf of shelves) {
    if (shelf === undefined) continue;
    for (const { bytes } of shelf.free.splice(0, shelf.idle)) freeBytes -= bytes.length;
    shelf.idle = shelf.free.length;
  }
  if (freeBytes > 0) watch();
  else isWatched = false;
}

/** A buffer that is lent to one holder. */
export class PooledBuffer {
  /** Smaller ones are not worth it. */
  static readonly LEAST_BYTES = 2 * 1024;
  /** What is kept of what nobody uses now, in bytes: never more than was in use at a time, and only for a second or two. */
  static keepBytes = 32 * 1024 * 1024;

  /** It is the holder's until that gives it back: not just while a function runs. */
  readonly isBrief = false;
  #memory: Memory | null;

  private constructor(
    memory: Memory,
    private readonly size: number,
    /** Whether it is zero everywhere; otherwise anything may stand in it. */
    readonly isZero: boolean,
  ) {
    this.#memory = memory;
  }

  /** One of so many bytes, or up to a quarter more. Null where that is too small to be one. */
  static of(bytes: number): PooledBuffer | null {
    if (bytes < PooledBuffer.LEAST_BYTES) return null;
    const step = 1 << (29 - Math.clz32(bytes - 1));
    const steps = Math.ceil(bytes / step);
    const size = 4 * (31 - Math.clz32(step)) + steps;
    const shelf = shelves[size];
    const memory = shelf?.free.pop();
    if (memory !== undefined) {
      shelf!.idle = Math.min(shelf!.idle, shelf!.free.length);
      freeBytes -= memory.bytes.length;
      return new PooledBuffer(memory, size, false);
    }
    return new PooledBuffer(new Memory(new Uint8Array(steps * step)), size, true);
  }

  get memory(): Memory {
    if (this.#memory === null) throw new Error('a buffer was used after it was given back');
    return this.#memory;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.memory.bytes;
  }

  /** Nobody has a view of it any more that is read or written. Safe to call again. */
  giveBack(): void {
    const memory = this.#memory;
    this.#memory = null;
    if (memory === null || freeBytes + memory.bytes.length > PooledBuffer.keepBytes) return;
    freeBytes += memory.bytes.length;
    const shelf = shelves[this.size];
    if (shelf === undefined) shelves[this.size] = { free: [memory], idle: 0 };
    else shelf.free.push(memory);
    if (isWatched) return;
    // Not here: a program may have used up the stack.
    void soon.then(watch);
    isWatched = true;
  }
}
