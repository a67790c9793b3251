/** A promise and the two ways to end it, apart: what `Promise.withResolvers` gives, which Node 20 does not have. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  fulfil(value: T): void;
  reject(error: unknown): void;
}

export function deferred<T>(): Deferred<T> {
  let fulfil: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((resolve, fail) => {
    fulfil = resolve;
    reject = fail;
  });
  return { promise, fulfil, reject };
}
