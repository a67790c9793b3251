/** Calls: alone, several on one reference, and some that do not return. */

import type { AnyStub } from '../../broker/running.js';
import type { Random } from '../../hostile/fuzz.js';
import { CELL } from '../domains.js';
import type { Asked, Outcome } from '../outcomes.js';
import { type Cap, layers, shown } from '../reference/capability.js';
import type { Expectation, Held, Reference } from '../reference/reference.js';
import type { CallInFlight, Trial } from '../trial.js';
import { anyGrant, anyHeld, holdsTarget, type Operation, referenced, targets } from './operation.js';
import { checkNoSuch, restoreOutcome } from './restoring.js';

const MOST_IN_FLIGHT = 8;

export const call: Operation = {
  name: 'call',
  weight: 90,
  can: ({ held }) => held.length > 0,
  run: (trial, choose) =>
    callOn(trial, anyHeld(trial.reference, choose, trial.reference.held), choose.pick(['read', 'write'])),
};

export async function callOn(trial: Trial, held: Held, method: 'read' | 'write'): Promise<void> {
  const token = trial.token();
  const { value, error } = await trial.try<Asked>(trial.stub(held)[method]!({ token }));
  if (trial.judgeCall(method, held.cap, method, error)) trial.checkPlace(held.cap, value!.place);
  else await trial.checkRefused(held.cap, [token]);
}

const someMethods = (choose: Random) =>
  Array.from({ length: 2 + choose.below(4) }, () => choose.pick(['read', 'write'] as const));

/** Calls that do not wait for each other, on one reference: they arrive in their order. */
export const burst: Operation = {
  name: 'burst',
  weight: 24,
  can: ({ held }) => held.length > 0,
  async run(trial, choose) {
    const { reference } = trial;
    const held = anyHeld(reference, choose, reference.held);
    const methods = someMethods(choose);
    const calls = methods.map((method) =>
      trial.try<Asked>(trial.stub(held)[method]!({ token: trial.token() })),
    );
    const expected = methods.map((method) => reference.expects(held.cap, method));
    checkOrder(trial, held.cap, expected, await Promise.all(calls));
  },
};

/** The same through a promise: of what a reference will be restored to. */
export const pipelined: Operation = {
  name: 'pipelined',
  weight: 15,
  async run(trial, choose) {
    const { reference } = trial;
    const grant = anyGrant(reference, choose, referenced(reference))!;
    const secret = choose.pick(grant.secrets);
    const client = choose.pick([...reference.clients.values()]);
    const good = reference.restores(client, grant, secret);
    const methods = someMethods(choose);
    using pending = trial.connection(client).client.gate.restore!({ ref: { secret } });
    using promised = pending.cap;
    using stub = promised.as(CELL) as AnyStub;
    const calls = methods.map((method) => trial.try<Asked>(stub[method]!({ token: trial.token() })));
    const restored = await restoreOutcome(trial, pending);
    restored.value?.[Symbol.dispose]();
    calls.push(trial.try<Asked>(stub.read!({ token: trial.token() })));
    const outcomes = await Promise.all(calls);
    if (!good) {
      for (const { error } of [...outcomes, restored]) checkNoSuch(trial, grant, error);
      return;
    }
    const cap = reference.restored(client, grant);
    const expected = [...methods, 'read' as const].map((method) => reference.expects(cap, method));
    checkOrder(trial, cap, expected, outcomes);
  },
};

export function checkOrder(
  trial: Trial,
  cap: Cap,
  expected: readonly Expectation[],
  outcomes: readonly Outcome<Asked>[],
): void {
  let last = 0;
  for (const [i, { value, error }] of outcomes.entries()) {
    if (!trial.judge(`call ${i} of several`, cap, expected[i]!, error ?? null)) continue;
    trial.checkPlace(cap, value!.place);
    if (value!.number <= last) {
      trial.fault(`call ${i} of several on ${shown(cap)} arrived as ${value!.number}, behind ${last}`);
    }
    last = value!.number;
  }
}

/** A call that does not return: mostly on what will expire. */
export const hold: Operation = {
  name: 'hold',
  weight: 18,
  can: holdsTarget,
  async run(trial, choose) {
    const { reference } = trial;
    const all = targets(reference);
    const expiring = all.filter(({ cap }) =>
      layers(cap).some(({ through }) =>
        through.grant.lineage.some(({ policy }) => policy.expires > reference.now),
      ),
    );
    const from = expiring.length > 0 && !choose.chance(3) ? expiring : all;
    await holdOn(trial, anyHeld(reference, choose, from));
  },
};

/** Null: it was refused, as it was to be, or may be. Where there are enough already, the oldest is given up. */
export async function holdOn(trial: Trial, held: Held): Promise<CallInFlight | null> {
  const expected = trial.reference.expects(held.cap, 'hold');
  if (expected.maybe.size > 0) return null;
  await trial.giveUp(trial.inFlight.slice(0, -MOST_IN_FLIGHT + 1));
  const given = new AbortController();
  const pending = trial.stub(held).hold!({ token: trial.token() }, { signal: given.signal });
  if (expected.refusals.size > 0) {
    trial.judge('hold', held.cap, expected, (await trial.try(pending)).error ?? null);
    return null;
  }
  const inFlight: CallInFlight = {
    held,
    given,
    error: null,
    outcome: trial.try(pending).then(({ error }) => {
      inFlight.error = error ?? { type: 'failed', message: 'it returned' };
    }),
  };
  trial.inFlight.push(inFlight);
  return inFlight;
}

export const giveUp: Operation = {
  name: 'give up',
  weight: 6,
  async run(trial, choose) {
    if (trial.inFlight.length > 0) await trial.giveUp([choose.pick(trial.inFlight)]);
  },
};

export const drop: Operation = {
  name: 'drop',
  weight: 12,
  can: (model: Reference) => model.held.length > 0,
  async run(trial, choose) {
    trial.drop(choose.pick(trial.reference.held));
  },
};
