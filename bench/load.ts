/** The load of a client in Node: keeps so many calls under way, and counts. */

import { performance } from 'node:perf_hooks';
import type { Caller } from './subjects/subject.js';
import { LEAST_CALLS, type Measured, type Order, payloadOf, SAMPLED } from './workload.js';

/** Rejects with the first call that fails or does not return what it was given. */
export async function load(caller: Caller, { workload, seconds }: Order): Promise<Measured> {
  const { kind, bytes, depth } = workload;
  if (kind === 'chain' && caller.chain === undefined) throw new Error('this subject has no chain');
  const payload = payloadOf(bytes);
  const call = kind === 'echo' ? caller.echo.bind(caller) : caller.chain!.bind(caller);
  await checked(call, payload);

  const latencies: number[] = [];
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    const end = begin + seconds * 1000;
    let completed = 0;
    let underWay = depth;
    let over = false;
    const slot = (sampled: boolean) => {
      let called = 0;
      const issue = () => {
        if (sampled) called = performance.now();
        call(payload, done);
      };
      const done = (error: unknown, returned: { readonly length: number }) => {
        if (error !== null || returned.length !== bytes) {
          reject(error ?? new Error(`${returned.length} bytes came back of ${bytes}`));
          return;
        }
        completed++;
        if (sampled) {
          const now = performance.now();
          latencies.push((now - called) * 1000);
          over ||= now >= end && completed >= LEAST_CALLS * depth;
        }
        if (!over) issue();
        else if (--underWay === 0) {
          const took = (performance.now() - begin) / 1000;
          resolve({ calls: completed, seconds: took, ...percentiles(latencies) });
        }
      };
      issue();
    };
    for (let i = 0; i < depth; i++) slot(i % SAMPLED === 0);
  });
}

/** One call before the clock runs, whose payload is compared byte by byte. */
function checked(call: Caller['echo'], payload: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    call(payload, (error, returned) => {
      if (error !== null) reject(error);
      else if (Buffer.from(returned as string).equals(payload)) resolve();
      else reject(new Error('what came back is not what was sent'));
    });
  });
}

function percentiles(latencies: readonly number[]): { p50: number; p99: number } {
  const sorted = Float64Array.from(latencies).sort();
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
  return { p50: at(0.5), p99: at(0.99) };
}
