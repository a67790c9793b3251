/**
 * Memory that the bytes of a message stand in for a while, and that is used again afterwards: so that nothing is allocated for
 * a message that only passes through.
 *
 * A loan goes with the message: from the transport that has read it, through the connection that takes it, to the transport that
 * sends it on. Where there is none, the bytes stay what they are for as long as anybody holds them.
 */
import type { Memory } from '../schema/index.js';

export interface Loan {
  /** What all the segments of a message lie in that was received. Null: that is not known. */
  readonly memory: Memory | null;
  /** It ends when the function returns that was given the bytes: whoever needs them longer copies them before that. */
  readonly isBrief: boolean;
  /** Ends one that is not brief: nobody reads the bytes any more. Whoever does not call it leaves the memory to the collector. */
  giveBack(): void;
}

/** A loan for as long as the function runs that is given the bytes. */
export class BriefLoan<M extends Memory | null> implements Loan {
  readonly isBrief = true;

  constructor(readonly memory: M) {}

  giveBack(): void {}
}

/** One of memory that is not known. */
export const BRIEF: Loan = new BriefLoan(null);

/** `segments`, in memory of their own. */
export function copyOf(segments: readonly Uint8Array[]): Uint8Array[] {
  if (segments.length === 1) return [new Uint8Array(segments[0]!)];
  return segments.map((segment) => new Uint8Array(segment));
}
