/**
 * What a connection needs of the world: a way to send a message, a way to get them, and an end. Every transport has these
 * three methods and nothing more.
 */
import type { RpcError } from '../error.js';

export interface Transport {
  /**
   * Starts delivery. Called once, before anything else. Messages come in order, each with its segments, never before
   * `start` returns; then `closed`, once, when nothing more will come.
   */
  start(receiver: TransportReceiver): void;

  /**
   * Sends one message, in its segments, whose bytes do not change any more. Never throws and never waits. After the end it does nothing. A peer that does not
   * read, so that more than the limit `bytesQueued` waits for it, is cut: `closed` with `overloaded`. What is not `awaited` by
   * anybody may go a few milliseconds later, with what is sent then, and ever in its order.
   */
  send(segments: readonly Uint8Array[], awaited?: boolean): void;

  /** Sends what was given so far, then ends. Safe to call again. `closed` follows. */
  close(): void;
}

export interface TransportReceiver {
  message(segments: Uint8Array[]): void;
  /** The peer sent what is no message: it is to be told so, and cut. Nothing more comes but `closed`. */
  violated(reason: string): void;
  closed(reason: RpcError): void;
}
