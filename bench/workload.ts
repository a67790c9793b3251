/** What a client is told to do: one kind of call, with so many bytes, so many of them under way at a time. */

export interface Workload {
  /** `echo`: one call that returns its payload. `chain`: four calls, each but the first on what the one before returns. */
  readonly kind: 'echo' | 'chain';
  /** Of the payload. */
  readonly bytes: number;
  /** Calls, or chains, that are under way at a time. */
  readonly depth: number;
}

/** The client keeps `depth` calls under way for `seconds`, and prints what came of it. */
export interface Order {
  readonly workload: Workload;
  readonly seconds: number;
}

/** What a client says of an order. A chain counts as one call. */
export interface Measured {
  /** From the first call to the last return: those that are under way when the time is up are waited for. */
  readonly calls: number;
  /** How long that was. */
  readonly seconds: number;
  /** In microseconds, of one call in SAMPLED where more are under way. */
  readonly p50: number;
  readonly p99: number;
}

/** One slot in so many takes the time of its calls: reading the clock for each would be a good part of a raw frame. */
export const SAMPLED = 16;

/** However slow they are: each slot has made so many calls on average before the time is up. */
export const LEAST_CALLS = 2;

export const SMALL = 64;
export const MEDIUM = 4 * 1024;
export const LARGE = 1024 * 1024;

const at = (kind: Workload['kind'], bytes: number, depths: readonly number[]): Workload[] =>
  depths.map((depth) => ({ kind, bytes, depth }));

/**
 * All that is measured. 256 calls of 1 MiB are left out: they are as many bytes as one connection may have in flight
 * (`bytesInFlight`), and other peers have such a limit too.
 */
export const WORKLOADS: readonly Workload[] = [
  ...at('echo', SMALL, [1, 16, 256]),
  ...at('chain', SMALL, [1, 16, 256]),
  ...at('echo', MEDIUM, [1, 16, 256]),
  ...at('echo', LARGE, [1, 16]),
];

/** Enough to see that the bench works. */
export const QUICK_WORKLOADS: readonly Workload[] = [
  ...at('echo', SMALL, [1, 256]),
  ...at('chain', SMALL, [1]),
  ...at('echo', MEDIUM, [16]),
  ...at('echo', LARGE, [1]),
];

/** `echo 64 256`: also what a result is filed under. */
export function workloadName({ kind, bytes, depth }: Workload): string {
  return `${kind} ${bytes} ${depth}`;
}

export function orderLine({ workload, seconds }: Order): string {
  return `${workloadName(workload)} ${seconds}`;
}

export function parseOrder(line: string): Order {
  const [kind, ...numbers] = line.split(' ');
  const [bytes, depth, seconds] = numbers.map(Number);
  if ((kind !== 'echo' && kind !== 'chain') || !(bytes! > 0) || !(depth! > 0) || !(seconds! > 0)) {
    throw new Error(`${JSON.stringify(line)} is no order; expected KIND BYTES DEPTH SECONDS`);
  }
  return { workload: { kind, bytes: bytes!, depth: depth! }, seconds: seconds! };
}

/** ASCII, so that it has the same length in every encoding that the peers use. */
export function payloadOf(bytes: number): Uint8Array {
  // With a buffer of its own: posting a view of a pooled one would clone the pool.
  return new Uint8Array(bytes).map((_, i) => 97 + (i % 26));
}
