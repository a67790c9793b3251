/**
 * Memory that the bytes of a message stand in for a while, and that is used again afterwards: so that nothing is allocated for
 * a message that only passes through.
 *
 * A loan goes with the message: from the transport that has read it, through the connection that takes it, to the transport that
 * sends it on. Where there is none, the bytes stay what they are for as long as anybody holds them.
 */
import type { Memory } from '../schema/index.js';

export interface Loan {
  /**
   * It ends when the function returns that was given the bytes, or a little later where a LentFrame is borrowed: whoever needs them
   * longer copies them before that.
   */
  readonly isBrief: boolean;
  /** Ends one that is not brief: nobody reads the bytes any more. Whoever does not call it leaves the memory to the collector. */
  giveBack(): void;
}

/** A loan for as long as the function runs that is given the bytes. */
export const BRIEF: Loan = { isBrief: true, giveBack() {} };

/** Who needs the bytes of frames until the end of the loan, and not longer. */
export interface Borrower {
  /** They are gone when this returns. */
  copyBorrowed(): void;
}

/**
 * The memory in which frames stand that have been read, lent for as long as the function runs that is given one of them; and that
 * one, a message of a single segment. One is given after the other, and written to by nobody when it was.
 */
export class LentFrame implements Loan {
  readonly isBrief = true;
  /** Where the segment begins: behind its header. */
  at = 0;
  /** The size of the segment. */
  bytes = 0;
  #borrowers: Borrower[] = [];

  constructor(readonly memory: Memory) {}

  giveBack(): void {}

  /** What was given so far stays until `over()`, which asks `borrower` to copy what it needs of that. */
  borrow(borrower: Borrower): void {
    this.#borrowers.push(borrower);
  }

  /** No frame is given any more, and the memory is used for something else. */
  over(): void {
    if (this.#borrowers.length === 0) return;
    const borrowers = this.#borrowers;
    this.#borrowers = [];
    let failure: { readonly cause: unknown } | null = null;
    for (const borrower of borrowers) {
      try {
        borrower.copyBorrowed();
      } catch (cause) {
        // Nobody is left with bytes that are somebody else's from now on.
        failure ??= { cause };
      }
    }
    if (failure !== null) throw failure.cause;
  }
}

/** `segments`, in memory of their own. */
export function copyOf(segments: readonly Uint8Array[]): Uint8Array[] {
  if (segments.length === 1) return [new Uint8Array(segments[0]!)];
  return segments.map((segment) => new Uint8Array(segment));
}
