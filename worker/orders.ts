/**
 * What passes between a host's main thread and the shell of one of its threads, on a message port of their own. Trusted on
 * both sides: the shell never lets the program near the port, and no value of the program's is ever posted.
 */

/** What a Piscina task is started with. */
export interface Seat {
  readonly orders: import('node:worker_threads').MessagePort;
}

/** To the thread. */
export type ToThread =
  | { readonly kind: 'enter'; readonly socket: string; readonly token: Uint8Array }
  /** Asks for an `alive`: the thread is suspected of a turn that does not end. */
  | { readonly kind: 'ping' };

/** From the thread. */
export type FromThread =
  /** Locked down, and waiting for its orders. */
  | { readonly kind: 'parked'; readonly threadId: number }
  /** The domain's program is about to be run: its turns count from now on. */
  | { readonly kind: 'begins' }
  | { readonly kind: 'alive' }
  /** The last message: the thread ends, and says why. */
  | { readonly kind: 'over'; readonly reason: string };
