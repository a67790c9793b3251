/** Revoking: at once, under calls that are being made, and with a drain. */
import type { Random } from '../../hostile/fuzz.js';
import type { Asked, Outcome } from '../outcomes.js';
import { layers } from '../reference/capability.js';
import type { Grant } from '../reference/grant.js';
import { EVERYTHING } from '../reference/policy.js';
import type { Held, Reference } from '../reference/reference.js';
import type { CallInFlight, Trial } from '../trial.js';
import { callOn, holdOn } from './calling.js';
import { attenuateHeld, isGranted } from './minting.js';
import { anyGrant, anyHeld, type Operation, targets } from './operation.js';
import { restoreOf } from './restoring.js';

const hasRevocable = (model: Reference) => model.revocable.length > 0;

/** What leads to an object of a domain through a grant that can be revoked. */
const endangered = (model: Reference) =>
  targets(model).filter(({ cap }) => model.revocableOf(cap).length > 0);

/** Mostly one through which something is held, with a call in flight on that or on what came of it; or one above it. */
async function chosen(trial: Trial, choose: Random): Promise<Grant> {
  const { reference } = trial;
  const held = endangered(reference);
  if (held.length === 0 || choose.chance(4)) {
    const dead = [...reference.grants.values()].filter((each) => !reference.spared.has(each));
    return anyGrant(reference, choose, dead)!;
  }
  const one = anyHeld(reference, choose, held);
  const child = choose.chance(2) && isGranted(one) ? await attenuateHeld(trial, one, EVERYTHING) : null;
  const below = child ?? one;
  await holdOn(trial, below);
  const grants = reference.revocableOf(below.cap);
  return choose.chance(2) ? grants.at(-1)! : choose.pick(grants);
}

async function revokeById(trial: Trial, grant: Grant, drain = 0) {
  using power = await trial.powerOver(grant);
  return (await power.revoke!({ drain })) as { revoked: number; cut: number; ended: boolean };
}

/** What is dead now, and was not before the revocation was acknowledged. */
async function checkDead(trial: Trial, choose: Random, grant: Grant, dying: readonly Grant[]): Promise<void> {
  await trial.checkInFlight();
  const came = trial.reference.held.filter(({ cap }) =>
    layers(cap).some(({ through }) => dying.includes(through.grant)),
  );
  for (let i = 0; i < 2 && came.length > 0; i++) {
    await callOn(trial, choose.pick(came), choose.pick(['read', 'write']));
  }
  for (const each of [grant, choose.pick(dying.length > 0 ? dying : [grant])]) {
    if (each.secret !== null) await restoreOf(trial, choose, each, choose.pick(each.secrets));
  }
}

export const revoke: Operation = {
  name: 'revoke',
  weight: 18,
  can: hasRevocable,
  async run(trial, choose) {
    const grant = await chosen(trial, choose);
    const { revoked } = await revokeById(trial, grant);
    const dying = trial.reference.revoke(grant);
    trial.note(`revoked ${grant.id}, and ${dying.length} died`);
    if (revoked !== dying.length) {
      trial.fault(`revoking ${grant.id} killed ${revoked} grants, and ${dying.length} were alive`);
    }
    await checkDead(trial, choose, grant, dying);
  },
};

/** Calls while it is revoked: none begins behind the acknowledgement. */
export const revokeRace: Operation = {
  name: 'revoke under calls',
  weight: 12,
  can: ({ held, spared }) =>
    held.some(({ cap }) => layers(cap).some(({ through }) => !spared.has(through.grant))),
  async run(trial, choose) {
    const { reference } = trial;
    const sparing = ({ cap }: Held) =>
      layers(cap).filter(({ through }) => !reference.spared.has(through.grant));
    const held = anyHeld(
      reference,
      choose,
      reference.held.filter((each) => sparing(each).length > 0),
    );
    const { grant } = choose.pick(sparing(held)).through;
    const before = reference.expects(held.cap, 'read');
    const calls: Promise<Outcome<Asked>>[] = [];
    const read = () => calls.push(trial.try<Asked>(trial.stub(held).read!({ token: trial.token() })));
    read();
    read();
    const revoking = revokeById(trial, grant);
    read();
    await Promise.resolve();
    read();
    await revoking;
    reference.revoke(grant);
    await Promise.all([callOn(trial, held, 'read'), callOn(trial, held, 'read')]);
    const either = { ...before, refusals: new Set([...before.refusals, 'revoked' as const]) };
    for (const { error } of await Promise.all(calls)) {
      // Those in the middle may have been before it or behind it.
      if (error !== undefined) trial.judge('a call under a revocation', held.cap, either, error);
      else if (before.refusals.size > 0) trial.judge('a call under a revocation', held.cap, before, null);
    }
    await trial.checkInFlight();
  },
};

/** Of the calls in flight, those that a drain of `grant` waits for. */
function drained({ inFlight, reference }: Trial, grant: Grant): CallInFlight[] {
  const dying = reference.living(grant);
  return inFlight.filter(({ held }) => layers(held.cap).some(({ through }) => dying.includes(through.grant)));
}

/** Calls that were let through go on, and no other begins; it is acknowledged when they have ended. */
export const drain: Operation = {
  name: 'revoke with a drain',
  weight: 9,
  can: hasRevocable,
  async run(trial, choose) {
    const { reference } = trial;
    const grant = await chosen(trial, choose);
    if (reference.dead(grant) === 'revoked') return;
    const waited = drained(trial, grant);
    const draining = trial.try(revokeById(trial, grant, 60_000));
    let acknowledged = false;
    void draining.then(() => {
      acknowledged = true;
    });
    const before = [...trial.inFlight];
    const id = grant.id;
    await trial.until(
      () => `${id} is listed as revoked`,
      async () => (await trial.listed()).find((row) => row.id === id)!.state === 'revoked',
    );
    const dying = reference.revoke(grant);
    trial.note(`draining ${id}: ${waited.length} calls are let go on`);
    // Nothing else begins, though nothing is acknowledged yet; and those go on.
    const came = reference.held.filter(({ cap }) =>
      layers(cap).some(({ through }) => dying.includes(through.grant)),
    );
    if (came.length > 0) await callOn(trial, choose.pick(came), 'read');
    const ended = waited.find(({ error }) => error !== null);
    if (ended !== undefined) trial.fault(`a call was ended by a drain: ${ended.error?.message}`);
    if (acknowledged && waited.length > 0) trial.fault('a drain was acknowledged before it was over');
    await trial.giveUp(waited);
    const { value, error } = await draining;
    if (error !== undefined) trial.fault(`a drain failed: ${error.message}`);
    if (value!.revoked !== dying.length || value!.cut !== 0 || value!.ended) {
      trial.fault(`a drain came to ${JSON.stringify(value)}, and ${dying.length} died`);
    }
    if (before.length > waited.length) trial.note(`${before.length - waited.length} other calls go on`);
    await checkDead(trial, choose, grant, dying);
  },
};

/** At the deadline what is left is cut, and where the operator asked for it, the domain is ended. */
export const drainLate: Operation = {
  name: 'revoke with a drain that ends late',
  weight: 2,
  can: hasRevocable,
  async run(trial, choose) {
    const { reference } = trial;
    const grant = await chosen(trial, choose);
    const dying = reference.living(grant);
    // A call goes through each of them that it came out of.
    const left = drained(trial, grant)
      .flatMap(({ held }) => layers(held.cap))
      .filter(({ through }) => dying.includes(through.grant)).length;
    const { revoked, cut, ended } = await revokeById(trial, grant, 50);
    reference.revoke(grant);
    if (revoked !== dying.length || cut !== left || ended !== left > 0) {
      trial.fault(`a drain came to ${JSON.stringify({ revoked, cut, ended })}, and ${left} calls were left`);
    }
    if (ended) reference.ended(grant.domain, { stopped: true });
    await checkDead(trial, choose, grant, dying);
  },
};
