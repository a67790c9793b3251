/** What is to follow the microtasks that wait now: `soon.then(action)`. (`queueMicrotask` makes a resource for each.) */
export const soon: Promise<void> = Promise.resolve();

/**
 * For a realm that is locked down. There `then` asks a promise through accessors of what class the next one is to be, which takes longer
 * than all the rest; this promise says from now on that it is the usual one. Elsewhere that would make V8 ask every promise.
 */
export function soonIsUsual(): void {
  Object.defineProperty(soon, 'constructor', { value: undefined });
}
