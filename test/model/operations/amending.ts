/** What is done with power over a grant that is there: narrowing it, extending it, and giving it another secret. */
import type { AnyStub } from '../../broker/running.js';
import type { Random } from '../../hostile/fuzz.js';
import { policyFromWire, policyToWire, type WirePolicy } from '../outcomes.js';
import { layers } from '../reference/capability.js';
import type { Grant, Standing } from '../reference/grant.js';
import { EVERYTHING, policyText } from '../reference/policy.js';
import type { Reference } from '../reference/reference.js';
import type { Trial } from '../trial.js';
import { callOn } from './calling.js';
import { anyGrant, anyPolicy, type Operation } from './operation.js';

/** Those that are not revoked; what has expired can be extended. */
function amendable({ grants, spared }: Reference): Grant[] {
  return [...grants.values()].filter((grant) => !spared.has(grant) && !grant.revokedAbove);
}

const hasAmendable = (model: Reference) => amendable(model).length > 0;

/** Does it with the power over `grant` of whoever minted it, of the holder of the parent's, or of the operator. */
async function withPower<T>(
  trial: Trial,
  choose: Random,
  grant: Grant,
  action: (power: AnyStub, standing: Standing) => Promise<T>,
): Promise<T> {
  const own = trial.powers.get(grant);
  const above = grant.parent === null ? undefined : trial.powers.get(grant.parent);
  const kind = choose.below(3);
  if (kind === 0 && own !== undefined) return action(own.stub, 'holder');
  if (kind === 1 && above !== undefined) {
    using child = (await above.stub.child!({ id: grant.id })).grant as AnyStub;
    return action(child, 'above');
  }
  using power = await trial.powerOver(grant);
  return action(power, 'above');
}

function amending(kind: 'narrow' | 'extend'): Operation['run'] {
  return async (trial, choose) => {
    const { reference } = trial;
    // Mostly one through which something is held.
    const through = reference.held.flatMap(({ cap }) => layers(cap).map((layer) => layer.through.grant));
    const all = amendable(reference);
    const used = all.filter((grant) => through.includes(grant));
    const expired = kind === 'extend' ? used.filter((grant) => reference.dead(grant) === 'expired') : [];
    const preferred = expired.length > 0 && choose.chance(2) ? expired : used;
    const grant = choose.pick(preferred.length > 0 && !choose.chance(4) ? preferred : all);
    const drawn = anyPolicy(reference, choose);
    const asked = kind === 'extend' && choose.chance(2) ? EVERYTHING : drawn;
    await withPower(trial, choose, grant, async (power, standing) => {
      const { policy } = (await power[kind]!({ policy: policyToWire(asked) })) as { policy: WirePolicy };
      grant[kind](asked, standing);
      trial.note(`${kind} of ${grant.id} (${standing}) to ${policyText(grant.policy)}`);
      const told = policyText(policyFromWire(policy));
      if (told !== policyText(grant.policy)) {
        trial.fault(`${kind} of ${grant.id} came to ${told}, and is ${policyText(grant.policy)}`);
      }
    });
    await trial.checkInFlight();
    // It binds what is live.
    const live = reference.held.filter(({ cap }) => layers(cap).some((each) => each.through.grant === grant));
    if (live.length === 0) return;
    await callOn(trial, choose.pick(live), 'read');
    await callOn(trial, choose.pick(live), 'write');
  };
}

export const narrow: Operation = { name: 'narrow', weight: 21, can: hasAmendable, run: amending('narrow') };
export const extend: Operation = { name: 'extend', weight: 18, can: hasAmendable, run: amending('extend') };

export const rotate: Operation = {
  name: 'rotate',
  weight: 18,
  can: hasAmendable,
  async run(trial, choose) {
    const { reference } = trial;
    const grant = anyGrant(reference, choose, amendable(reference))!;
    const overlap = choose.chance(2) ? 0 : 1000 * (1 + choose.below(30));
    await withPower(trial, choose, grant, async (power) => {
      const { value, error } = await trial.try(
        power.rotate!({ overlap }) as PromiseLike<{ ref: { secret: Uint8Array } }>,
      );
      const may = grant.mayRotate(overlap, reference.now);
      trial.note(`rotate of ${grant.id} with ${overlap} ms: ${error?.message ?? 'another secret'}`);
      if (may !== (error === undefined)) {
        trial.fault(
          `rotating ${grant.id} is ${may ? '' : 'not '}to be, and came to ${error?.message ?? 'a secret'}`,
        );
      }
      if (value === undefined) return;
      grant.rotate(value.ref.secret, overlap, reference.now);
      trial.tally.secrets.push(value.ref.secret);
    });
  },
};
