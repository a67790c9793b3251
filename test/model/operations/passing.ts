/** Capabilities on their way: out of a domain, into one, home to the one that made them, and kept there. */
import { capabilityOf, QueuedCapability, stubFor } from 'sturdy/rpc';
import type { AnyStub } from '../../broker/running.js';
import type { Random } from '../../hostile/fuzz.js';
import { CELL, PEER, SLEEPER } from '../domains.js';
import { type Asked, type Failure, failureIn } from '../outcomes.js';
import { type Cap, domainOf, outward, passed, returned, shown } from '../reference/capability.js';
import type { Method } from '../reference/policy.js';
import type { Expectation, Held, Reference, Refusal } from '../reference/reference.js';
import type { Trial } from '../trial.js';
import { checkOrder } from './calling.js';
import { anyHeld, holdsTarget, type Operation, targets } from './operation.js';

const SLOTS = 4;

/** What a client passes: something it holds, or an object of its own. */
function argument(trial: Trial, { client }: Held, choose: Random): { cap: Cap; stub: AnyStub } {
  const own = trial.reference.held.filter((held) => held.client === client);
  if (own.length > 0 && !choose.chance(4)) {
    const held = choose.pick(own);
    return { cap: held.cap, stub: trial.stub(held) };
  }
  return {
    cap: { is: 'callback', client: client.serial, from: client.party },
    stub: trial.connection(client).callback,
  };
}

/** A call that returns a capability: as `inner`, as its domain returns it. */
async function receive(
  trial: Trial,
  held: Held,
  method: Method,
  pending: PromiseLike<{ cell: AnyStub }>,
  inner: () => Cap,
  argument?: Cap,
): Promise<void> {
  const { reference } = trial;
  const { value, error } = await trial.try(pending);
  const there = inner();
  const expected = expectsBoth(reference, held.cap, method, argument, there);
  if (!trial.judge(method, held.cap, expected, error ?? null)) return;
  trial.receive(held.client, returned(held.cap, there), value!.cell);
}

/** Of a call with a capability in its params, or not, that returns one. */
function expectsBoth(
  reference: Reference,
  target: Cap,
  method: Method,
  argument: Cap | undefined,
  there: Cap,
): Expectation {
  const back = reference.expectsReturning(target, there, method);
  if (argument === undefined) return back;
  const { refusals, maybe } = reference.expectsPassing(target, argument, method);
  return {
    refusals: new Set([...refusals, ...back.refusals]),
    maybe: new Set([...maybe, ...back.maybe]),
  };
}

export const open: Operation = {
  name: 'open',
  weight: 30,
  can: holdsTarget,
  async run(trial, choose) {
    const held = anyHeld(trial.reference, choose, targets(trial.reference));
    const id = choose.pick(['a', 'b', 'c', 'd', '']);
    const object = () => trial.reference.object(domainOf(held.cap)!, id === '' ? null : id);
    await receive(trial, held, 'open', trial.stub(held).open!({ id }), object);
  },
};

export const echo: Operation = {
  name: 'echo',
  weight: 18,
  can: holdsTarget,
  async run(trial, choose) {
    const held = anyHeld(trial.reference, choose, targets(trial.reference));
    const { cap, stub } = argument(trial, held, choose);
    const there = passed(held.cap, cap);
    await receive(trial, held, 'echo', trial.stub(held).echo!({ cell: stub }), () => there, cap);
  },
};

/** Calls on what a call will return, and on what it has returned, are calls on one reference. */
export const echoOrder: Operation = {
  name: 'echo, and call meanwhile',
  weight: 18,
  can: holdsTarget,
  async run(trial, choose) {
    const { reference } = trial;
    const held = anyHeld(reference, choose, targets(reference));
    const { cap: passedOn, stub } = argument(trial, held, choose);
    const cap = returned(held.cap, passed(held.cap, passedOn));
    using pending = trial.stub(held).echo!({ cell: stub });
    using early = pending.cell as AnyStub;
    const read = (on: AnyStub) => trial.try<Asked>(on.read!({ token: trial.token() }));
    const calls = [read(early), read(early)];
    const { value, error } = await trial.try(pending as unknown as PromiseLike<{ cell: AnyStub }>);
    const expected = expectsBoth(reference, held.cap, 'echo', passedOn, passed(held.cap, passedOn));
    if (!trial.judge('echo', held.cap, expected, error ?? null)) {
      await Promise.all(calls);
      return;
    }
    using cell = value!.cell;
    calls.push(read(early), read(cell));
    const before = reference.expectsEarly(held.cap, cap, 'read');
    const after = reference.expects(cap, 'read');
    checkOrder(trial, cap, [before, before, after, after], await Promise.all(calls));
  },
};

/** What the configuration grants to alpha. */
export const peer: Operation = {
  name: 'peer',
  weight: 15,
  can: (model) => targets(model, 'alpha').length > 0,
  async run(trial, choose) {
    const { reference, peerGrant } = trial;
    const held = anyHeld(reference, choose, targets(reference, 'alpha'));
    const inner = () => outward(reference.membraneOf(reference.domains.get('alpha')!, peerGrant), granted);
    await receive(trial, held, 'peer', trial.stub(held).peer!({}), inner);
  },
};

/** Calls on what a domain is about to return, which the caller may not be allowed to have: then none of them arrives. */
export const peerEarly: Operation = {
  name: 'peer, and call meanwhile',
  weight: 12,
  can: (model) => targets(model, 'alpha').length > 0,
  async run(trial, choose) {
    const { reference, peerGrant } = trial;
    const held = anyHeld(reference, choose, targets(reference, 'alpha'));
    const there = outward(reference.membraneOf(reference.domains.get('alpha')!, peerGrant), granted);
    const tokens = [trial.token(), trial.token()];
    using pending = trial.stub(held).peer!({});
    using early = pending.cell as AnyStub;
    const calls = tokens.map((token) => trial.try<Asked>(early.read!({ token })));
    const { value, error } = await trial.try(pending as unknown as PromiseLike<{ cell: AnyStub }>);
    using _cell = value?.cell ?? null;
    const outcomes = await Promise.all(calls);
    const cap = returned(held.cap, there);
    if (trial.judge('peer', held.cap, reference.expectsReturning(held.cap, there, 'peer'), error ?? null)) {
      const expected = reference.expectsEarly(held.cap, cap, 'read');
      checkOrder(trial, cap, [expected, expected], outcomes);
      return;
    }
    if (outcomes.some((each) => each.error === undefined))
      trial.fault(`a call on ${shown(cap)} went through`);
    await trial.checkRefused(cap, tokens);
  },
};

const granted: Cap = { is: 'granted', domain: PEER.domain, id: PEER.object };

/** A domain is passed a promise of a client's, which becomes something when the domain has it already. */
export const askPromise: Operation = {
  name: 'ask a promise',
  weight: 18,
  can: holdsTarget,
  async run(trial, choose) {
    const { reference } = trial;
    const held = anyHeld(reference, choose, targets(reference));
    const { cap, stub } = argument(trial, held, choose);
    const token = trial.token();
    const promise = new QueuedCapability();
    using passedStub = stubFor(promise.retain(), CELL);
    const asked = trial.try<Asked>(trial.stub(held).ask!({ cell: passedStub, write: false, token }));
    // Whatever may pass at all: the promise is not what it will be.
    const own: Cap = { is: 'callback', client: held.client.serial, from: held.client.party };
    const expected = reference.expectsPassing(held.cap, own, 'ask');
    if (choose.chance(2)) await new Promise((resolve) => setTimeout(resolve, 2));
    promise.resolve(capabilityOf(stub).retain());
    promise.release();
    const { value, error } = await asked;
    if (!trial.judge('ask a promise', held.cap, expected, error ?? null)) return;
    const there = passed(held.cap, cap);
    const failure = value!.refused === '' ? null : failureIn(value!.refused);
    const reached = reference.expectsPassing(held.cap, cap, 'ask').refusals.has('flow')
      ? { refusals: new Set<Refusal>(['flow']), maybe: reference.expects(there, 'read').refusals }
      : reference.expects(there, 'read');
    if (trial.judge('by a domain, on a promise', there, reached, failure))
      trial.checkPlace(there, value!.place);
    else await trial.checkRefused(there, [token]);
  },
};

/** A domain calls what it is passed, its own object that comes home as well as others'. */
export const ask: Operation = {
  name: 'ask',
  weight: 42,
  can: holdsTarget,
  async run(trial, choose) {
    const held = anyHeld(trial.reference, choose, targets(trial.reference));
    const { cap, stub } = argument(trial, held, choose);
    const write = choose.chance(2);
    const token = trial.token();
    const { value, error } = await trial.try<Asked>(trial.stub(held).ask!({ cell: stub, write, token }));
    const expected = trial.reference.expectsPassing(held.cap, cap, 'ask');
    if (!trial.judge('ask', held.cap, expected, error ?? null)) return;
    await checkAsked(trial, passed(held.cap, cap), write, token, value!);
  },
};

/** What a domain says of its call on `cap`, as it holds that. */
async function checkAsked(
  trial: Trial,
  cap: Cap,
  write: boolean,
  token: number,
  asked: Asked,
): Promise<void> {
  const method = write ? 'write' : 'read';
  const failure = asked.refused === '' ? undefined : failureIn(asked.refused);
  if (trial.judgeCall(`by a domain, ${method}`, cap, method, failure)) trial.checkPlace(cap, asked.place);
  else await trial.checkRefused(cap, [token]);
}

export const keep: Operation = {
  name: 'keep',
  weight: 30,
  can: holdsTarget,
  async run(trial, choose) {
    const { reference } = trial;
    const held = anyHeld(reference, choose, targets(reference));
    const { cap: passedOn, stub } = argument(trial, held, choose);
    const slot = choose.below(SLOTS);
    const { value, error } = await trial.try<{ own: string }>(trial.stub(held).keep!({ cell: stub, slot }));
    const expected = reference.expectsPassing(held.cap, passedOn, 'keep');
    if (!trial.judge('keep', held.cap, expected, error ?? null)) return;
    const domain = domainOf(held.cap)!;
    const cap = passed(held.cap, passedOn);
    reference.domains.get(domain)!.kept.set(slot, cap);
    if (reference.ends(cap).maybe.size > 0) return;
    const own = reference.own(cap, domain);
    const told = value!.own;
    if (own === null ? failureIn(told).type === '' : told !== own) {
      trial.fault(`${domain} was told of ${shown(cap)}: ${told}, and is ${own ?? 'to be refused'}`);
    }
  },
};

/** Whether a domain that sleeps has let go of what it kept, because that was gone. */
function slept({ reference }: Trial, domain: string, slot: number, error: Failure | undefined): boolean {
  if (error?.message !== 'nothing is kept here') return false;
  const { kept } = reference.domains.get(domain)!;
  const cap = kept.get(slot);
  if (cap === undefined) return true;
  const { refusals, maybe } = reference.ends(cap);
  kept.delete(slot);
  return domain === SLEEPER && (maybe.size > 0 || refusals.size > 0);
}

export const kept: Operation = {
  name: 'kept',
  weight: 30,
  can: holdsTarget,
  async run(trial, choose) {
    const held = anyHeld(trial.reference, choose, targets(trial.reference));
    const slot = choose.below(SLOTS);
    const domain = domainOf(held.cap)!;
    const cap = trial.reference.domains.get(domain)!.kept.get(slot);
    const { value, error } = await trial.try<{ cell: AnyStub }>(trial.stub(held).kept!({ slot }));
    if (slept(trial, domain, slot, error)) return;
    if (cap !== undefined) {
      const expected = trial.reference.expectsReturning(held.cap, cap, 'kept');
      if (!trial.judge('kept', held.cap, expected, error ?? null)) return;
    } else if (!trial.judgeCall('kept', held.cap, 'kept', error)) return;
    if (cap === undefined) return trial.fault(`${domain} gave what it has not kept`);
    trial.receive(held.client, returned(held.cap, cap), value!.cell);
  },
};

export const askKept: Operation = {
  name: 'ask what is kept',
  weight: 30,
  can: holdsTarget,
  async run(trial, choose) {
    const held = anyHeld(trial.reference, choose, targets(trial.reference));
    const slot = choose.below(SLOTS);
    const write = choose.chance(2);
    const token = trial.token();
    const domain = domainOf(held.cap)!;
    const cap = trial.reference.domains.get(domain)!.kept.get(slot);
    const { value, error } = await trial.try<Asked>(trial.stub(held).askKept!({ slot, write, token }));
    if (slept(trial, domain, slot, error)) return;
    if (!trial.judgeCall('askKept', held.cap, 'askKept', error)) return;
    if (cap === undefined) return trial.fault(`${domain} asked what it has not kept`);
    await checkAsked(trial, cap, write, token, value!);
  },
};
