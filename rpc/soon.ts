/**
 * What is to follow the microtasks that wait now: `soon.then(action)`. (`queueMicrotask` makes a resource for each.)
 *
 * `then` asks a promise of what class the next one is to be, through accessors where the realm is locked down, and that takes longer
 * than all the rest. This one says itself that it is the usual one.
 */
export const soon: Promise<void> = Object.defineProperty(Promise.resolve(), 'constructor', {
  value: undefined,
});
