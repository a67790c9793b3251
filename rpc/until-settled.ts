/** Waiting for what a promise becomes. */
import { type Capability, settled } from './capability.js';
import { canceled } from './error.js';

/** As much of an AbortSignal as is needed. */
export interface Leaving {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
}

/**
 * What `capability` becomes in the end, borrowed: it stands as long as `capability` is held. Rejects when `signal` is
 * aborted, and then keeps nothing.
 */
export function untilSettled(capability: Capability, signal?: Leaving): Promise<Capability> {
  return new Promise((resolve, reject) => {
    let leave: (() => void) | null = null;
    const follow = () => {
      leave = null;
      if (signal?.aborted === true) return;
      const end = settled(capability);
      if (end.isPromise) leave = end.onResolution(follow);
      else resolve(end);
    };
    const give = () => {
      leave?.();
      reject(canceled());
    };
    signal?.addEventListener('abort', give);
    if (signal?.aborted === true) give();
    follow();
  });
}
