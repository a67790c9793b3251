/** When the messages that have come over a stream are taken up: all at once, or so that there is time for others between them. */
import { setImmediate } from 'node:timers';
import type { Throttle } from './throttle.js';

export interface Pace {
  /** Bytes have come. Not in the turn of those before, unless it `goesOn`. */
  begins(goesOn: boolean): void;
  /** Whether one message may be taken up now. Otherwise `goOn` is called once, later, when it may be so. */
  admits(goOn: () => void): boolean;
}

/** So many in a turn, and none while somebody else has enough of them. */
export class MessagesPerTurn implements Pace {
  #left = 0;

  constructor(
    private readonly limits: { readonly messagesPerTurn: number },
    private readonly throttle: Throttle,
  ) {}

  begins(): void {
    this.#left = this.limits.messagesPerTurn;
  }

  admits(goOn: () => void): boolean {
    const { isFull } = this.throttle;
    if (!isFull && this.#left > 0) {
      this.#left--;
      return true;
    }
    const inNextTurn = () =>
      setImmediate(() => {
        this.begins();
        goOn();
      });
    if (isFull) this.throttle.whenRoom(inNextTurn);
    else inNextTurn();
    return false;
  }
}
