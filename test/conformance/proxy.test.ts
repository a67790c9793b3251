/** A vat in the middle: what passes through it is released exactly, keeps its order, and comes home as itself. */
import { describe, expect, it } from 'vitest';
import { settled } from '../../rpc/capability.js';
import { QueuedCapability } from '../../rpc/promised.js';
import {
  call,
  drop,
  EMPTY,
  hold,
  numberOf,
  type Outcome,
  Pair,
  payload,
  quiet,
  TestObject,
  TRANSPORTS,
} from './vats.js';

/** Returns the capabilities that it was passed. */
function returning(): TestObject {
  return new TestObject((incoming) => {
    const capabilities = incoming.params.capabilities.map((capability) => capability!.retain());
    const number = numberOf(incoming.params);
    incoming.params.release();
    incoming.return_(payload(number, capabilities));
  });
}

describe.each(TRANSPORTS)('over $name', (transport) => {
  /** A, whose peer's bootstrap capability is what C offers to the one in the middle. */
  async function chain(far: TestObject, tailCalls = false) {
    const back = await transport.pair({ right: far.capability(), peerTakesTailCalls: tailCalls });
    const front = await transport.pair({ right: back.left.bootstrap(), peerTakesTailCalls: tailCalls });
    const target = front.left.bootstrap();
    /** The middle lets go of C when its own peer is gone. */
    const end = async () => {
      await quiet();
      front.expectEmpty();
      front.mayClose = true;
      front.left.close();
      await quiet();
    };
    return { back, front, target, end };
  }

  it.each([false, true])(
    'an object that goes to C and back to A is itself again (tail calls: %s)',
    async (tailCalls) => {
      const { target, end } = await chain(returning(), tailCalls);
      const mine = new TestObject();
      const capability = mine.capability();
      const outcome = call(target, 1, [capability.retain()]);
      await quiet();
      const back = outcome.capability();
      expect(settled(back)).toBe(capability);
      const direct = call(back, 5);
      expect(mine.received).toEqual([5]);
      drop(direct, outcome, back, capability, target);
      await end();
    },
  );

  it.each([false, true])(
    'a pipelined call on an unreturned answer keeps its order (tail calls: %s)',
    async (tailCalls) => {
      const far = new TestObject(hold);
      const { target, end } = await chain(far, tailCalls);
      const mine = new TestObject();
      const outcome = call(target, 1, [mine.capability()]);
      const pipelined = outcome.call.pipelined([0]);
      const calls: Outcome[] = [call(pipelined, 0)];
      await quiet();
      calls.push(call(pipelined, 1));
      const held = far.pending.pop()!;
      const theirs = held.params.capabilities[0]!.retain();
      held.params.release();
      held.return_(payload(1, [theirs]));
      for (let i = 0; i < 10; i++) {
        calls.push(call(pipelined, calls.length));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await quiet();
      calls.push(call(pipelined, calls.length));
      await quiet();
      expect(mine.received).toEqual(calls.map((_, i) => i));
      drop(...calls, outcome, pipelined, target);
      await end();
    },
  );

  it('a promise that crosses while it resolves keeps the order of its calls', async () => {
    const far = new TestObject(hold);
    const { target, end } = await chain(far);
    for (const early of [true, false]) {
      const promise = new QueuedCapability();
      const mine = new TestObject();
      const outcome = call(target, 1, [promise.retain()]);
      if (early) promise.resolve(mine.capability());
      await quiet();
      const held = far.pending.pop()!;
      const theirs = held.params.capabilities[0]!;
      const calls = [call(theirs, 0), call(theirs, 1)];
      if (!early) promise.resolve(mine.capability());
      calls.push(call(theirs, 2));
      await quiet();
      calls.push(call(theirs, 3));
      await quiet();
      expect(mine.received).toEqual([0, 1, 2, 3]);
      drop(...calls);
      held.params.release();
      held.return_(payload(0));
      await quiet();
      drop(outcome, promise);
    }
    drop(target);
    await end();
  });

  it('the middle holds exactly what passes through it, for as long as it does', async () => {
    const far = new TestObject((incoming, self) => {
      self.pending.push(incoming);
    });
    const { front, back, target, end } = await chain(far);
    await quiet();
    const tables = () => ({ front: front.right.tables, back: back.left.tables, far: back.right.tables });
    const before = tables();
    const mine = new TestObject();
    const outcomes: Outcome[] = [];
    for (let i = 0; i < 20; i++) {
      outcomes.push(
        call(target, i, i % 2 === 0 ? [mine.capability()] : [mine.capability(), target.retain()]),
      );
    }
    await quiet();
    expect(front.right.tables.imports).toBe(20);
    expect(back.left.tables.exports).toBe(20);
    for (const [i, incoming] of far.pending.entries()) {
      const capabilities = incoming.params.capabilities.map((capability) => capability!.retain());
      incoming.params.release();
      incoming.return_(payload(i, capabilities));
      if (i === 10) await quiet();
    }
    await quiet();
    // Whoever takes his time with the results keeps them, and nobody else does.
    expect(tables()).toEqual(before);
    for (const outcome of outcomes) drop(outcome);
    await quiet();
    expect(tables()).toEqual(before);
    expect(mine.held).toBe(0);
    drop(target);
    await end();
  });

  it('a call is cancelled through the middle', async () => {
    const far = new TestObject((incoming, self) => {
      self.pending.push(incoming);
    });
    const { target, end } = await chain(far);
    const outcome = call(target, 1, [new TestObject().capability()]);
    await quiet();
    drop(outcome);
    await quiet();
    const held = far.pending[0]!;
    expect(held.canceled).toBe(true);
    held.params.release();
    held.return_(payload(0));
    drop(target);
    await end();
  });

  it('the loss of one side is the failure of the calls through it, and of nothing else', async () => {
    const far = new TestObject(hold);
    const { front, back, target } = await chain(far);
    const other = await transport.pair({ right: new TestObject().capability() });
    const elsewhere = other.left.bootstrap();
    const waiting = call(target, 1);
    await quiet();
    back.mayClose = true;
    back.right.close();
    await quiet();
    expect(waiting.error).toMatchObject({ type: 'disconnected' });
    const unharmed = call(elsewhere, 3);
    const again = call(target, 2);
    await quiet();
    expect(unharmed.value).toBe(3);
    expect(again.error).toMatchObject({ type: 'disconnected' });
    expect(front.closed).toEqual({ left: null, right: null });
    far.pending[0]!.params.release();
    far.pending[0]!.return_(payload(0));
    drop(waiting, unharmed, again, elsewhere, target);
  });
});

it('a chain of eight vats carries calls, promises and what comes home', async () => {
  const far = returning();
  const pairs = [new Pair({ right: far.capability() })];
  for (let i = 1; i < 8; i++) pairs.push(new Pair({ right: pairs[i - 1]!.left.bootstrap() }));
  const target = pairs[7]!.left.bootstrap();
  const mine = new TestObject();
  const first = call(target, 1, [mine.capability()]);
  const pipelined = first.call.pipelined([0]);
  const second = call(target, 2, [pipelined.retain()]);
  const onward = second.call.pipelined([0]);
  const calls = Array.from({ length: 5 }, (_, i) => call(onward, i));
  await quiet();
  calls.push(call(onward, 5));
  await quiet();
  expect(mine.received).toEqual([0, 1, 2, 3, 4, 5]);
  drop(...calls, onward, second, pipelined, first, target);
  await quiet();
  expect(pairs[7]!.left.tables).toEqual(EMPTY);
  for (const pair of pairs.toReversed()) {
    pair.mayClose = true;
    pair.left.close();
    await quiet();
  }
});
