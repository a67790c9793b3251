/**
 * For classes whose instances are handed to hostile code: nothing can be changed on them, and no way leads from an instance
 * to its class, by which others could be made.
 */
export function seal(prototype: object): void {
  Reflect.deleteProperty(prototype, 'constructor');
  freezeWhole(prototype);
}

/** Freezes `object`, and the functions that are its properties and accessors. */
export function freezeWhole<T extends object>(object: T): T {
  for (const key of Reflect.ownKeys(object)) {
    const property = Object.getOwnPropertyDescriptor(object, key)!;
    for (const part of [property.value, property.get, property.set]) {
      if (typeof part === 'function') Object.freeze(part);
    }
  }
  return Object.freeze(object);
}
