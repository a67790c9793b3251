/**
 * A function as a program is given it: frozen (R5), and bound, so that its text, which names what it closes over, is not the
 * program's to read.
 */
export function endowed<F extends (...args: never[]) => unknown>(trusted: F): F {
  return Object.freeze(trusted.bind(undefined)) as F;
}
