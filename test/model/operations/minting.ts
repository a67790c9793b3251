/** Minting: by the operator, and from what a client holds, whether it may or not. */
import { type AnyStub, asDelegable } from '../../broker/running.js';
import type { Random } from '../../hostile/fuzz.js';
import { CELL } from '../domains.js';
import { type Failure, policyFromWire, policyToWire, type WirePolicy } from '../outcomes.js';
import { domainOf, endOf, outward, type Passed, shown } from '../reference/capability.js';
import type { Grant } from '../reference/grant.js';
import { both, EVERYTHING, type Policy, policyText } from '../reference/policy.js';
import type { Held, Reference } from '../reference/reference.js';
import { DOMAINS, type Trial } from '../trial.js';
import { anyHeld, anyPolicy, type Operation } from './operation.js';

const OBJECTS = ['', 'a', 'b', 'c'];

/** What came through a grant, and may be asked for more. */
export type Granted = Held & { readonly cap: Passed };

export function granted({ held }: Reference): Granted[] {
  return held.filter(isGranted);
}

export function isGranted(held: Held): held is Granted {
  return held.cap.is === 'passed';
}

export const holdsGranted = (model: Reference) => granted(model).length > 0;

export const mint: Operation = {
  name: 'mint',
  weight: 15,
  async run(trial, choose) {
    const policy = anyPolicy(trial.reference, choose);
    await trial.mintRoot(choose.pick(DOMAINS), choose.pick(OBJECTS), { policy, once: choose.chance(3) });
  },
};

export const attenuate: Operation = {
  name: 'attenuate',
  weight: 36,
  can: holdsGranted,
  async run(trial, choose) {
    const held = anyHeld(trial.reference, choose, granted(trial.reference));
    await attenuateHeld(trial, held, anyPolicy(trial.reference, choose), choose.chance(4));
  },
};

/** Gives what the client gets; null where it is refused, as it was to be. */
export async function attenuateHeld(
  trial: Trial,
  held: Granted,
  policy: Policy,
  once = false,
): Promise<Granted | null> {
  const { client, cap } = held;
  const params = { policy: policyToWire(policy), label: trial.label(), once };
  using service = asDelegable(trial.stub(held));
  const { value, error } = await trial.try(
    service.attenuate!(params) as PromiseLike<{ ref: { secret: Uint8Array }; grant: AnyStub; cap: AnyStub }>,
  );
  if (!checkMinted(trial, 'attenuate', cap, error)) return null;
  const what = { ...childOf(cap), policy, once, secret: value!.ref.secret };
  const grant = await trial.mintedFor(client, what, value!.grant);
  using untyped = value!.cap;
  const narrowed = outward(trial.reference.membrane(client, grant), cap.inner);
  return trial.receive(client, narrowed, untyped.as<AnyStub>(CELL)) as Granted;
}

/** Of a grant that is minted from `cap`. */
function childOf(cap: Passed): { parent: Grant; domain: string; object: string } {
  const end = endOf(cap) as { id: string };
  return { parent: cap.through.grant, domain: domainOf(cap)!, object: end.id };
}

/** Whether something was minted from `cap`, as it was to be or not. */
function checkMinted(trial: Trial, what: string, cap: Passed, error: Failure | undefined): boolean {
  const savable = trial.reference.savable(cap);
  trial.note(`${what} of ${shown(cap)}: ${error?.message ?? 'minted'}`);
  if (savable === null || savable === (error === undefined)) return error === undefined;
  trial.fault(
    `${what} of ${shown(cap)} is ${savable ? '' : 'not '}to be, and came to: ${error?.message ?? 'a reference'}`,
  );
}

export const save: Operation = {
  name: 'save',
  weight: 18,
  can: holdsGranted,
  run: (trial, choose) => saveHeld(trial, choose, anyHeld(trial.reference, choose, granted(trial.reference))),
};

async function saveHeld(trial: Trial, choose: Random, held: Granted): Promise<void> {
  const { cap } = held;
  const once = choose.chance(3);
  using service = asDelegable(trial.stub(held));
  const { value, error } = await trial.try(
    service[once ? 'saveOnce' : 'save']!({}) as PromiseLike<{ sturdyRef: { secret: Uint8Array } }>,
  );
  if (!checkMinted(trial, once ? 'saveOnce' : 'save', cap, error)) return;
  const { secret } = value!.sturdyRef;
  const { grant: parent } = cap.through;
  // Its id is told to whoever lists grants.
  const { grants } = trial.reference;
  const row = (await trial.listed()).find(({ id, parent: above }) => above === parent.id && !grants.has(id));
  if (row === undefined) trial.fault(`what was saved of ${shown(cap)} is not listed below its grant`);
  trial.minted({ ...childOf(cap), id: row.id, policy: EVERYTHING, once, secret });
}

/** What may not be handed on is not saved, nor is what came of it; whoever made it so. */
export const saveUndelegable: Operation = {
  name: 'save what is not delegable',
  weight: 12,
  can: holdsGranted,
  async run(trial, choose) {
    const all = granted(trial.reference);
    const undelegable = all.filter(({ cap }) => !cap.through.grant.delegable);
    const held =
      undelegable.length > 0 && choose.chance(2)
        ? choose.pick(undelegable)
        : await makeUndelegable(trial, choose, anyHeld(trial.reference, choose, all));
    if (held !== null) await saveHeld(trial, choose, held);
  },
};

/** By what it was minted with, or by what one above it was narrowed to since. Null: nothing can be minted from `held`. */
async function makeUndelegable(trial: Trial, choose: Random, held: Granted): Promise<Granted | null> {
  const undelegable = { ...EVERYTHING, delegable: false };
  if (choose.chance(2)) return attenuateHeld(trial, held, undelegable);
  const child = await attenuateHeld(trial, held, EVERYTHING);
  const below = child === null ? null : await attenuateHeld(trial, child, EVERYTHING);
  if (child === null || below === null) return null;
  const { grant } = child.cap.through;
  await trial.powers.get(grant)!.stub.narrow!({ policy: policyToWire(undelegable) });
  grant.narrow(undelegable, 'holder');
  return below;
}

/** The effective policy that a holder is told. */
export const describe: Operation = {
  name: 'describe',
  weight: 15,
  can: holdsGranted,
  async run(trial, choose) {
    const all = granted(trial.reference).filter(({ cap }) => trial.reference.savable(cap) === true);
    if (all.length === 0) return;
    const held = choose.pick(all);
    const { grant } = held.cap.through;
    using service = asDelegable(trial.stub(held));
    const { value, error } = await trial.try(
      service.describe!({}) as PromiseLike<{ grant: string; policy: WirePolicy }>,
    );
    if (error !== undefined) trial.fault(`describe of ${shown(held.cap)} failed with ${error.message}`);
    const effective = policyText(grant.lineage.map(({ policy }) => policy).reduce(both));
    const told = policyText(policyFromWire(value!.policy));
    if (value!.grant !== grant.id || told !== effective) {
      trial.fault(`${shown(held.cap)} is described as ${value!.grant}: ${told}; it allows ${effective}`);
    }
  },
};
