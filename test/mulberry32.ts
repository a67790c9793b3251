/** The same numbers for the same seed, on every machine: from 0 to below 2^32. For tests that say which seed they began from. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** A whole number from 0 up to, and not including, `below`. */
export type Choose = (below: number) => number;

/** Chooses by that generator. */
export function chooser(seed: number): Choose {
  const next = mulberry32(seed);
  return (below) => next() % below;
}
