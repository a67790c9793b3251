/**
 * Flow labels in the reference model: each party (a domain, or clients that come by one listener) has a label of its own, and a list
 * says from whom capabilities may pass to whom. A capability is where it may be if everybody that it came from may pass it there.
 */
import { type Cap, inward, outward, type Passed, returned } from './capability.js';

export class Flow {
  readonly #pairs: ReadonlySet<string>;

  /** `FROM TO` for each pair of parties. */
  constructor(pairs: readonly string[]) {
    this.#pairs = new Set(pairs);
  }

  permits(from: string, to: string): boolean {
    return from === to || this.#pairs.has(`${from} ${to}`);
  }

  #all(from: readonly string[], to: string): boolean {
    return from.every((each) => this.permits(each, to));
  }

  /** Whether `value` may come to whoever is called on `target`. */
  mayPass(target: Cap, value: Cap): boolean {
    if (target.is !== 'passed') return true;
    const { through, direction, inner } = target;
    const passedOn = direction === 'out' ? inward(through, value) : outward(through, value);
    return this.#all([near(target), ...sources(value)], far(target)) && this.mayPass(inner, passedOn);
  }

  /** Whether `value` may come back from whoever is called on `target`. */
  mayReturn(target: Cap, value: Cap): boolean {
    if (target.is !== 'passed') return true;
    const { inner } = target;
    return (
      this.mayReturn(inner, value) &&
      this.#all([far(target), ...sources(returned(inner, value))], near(target))
    );
  }

  /** Whether `cap` is where it may be, at every step on its way. */
  lawful(cap: Cap): boolean {
    if (cap.is !== 'passed') return true;
    return this.#all([far(cap), ...sources(cap.inner)], near(cap)) && this.lawful(cap.inner);
  }
}

/** Who holds it. */
function near({ through, direction }: Passed): string {
  return direction === 'out' ? through.holder : through.grant.domain;
}

/** Who passed it on. */
function far({ through, direction }: Passed): string {
  return direction === 'out' ? through.grant.domain : through.holder;
}

/** Everybody that it came from. */
function sources(cap: Cap): string[] {
  if (cap.is === 'passed') return [far(cap), ...sources(cap.inner)];
  return [cap.is === 'callback' ? cap.from : cap.domain];
}
