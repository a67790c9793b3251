/** E-order, and what keeps it where a path becomes shorter: Resolve, Return and Disembargo. */
import { describe, expect, it } from 'vitest';
import type { Capability } from '../../rpc/capability.js';
import { RpcError } from '../../rpc/error.js';
import { QueuedCapability } from '../../rpc/promised.js';
import { call, drop, hold, type Outcome, Pair, payload, quiet, TestObject } from './vats.js';
import { decodeMessage, type WireMessage } from './wire.js';

/** An object that answers every call with what `give` gives, and keeps the capabilities that it was passed. */
function keeper(give: () => Capability[]) {
  const kept: Capability[] = [];
  const object = new TestObject((incoming) => {
    for (const capability of incoming.params.capabilities) kept.push(capability!.retain());
    incoming.params.release();
    incoming.return_(payload(0, give()));
  });
  return { object, kept };
}

function said(pair: Pair, side: 'left' | 'right', kind: string): WireMessage[] {
  return pair.ends[side].trace
    .filter(({ direction }) => direction === 'sent')
    .map(({ segments }) => decodeMessage(segments))
    .filter((message) => kind in message);
}

/** Calls `target` after every message that either link delivers, and gives the calls: their numbers count up. */
async function callBetweenMessages(pair: Pair, target: Capability, calls: Outcome[]): Promise<void> {
  pair.links.leftToRight.block();
  pair.links.rightToLeft.block();
  const links = [pair.links.leftToRight, pair.links.rightToLeft];
  calls.push(call(target, calls.length));
  for (let quietTurns = 0, steps = 0; quietTurns < 2 && steps < 60; steps++) {
    const ready = links.filter(({ waiting }) => waiting > 0);
    if (ready.length === 0) quietTurns++;
    else ready[steps % ready.length]!.step();
    if (steps < 20) calls.push(call(target, calls.length));
    await quiet();
  }
  pair.unblock();
  await quiet();
}

describe('a promise that becomes an object of its holder', () => {
  it('sends one Disembargo, and none where nothing went through the promise', async () => {
    for (const used of [true, false]) {
      const promise = new QueuedCapability();
      const { object, kept } = keeper(() => [promise.retain()]);
      const mine = new TestObject();
      const pair = new Pair({ right: object.capability() });
      const target = pair.left.bootstrap();
      const given = call(target, 0, [mine.capability()]);
      await quiet();
      const imported = given.capability();
      const calls = used ? [call(imported, 0), call(imported, 1)] : [];
      promise.resolve(kept[0]!);
      await quiet();
      calls.push(call(imported, calls.length));
      await quiet();
      expect(mine.received).toEqual(calls.map((_, i) => i));
      expect(said(pair, 'left', 'disembargo').length).toBe(used ? 1 : 0);
      expect(said(pair, 'right', 'disembargo').length).toBe(used ? 1 : 0);
      drop(...calls, given, imported, target, promise);
      await quiet();
    }
  });

  it.each([0, 1, 2, 3, 4])('keeps order, whatever is delivered first (%i calls before)', async (before) => {
    const promise = new QueuedCapability();
    const { object, kept } = keeper(() => [promise.retain()]);
    const mine = new TestObject();
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const given = call(target, 0, [mine.capability()]);
    await quiet();
    const imported = given.capability();
    const calls = Array.from({ length: before }, (_, i) => call(imported, i));
    pair.links.leftToRight.block();
    promise.resolve(kept[0]!);
    await callBetweenMessages(pair, imported, calls);
    expect(mine.received).toEqual(calls.map((_, i) => i));
    drop(...calls, given, imported, target, promise);
  });

  it('that is broken instead fails the calls, in order, and sends no Disembargo', async () => {
    const promise = new QueuedCapability();
    const { object } = keeper(() => [promise.retain()]);
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const given = call(target, 0);
    await quiet();
    const imported = given.capability();
    const calls = [call(imported, 0), call(imported, 1)];
    await quiet();
    promise.reject(new RpcError('failed', 'it broke'));
    calls.push(call(imported, 2));
    await quiet();
    calls.push(call(imported, 3));
    expect(calls.map(({ error }) => error?.message)).toEqual(Array(4).fill('it broke'));
    expect(said(pair, 'left', 'disembargo')).toEqual([]);
    drop(...calls, given, imported, target, promise);
  });

  it('while its connection is lost fails what the embargo held back', async () => {
    const promise = new QueuedCapability();
    const { object, kept } = keeper(() => [promise.retain()]);
    const mine = new TestObject();
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const given = call(target, 0, [mine.capability()]);
    await quiet();
    const imported = given.capability();
    const first = call(imported, 0);
    await quiet();
    promise.resolve(kept[0]!);
    pair.links.leftToRight.block();
    await quiet();
    const held = call(imported, 1);
    expect(pair.left.tables.embargoes).toBe(1);
    expect(held.done).toBe(false);
    pair.mayClose = true;
    pair.links.cut();
    await quiet();
    expect(held.error).toMatchObject({ type: 'disconnected' });
    drop(first, held, given, imported, target, promise);
  });
});

it('no embargo is put on a null capability', async () => {
  const object = new TestObject(hold);
  const pair = new Pair({ right: object.capability() });
  const target = pair.left.bootstrap();
  const given = call(target, 0);
  const pipelined = given.call.pipelined([0]);
  const before = call(pipelined, 1);
  await quiet();
  object.pending[0]!.params.release();
  object.pending[0]!.return_(payload(0));
  await quiet();
  const after = call(pipelined, 2);
  expect(before.error).toMatchObject({ type: 'failed' });
  expect(after.error).toMatchObject({ code: 'ERR_RPC_NULL_CAPABILITY' });
  expect(said(pair, 'left', 'disembargo')).toEqual([]);
  drop(before, after, given, pipelined, target);
});

it('a promise that was exported twice gives one Resolve', async () => {
  const promise = new QueuedCapability();
  const { object } = keeper(() => [promise.retain(), promise.retain()]);
  const pair = new Pair({ right: object.capability() });
  const target = pair.left.bootstrap();
  const given = [call(target, 0), call(target, 1)];
  await quiet();
  promise.resolve(new TestObject().capability());
  await quiet();
  expect(said(pair, 'right', 'resolve').length).toBe(1);
  drop(...given, target, promise);
});

it('what is sent after a Resolve is what the promise became, never the promise', async () => {
  const promise = new QueuedCapability();
  const { object } = keeper(() => [promise.retain()]);
  const pair = new Pair({ right: object.capability() });
  const target = pair.left.bootstrap();
  const first = call(target, 0);
  await quiet();
  promise.resolve(new TestObject().capability());
  const second = call(target, 1);
  await quiet();
  const kinds = said(pair, 'right', 'return')
    .slice(1)
    .map(({ return: { results } }) => Object.keys(results.capTable[0])[1]);
  expect(kinds).toEqual(['senderPromise', 'senderHosted']);
  drop(first, second, target, promise);
});

describe('the four-way race', () => {
  // Left's promise becomes right's promise, while that becomes an object of left's: both ends shorten at once.
  const order = [
    ['left first', true],
    ['right first', false],
  ] as const;
  for (const [name, leftFirst] of order) {
    for (const blocked of ['leftToRight', 'rightToLeft', 'both'] as const) {
      it(`keeps order, ${name}, ${blocked} blocked`, async () => {
        const ofLeft = new QueuedCapability();
        const ofRight = new QueuedCapability();
        const left = keeper(() => [ofLeft.retain()]);
        const right = keeper(() => [ofRight.retain()]);
        const mine = new TestObject();
        const pair = new Pair({ left: left.object.capability(), right: right.object.capability() });
        const rootOfRight = pair.left.bootstrap();
        const rootOfLeft = pair.right.bootstrap();
        const toRight = call(rootOfRight, 0, [mine.capability()]);
        const toLeft = call(rootOfLeft, 0);
        await quiet();
        const seenByLeft = toRight.capability();
        const seenByRight = toLeft.capability();
        // Right calls on left's promise, left on right's.
        const fromRight = [call(seenByRight, 100)];
        const fromLeft = [call(seenByLeft, 0)];
        await quiet();
        if (blocked !== 'rightToLeft') pair.links.leftToRight.block();
        if (blocked !== 'leftToRight') pair.links.rightToLeft.block();
        const resolveLeft = () => ofLeft.resolve(seenByLeft.retain());
        const resolveRight = () => ofRight.resolve(right.kept[0]!);
        if (leftFirst) resolveLeft();
        else resolveRight();
        fromRight.push(call(seenByRight, 101));
        fromLeft.push(call(seenByLeft, 1));
        await quiet();
        if (leftFirst) resolveRight();
        else resolveLeft();
        const links = [pair.links.leftToRight, pair.links.rightToLeft];
        for (let i = 0; i < 16; i++) {
          fromRight.push(call(seenByRight, 100 + fromRight.length));
          fromLeft.push(call(seenByLeft, fromLeft.length));
          for (const link of links) link.step();
          await quiet();
        }
        pair.unblock();
        await quiet();
        fromRight.push(call(seenByRight, 100 + fromRight.length));
        fromLeft.push(call(seenByLeft, fromLeft.length));
        await quiet();
        expect(mine.received.filter((number) => number < 100)).toEqual(fromLeft.map((_, i) => i));
        expect(mine.received.filter((number) => number >= 100)).toEqual(fromRight.map((_, i) => 100 + i));
        drop(...fromLeft, ...fromRight, toRight, toLeft, seenByLeft, seenByRight);
        drop(rootOfLeft, rootOfRight, ofLeft, ofRight);
      });
    }
  }
});

describe('a promise that is resolved to itself', () => {
  it('breaks, here', () => {
    const promise = new QueuedCapability();
    const before = call(promise, 0);
    promise.resolve(promise.retain());
    expect(before.error).toMatchObject({ code: 'ERR_RPC_SELF_RESOLUTION' });
    expect(call(promise, 1).error).toMatchObject({ code: 'ERR_RPC_SELF_RESOLUTION' });
    promise.release();
  });

  it('breaks when it comes home and is what it would become', async () => {
    const promise = new QueuedCapability();
    const object = new TestObject((incoming) => {
      const back = incoming.params.capabilities[0]!.retain();
      incoming.params.release();
      incoming.return_(payload(0, [back]));
    });
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const given = call(target, 0, [promise.retain()]);
    await quiet();
    const home = given.capability();
    const before = call(home, 1);
    promise.resolve(home.retain());
    await quiet();
    expect(before.error).toMatchObject({ code: 'ERR_RPC_SELF_RESOLUTION' });
    drop(before, given, home, target, promise);
  });

  it('breaks by way of the peer: each end resolves its promise to the other', async () => {
    for (const blocked of [true, false]) {
      const ofLeft = new QueuedCapability();
      const ofRight = new QueuedCapability();
      const left = keeper(() => [ofLeft.retain()]);
      const right = keeper(() => [ofRight.retain()]);
      const pair = new Pair({ left: left.object.capability(), right: right.object.capability() });
      const rootOfRight = pair.left.bootstrap();
      const rootOfLeft = pair.right.bootstrap();
      const toRight = call(rootOfRight, 0);
      const toLeft = call(rootOfLeft, 0);
      await quiet();
      const seenByLeft = toRight.capability();
      const seenByRight = toLeft.capability();
      const calls = [call(seenByLeft, 0), call(seenByRight, 0)];
      if (blocked) {
        pair.links.leftToRight.block();
        pair.links.rightToLeft.block();
      }
      ofLeft.resolve(seenByLeft.retain());
      ofRight.resolve(seenByRight.retain());
      pair.unblock();
      await quiet();
      calls.push(call(seenByLeft, 1), call(seenByRight, 1));
      await quiet();
      expect(calls.map(({ error }) => error?.message)).toEqual(
        Array(4).fill('a promise was resolved to itself, by way of the peer'),
      );
      drop(...calls, toRight, toLeft, seenByLeft, seenByRight, rootOfLeft, rootOfRight, ofLeft, ofRight);
      await quiet();
    }
  });
});
