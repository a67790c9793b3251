/**
 * The memory of large messages, which is used again, within one thread. A new buffer costs a page fault for each of its pages, and the engine
 * counts it as garbage that it has to collect: that is most of what a large message costs.
 */
import type { Loan } from './loan.js';
import { inBackground, setTimeout } from './timers.js';

/** Whatever is smaller is not worth it. */
const LARGE_BYTES = 64 * 1024;

/** What is kept of what nobody uses now: so many bytes, until none were needed for so many milliseconds. */
const KEPT = { bytes: 4 * 1024 * 1024, millis: 1_000 } as const;

/** Sizes are multiples of this. */
const STEP_BYTES = 16 * 1024;

/** How many times as large as needed a buffer may be. */
const SLACK = 1.25;

const free: Uint8Array[] = [];
let freeBytes = 0;
let inUse = false;
let isWatched = false;

function watch(): void {
  isWatched = true;
  inBackground(setTimeout(clear, KEPT.millis));
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

export class LargeBuffer implements Loan {
  readonly isBrief = false;
  #isLent = true;

  private constructor(
    /** Anything may stand in it. */
    readonly bytes: Uint8Array,
  ) {}

  /** One of so many bytes at least; null where that is not large. */
  static of(bytes: number): LargeBuffer | null {
    if (bytes < LARGE_BYTES) return null;
    const found = free.findIndex(({ length }) => length >= bytes && length <= bytes * SLACK);
    if (found < 0) return new LargeBuffer(new Uint8Array(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES));
    const [buffer] = free.splice(found, 1);
    freeBytes -= buffer!.length;
    return new LargeBuffer(buffer!);
  }

  giveBack(): void {
    if (!this.#isLent) return;
    this.#isLent = false;
    free.push(this.bytes);
    freeBytes += this.bytes.length;
    while (freeBytes > KEPT.bytes) freeBytes -= free.shift()!.length;
    inUse = true;
    if (!isWatched) watch();
  }
}
