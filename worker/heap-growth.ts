/**
 * When the engine collects the whole heap of a domain. It counts the bytes of messages, which are off the heap, as if the heap had
 * grown: a domain whose messages are a few kilobytes then spends a third of its time on marking what is no garbage. So the heap may
 * become three times as large first, where what is left lying off the heap meanwhile has room within the limits.
 */
import { setFlagsFromString } from 'node:v8';

const PERCENT = 200;
/** The engine's own choice. */
const BY_ITSELF = 0;

export class HeapGrowth {
  #isTight = false;

  /** @param set tells the engine how many percent larger a heap may become than what is alive in it. */
  constructor(private readonly set: (percent: number) => void = setGrowth) {
    set(PERCENT);
  }

  /** A domain with these limits is started. The engine knows one growth for all threads: the one for the domain with the least room. */
  admit(limits: { readonly heapMebibytes: number; readonly offHeapMebibytes: number }): void {
    // No heap becomes larger than its limit, and so there is never more garbage than that.
    if (this.#isTight || limits.offHeapMebibytes >= 2 * limits.heapMebibytes) return;
    this.#isTight = true;
    this.set(BY_ITSELF);
  }
}

function setGrowth(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}
