/** Who holds what, for how long: releases, cancellation, Finish against Return, and what is unknown. */
import { describe, expect, it } from 'vitest';
import type { Capability } from '../../rpc/capability.js';
import { RpcError } from '../../rpc/error.js';
import { QueuedCapability } from '../../rpc/promised.js';
import {
  call,
  drop,
  hold,
  type Outcome,
  Pair,
  payload,
  quiet,
  ScriptedPeer,
  TestObject,
  TRANSPORTS,
} from './vats.js';

/** Ends the calls that an object keeps. */
function endAll(object: TestObject, capabilities: () => Capability[] = () => []): void {
  for (const held of object.pending.splice(0)) {
    held.params.release();
    held.return_(payload(1, capabilities()));
  }
}

describe.each(TRANSPORTS)('over $name', (transport) => {
  it('params are handed back when the callee lets them go, before the call returns', async () => {
    const object = new TestObject(hold);
    const argument = new TestObject();
    const pair = await transport.pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const outcome = call(target, 1, [argument.capability(), argument.capability()]);
    await quiet();
    expect(argument.held).toBe(2);
    object.pending[0]!.params.release();
    await quiet();
    expect(argument.held).toBe(0);
    object.pending.pop()!.return_(payload(2));
    await quiet();
    expect(outcome.value).toBe(2);
    drop(outcome, target);
  });

  it('params are released when the call is cancelled', async () => {
    const object = new TestObject((incoming) => {
      incoming.onCancel(() => {
        incoming.params.release();
        incoming.fail(new RpcError('failed', 'stopped'));
      });
    });
    const argument = new TestObject();
    const pair = await transport.pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const outcome = call(target, 1, [argument.capability()]);
    await quiet();
    drop(outcome);
    await quiet();
    expect(argument.held).toBe(0);
    expect(outcome.done).toBe(false);
    drop(target);
  });

  it('results are released when nobody took them', async () => {
    const result = new TestObject();
    const object = new TestObject((incoming) => {
      incoming.params.release();
      incoming.return_(payload(1, [result.capability()]));
    });
    const pair = await transport.pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const outcome = call(target, 1);
    await quiet();
    expect(result.held).toBe(1);
    drop(outcome);
    await quiet();
    expect(result.held).toBe(0);
    drop(target);
  });

  it('an object outlives its last reference while a call runs on it', async () => {
    const result = new TestObject(hold);
    const object = new TestObject((incoming) => {
      incoming.params.release();
      incoming.return_(payload(1, [result.capability()]));
    });
    const pair = await transport.pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const given = call(target, 1);
    await quiet();
    const reference = given.capability();
    drop(given);
    const running = call(reference, 2);
    drop(reference);
    await quiet();
    expect(result.held).toBe(1);
    endAll(result);
    await quiet();
    expect(running.value).toBe(1);
    expect(result.held).toBe(0);
    drop(running, target);
  });

  it('a call that was started and dropped in one turn leaves nothing', async () => {
    const object = new TestObject();
    const pair = await transport.pair({ right: object.capability() });
    for (let i = 0; i < 10; i++) {
      const target = pair.left.bootstrap();
      const outcome = call(target, i, [new TestObject().capability()]);
      const pipelined = outcome.call.pipelined([0]);
      const second = call(pipelined, i);
      drop(...(i % 2 === 0 ? [target, outcome, pipelined, second] : [second, pipelined, outcome, target]));
    }
    await quiet();
    pair.expectEmpty();
  });
});

/** Each order in which a call's end can meet its Finish. */
describe('a call that is finished', () => {
  it.each([
    ['before the Call arrives', 0, 0],
    ['while it runs', 1, 0],
    ['while the Return is on its way', 1, 1],
    ['after the Return', 2, 1],
  ] as const)('%s is gone, with its params and results', async (_name, delivered, ended) => {
    const object = new TestObject(hold);
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    await quiet();
    const argument = new TestObject();
    const result = new TestObject();
    pair.links.leftToRight.block();
    pair.links.rightToLeft.block();
    const outcome = call(target, 1, [argument.capability()]);
    if (delivered > 0) pair.links.leftToRight.step();
    if (ended > 0) endAll(object, () => [result.capability()]);
    if (delivered > 1) pair.links.rightToLeft.step();
    drop(outcome);
    pair.unblock();
    await quiet();
    endAll(object, () => [result.capability()]);
    drop(target);
    await quiet();
    expect([argument.held, result.held]).toEqual([0, 0]);
    pair.expectEmpty();
  });
});

describe('a capability', () => {
  it('that is released while a Return with it is on its way is counted right', async () => {
    const shared = new TestObject();
    const capability = shared.capability();
    const object = new TestObject((incoming) => {
      incoming.params.release();
      incoming.return_(payload(1, [capability.retain()]));
    });
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const first = call(target, 1);
    await quiet();
    const reference = first.capability();
    drop(first);
    pair.links.rightToLeft.block();
    const second = call(target, 2);
    await quiet();
    // The same export is on its way again when the importer gives back the one that it knows of.
    drop(reference);
    await quiet();
    pair.unblock();
    await quiet();
    const again = second.capability();
    expect(call(again, 7).done).toBe(false);
    await quiet();
    expect(shared.received).toEqual([7]);
    // The call above is still open: it is let go with its connection's end.
    pair.mayClose = true;
    pair.left.close();
    drop(second, again, target, capability);
  });

  it('that resolves between the making of a call and its sending goes as what it became', async () => {
    const promise = new QueuedCapability();
    const became = new TestObject();
    const queue = new QueuedCapability();
    const object = new TestObject(hold);
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const outcome = call(queue, 1, [promise.retain()]);
    promise.resolve(became.capability());
    queue.resolve(target.retain());
    await quiet();
    const kept = object.pending[0]!.params.capabilities[0]!;
    expect(kept.isPromise).toBe(false);
    const through = call(kept, 5);
    await quiet();
    expect(became.received).toEqual([5]);
    endAll(object);
    drop(through, outcome, target, promise, queue);
  });

  it('is not exported by a message that could not be sent', async () => {
    const object = new TestObject();
    const pair = new Pair({ right: object.capability(), limits: { exports: 2 } });
    const target = pair.left.bootstrap();
    await quiet();
    const three = [new TestObject(), new TestObject(), new TestObject()];
    const refused = call(
      target,
      1,
      three.map((each) => each.capability()),
    );
    expect(refused.error).toMatchObject({ type: 'overloaded', code: 'ERR_RPC_EXPORT_LIMIT' });
    expect(three.map(({ held }) => held)).toEqual([0, 0, 0]);
    expect(pair.left.tables).toMatchObject({ questions: 0, exports: 0 });
    const outcome = call(
      target,
      2,
      three.slice(1).map((each) => each.capability()),
    );
    await quiet();
    expect(outcome.value).toBe(2);
    drop(outcome, refused, target);
  });
});

/** What a peer says of things that are not there. The specification leaves no room in these: the connection ends. */
describe('a peer that names what is not there is cut, with the reason', () => {
  it.each([
    ['Finish of question 3, which does not exist', { finish: { questionId: 3 } }],
    [
      'Return for question 3, which was not asked, or has returned already',
      { return: { answerId: 3, results: {} } },
    ],
    ['Release of export 3, which does not exist', { release: { id: 3, referenceCount: 1 } }],
    [
      'a message is addressed to export 3, which does not exist',
      { call: { questionId: 0, target: { importedCap: 3 } } },
    ],
    [
      'a message is addressed to question 3, which does not exist',
      { call: { questionId: 0, target: { promisedAnswer: { questionId: 3, transform: [] } } } },
    ],
    [
      'Disembargo of a target that does not exist',
      { disembargo: { target: { importedCap: 3 }, context: { senderLoopback: 0 } } },
    ],
    [
      'Disembargo of 3, which is not under an embargo',
      { disembargo: { target: { importedCap: 3 }, context: { receiverLoopback: 3 } } },
    ],
  ])('%s', async (reason, message) => {
    const peer = new ScriptedPeer();
    peer.mayClose = true;
    peer.say(message);
    const heard = await peer.hears();
    expect(heard).toMatchObject([{ abort: { reason, type: 'failed' } }]);
    expect(peer.vat.closed).toMatchObject({ type: 'disconnected' });
  });

  it('Release of more than it has', async () => {
    const peer = new ScriptedPeer({ vat: new TestObject().capability() });
    peer.mayClose = true;
    peer.say({ bootstrap: { questionId: 0 } }, { release: { id: 0, referenceCount: 2 } });
    expect((await peer.hears())[1]).toMatchObject({
      abort: { reason: 'Release of 2 references to export 0, which has 1' },
    });
  });

  it('a second Return', async () => {
    const peer = new ScriptedPeer();
    peer.mayClose = true;
    const target = peer.connection.bootstrap();
    peer.say({ return: { answerId: 0, results: { capTable: [{ senderHosted: 0 }] } } });
    await quiet();
    peer.say({ return: { answerId: 0, exception: { reason: 'no' } } });
    expect((await peer.hears()).at(-1)).toMatchObject({
      abort: { reason: 'Return for question 0, which was not asked, or has returned already' },
    });
    drop(target);
  });

  it('a question that is asked while it is in use', async () => {
    const peer = new ScriptedPeer({ vat: new TestObject().capability() });
    peer.mayClose = true;
    peer.say({ bootstrap: { questionId: 0 } }, { bootstrap: { questionId: 0 } });
    expect((await peer.hears())[1]).toMatchObject({
      abort: { reason: 'question 0 was asked while it is in use' },
    });
  });
});

describe('a peer may, and the connection lives', () => {
  it('resolve a promise that was released already: what it became is released', async () => {
    const peer = new ScriptedPeer();
    const target = peer.connection.bootstrap();
    peer.say({ return: { answerId: 0, results: { content: 0, capTable: [{ senderPromise: 4 }] } } });
    await quiet();
    drop(target);
    expect(await peer.hears()).toMatchObject([
      { bootstrap: { questionId: 0 } },
      { finish: { questionId: 0 } },
      { release: { id: 4, referenceCount: 1 } },
    ]);
    peer.say({ resolve: { promiseId: 4, cap: { senderHosted: 5 } } });
    expect(await peer.hears()).toMatchObject([{ release: { id: 5, referenceCount: 1 } }]);
  });

  it('resolve a promise that nothing but its own messages lead to any more', async () => {
    const peer = new ScriptedPeer();
    const target = peer.connection.bootstrap();
    peer.say({ return: { answerId: 0, results: { content: 0, capTable: [{ senderPromise: 0 }] } } });
    await quiet();
    // A promise of ours becomes theirs: by its name messages go strictly there, and nobody else holds it.
    const promise = new QueuedCapability();
    const outcome = call(target, 1, [promise.retain()]);
    promise.resolve(target.retain());
    drop(target, promise);
    await quiet();
    const asked = (await peer.hears()).find((message) => 'call' in message)!['call'];
    peer.say({ return: { answerId: asked.questionId, releaseParamCaps: false, results: {} } });
    drop(outcome);
    peer.say({ resolve: { promiseId: 0, cap: { senderHosted: 7 } } });
    expect(await peer.hears()).toMatchObject([
      { finish: { questionId: asked.questionId } },
      { release: { id: 7, referenceCount: 1 } },
    ]);
    peer.say({ release: { id: 0, referenceCount: 1 } });
    expect(await peer.hears()).toMatchObject([{ release: { id: 0, referenceCount: 1 } }]);
    expect(peer.vat.closed).toBeNull();
  });

  it('return results with releaseParamCaps: nothing of the params is held any more', async () => {
    const peer = new ScriptedPeer();
    const target = peer.connection.bootstrap();
    peer.say({ return: { answerId: 0, results: { content: 0, capTable: [{ senderHosted: 0 }] } } });
    await quiet();
    const argument = new TestObject();
    const outcome = call(target, 1, [argument.capability(), argument.capability()]);
    expect(argument.held).toBe(2);
    const id = (await peer.hears()).find((message) => 'call' in message)!['call'].questionId;
    peer.say({ return: { answerId: id, releaseParamCaps: true, exception: { reason: 'no' } } });
    expect(argument.held).toBe(0);
    drop(outcome, target);
    await quiet();
  });

  it('return what was cancelled, with capabilities: they are not held', async () => {
    const peer = new ScriptedPeer();
    const target = peer.connection.bootstrap();
    drop(target);
    peer.say({ return: { answerId: 0, results: { capTable: [{ senderHosted: 0 }, { senderPromise: 1 }] } } });
    expect(await peer.hears()).toMatchObject([
      { bootstrap: { questionId: 0 } },
      { finish: { questionId: 0, releaseResultCaps: true } },
    ]);
    expect(peer.connection.isIdle).toBe(true);
  });
});

it('what is sent in one direction never waits for the other', async () => {
  const object = new TestObject();
  const pair = new Pair({ right: object.capability() });
  const target = pair.left.bootstrap();
  pair.links.rightToLeft.block();
  const calls: Outcome[] = Array.from({ length: 100 }, (_, i) => call(target, i));
  await quiet();
  expect(object.received.length).toBe(100);
  pair.unblock();
  await quiet();
  expect(calls.map(({ value }) => value)).toEqual(calls.map((_, i) => i));
  drop(...calls, target);
});

it('a call that waits may hold the last reference to another place of the same results', async () => {
  const promise = new QueuedCapability();
  const outer = call(promise, 0);
  const first = outer.call.pipelined([0]);
  const inner = call(first, 1, [outer.call.pipelined([1])]);
  promise.reject(new RpcError('failed', 'it broke'));
  expect([outer.error?.message, inner.error?.message]).toEqual(['it broke', 'it broke']);
  drop(inner, first, outer, promise);
});

it('the tables of a live vat can be read, with the state of each entry', async () => {
  const object = new TestObject(hold);
  const promise = new QueuedCapability();
  const pair = new Pair({ right: object.capability() });
  const target = pair.left.bootstrap();
  const outcome = call(target, 1, [promise.retain()]);
  await quiet();
  expect(pair.left.dump()).toMatchObject({
    closed: null,
    questions: [{ id: 1, state: 'awaiting' }],
    answers: [],
    exports: [{ references: 1, state: 'promise' }],
    imports: [{ received: 1, state: 'settled' }],
    embargoes: [],
  });
  expect(pair.right.dump()).toMatchObject({
    questions: [],
    answers: [{ id: 1, state: 'running' }],
    exports: [{ references: 1, state: 'settled' }],
    imports: [{ received: 1, state: 'promise' }],
  });
  endAll(object);
  drop(outcome, target, promise);
});
