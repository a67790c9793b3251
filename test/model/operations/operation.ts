/**
 * What a command of a run does: something that a client, a domain, the operator, the clock or the machine does, in the model and to
 * the real thing, with its outcome held against the model. All its choices follow from one number.
 */
import type { Random } from '../../hostile/fuzz.js';
import { domainOf } from '../reference/capability.js';
import type { Grant } from '../reference/grant.js';
import { METHODS, type Method, type Policy } from '../reference/policy.js';
import type { Held, Reference } from '../reference/reference.js';
import type { Trial } from '../trial.js';

export interface Operation {
  readonly name: string;
  /** How often it is drawn, beside the others. */
  readonly weight: number;
  /** Whether there is what it is done with. */
  can?(model: Reference): boolean;
  run(trial: Trial, choose: Random): Promise<void>;
}

/** Those that lead to an object of a domain. */
export function targets({ held }: Reference, domain?: string): Held[] {
  return held.filter(({ cap }) => {
    const leadsTo = domainOf(cap);
    return leadsTo !== null && (domain === undefined || leadsTo === domain);
  });
}

export const holdsTarget = (model: Reference) => targets(model).length > 0;

/** Mostly one that is alive, of `held`, of which there is one at least. */
export function anyHeld<T extends Held>(model: Reference, choose: Random, held: readonly T[]): T {
  const alive = held.filter(({ cap }) => model.ends(cap).refusals.size === 0);
  return choose.pick(alive.length > 0 && !choose.chance(4) ? alive : held);
}

/** Mostly one that is alive and that the run can do without. Null: there is none of `grants`. */
export function anyGrant(model: Reference, choose: Random, grants: readonly Grant[]): Grant | null {
  const alive = grants.filter((each) => model.dead(each) === null && !model.spared.has(each));
  const from = alive.length > 0 && !choose.chance(6) ? alive : grants;
  return from.length === 0 ? null : choose.pick(from);
}

/** Those to which somebody has a reference, or had one. */
export function referenced(model: Reference): Grant[] {
  return [...model.grants.values()].filter(({ secret }) => secret !== null);
}

const without = (...names: Method[]): Policy['methods'] =>
  new Set(METHODS.filter((each) => !names.includes(each)));

const LISTS: readonly Policy['methods'][] = [
  'all',
  'all',
  'all',
  without('write'),
  without('write', 'hold'),
  without('read', 'askKept'),
  without('keep', 'ask'),
  new Set(['read', 'open', 'echo']),
  new Set(['read']),
];

export function anyPolicy({ now }: Reference, choose: Random): Policy {
  return {
    methods: choose.pick(LISTS),
    expires: choose.chance(3) ? now + 1000 * (1 + choose.below(90)) : 0,
    delegable: !choose.chance(7),
  };
}
