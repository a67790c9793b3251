/**
 * What a connection needs of the world: a way to send a message, a way to get them, and an end. Every transport has these
 * three methods and nothing more.
 */
import type { RpcError } from '../error.js';
import type { LentFrame, Loan } from '../loan.js';

export interface Transport {
  /**
   * Starts delivery. Called once, before anything else. Messages come in order, each with its segments, never before
   * `start` returns; then `closed`, once, when nothing more will come.
   */
  start(receiver: TransportReceiver): void;

  /**
   * Sends one message, in its segments. Never throws and never waits. After the end it does nothing. A peer that does not
   * read, so that more than the limit `bytesQueued` waits for it, is cut: `closed` with `overloaded`. What is not `awaited` by
   * anybody (default: it is) may go a few milliseconds later, with what is sent then, and ever in its order.
   *
   * Without a `loan` the bytes do not change any more. Those of a brief one are copied before this returns; one that is not
   * brief is taken over, and given back when the bytes have been written.
   */
  send(segments: readonly Uint8Array[], awaited?: boolean, loan?: Loan | null): void;

  /**
   * The same with a message that stands in its frame, in memory that is lent. A transport that does not know how has its segment
   * sent.
   */
  sendFrame?(frame: LentFrame): void;

  /** Sends what was given so far, then ends. Safe to call again. `closed` follows. */
  close(): void;
}

export interface TransportReceiver {
  /** One message, whose bytes are the receiver's to read and to write. With a `loan`, for no longer than that says. */
  message(segments: Uint8Array[], loan?: Loan | null): void;
  /** The same with one that stands in its frame, for a transport that has it so; without it, that is given to `message`, too. */
  frame?(frame: LentFrame): void;
  /** The peer sent what is no message: it is to be told so, and cut. Nothing more comes but `closed`. */
  violated(reason: string): void;
  closed(reason: RpcError): void;
}
