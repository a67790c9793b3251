/**
 * How a method hears that its caller has cancelled: an AbortSignal. Where the platform has none (in a domain's thread,
 * which was stripped of it, because one can be reached from it to a timer), a subset of its own, with the same meaning.
 */
import { freezeWhole } from '../schema/index.js';

export interface CallSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export interface CallController {
  readonly signal: CallSignal;
  abort(reason: unknown): void;
}

export function callController(): CallController {
  return typeof AbortController === 'function' ? new AbortController() : new PlainController();
}

class PlainController implements CallController {
  readonly #listeners = new Set<() => void>();
  #reason: { value: unknown } | null = null;
  readonly signal: CallSignal;

  constructor() {
    const reason = () => this.#reason;
    const listeners = this.#listeners;
    this.signal = freezeWhole({
      __proto__: null,
      get aborted() {
        return reason() !== null;
      },
      get reason() {
        return reason()?.value;
      },
      throwIfAborted() {
        const aborted = reason();
        if (aborted !== null) throw aborted.value;
      },
      addEventListener(_type: 'abort', listener: () => void) {
        if (typeof listener === 'function' && listeners.size < 1024) listeners.add(listener);
      },
      removeEventListener(_type: 'abort', listener: () => void) {
        listeners.delete(listener);
      },
    }) as CallSignal;
  }

  abort(reason: unknown): void {
    if (this.#reason !== null) return;
    this.#reason = { value: reason };
    for (const listener of this.#listeners) {
      // One listener's fault is no reason to keep the news from the others.
      void Promise.resolve().then(listener);
    }
    this.#listeners.clear();
  }
}
