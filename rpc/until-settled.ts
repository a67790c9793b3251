/** Waiting for what a promise becomes. */
import { type Capability, settled } from './capability.js';

/** As much of an AbortSignal as is needed. */
export interface Leaving {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
}

/**
 * What `capability` becomes in the end, borrowed: it stands as long as `capability` is held. Never settles once `signal` is
 * aborted, and then keeps nothing.
 */
export function untilSettled(capability: Capability, signal?: Leaving): Promise<Capability> {
  return new Promise((resolve) => {
    let leave: (() => void) | null = null;
    const follow = () => {
      leave = null;
      const end = settled(capability);
      if (signal?.aborted === true) return;
      if (end.isPromise) leave = end.onResolution(follow);
      else resolve(end);
    };
    signal?.addEventListener('abort', () => leave?.());
    follow();
  });
}
