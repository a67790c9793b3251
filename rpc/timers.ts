/**
 * The timers of Node or of a browser, taken when the module is loaded: a thread that has been stripped for a domain has none
 * later.
 */
export const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;

/** What a timer is here; in Node it can be told not to keep the process. */
export type Timer = ReturnType<typeof globalThis.setTimeout>;

/** Does not let `timer` keep the process alive, where timers do that. */
export function inBackground(timer: Timer): Timer {
  (timer as { unref?(): void }).unref?.();
  return timer;
}
