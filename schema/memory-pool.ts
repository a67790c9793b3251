/**
 * The memory of messages that are not small, which is used again, within one thread. A new buffer costs a page fault for each of
 * its pages, and the engine counts it as garbage that it has to collect: that is most of what such a message costs.
 */

/** What is kept of what nobody uses now: so many bytes, until none were needed for so many milliseconds. */
const KEPT = { bytes: 4 * 1024 * 1024, millis: 1_000 } as const;

/** Taken when the module is loaded: a thread that has been stripped for a domain has none later. */
const { setTimeout } = globalThis;

interface Memory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
}

/** By their size, of which there are four between a power of two and the next. */
const free: Memory[][] = [];
let freeBytes = 0;
let inUse = false;
let isWatched = false;

function watch(): void {
  isWatched = true;
  // It does not keep a process alive, where timers would.
  (setTimeout(clear, KEPT.millis) as { unref?(): void }).unref?.();
}

function clear(): void {
  isWatched = false;
  if (inUse) watch();
  else {
    free.length = 0;
    freeBytes = 0;
  }
  inUse = false;
}

/** A buffer that is lent to one holder. */
export class PooledBuffer {
  /** Smaller ones are not worth it. */
  static readonly LEAST_BYTES = 2 * 1024;
  /** It is the holder's until that gives it back: not just while a function runs. */
  readonly isBrief = false;
  #memory: Memory | null;

  private constructor(
    memory: Memory,
    private readonly kind: number,
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
    const kind = 4 * (31 - Math.clz32(step)) + steps;
    const memory = free[kind]?.pop();
    if (memory !== undefined) {
      freeBytes -= memory.bytes.length;
      return new PooledBuffer(memory, kind, false);
    }
    const buffer = new ArrayBuffer(steps * step);
    return new PooledBuffer({ bytes: new Uint8Array(buffer), view: new DataView(buffer) }, kind, true);
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#held.bytes;
  }

  get view(): DataView<ArrayBuffer> {
    return this.#held.view;
  }

  get #held(): Memory {
    if (this.#memory === null) throw new Error('a buffer was used after it was given back');
    return this.#memory;
  }

  /** Nobody has a view of it any more that is read or written. Safe to call again. */
  giveBack(): void {
    const memory = this.#memory;
    this.#memory = null;
    if (memory === null || freeBytes + memory.bytes.length > KEPT.bytes) return;
    freeBytes += memory.bytes.length;
    const same = free[this.kind];
    if (same === undefined) free[this.kind] = [memory];
    else same.push(memory);
    inUse = true;
    if (!isWatched) watch();
  }
}
