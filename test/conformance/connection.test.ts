import { describe, expect, it } from 'vitest';
import type { Capability } from '../../rpc/capability.js';
import { RpcError } from '../../rpc/error.js';
import { QueuedCapability } from '../../rpc/promised.js';
import { receiveLent } from '../lending.js';
import { call, drop, hold, Pair, payload, quiet, TestObject } from './vats.js';

/** A bootstrap object that gives `inner` as capability 0 of every result. */
function giver(inner: () => Capability): TestObject {
  return new TestObject((incoming) => {
    incoming.params.release();
    incoming.return_(payload(1, [inner()]));
  });
}

describe('a call', () => {
  it('is answered, and leaves nothing behind', async () => {
    const object = new TestObject();
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const outcome = call(target, 42);
    await quiet();
    expect(outcome.value).toBe(42);
    outcome.call.finish();
    target.release();
    await quiet();
    pair.expectEmpty();
    expect(object.alive).toBe(true);
    pair.mayClose = true;
    pair.left.close();
    await quiet();
    expect(object.alive).toBe(false);
  });

  it('may be pipelined on before it returns, at any depth', async () => {
    const inner = new TestObject();
    const middle = giver(() => inner.capability());
    const outer = giver(() => middle.capability());
    const pair = new Pair({ right: outer.capability() });
    pair.links.rightToLeft.block();
    const root = pair.left.bootstrap();
    const first = call(root, 1);
    const second = first.call.pipelined([0]);
    const secondCall = call(second, 2);
    const third = secondCall.call.pipelined([0]);
    const thirdCall = call(third, 3);
    await quiet();
    expect(inner.received).toEqual([3]);
    pair.links.rightToLeft.unblock();
    await quiet();
    expect(thirdCall.value).toBe(3);
    for (const { call: made } of [first, secondCall, thirdCall]) made.finish();
    for (const capability of [root, second, third]) capability.release();
    await quiet();
    pair.expectEmpty();
    expect([inner.alive, middle.alive]).toEqual([false, false]);
  });

  it.each(['failed', 'overloaded', 'disconnected', 'unimplemented'] as const)(
    'that fails as %s is told so, with its message and never its cause',
    async (type) => {
      const object = new TestObject((incoming) => {
        incoming.params.release();
        incoming.fail(new RpcError(type, 'as it must', { cause: new Error('secret') }));
      });
      const pair = new Pair({ right: object.capability() });
      pair.links.rightToLeft.record = true;
      const target = pair.left.bootstrap();
      const outcome = call(target, 1);
      const pipelined = outcome.call.pipelined([0]);
      const after = call(pipelined, 2);
      await quiet();
      expect(outcome.error).toMatchObject({ type, message: 'as it must' });
      expect(after.error).toMatchObject({ type, message: 'as it must' });
      expect(Buffer.concat(pair.links.rightToLeft.trace.flat()).includes('secret')).toBe(false);
      for (const { call: made } of [outcome, after]) made.finish();
      for (const capability of [target, pipelined]) capability.release();
      await quiet();
      pair.expectEmpty();
    },
  );

  it('that is finished before it returns is cancelled, and hands its params back', async () => {
    const argument = new TestObject();
    let canceled = false;
    const object = new TestObject((incoming, self) => {
      incoming.onCancel(() => {
        canceled = true;
      });
      hold(incoming, self);
    });
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const outcome = call(target, 1, [argument.capability()]);
    await quiet();
    expect(argument.alive).toBe(true);
    outcome.call.finish();
    await quiet();
    expect(canceled).toBe(true);
    const held = object.pending[0]!;
    held.params.release();
    held.return_(payload(9));
    target.release();
    await quiet();
    expect(argument.alive).toBe(false);
    expect(outcome.done).toBe(false);
    pair.expectEmpty();
  });

  it('goes on while something is pipelined from it, though the caller has finished', async () => {
    const inner = new TestObject();
    const object = new TestObject(hold);
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const outcome = call(target, 1);
    const pipelined = outcome.call.pipelined([0]);
    outcome.call.finish();
    const after = call(pipelined, 7);
    await quiet();
    expect(object.pending[0]!.canceled).toBe(false);
    object.pending[0]!.params.release();
    object.pending[0]!.return_(payload(1, [inner.capability()]));
    await quiet();
    expect(after.value).toBe(7);
    after.call.finish();
    pipelined.release();
    target.release();
    await quiet();
    pair.expectEmpty();
    expect(inner.alive).toBe(false);
  });

  it('on a closed connection is disconnected', async () => {
    const pair = new Pair({ right: new TestObject().capability() });
    const target = pair.left.bootstrap();
    const waiting = call(target, 1);
    pair.mayClose = true;
    pair.links.cut();
    await quiet();
    expect(waiting.error).toMatchObject({ type: 'disconnected' });
    expect(call(target, 2).error).toMatchObject({ type: 'disconnected' });
    target.release();
    waiting.call.finish();
  });

  it('is overloaded over the limit of questions, and of answers', async () => {
    const object = new TestObject(hold);
    const pair = new Pair({ right: object.capability(), limits: { questions: 3 } });
    const target = pair.left.bootstrap();
    await quiet();
    const calls = [1, 2, 3, 4].map((value) => call(target, value));
    expect(calls.map(({ error }) => error?.type)).toEqual([undefined, undefined, undefined, 'overloaded']);
    drop(...calls, target);
    await quiet();
    for (const held of object.pending) {
      held.params.release();
      held.return_(payload(0));
    }

    const slow = new TestObject(hold);
    const other = new Pair({ right: slow.capability(), limits: { answers: 2 } });
    const otherTarget = other.left.bootstrap();
    await quiet();
    const more = [1, 2, 3].map((value) => call(otherTarget, value));
    await quiet();
    expect(more.map(({ error }) => error?.type)).toEqual([undefined, undefined, 'overloaded']);
    expect(more[2]!.error!.message).toContain('limit answers');
    drop(...more, otherTarget);
    for (const held of slow.pending) {
      held.params.release();
      held.return_(payload(0));
    }
  });
});

describe('a capability', () => {
  it('that is sent twice in one message counts twice, and is released exactly', async () => {
    const shared = new TestObject();
    const object = new TestObject(hold);
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const capability = shared.capability();
    const outcome = call(target, 1, [capability, capability.retain()]);
    await quiet();
    const [first, second] = object.pending[0]!.params.capabilities;
    expect(first).toBe(second);
    expect(pair.left.tables.exports).toBe(1);
    object.pending[0]!.params.release();
    await quiet();
    expect(shared.alive).toBe(false);
    object.pending[0]!.return_(payload(1));
    await quiet();
    outcome.call.finish();
    target.release();
    await quiet();
    pair.expectEmpty();
  });

  it('that comes home is the object itself', async () => {
    const mine = new TestObject();
    const object = new TestObject((incoming) => {
      const returned = incoming.params.capabilities[0]!.retain();
      incoming.params.release();
      incoming.return_(payload(1, [returned]));
    });
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const capability = mine.capability();
    const outcome = call(target, 1, [capability.retain()]);
    await quiet();
    expect(outcome.results!.capabilities[0]).toBe(capability);
    outcome.call.finish();
    capability.release();
    target.release();
    await quiet();
    pair.expectEmpty();
  });

  it('crosses from one connection to another, and calls go through', async () => {
    const far = new TestObject();
    const back = new Pair({ right: far.capability() });
    const middle = back.left.bootstrap();
    const front = new Pair({
      right: new TestObject((incoming) => {
        incoming.params.release();
        incoming.return_(payload(1, [middle.retain()]));
      }).capability(),
    });
    const target = front.left.bootstrap();
    const given = call(target, 0);
    const proxied = given.call.pipelined([0]);
    const calls = [1, 2, 3].map((value) => call(proxied, value));
    await quiet();
    expect(far.received).toEqual([1, 2, 3]);
    expect(calls.map(({ value }) => value)).toEqual([1, 2, 3]);
    for (const { call: made } of [given, ...calls]) made.finish();
    for (const capability of [proxied, target]) capability.release();
    await quiet();
    front.expectEmpty();
    middle.release();
    await quiet();
    back.expectEmpty();
  });
});

describe('a promise', () => {
  it('resolves to an object of the sender, and calls that waited arrive in order', async () => {
    const object = new TestObject();
    const promise = new QueuedCapability();
    const pair = new Pair({ right: giver(() => promise.retain()).capability() });
    const target = pair.left.bootstrap();
    const given = call(target, 0);
    await quiet();
    const imported = given.capability();
    const calls = [0, 1, 2].map((value) => call(imported, value));
    await quiet();
    expect(object.received).toEqual([]);
    promise.resolve(object.capability());
    calls.push(...[3, 4, 5].map((value) => call(imported, value)));
    await quiet();
    calls.push(...[6, 7].map((value) => call(imported, value)));
    await quiet();
    expect(object.received).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    for (const { call: made } of [given, ...calls]) made.finish();
    for (const capability of [imported, target]) capability.release();
    promise.release();
    await quiet();
    pair.expectEmpty();
    expect(object.alive).toBe(false);
  });

  it('that breaks breaks the calls on it, with its error', async () => {
    const promise = new QueuedCapability();
    const pair = new Pair({ right: giver(() => promise.retain()).capability() });
    const target = pair.left.bootstrap();
    const given = call(target, 0);
    await quiet();
    const imported = given.capability();
    const before = call(imported, 1);
    await quiet();
    promise.reject(new RpcError('overloaded', 'no room'));
    promise.release();
    await quiet();
    const after = call(imported, 2);
    expect(before.error).toMatchObject({ type: 'overloaded', message: 'no room' });
    expect(after.error).toMatchObject({ type: 'overloaded', message: 'no room' });
    for (const { call: made } of [given, before, after]) made.finish();
    for (const capability of [imported, target]) capability.release();
    await quiet();
    pair.expectEmpty();
  });
});

describe('order', () => {
  /** Right holds the capability 0 of the first call and answers with a promise, which the test resolves. */
  function reflecting() {
    const promise = new QueuedCapability();
    const kept: { theirs: Capability | null } = { theirs: null };
    const object = new TestObject((incoming) => {
      kept.theirs = incoming.params.capabilities[0]!.retain();
      incoming.params.release();
      incoming.return_(payload(1, [promise]));
    });
    return { promise, kept, pair: new Pair({ right: object.capability() }) };
  }

  it('is kept by an embargo when a promise becomes an object of the caller', async () => {
    const { promise, kept, pair } = reflecting();
    const mine = new TestObject();
    const target = pair.left.bootstrap();
    const given = call(target, 0, [mine.capability()]);
    await quiet();
    const imported = given.capability();
    const calls = [call(imported, 0), call(imported, 1)];
    await quiet();
    pair.links.rightToLeft.block();
    promise.resolve(kept.theirs!);
    calls.push(call(imported, 2));
    await quiet();
    // One message at a time: the calls that are reflected, the Resolve, the echo of the Disembargo.
    while (pair.links.rightToLeft.waiting > 0) {
      pair.links.rightToLeft.step();
      calls.push(call(imported, calls.length));
      await quiet();
    }
    pair.links.rightToLeft.unblock();
    await quiet();
    calls.push(call(imported, calls.length));
    await quiet();
    expect(calls.length).toBeGreaterThan(6);
    expect(mine.received).toEqual(calls.map((_, i) => i));
    expect(calls.map(({ value }) => value)).toEqual(calls.map((_, i) => i));
    for (const { call: made } of [given, ...calls]) made.finish();
    for (const capability of [imported, target]) capability.release();
    await quiet();
    pair.expectEmpty();
    expect(mine.alive).toBe(false);
  });

  it('is kept when a pipelined call returns an object of the caller', async () => {
    const mine = new TestObject();
    const object = new TestObject(hold);
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const given = call(target, 0, [mine.capability()]);
    const pipelined = given.call.pipelined([0]);
    const calls = [0, 1, 2].map((value) => call(pipelined, value));
    await quiet();
    pair.links.rightToLeft.block();
    const held = object.pending[0]!;
    const theirs = held.params.capabilities[0]!.retain();
    held.params.release();
    held.return_(payload(1, [theirs]));
    await quiet();
    while (pair.links.rightToLeft.waiting > 0) {
      pair.links.rightToLeft.step();
      calls.push(call(pipelined, calls.length));
      await quiet();
    }
    pair.links.rightToLeft.unblock();
    await quiet();
    calls.push(call(pipelined, calls.length));
    await quiet();
    expect(mine.received).toEqual(calls.map((_, i) => i));
    for (const { call: made } of [given, ...calls]) made.finish();
    for (const capability of [pipelined, target]) capability.release();
    await quiet();
    pair.expectEmpty();
    expect(mine.alive).toBe(false);
  });

  it('is kept over two hops: an object of the caller comes back through a proxy', async () => {
    const mine = new TestObject();
    const far = new TestObject(hold);
    const back = new Pair({ right: far.capability() });
    const front = new Pair({ right: back.left.bootstrap() });
    const target = front.left.bootstrap();
    const given = call(target, 0, [mine.capability()]);
    const pipelined = given.call.pipelined([0]);
    const calls = [0, 1, 2].map((value) => call(pipelined, value));
    await quiet();
    // What the far vat reflects is late; what the near one says is not.
    back.links.rightToLeft.block();
    const held = far.pending[0]!;
    const theirs = held.params.capabilities[0]!.retain();
    held.params.release();
    held.return_(payload(1, [theirs]));
    await quiet();
    while (back.links.rightToLeft.waiting > 0) {
      back.links.rightToLeft.step();
      calls.push(call(pipelined, calls.length));
      await quiet();
    }
    back.links.rightToLeft.unblock();
    await quiet();
    calls.push(call(pipelined, calls.length));
    await quiet();
    expect(mine.received).toEqual(calls.map((_, i) => i));
    for (const { call: made } of [given, ...calls]) made.finish();
    for (const capability of [pipelined, target]) capability.release();
    await quiet();
    front.expectEmpty();
    expect(mine.alive).toBe(false);
    front.mayClose = true;
    front.left.close();
    await quiet();
    back.expectEmpty();
  });
});

describe('a peer that breaks the protocol', () => {
  it('is told why by an Abort, and the calls in flight fail as disconnected', async () => {
    const object = new TestObject(hold);
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    await quiet();
    const waiting = call(target, 1);
    await quiet();
    pair.mayClose = true;
    receiveLent(pair.right, [new Uint8Array(8)]);
    // A null message is an `unimplemented` of nothing: the peer does not implement what nobody sent.
    await quiet();
    expect(pair.closed.right).toMatchObject({ type: 'disconnected' });
    expect(pair.closed.left!.message).toContain('does not implement');
    expect(waiting.error).toMatchObject({ type: 'disconnected' });
    waiting.call.finish();
    target.release();
    object.pending[0]!.params.release();
    object.pending[0]!.return_(payload(1));
  });
});
