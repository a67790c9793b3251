/**
 * Spreads what comes in over many turns of a domain's thread. A socket hands over whatever has arrived, and reads on in the
 * same turn; with everything that each message sets off, some thousands of cheap calls of somebody else's would be one
 * turn longer than the domain may take. So a turn has a slice of time for messages: those that are left wait for the
 * next turn, in order, and the socket is not read meanwhile.
 */

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import type { Pace } from '../rpc/index.js';
import { startingBehind } from '../rpc/serve.js';
import { soon } from '../rpc/soon.js';

/** How long a turn takes up further messages, in milliseconds: half of the least limit of a turn. */
const SLICE_MILLIS = 5;

const milliseconds = performance.now.bind(performance);

export class SlicesOfTime implements Pace {
  #sliceEnd = 0;
  /** One message may be taken up: this is its microtask. */
  #isNext = false;
  /** That was asked for. */
  #isAsked = false;
  #goOn: () => void = () => {};

  /** @param now milliseconds of a clock that never goes back. */
  constructor(private readonly now: () => number = milliseconds) {}

  begins(goesOn: boolean): void {
    // While messages wait, it is their turn that counts.
    if (!goesOn && !this.#isAsked) this.#sliceEnd = this.now() + SLICE_MILLIS;
  }

  /** One message in one microtask, so that what the one before has set off is on the clock. */
  admits(goOn: () => void): boolean {
    this.#goOn = goOn;
    if (this.#isNext) {
      this.#isNext = false;
      if (this.now() < this.#sliceEnd) return true;
      this.#isAsked = true;
      setImmediate(this.#beginTurn);
    } else if (!this.#isAsked) {
      this.#isAsked = true;
      void soon.then(this.#take);
    }
    return false;
  }

  readonly #beginTurn = (): void => {
    this.#sliceEnd = this.now() + SLICE_MILLIS;
    this.#take();
  };

  readonly #take = (): void => {
    this.#isAsked = false;
    this.#isNext = true;
    try {
      startingBehind(this.#goOn);
    } catch (error) {
      // As from any other callback: not as the rejection of a promise of the program's.
      setImmediate(() => {
        throw error;
      });
    }
    this.#isNext = false;
  };
}
