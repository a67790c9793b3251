/**
 * What passes between a host's main thread and the shell of one of its threads, on a message port of their own. Trusted on
 * both sides: the shell never lets the program near the port, and no value of the program's is ever posted but text. Should
 * it happen all the same, the host must not fall over it: it takes only what `fromThread` knows.
 */

/** What a Piscina task is started with. */
export interface Seat {
  readonly orders: import('node:worker_threads').MessagePort;
}

/** Where the broker listens to a domain: a unix socket to connect to, or a descriptor that its host has inherited. */
export type Door = { readonly socket: string } | { readonly inherited: number };

/** To the thread. */
export type ToThread =
  | { readonly kind: 'enter'; readonly door: Door; readonly token: Uint8Array }
  /** Asks for an `alive`: the thread is suspected of a turn that does not end. */
  | { readonly kind: 'ping' }
  /** Asks for a `memory`. */
  | { readonly kind: 'measure' };

/** What a thread has in memory of its own. */
export interface ThreadMemory {
  readonly heapBytes: number;
  /** ArrayBuffers, those included that carry its messages. */
  readonly offHeapBytes: number;
}

/** From the thread. */
export type FromThread =
  /** Locked down, and waiting for its orders. */
  | { readonly kind: 'parked'; readonly threadId: number; readonly task: number }
  /** The domain's program is about to be run: its turns count from now on. */
  | { readonly kind: 'begins' }
  | { readonly kind: 'alive' }
  | ({ readonly kind: 'memory' } & ThreadMemory)
  /** The last message: the thread ends, and says why. */
  | { readonly kind: 'over'; readonly reason: string };

/** The longest reason, in UTF-16 units. */
export const MAX_REASON = 4096;

/** What a thread has posted, copied; null where it is no message of ours. */
export function fromThread(posted: unknown): FromThread | null {
  if (typeof posted !== 'object' || posted === null) return null;
  const { kind, threadId, task, heapBytes, offHeapBytes, reason } = posted as Record<string, unknown>;
  if (kind === 'begins' || kind === 'alive') return { kind };
  if (kind === 'parked' && isCount(threadId) && isCount(task)) return { kind, threadId, task };
  if (kind === 'memory' && isCount(heapBytes) && isCount(offHeapBytes))
    return { kind, heapBytes, offHeapBytes };
  if (kind === 'over' && typeof reason === 'string') return { kind, reason: reason.slice(0, MAX_REASON) };
  return null;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
