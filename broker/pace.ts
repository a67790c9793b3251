/**
 * Fair service: how far one client's calls may be ahead of what a domain has begun with.
 *
 * A domain begins with calls in the order in which they come. So a call that has returned says that everything that was
 * forwarded before it has begun, and what was forwarded after the last such call may still wait its turn there. Of these a client
 * may have AHEAD, and few as long as others have calls there, too; what else it has sent stays in its own connection, in order, and
 * nothing more is read from it. So the call of another client finds no more than that in front of it, however many are in flight.
 *
 * Calls that have begun and wait for something themselves hold nobody up: they count no more as soon as one that came later has
 * returned, or, where nothing returns at all, after a while.
 */
import type { Account, Throttle } from '../rpc/index.js';

/**
 * Calls of one client that one domain may not have begun with, where no other client calls it: twice what a turn takes from a
 * connection, so that one turn's calls can return while the next ones come.
 */
export const AHEAD = 256;

/** The same where another client has called it within CONTENDED milliseconds. */
export const AHEAD_OF_OTHERS = 4;
const CONTENDED = 100;
const NEVER = 0;

/** After so long without a return, calls count as begun, in milliseconds. */
const PATIENCE = 20;

/** Of a domain: what was forwarded to it, and what it has begun with. */
export class DomainPace {
  #forwarded = 0;
  #begun = 0;
  readonly #waiting = new Set<Lane>();
  /** Whose call was the last, and when another's was. */
  #last: Lane | null = null;
  #contended = NEVER;

  /** Another call of that lane goes there: its number. */
  forward(lane: Lane): number {
    if (this.#last !== lane) {
      if (this.#last !== null) this.#contended = Date.now();
      this.#last = lane;
    }
    return ++this.#forwarded;
  }

  /** How far each lane may be ahead now. */
  get ahead(): number {
    if (this.#contended === NEVER) return AHEAD;
    if (Date.now() - this.#contended < CONTENDED) return AHEAD_OF_OTHERS;
    this.#contended = NEVER;
    return AHEAD;
  }

  /** The highest number of a call that it has certainly begun with. */
  get begun(): number {
    return this.#begun;
  }

  returned(call: number): void {
    if (call <= this.#begun) return;
    this.#begun = call;
    if (this.#waiting.size > 0) for (const lane of [...this.#waiting]) lane.look();
  }

  /** Has `lane` look whenever calls have begun, until `forget`. */
  await(lane: Lane): void {
    this.#waiting.add(lane);
  }

  forget(lane: Lane): void {
    this.#waiting.delete(lane);
  }
}

/** What one client has in flight at one domain. */
export class Lane {
  /** Numbers of calls that it may not have begun with, ascending, from `#next` on. */
  #ahead: number[] = [];
  #next = 0;
  /** Runs while it is too far ahead, and its client is held up for that. */
  #timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly account: Account,
    private readonly domain: DomainPace,
    private readonly client: ClientPace,
  ) {}

  /** Another call is forwarded: its number. Null: the client may have no more in flight. */
  enter(): number | null {
    if (!this.account.take(1)) return null;
    const call = this.domain.forward(this);
    this.#ahead.push(call);
    if (this.#ahead.length - this.#next >= AHEAD_OF_OTHERS) this.look();
    return call;
  }

  /** The domain has returned that call. */
  returned(call: number): void {
    this.domain.returned(call);
  }

  /** A call is not in flight any more, returned or cancelled. */
  leave(): void {
    this.account.give(1);
  }

  /** Looks how far it is ahead, when calls were forwarded or have begun. */
  look(): void {
    const { begun } = this.domain;
    while (this.#next < this.#ahead.length && this.#ahead[this.#next]! <= begun) this.#next++;
    if (this.#next > 1024 || this.#next === this.#ahead.length) {
      this.#ahead.splice(0, this.#next);
      this.#next = 0;
    }
    if (this.#ahead.length - this.#next >= this.domain.ahead) this.#fill();
    else this.#drain();
  }

  #fill(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#ahead = [];
      this.#next = 0;
      this.#drain();
    }, PATIENCE);
    this.client.fill(this);
    this.domain.await(this);
  }

  #drain(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.domain.forget(this);
    this.client.drain(this);
  }
}

/** Of a client's connection: whether it may go on. */
export class ClientPace implements Throttle {
  readonly #full = new Set<Lane>();
  #waiting: (() => void)[] = [];

  get isFull(): boolean {
    return this.#full.size > 0;
  }

  whenRoom(listener: () => void): void {
    this.#waiting.push(listener);
  }

  fill(lane: Lane): void {
    this.#full.add(lane);
  }

  drain(lane: Lane): void {
    if (!this.#full.delete(lane) || this.isFull) return;
    for (const listener of this.#waiting.splice(0)) listener();
  }
}
