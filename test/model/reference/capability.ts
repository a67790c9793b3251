/**
 * A capability in the reference model: what stands between its holder and an object, from the outside in. The grants that it passed
 * out through bind it by their lists and their lives, those that it passed in through by their lives.
 */
import type { Grant } from './grant.js';

/** What stands between one holder of a grant and the domain. What passes it in and comes back is the holder's own again. */
export interface Membrane {
  readonly grant: Grant;
  /** The party that holds it: the name of a domain, or of a kind of clients. */
  readonly holder: string;
  /** Its grant has expired while it was there: what came through it is dead, whatever becomes of the grant. */
  expired: boolean;
}

export type Cap =
  | {
      readonly is: 'object';
      readonly domain: string;
      /** Null: it has none, and cannot be saved. */
      readonly id: string | null;
      /** Of the domain: a live capability does not outlive it. */
      readonly life: number;
      /** How often the domain was told to stop before. */
      readonly stops: number;
    }
  /** What the broker holds for a domain: found again whenever it is called. */
  | { readonly is: 'granted'; readonly domain: string; readonly id: string }
  | { readonly is: 'callback'; readonly client: number /** The party. */; readonly from: string }
  | Passed;

export interface Passed {
  readonly is: 'passed';
  readonly through: Membrane;
  readonly direction: 'out' | 'in';
  readonly inner: Cap;
}

export function layers(cap: Cap): Passed[] {
  return cap.is === 'passed' ? [cap, ...layers(cap.inner)] : [];
}

export function endOf(cap: Cap): Exclude<Cap, Passed> {
  return cap.is === 'passed' ? endOf(cap.inner) : cap;
}

/** The domain of the object that it leads to. Null: it leads to a client. */
export function domainOf(cap: Cap): string | null {
  const end = endOf(cap);
  return end.is === 'callback' ? null : end.domain;
}

/** Which object a call on `cap` reaches: as Cell.read says it. */
export function placeOf(cap: Cap): string {
  const end = endOf(cap);
  return end.is === 'callback' ? `client ${end.client}` : `${end.domain}/${end.id ?? '?'}`;
}

/** For a person: the grants from the outside in, and what is reached. */
export function shown(cap: Cap): string {
  const through = layers(cap).map(({ direction, through: { grant } }) => `${direction} ${grant.id}`);
  return [...through, placeOf(cap)].join(' > ');
}

/** What passes out is under the grant; what its holder passed in is the holder's own again, and what is out already is out. */
export function outward(through: Membrane, cap: Cap): Cap {
  if (cap.is === 'passed' && cap.through === through) return cap.direction === 'in' ? cap.inner : cap;
  return { is: 'passed', through, direction: 'out', inner: cap };
}

/** What passes in dies with the grant; what passed out through it comes home under it. */
export function inward(through: Membrane, cap: Cap): Cap {
  if (cap.is === 'passed' && cap.through === through) return cap;
  return { is: 'passed', through, direction: 'in', inner: cap };
}

/** `value`, as whoever is called on `target` gets it when the caller passes it. */
export function passed(target: Cap, value: Cap): Cap {
  if (target.is !== 'passed') return value;
  const { through, direction, inner } = target;
  return passed(inner, direction === 'out' ? inward(through, value) : outward(through, value));
}

/** `value`, as the caller gets it when whoever is called on `target` returns it. */
export function returned(target: Cap, value: Cap): Cap {
  if (target.is !== 'passed') return value;
  const { through, direction, inner } = target;
  const passedOn = returned(inner, value);
  return direction === 'out' ? outward(through, passedOn) : inward(through, passedOn);
}
