/** What a policy counts: at the grant and at every ancestor, in order, and on disk before it is used. */
import { describe, expect, it } from 'vitest';
import { LiveGrant, MAX_WAITING } from '../../../broker/live-grant.js';
import { Membrane, type MembraneServices } from '../../../broker/membrane.js';
import { ClientPace, DomainPace, Lane } from '../../../broker/pace.js';
import { EVERYTHING } from '../../../broker/policy/conjunction.js';
import { Meters } from '../../../broker/policy/meter.js';
import type { Bounded, StoredPolicy } from '../../../broker/store/store.js';
import { Budgets } from '../../../rpc/budget.js';
import { type Capability, settled } from '../../../rpc/capability.js';
import { QueuedCapability } from '../../../rpc/promised.js';
import { sturdySchema } from '../../../schema/index.js';
import { call, drop, hold, Outcome, Pair, payload, quiet, TestObject } from '../../conformance/vats.js';
import { grantRow } from '../grant-row.js';

const NO_SERVICES: MembraneServices = {
  answers: () => false,
  conceals: () => false,
  serviceFor: () => {
    throw new Error('not asked for');
  },
  refused: () => {},
  crossing: () => null,
  flowRefused: () => {},
};

/** A disk that is as slow as the test has it. What it says is on it is not taken back. */
class SlowDisk {
  readonly asked: string[] = [];
  readonly #used = new Map<string, number>();
  #held: (() => void)[] | null = null;
  #fault: Error | null = null;

  /** From now on nothing is written until `write()`. */
  stall(): void {
    this.#held ??= [];
  }

  async write(): Promise<void> {
    const held = this.#held ?? [];
    this.#held = null;
    for (const each of held) each();
    await quiet();
  }

  failing(fault: Error | null): void {
    this.#fault = fault;
  }

  reserved(id: string): Record<Bounded, number> {
    return { calls: this.#used.get(`${id} calls`) ?? 0, bytes: this.#used.get(`${id} bytes`) ?? 0 };
  }

  async reserve(id: string, what: Bounded, amount: number, limit: number): Promise<number> {
    this.asked.push(`${id}: ${amount} ${what}`);
    if (this.#held !== null) await new Promise<void>((resolve) => this.#held!.push(resolve));
    if (this.#fault !== null) throw this.#fault;
    const key = `${id} ${what}`;
    const used = this.#used.get(key) ?? 0;
    const taken = Math.max(0, Math.min(amount, limit - used));
    this.#used.set(key, used + taken);
    return taken;
  }
}

class World {
  readonly disk = new SlowDisk();
  now = 0;
  readonly meters = new Meters({ store: this.disk, now: () => this.now });

  grant(id: string, policy: Partial<StoredPolicy>, parent: LiveGrant | null = null): LiveGrant {
    const row = grantRow(id, { policy, parent: parent?.row.id ?? null });
    return new LiveGrant(row, parent, sturdySchema(), this.meters.of(row));
  }

  /** As Grants does when it is on disk. */
  amend(grant: LiveGrant, policy: Partial<StoredPolicy>): void {
    const row = { ...grant.row, policy: { ...EVERYTHING, ...policy } };
    grant.amend(row, this.meters.of(row));
  }
}

function out(grant: LiveGrant, object: TestObject, services = NO_SERVICES): Capability {
  return new Membrane(grant, services).outward(object.capability());
}

/** What became of calls with these numbers, made at once. */
async function made(facet: Capability, ...numbers: number[]): Promise<(number | string | null)[]> {
  const outcomes = numbers.map((number) => call(facet, number));
  await quiet();
  return outcomes.map(result);
}

const result = ({ value, error }: Outcome) => error?.code ?? value;

describe('the calls of a grant', () => {
  it('are as many as it allows, and no more', async () => {
    const object = new TestObject();
    const facet = out(new World().grant('g', { maxCalls: 5 }), object);
    expect(await made(facet, 1, 2, 3)).toEqual([1, 2, 3]);
    expect(await made(facet, 4, 5, 6, 7)).toEqual([4, 5, 'ERR_GRANT_CALLS', 'ERR_GRANT_CALLS']);
    expect(await made(facet, 8)).toEqual(['ERR_GRANT_CALLS']);
    expect(object.received).toEqual([1, 2, 3, 4, 5]);
  });

  it('are counted for the whole tree at every ancestor, and a call that one refuses is counted by none', async () => {
    const world = new World();
    const parent = world.grant('parent', { maxCalls: 4 });
    const [left, right] = [
      world.grant('left', { maxCalls: 2 }, parent),
      world.grant('right', {}, world.grant('middle', { maxCalls: 10 }, parent)),
    ];
    const object = new TestObject();
    const [a, b] = [out(left, object), out(right, object)];
    expect(await made(a, 1, 2, 3)).toEqual([1, 2, 'ERR_GRANT_CALLS']);
    // The third was not charged to the parent.
    expect(await made(b, 4, 5, 6)).toEqual([4, 5, 'ERR_GRANT_CALLS']);
    expect(await made(out(parent, object), 7)).toEqual(['ERR_GRANT_CALLS']);
    expect(world.disk.asked.filter((each) => each.startsWith('middle')).length).toBeLessThanOrEqual(3);
  });

  it('pass at once while a block is at hand, and the next block is asked for before that is used up', async () => {
    const world = new World();
    const object = new TestObject();
    const facet = out(world.grant('g', { maxCalls: 6400 }), object);
    world.disk.stall();
    expect(call(facet, 0).done).toBe(false);
    await world.disk.write();
    expect(object.received).toEqual([0]);
    world.disk.stall();
    for (let i = 1; i < 100; i++) expect(call(facet, i).value).toBe(i);
    expect(world.disk.asked).toEqual(['g: 100 calls', 'g: 100 calls']);
    const waits = call(facet, 100);
    expect(waits.done).toBe(false);
    await world.disk.write();
    expect(waits.value).toBe(100);
  });

  it('of a small bound are reserved one by one, so that none is lost', async () => {
    const world = new World();
    const facet = out(world.grant('g', { maxCalls: 3 }), new TestObject());
    for (let i = 1; i <= 3; i++) {
      await made(facet, i);
      expect(world.disk.asked).toEqual(Array(i).fill('g: 1 calls'));
    }
  });

  it('that wait in a row are reserved together', async () => {
    const world = new World();
    const facet = out(world.grant('g', { maxCalls: 100 }), new TestObject());
    const numbers = Array.from({ length: 60 }, (_, i) => i);
    expect(await made(facet, ...numbers)).toEqual(numbers);
    expect(world.disk.asked).toEqual(['g: 1 calls', 'g: 59 calls']);
  });

  it('keep their order while they wait, pipelined calls and all', async () => {
    const inner = new TestObject();
    const object = new TestObject((incoming) => {
      incoming.params.release();
      incoming.return_(payload(0, [inner.capability()]));
    });
    const world = new World();
    const facet = out(world.grant('g', { maxCalls: 10 }), object);
    world.disk.stall();
    const first = call(facet, 1);
    const pipelined = first.call.pipelined([0]);
    const rest = [call(pipelined, 11), call(facet, 2), call(pipelined, 12), call(facet, 3)];
    expect(object.received).toEqual([]);
    await world.disk.write();
    expect(object.received).toEqual([1, 2, 3]);
    expect(inner.received).toEqual([11, 12]);
    expect([first, ...rest].every(({ done }) => done)).toBe(true);
    // And a later one passes nobody who waits.
    world.disk.stall();
    const later = [call(facet, 4), call(pipelined, 13), call(facet, 5)];
    await world.disk.write();
    expect([object.received.slice(3), inner.received.slice(2)]).toEqual([[4, 5], [13]]);
    drop(first, ...rest, ...later, pipelined, facet);
    expect([object.alive, inner.alive]).toEqual([false, false]);
  });

  it('are not overtaken by calls on what a promise has become', async () => {
    const promise = new QueuedCapability();
    const object = new TestObject();
    const world = new World();
    const facet = new Membrane(world.grant('g', { maxCalls: 10 }), NO_SERVICES).outward(promise.retain());
    world.disk.stall();
    let told = 0;
    facet.onResolution(() => told++);
    const early = call(facet, 1);
    promise.resolve(object.capability());
    promise.release();
    // Whoever asks is told that it is a promise still.
    expect([settled(facet) === facet, told]).toEqual([true, 0]);
    let toldLate = 0;
    facet.onResolution(() => toldLate++);
    const leave = facet.onResolution(() => {
      throw new Error('has left');
    });
    leave();
    const late = call(settled(facet), 2);
    await world.disk.write();
    expect([told, toldLate, settled(facet) === facet]).toEqual([1, 1, false]);
    const last = call(settled(facet), 3);
    await quiet();
    expect(object.received).toEqual([1, 2, 3]);
    drop(early, late, last, facet);
    expect(object.alive).toBe(false);
  });

  it('keep their order across connections, when a promise turns out to be the caller’s own object', async () => {
    const promise = new QueuedCapability();
    const kept: Capability[] = [];
    const behind = new TestObject((incoming) => {
      kept.push(incoming.params.capabilities[0]!.retain());
      incoming.params.release();
      incoming.return_(payload(0, [promise.retain()]));
    });
    const world = new World();
    const membrane = new Membrane(world.grant('g', { maxCalls: 100 }), NO_SERVICES);
    const pair = new Pair({ right: membrane.outward(behind.capability()) });
    const boot = pair.left.bootstrap();
    const own = new TestObject();
    const asked = call(boot, 0, [own.capability()]);
    await quiet();
    const theirs = asked.capability();
    world.disk.stall();
    const early = call(theirs, 1);
    await quiet();
    promise.resolve(kept[0]!);
    promise.release();
    await quiet();
    const middle = call(settled(theirs), 2);
    await quiet();
    expect(own.received).toEqual([]);
    await world.disk.write();
    const late = call(settled(theirs), 3);
    await quiet();
    expect(own.received).toEqual([1, 2, 3]);
    drop(asked, early, middle, late, theirs, boot);
    await quiet();
  });

  it('wait in a line of bounded length', async () => {
    const world = new World();
    const object = new TestObject();
    const facet = out(world.grant('g', { maxCalls: 1_000_000 }), object);
    world.disk.stall();
    const waiting = Array.from({ length: MAX_WAITING }, (_, i) => call(facet, i));
    const over = call(facet, MAX_WAITING);
    expect(over.error).toMatchObject({ type: 'overloaded', code: 'ERR_GRANT_WAITING' });
    await world.disk.write();
    expect(waiting.map(result)).toEqual(waiting.map((_, i) => i));
    expect(object.received).toHaveLength(MAX_WAITING);
  });

  it('that are cancelled while they wait are not made, and not counted', async () => {
    const world = new World();
    const object = new TestObject();
    const facet = out(world.grant('g', { maxCalls: 2 }), object);
    world.disk.stall();
    const [first, second, third, fourth] = [1, 2, 3, 4].map((number) => call(facet, number)) as [
      Outcome,
      Outcome,
      Outcome,
      Outcome,
    ];
    first.call.finish();
    third.call.finish();
    await world.disk.write();
    expect([second, fourth].map(result)).toEqual([2, 4]);
    expect(object.received).toEqual([2, 4]);
    drop(second, fourth, facet);
    expect(object.alive).toBe(false);
  });

  it('that wait end with the grant', async () => {
    const world = new World();
    const parent = world.grant('parent', { maxCalls: 10 });
    const child = world.grant('child', {}, parent);
    const object = new TestObject();
    const facet = out(child, object);
    world.disk.stall();
    const waiting = [call(facet, 1), call(facet, 2)];
    const pipelined = waiting[0]!.call.pipelined([0]);
    const after = call(pipelined, 3);
    child.revoke();
    expect([...waiting, after].map(result)).toEqual(Array(3).fill('ERR_GRANT_REVOKED'));
    expect(object.alive).toBe(false);
    await world.disk.write();
    expect(object.received).toEqual([]);
    drop(...waiting, after, pipelined, facet);
  });

  it('that wait let go of everything where their holder keeps nothing but them', async () => {
    const world = new World();
    const object = new TestObject();
    const facet = out(world.grant('g', { maxCalls: 10 }), object);
    world.disk.stall();
    const only = call(facet, 1);
    facet.release();
    expect(object.alive).toBe(true);
    await world.disk.write();
    expect(only.value).toBe(1);
    only.call.finish();
    expect(object.alive).toBe(false);
  });

  it('fail where they cannot be written, and are tried again by the next', async () => {
    const world = new World();
    const object = new TestObject();
    const facet = out(world.grant('g', { maxCalls: 10 }), object);
    world.disk.failing(new Error('no space left'));
    expect(await made(facet, 1, 2)).toEqual(['ERR_GRANT_COUNT', 'ERR_GRANT_COUNT']);
    world.disk.failing(null);
    expect(await made(facet, 3)).toEqual([3]);
    expect(object.received).toEqual([3]);
  });

  it('that the domain is too busy for are given back', async () => {
    const world = new World();
    const object = new TestObject(hold);
    const account = new Budgets({ calls: { share: 1, pool: 0 } }).accounts().calls;
    const rates = [{ calls: 1, perMillis: 86_400_000, burst: 3 }];
    const grant = world.grant('g', { maxCalls: 200, rates });
    const lane = new Lane(account, new DomainPace(), new ClientPace());
    const facet = new Membrane(grant, NO_SERVICES, undefined, lane).outward(object.capability());
    const first = call(facet, 1);
    await quiet();
    for (let i = 0; i < 10; i++) expect(result(call(facet, 2))).toBe('ERR_DOMAIN_BUSY');
    first.call.finish();
    for (const number of [3, 4]) {
      const next = call(facet, number);
      expect(next.done).toBe(false);
      next.call.finish();
    }
    expect(result(call(facet, 5))).toBe('ERR_GRANT_CALL_RATE');
    expect(object.received).toEqual([1, 3, 4]);
    for (const pending of object.pending) {
      pending.params.release();
      pending.return_(payload(0));
    }
  });

  it('do not include what the broker answers itself', async () => {
    const world = new World();
    const object = new TestObject();
    const service = new TestObject();
    const answers = 0xfeed_0000_0000_0002n;
    const facet = out(
      world.grant('g', { maxCalls: 1, maxBytes: 100, rates: [{ calls: 1, perMillis: 1000, burst: 1 }] }),
      object,
      {
        ...NO_SERVICES,
        answers: (id) => id === answers,
        serviceFor: () => service.capability(),
      },
    );
    for (let i = 0; i < 20; i++) {
      const outcome = new Outcome();
      outcome.call = facet.call({ interfaceId: answers, methodId: 0, params: payload(i) }, outcome);
      expect(outcome.value).toBe(i);
    }
    expect(world.disk.asked).toEqual([]);
    expect(await made(facet, 1)).toEqual([1]);
    expect(await made(facet, 2)).toEqual(['ERR_GRANT_CALL_RATE']);
  });
});

describe('the rate of a grant', () => {
  const rates = [{ calls: 10, perMillis: 1000, burst: 20 }];

  it('lets a burst pass, and so many from then on; what it refuses counts nowhere', async () => {
    const world = new World();
    const object = new TestObject();
    const facet = out(world.grant('g', { rates, maxCalls: 6400 }), object);
    const burst = Array.from({ length: 20 }, (_, i) => i);
    expect(await made(facet, ...burst, 20)).toEqual([...burst, 'ERR_GRANT_CALL_RATE']);
    expect(call(facet, 0).error).toMatchObject({
      type: 'overloaded',
      message: 'calls come faster than the grant allows: 10/s:20 (g)',
    });
    world.now += 100;
    expect(await made(facet, 21, 22)).toEqual([21, 'ERR_GRANT_CALL_RATE']);
    world.now += 1_000_000;
    expect((await made(facet, ...burst, 20)).filter((each) => typeof each === 'number')).toHaveLength(20);
    expect(world.disk.asked).toEqual(['g: 100 calls']);
  });

  it('holds for everything below it together, and all of several rates hold', async () => {
    const world = new World();
    const parent = world.grant('parent', { rates: [...rates, { calls: 15, perMillis: 60_000, burst: 15 }] });
    const object = new TestObject();
    const [a, b] = [
      out(world.grant('a', { rates }, parent), object),
      out(world.grant('b', {}, parent), object),
    ];
    expect((await made(a, ...Array(10).fill(1))).at(-1)).toBe(1);
    expect(await made(b, ...Array(6).fill(2))).toEqual([...Array(5).fill(2), 'ERR_GRANT_CALL_RATE']);
    // The child's own bucket was not charged for what the parent's refused.
    world.now += 60_000;
    expect((await made(a, ...Array(16).fill(3))).filter((each) => each === 3)).toHaveLength(15);
  });

  it('is no other for who lets go of the grant and comes again', async () => {
    const world = new World();
    const object = new TestObject();
    const first = world.grant('g', { rates });
    expect(await made(out(first, object), ...Array(20).fill(1))).toEqual(Array(20).fill(1));
    expect(await made(out(world.grant('g', { rates }), object), 2)).toEqual(['ERR_GRANT_CALL_RATE']);
    expect(world.meters.size).toBe(1);
  });

  it('is forgotten when its bucket is full again', async () => {
    const world = new World();
    const object = new TestObject();
    for (let i = 0; i < 1024; i++) call(out(world.grant(`g${i}`, { rates }), object), 1).call.finish();
    expect(world.meters.size).toBe(1024);
    world.now += 1000;
    call(out(world.grant('last', { rates }), object), 1);
    expect(world.meters.size).toBe(1);
  });
});

describe('the bytes of a grant', () => {
  // What payload() makes for a number: a pointer and a word, each way.
  const ONE_WAY = 16;

  it('are those of params and results, and results over the bound do not come through', async () => {
    const world = new World();
    const object = new TestObject();
    const facet = out(world.grant('g', { maxBytes: 5 * ONE_WAY }), object);
    const all = [call(facet, 1), call(facet, 2), call(facet, 3), call(facet, 4)];
    await quiet();
    expect(all.map(result).filter((each) => typeof each === 'number').length).toBeGreaterThan(0);
    expect(await made(facet, 5)).toEqual(['ERR_GRANT_BYTES']);
    const passed = object.received.length + all.filter(({ value }) => value !== null).length;
    expect(passed).toBeLessThanOrEqual(5);
    expect(all.at(-1)!.error?.message).toBe("the grant's 80 bytes are used up (g)");
    drop(...all, facet);
    expect(object.alive).toBe(false);
  });

  it('of results wait until they are reserved, unless nobody wants them any more', async () => {
    const world = new World();
    const object = new TestObject(hold);
    const grant = world.grant('g', { maxBytes: 10 * ONE_WAY });
    const facet = out(grant, object);
    const outcomes = [call(facet, 1), call(facet, 2), call(facet, 3)];
    await quiet();
    world.disk.stall();
    for (const pending of object.pending) {
      pending.params.release();
      pending.return_(payload(pending === object.pending[1] ? 20 : 10));
    }
    expect(outcomes.map(({ done }) => done)).toEqual([false, false, false]);
    outcomes[0]!.call.finish();
    await world.disk.write();
    expect(outcomes.slice(1).map(result)).toEqual([20, 10]);
    drop(...outcomes.slice(1), facet);
    expect(object.alive).toBe(false);
  });

  it('of a small call do not let it pass a large one that waits, but when that is cancelled', async () => {
    const world = new World();
    const object = new TestObject();
    const facet = out(world.grant('g', { maxBytes: 1024 * 1024 }), object);
    await made(facet, 1);
    world.disk.stall();
    // Larger than what is at hand of the block of 16 KiB.
    const large = Array<null>(2100).fill(null);
    const [first, second] = [call(facet, 2, large), call(facet, 3)];
    expect([first, second].map(({ done }) => done)).toEqual([false, false]);
    await world.disk.write();
    expect(object.received).toEqual([1, 2, 3]);
    world.disk.stall();
    const [third, fourth] = [call(facet, 4, large), call(facet, 5)];
    expect([third, fourth].map(({ done }) => done)).toEqual([false, false]);
    third.call.finish();
    expect(fourth.value).toBe(5);
    drop(first, second, fourth, facet);
    await world.disk.write();
    expect([object.received, object.alive]).toEqual([[1, 2, 3, 5], false]);
  });

  it('of results that wait end with the grant', async () => {
    const world = new World();
    const object = new TestObject(hold);
    const grant = world.grant('g', { maxBytes: 1000 });
    const facet = out(grant, object);
    const outcome = call(facet, 1);
    await quiet();
    world.disk.stall();
    object.pending[0]!.params.release();
    object.pending[0]!.return_(payload(1));
    grant.revoke();
    expect(result(outcome)).toBe('ERR_GRANT_REVOKED');
    await world.disk.write();
    drop(outcome, facet);
    expect(object.alive).toBe(false);
  });

  it('are those of callbacks too, in their order, which count as no calls', async () => {
    const world = new World();
    const kept: Capability[] = [];
    const object = new TestObject((incoming) => {
      kept.push(incoming.params.capabilities[0]!.retain());
      incoming.params.release();
      incoming.return_(payload(0));
    });
    const callback = new TestObject();
    const facet = out(world.grant('g', { maxBytes: 12 * ONE_WAY, maxCalls: 1 }), object);
    const registered = call(facet, 0, [callback.capability()]);
    await quiet();
    const outcomes = Array.from({ length: 20 }, (_, i) => call(kept[0]!, i));
    await quiet();
    const refused = outcomes.filter(({ error }) => error?.code === 'ERR_GRANT_BYTES').length;
    expect(refused).toBeGreaterThanOrEqual(12);
    expect(callback.received).toEqual(Array.from({ length: callback.received.length }, (_, i) => i));
    expect(callback.received.length).toBeGreaterThan(2);
    drop(registered, ...outcomes, kept[0]!, facet);
    expect([object.alive, callback.alive]).toEqual([false, false]);
  });
});

describe('a grant that is amended while it is in use', () => {
  it('counts from then on, below it as well, and what was used by then is used still', async () => {
    const world = new World();
    const object = new TestObject();
    const above = world.grant('above', {});
    const facet = out(world.grant('below', {}, above), object);
    expect(await made(facet, 1, 2, 3)).toEqual([1, 2, 3]);
    world.amend(above, { maxCalls: 4 });
    expect(await made(facet, 4, 5)).toEqual([4, 5]);
    world.amend(above, { maxCalls: 3 });
    expect(await made(facet, 6, 7)).toEqual([6, 'ERR_GRANT_CALLS']);
    world.amend(above, { maxCalls: 2 });
    expect(await made(facet, 8)).toEqual(['ERR_GRANT_CALLS']);
    // Extended again: what is left of four is one.
    world.amend(above, { maxCalls: 4 });
    expect(await made(facet, 9, 10)).toEqual([9, 'ERR_GRANT_CALLS']);
    world.amend(above, {});
    expect(await made(facet, 11)).toEqual([11]);
    // What was counted by then is not forgotten where nothing was counted for a while.
    world.amend(above, { maxCalls: 5 });
    expect(await made(facet, 12, 13)).toEqual([12, 'ERR_GRANT_CALLS']);
  });

  it('is held to a smaller count though more is at hand, which is neither lost nor given twice', async () => {
    const world = new World();
    const object = new TestObject();
    const grant = world.grant('g', { maxCalls: 6400 });
    const facet = out(grant, object);
    expect(await made(facet, 1, 2, 3)).toEqual([1, 2, 3]);
    expect(world.disk.reserved('g').calls).toBe(100);
    world.amend(grant, { maxCalls: 5 });
    expect(await made(facet, 4, 5, 6)).toEqual([4, 5, 'ERR_GRANT_CALLS']);
    world.amend(grant, { maxCalls: 100 });
    const all = Array.from({ length: 96 }, (_, i) => i);
    const passed = (await made(facet, ...all)).filter((each) => typeof each === 'number');
    expect(passed).toHaveLength(95);
    expect(world.disk.reserved('g').calls).toBe(100);
  });

  it('lets pass in their order what waited for a bound that is gone, and nobody overtakes', async () => {
    const world = new World();
    const object = new TestObject();
    const above = world.grant('above', { maxCalls: 10 });
    const facet = out(world.grant('below', {}, above), object);
    world.disk.stall();
    const outcomes = [1, 2, 3].map((number) => call(facet, number));
    expect(object.received).toEqual([]);
    world.amend(above, {});
    outcomes.push(call(facet, 4));
    await quiet();
    expect(outcomes.map(result)).toEqual([1, 2, 3, 4]);
    expect(object.received).toEqual([1, 2, 3, 4]);
    await world.disk.write();
    expect(await made(facet, 5)).toEqual([5]);
  });

  it('refuses what waits and is over the bound as it is then', async () => {
    const world = new World();
    const object = new TestObject();
    const grant = world.grant('g', { maxCalls: 10 });
    const facet = out(grant, object);
    expect(await made(facet, 1, 2)).toEqual([1, 2]);
    world.disk.stall();
    const outcomes = [3, 4].map((number) => call(facet, number));
    world.amend(grant, { maxCalls: 3 });
    await world.disk.write();
    expect(outcomes.map(result)).toEqual([3, 'ERR_GRANT_CALLS']);
  });

  it('fills no bucket: one of a rate that stays is as empty as it was', async () => {
    const world = new World();
    const object = new TestObject();
    const slow = { calls: 1, perMillis: 1000, burst: 2 };
    const quick = { calls: 100, perMillis: 1000, burst: 100 };
    const grant = world.grant('g', { rates: [slow] });
    const facet = out(grant, object);
    expect(await made(facet, 1, 2, 3)).toEqual([1, 2, 'ERR_GRANT_CALL_RATE']);
    world.amend(grant, { rates: [quick, slow] });
    world.amend(grant, { rates: [slow] });
    expect(await made(facet, 4)).toEqual(['ERR_GRANT_CALL_RATE']);
    // A clock that was set back gives nothing, and takes nothing away.
    world.now = -1_000_000;
    expect(await made(facet, 5)).toEqual(['ERR_GRANT_CALL_RATE']);
    world.now += 1000;
    expect(await made(facet, 6, 7)).toEqual([6, 'ERR_GRANT_CALL_RATE']);
  });

  it('does not charge what is done with the object for what is done by a power over the grant', async () => {
    const world = new World();
    const object = new TestObject();
    const grant = world.grant('g', { maxCalls: 1 });
    const row = { ...world.grant('p', {}, grant).row, kind: 'power' } as const;
    const power = out(new LiveGrant(row, grant, sturdySchema()), object);
    expect(await made(power, 1, 2)).toEqual([1, 2]);
    expect(await made(out(grant, object), 3, 4)).toEqual([3, 'ERR_GRANT_CALLS']);
    expect(await made(power, 5)).toEqual([5]);
  });

  it('that is revoked with a drain makes no call that waited, and lets those in flight end', async () => {
    const world = new World();
    const object = new TestObject(hold);
    const grant = world.grant('g', { maxCalls: 1000 });
    const facet = out(grant, object);
    const first = call(facet, 1);
    await quiet();
    world.disk.stall();
    const more = Array.from({ length: 30 }, (_, i) => call(facet, i));
    const made_ = object.pending.length;
    expect(grant.underway.calls).toBe(31);
    grant.revoke({ draining: true });
    await world.disk.write();
    expect(object.pending.length).toBe(made_);
    expect(more.slice(made_ - 1).map(result)).toEqual(
      Array.from({ length: 31 - made_ }, () => 'ERR_GRANT_REVOKED'),
    );
    for (const pending of object.pending) {
      pending.params.release();
      pending.return_(payload(7));
    }
    await quiet();
    expect([first, ...more.slice(0, made_ - 1)].map(result)).toEqual(Array.from({ length: made_ }, () => 7));
    await grant.drained();
  });
});
