/**
 * Two ends in one process, for tests: messages are copied and delivered in order, and each direction is a `Link` that can
 * be blocked, let through one message at a time, and cut, so that every race is deterministic. Each message is lent to its
 * receiver, and overwritten when that has returned: whoever kept it without a copy is found out.
 */
import { RpcError } from '../error.js';
import { BRIEF, copyOf, type Loan } from '../loan.js';
import type { Transport, TransportReceiver } from './transport.js';

/** What memory that was lent is filled with when the loan is over: no number that is anybody's, and no pointer. */
const OVER = 0xfe;

/** Lends `segments` to `take` for as long as that runs, and overwrites them then. */
export function lend(segments: Uint8Array[], take: (segments: Uint8Array[], loan: Loan) => void): void {
  take(segments, BRIEF);
  for (const segment of segments) segment.fill(OVER);
}

/** One direction. */
export class Link {
  readonly #queue: Uint8Array[][] = [];
  #receiver: TransportReceiver | null = null;
  #blocked = false;
  #scheduled = false;
  #ended: RpcError | null = null;
  /** Every message that was delivered, oldest first, if `record` was set. */
  readonly trace: Uint8Array[][] = [];
  record = false;
  delivered = 0;

  /** Messages that wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  block(): void {
    this.#blocked = true;
  }

  unblock(): void {
    this.#blocked = false;
    this.#schedule();
  }

  /** Delivers the next `count` messages of a blocked link, now. */
  step(count = 1): void {
    for (let i = 0; i < count; i++) this.#deliver();
  }

  attach(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    this.#schedule();
  }

  push(message: readonly Uint8Array[]): void {
    if (this.#ended !== null) return;
    this.#queue.push(copyOf(message));
    this.#schedule();
  }

  /** Ends the direction behind what was sent; with `now`, what still waits is lost. */
  end(reason: RpcError, now = false): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    if (now) this.#queue.length = 0;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#blocked || this.#receiver === null) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      while (!this.#blocked && this.#deliver());
    });
  }

  #deliver(): boolean {
    const receiver = this.#receiver;
    if (receiver === null) return false;
    const message = this.#queue.shift();
    if (message !== undefined) {
      this.delivered++;
      if (this.record) this.trace.push(copyOf(message));
      lend(message, (segments, loan) => receiver.message(segments, loan));
      return true;
    }
    if (this.#ended !== null) {
      this.#receiver = null;
      receiver.closed(this.#ended);
    }
    return false;
  }
}

class MemoryTransport implements Transport {
  constructor(
    private readonly outward: Link,
    private readonly inward: Link,
  ) {}

  start(receiver: TransportReceiver): void {
    this.inward.attach(receiver);
  }

  send(segments: readonly Uint8Array[]): void {
    this.outward.push(segments);
  }

  close(): void {
    this.outward.end(
      new RpcError('disconnected', 'the peer closed the connection', { code: 'ERR_RPC_CLOSED' }),
    );
    this.inward.end(
      new RpcError('disconnected', 'the connection was closed', { code: 'ERR_RPC_CLOSED' }),
      true,
    );
  }
}

export interface MemoryPair {
  readonly left: Transport;
  readonly right: Transport;
  readonly leftToRight: Link;
  readonly rightToLeft: Link;
  /** Cuts both directions at once: what is on its way is lost. */
  cut(): void;
}

export function memoryPair(): MemoryPair {
  const leftToRight = new Link();
  const rightToLeft = new Link();
  return {
    left: new MemoryTransport(leftToRight, rightToLeft),
    right: new MemoryTransport(rightToLeft, leftToRight),
    leftToRight,
    rightToLeft,
    cut() {
      const reason = new RpcError('disconnected', 'the link was cut', { code: 'ERR_RPC_LOST' });
      leftToRight.end(reason, true);
      rightToLeft.end(reason, true);
    },
  };
}
