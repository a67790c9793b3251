/**
 * Spreads what comes in over many turns of a domain's thread. A socket hands over whatever has arrived, and reads on in the
 * same turn; with everything that each message sets off, some thousands of cheap calls of somebody else's would be one
 * turn longer than the domain may take. So a turn has a slice of time for messages: those that are left wait for the
 * next turn, in order, and the socket is not read meanwhile.
 */

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import type { Transport, TransportReceiver } from '../rpc/index.js';

/** How long a turn takes up further messages, in milliseconds: half of the least limit of a turn. */
const SLICE_MILLIS = 5;

const milliseconds = performance.now.bind(performance);

const soon = Promise.resolve();

/** What the transport reads from, as far as it is steered here. */
export interface Source {
  pause(): unknown;
  resume(): unknown;
}

export class PacedTransport implements Transport {
  #receiver: TransportReceiver | null = null;
  /** What has arrived and waits, oldest first, from `#next` on: messages, and the end of them. */
  #waiting: (Uint8Array[] | (() => void))[] = [];
  #next = 0;
  #sliceEnd = 0;
  /** A turn of messages has begun, and the next one is ordered. */
  #inTurn = false;
  /** `#take` is to be called in this turn. */
  #taking = false;
  #paused = false;

  /**
   * Takes over `transport`, which reads from `source`.
   *
   * @param now milliseconds of a clock that never goes back.
   */
  constructor(
    private readonly transport: Transport,
    private readonly source: Source,
    private readonly now: () => number = milliseconds,
  ) {}

  start(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    this.transport.start({
      message: (segments) => this.#arrived(segments),
      violated: (reason) => this.#arrived(() => receiver.violated(reason)),
      closed: (reason) => this.#arrived(() => receiver.closed(reason)),
    });
  }

  send(segments: readonly Uint8Array[], awaited?: boolean): void {
    this.transport.send(segments, awaited);
  }

  close(): void {
    this.#rest();
    this.transport.close();
  }

  #arrived(what: Uint8Array[] | (() => void)): void {
    this.#waiting.push(what);
    if (!this.#inTurn) this.#beginTurn();
    this.#takeSoon();
  }

  #beginTurn(): void {
    this.#inTurn = true;
    this.#sliceEnd = this.now() + SLICE_MILLIS;
    setImmediate(() => {
      this.#inTurn = false;
      if (this.#next < this.#waiting.length) {
        this.#beginTurn();
        this.#takeSoon();
      }
    });
  }

  /** One message in one microtask, so that what the one before has set off is on the clock. */
  #takeSoon(): void {
    if (this.#taking) return;
    this.#taking = true;
    void soon.then(this.#take);
  }

  readonly #take = (): void => {
    this.#taking = false;
    const next = this.#waiting[this.#next];
    if (next === undefined) return;
    if (this.now() >= this.#sliceEnd) {
      this.#paused = true;
      this.source.pause();
      return;
    }
    this.#next++;
    try {
      if (typeof next === 'function') next();
      else this.#receiver!.message(next);
    } catch (error) {
      // As from any other callback: not as the rejection of a promise of the program's.
      setImmediate(() => {
        throw error;
      });
    }
    if (this.#next < this.#waiting.length) this.#takeSoon();
    else this.#rest();
  };

  /** Nothing waits. */
  #rest(): void {
    this.#waiting = [];
    this.#next = 0;
    if (!this.#paused) return;
    this.#paused = false;
    this.source.resume();
  }
}
