/**
 * Messages that a peer must not send, or not so many of, to one Connection with real objects behind it: each is answered by
 * an exception or by an Abort that says why, and never by an exception out of `receive`.
 */
import { describe, expect, it } from 'vitest';
import { contentBuilder } from '../../rpc/body.js';
import type { Capability } from '../../rpc/capability.js';
import { RpcError } from '../../rpc/error.js';
import {
  type ConnectionLimits,
  MAX_PIPELINE_DEPTH,
  MAX_PIPELINED_PATHS,
  MAX_PROMISE_CHAIN,
} from '../../rpc/limits.js';
import { Payload } from '../../rpc/payload.js';
import { QueuedCapability } from '../../rpc/promised.js';
import * as layout from '../../rpc/protocol.js';
import { serve } from '../../rpc/serve.js';
import { capabilityOf, type Stub, stubFor } from '../../rpc/stub.js';
import { MessageBuilder, MessageReader, SchemaGraph, type StructBuilder } from '../../schema/index.js';
import { call, EMPTY, hold, payload, quiet, TestObject } from '../conformance/vats.js';
import {
  bootstrapMessage,
  type CallSpec,
  callMessage,
  type Descriptor,
  disembargoMessage,
  finishMessage,
  HostilePeer,
  message,
  rawCall,
  releaseMessage,
  resolveMessage,
  resultsMessage,
} from './peer.js';
import { hostileSchema, NAMES, SHAPES, SHAPES_POINTERS, TARGET, Taker, takerPeer } from './target.js';

describe('a peer that does not read, and is cut while something is sent to it', () => {
  const cut = new RpcError('overloaded', 'the peer does not read (limit bytesQueued)');

  it('is cut once, though it was to be told why it is cut', () => {
    const object = new TestObject();
    const peer = new HostilePeer({ bootstrap: object.capability() });
    peer.greet();
    peer.onSend(() => peer.connection.disconnected(cut));
    peer.say(new Uint8Array(8));
    expect(peer.ends).toBe(1);
    expect(peer.closed!.message).toBe(cut.message);
    expect(object.alive).toBe(false);
  });

  it('leaves nothing of the results behind that were being sent', () => {
    const inner = new TestObject();
    const capability = inner.capability();
    const object = new TestObject((call) => {
      call.params.release();
      call.return_(payload(1, [capability.retain()]));
    });
    const peer = new HostilePeer({ bootstrap: object.capability() });
    peer.greet();
    peer.onSend(() => peer.connection.disconnected(cut));
    peer.say(callMessage(1));
    expect(peer.ends).toBe(1);
    expect(peer.connection.tables).toEqual(EMPTY);
    capability.release();
    expect(inner.alive).toBe(false);
  });
});

describe('calls that are pipelined on each other in a long row', () => {
  const LENGTH = 20_000;

  /** The question 1 is held; each of the others is addressed to what the one before will return. */
  function row() {
    const object = new TestObject(hold);
    const peer = new HostilePeer({ bootstrap: object.capability() });
    peer.greet().say(callMessage(1));
    for (let i = 2; i < LENGTH; i++) peer.say(callMessage(i, { target: { question: i - 1, path: [0] } }));
    return { object, peer };
  }

  it('are overloaded from a depth on, and the error names the limit', () => {
    const { peer } = row();
    expect(peer.answerTo(MAX_PIPELINE_DEPTH + 1)).toBe(undefined);
    expect(peer.answerTo(MAX_PIPELINE_DEPTH + 2)).toMatchObject({
      type: 'overloaded',
      reason: expect.stringContaining('limit MAX_PIPELINE_DEPTH'),
    });
    expect(peer.closed).toBe(null);
  });

  it('all fail when the first does', () => {
    const { object, peer } = row();
    object.pending[0]!.params.release();
    object.pending[0]!.fail(new RpcError('failed', 'the first failed'));
    expect(peer.answerTo(MAX_PIPELINE_DEPTH + 1)).toEqual({ type: 'failed', reason: 'the first failed' });
    expect(peer.closed).toBe(null);
  });

  it('can be finished from the first to the last, and from the last to the first', () => {
    for (const order of ['up', 'down']) {
      const { object, peer } = row();
      for (let i = 1; i < LENGTH; i++) peer.say(finishMessage(order === 'up' ? i : LENGTH - i));
      expect(peer.closed).toBe(null);
      expect(object.pending[0]!.canceled).toBe(true);
      object.pending[0]!.params.release();
      object.pending[0]!.return_(payload(0));
      expect(peer.connection.tables).toEqual({ ...EMPTY, answers: 1, exports: 1 });
    }
  });

  it('are let go when the connection ends', () => {
    const { object, peer } = row();
    peer.connection.close();
    expect(object.pending[0]!.canceled).toBe(true);
    object.pending[0]!.params.release();
    object.pending[0]!.return_(payload(0));
    expect(object.alive).toBe(false);
  });
});

/** An object that keeps the capabilities it is given. */
function keeper() {
  const kept: (Capability | null)[] = [];
  const object = new TestObject((incoming) => {
    kept.push(...incoming.params.capabilities.map((capability) => capability?.retain() ?? null));
    incoming.params.release();
    incoming.return_(payload(0));
  });
  const peer = new HostilePeer({ bootstrap: object.capability() });
  peer.greet();
  return { kept, peer };
}

const withCapability = (...capabilities: Descriptor[]): CallSpec => ({
  content: (content) => content.struct(1, 1).pointer(0).setCapability(0),
  capabilities,
});

describe('promises that become one another', () => {
  it('end as overloaded after so many, and the error names the limit', () => {
    const { kept, peer } = keeper();
    peer.say(callMessage(1, withCapability({ kind: 'senderPromise', id: 0 })));
    for (let i = 0; i < 20_000; i++) peer.say(resolveMessage(i, { kind: 'senderPromise', id: i + 1 }));
    expect(peer.closed).toBe(null);
    const promise = kept[0]!;
    const outcome = call(promise, 1);
    expect(outcome.error).toMatchObject({
      type: 'overloaded',
      message: expect.stringContaining('limit MAX_PROMISE_CHAIN'),
    });
    outcome.call.finish();
    promise.release();
    expect(peer.connection.tables.imports).toBeLessThanOrEqual(1);
  });

  it('work up to that', () => {
    const { kept, peer } = keeper();
    peer.say(callMessage(1, withCapability({ kind: 'senderPromise', id: 0 })));
    for (let i = 0; i < MAX_PROMISE_CHAIN; i++)
      peer.say(resolveMessage(i, { kind: 'senderPromise', id: i + 1 }));
    peer.say(resolveMessage(MAX_PROMISE_CHAIN, { kind: 'senderHosted', id: 7 }));
    const outcome = call(kept[0]!, 1);
    expect(peer.told.at(-1)).toMatchObject({ tag: layout.Message.call });
    outcome.call.finish();
    kept[0]!.release();
    expect(peer.closed).toBe(null);
    expect(peer.connection.tables.imports).toBe(0);
  });
});

/** A peer at an object that does what `handle` says, with limits so low that they are soon met. */
function limited(limits: Partial<ConnectionLimits>, handle = hold) {
  const object = new TestObject(handle);
  const peer = new HostilePeer({ bootstrap: object.capability(), limits });
  return { object, peer: peer.greet() };
}

describe('each limit of a connection, when it is met,', () => {
  it('answers: calls over it are overloaded, and a peer that goes on all the same is cut', () => {
    const { object, peer } = limited({ answers: 10 });
    for (let i = 1; i < 20; i++) peer.say(callMessage(i));
    expect(object.received).toHaveLength(9);
    expect(peer.answerTo(10)).toMatchObject({
      type: 'overloaded',
      reason: expect.stringContaining('limit answers'),
    });
    expect(peer.closed).toBe(null);
    peer.say(callMessage(20));
    expect(peer.abortReason).toContain('limit answers');
    expect(peer.connection.tables).toEqual(EMPTY);
  });

  it('answers: a flood of Bootstrap that is never finished is cut', () => {
    const { object, peer } = limited({ answers: 10 });
    for (let i = 1; i < 1000; i++) peer.say(bootstrapMessage(i));
    expect(peer.abortReason).toContain('limit answers');
    expect(object.alive).toBe(false);
  });

  it('bytesInFlight: calls over it are overloaded, and go through when others have returned', () => {
    const { object, peer } = limited({ bytesInFlight: 10_000 });
    const large: CallSpec = {
      content: (content) => content.struct(1, 1).pointer(0).setData(new Uint8Array(4000)),
    };
    for (const i of [1, 2, 3]) peer.say(callMessage(i, large));
    expect(peer.answerTo(3)).toMatchObject({
      type: 'overloaded',
      reason: expect.stringContaining('limit bytesInFlight'),
    });
    object.pending[0]!.params.release();
    object.pending[0]!.return_(payload(0));
    peer.say(callMessage(4, large));
    expect(object.pending).toHaveLength(3);
    expect(peer.closed).toBe(null);
  });

  it('exports: a call whose results would need more fails as overloaded', () => {
    const kept = new Set<Capability>();
    const { peer } = limited({ exports: 5 }, (incoming) => {
      incoming.params.release();
      const capability = new TestObject().capability();
      kept.add(capability);
      incoming.return_(payload(1, [capability]));
    });
    for (let i = 1; i < 10; i++) peer.say(callMessage(i));
    expect(peer.answerTo(4)).toBe('results');
    expect(peer.answerTo(5)).toMatchObject({
      type: 'overloaded',
      reason: expect.stringContaining('limit exports'),
    });
    expect(peer.connection.tables.exports).toBe(5);
    for (let i = 0; i < 10; i++) peer.say(finishMessage(i));
    expect(peer.connection.tables).toEqual(EMPTY);
    expect(peer.closed).toBe(null);
    expect([...kept].filter(({ references }) => references > 0)).toEqual([]);
  });

  it('imports: a peer that sends more is cut, in one message or in many', () => {
    const many = Array.from({ length: 6 }, (_, id): Descriptor => ({ kind: 'senderHosted', id }));
    const { peer } = limited({ imports: 5 });
    peer.say(callMessage(1, { capabilities: many }));
    expect(peer.abortReason).toContain('limit imports');
    const slowly = limited({ imports: 5 });
    many.forEach((descriptor, i) => {
      slowly.peer.say(callMessage(i + 1, { capabilities: [descriptor] }));
    });
    expect(slowly.peer.abortReason).toContain('limit imports');
    expect(slowly.peer.connection.tables).toEqual(EMPTY);
  });

  it('embargoes: a peer that has more of its Disembargoes wait is cut', () => {
    const promise = new QueuedCapability();
    const { peer } = limited({ embargoes: 5 }, (incoming) => {
      incoming.params.release();
      incoming.return_(payload(1, [promise.retain()]));
    });
    peer.say(callMessage(1));
    for (let i = 0; i < 5; i++) peer.say(disembargoMessage(i, { question: 1, path: [0] }));
    expect(peer.closed).toBe(null);
    peer.say(disembargoMessage(5, { question: 1, path: [0] }));
    expect(peer.abortReason).toContain('limit embargoes');
    promise.reject(new RpcError('failed', 'done'));
    promise.release();
  });

  it('questions: calls of ours over it are overloaded', () => {
    const peer = new HostilePeer({ limits: { questions: 3 } });
    const bootstrap = peer.connection.bootstrap();
    const outcomes = [1, 2, 3].map((value) => call(bootstrap, value));
    expect(outcomes.map(({ error }) => error?.type)).toEqual([undefined, undefined, 'overloaded']);
    expect(outcomes[2]!.error!.message).toContain('limit questions');
  });

  it('messageBytes: results over it are a failure of their call', () => {
    const { peer } = limited({ messageBytes: 1000 }, (incoming) => {
      incoming.params.release();
      const large = contentBuilder();
      large.root.setData(new Uint8Array(2000));
      incoming.return_(Payload.built(large));
    });
    peer.say(callMessage(1));
    expect(peer.answerTo(1)).toMatchObject({
      type: 'failed',
      reason: expect.stringContaining('limit messageBytes'),
    });
    expect(peer.closed).toBe(null);
  });

  it('traversalWords and nesting: what reads more of a message fails, with the name of the limit', async () => {
    const taker = new Taker();
    using stub = serve(TARGET, taker);
    const peer = new HostilePeer({
      bootstrap: capabilityOf(stub).retain(),
      limits: { traversalWords: 1000, nesting: 10 },
    });
    const shapes = (fill: (shapes: StructBuilder) => void): CallSpec => ({
      interfaceId: TARGET.id,
      content: (content) => fill(content.struct(0, SHAPES_POINTERS)),
    });
    peer.greet();
    peer.say(
      callMessage(
        1,
        shapes((to) => to.pointer(SHAPES.data).setData(new Uint8Array(9000))),
      ),
    );
    peer.say(
      callMessage(
        2,
        shapes((to) => {
          let nested = to.pointer(SHAPES.nested).struct(0, 1);
          for (let i = 0; i < 10; i++) nested = nested.pointer(0).structList(1, 0, 1).struct(0);
        }),
      ),
    );
    await quiet();
    expect(peer.answerTo(1)).toMatchObject({ reason: expect.stringContaining('limit traversalWords') });
    expect(peer.answerTo(2)).toMatchObject({ reason: expect.stringContaining('limit nesting') });
    expect(taker.taken).toEqual([]);
  });

  it('MAX_PIPELINED_PATHS: calls on more places of one answer are overloaded', () => {
    const { peer } = limited({});
    peer.say(callMessage(1));
    for (let i = 0; i <= MAX_PIPELINED_PATHS; i++)
      peer.say(callMessage(2 + i, { target: { question: 1, path: [i] } }));
    expect(peer.answerTo(1 + MAX_PIPELINED_PATHS)).toBe(undefined);
    expect(peer.answerTo(2 + MAX_PIPELINED_PATHS)).toMatchObject({
      type: 'overloaded',
      reason: expect.stringContaining('places of one answer'),
    });
  });
});

/** A peer that was asked the questions 0 (the bootstrap) and 1, 2, 3 (calls on that), and has the object 0 of ours. */
function acquainted() {
  const object = new TestObject(hold);
  const peer = new HostilePeer({ bootstrap: object.capability() });
  peer.greet();
  const theirs = peer.connection.bootstrap();
  const outcomes = [1, 2, 3].map((value) => call(theirs, value));
  return { object, peer, theirs, outcomes };
}

describe('a peer is told by an Abort, which says why, that it sent', () => {
  const EMBARGO = layout.Disembargo.receiverLoopback;
  it.each<[string, RegExp, Uint8Array[]]>([
    [
      'a Call on an export that does not exist',
      /export 7, which does not exist/,
      [callMessage(1, { target: { exported: 7 } })],
    ],
    [
      'a Call on a question that does not exist',
      /question 9, which does not exist/,
      [callMessage(1, { target: { question: 9 } })],
    ],
    [
      'a Call under the id of one that runs',
      /question 1 was asked while it is in use/,
      [callMessage(1), callMessage(1)],
    ],
    ['a Bootstrap under the id of another', /question 0 was asked while it is in use/, [bootstrapMessage(0)]],
    ['a Call on itself', /question 1, which does not exist/, [callMessage(1, { target: { question: 1 } })]],
    ['a Return for a question that was not asked', /question 77, which was not asked/, [resultsMessage(77)]],
    [
      'a Return twice',
      /Return for question 1, which .* has returned already/,
      [resultsMessage(1), resultsMessage(1)],
    ],
    ['a Return of an unknown kind', /a Return of the unknown kind 99/, [returnOfKind(1, 99)]],
    [
      'a Return of results sent elsewhere that nobody wanted there',
      /sent elsewhere, which nobody asked for/,
      [returnOfKind(1, layout.Return.resultsSentElsewhere)],
    ],
    [
      'a Return that takes from a question which does not exist',
      /question 0, which does not offer them/,
      [returnOfKind(1, layout.Return.takeFromOtherQuestion)],
    ],
    [
      'a Finish for a question that does not exist',
      /Finish of question 42, which does not exist/,
      [finishMessage(42)],
    ],
    [
      'a Finish twice',
      /Finish of question 1, which does not exist/,
      [callMessage(1), finishMessage(1), finishMessage(1)],
    ],
    [
      'a Release of an export that does not exist',
      /Release of export 5, which does not exist/,
      [releaseMessage(5, 1)],
    ],
    [
      'a Release of more than it was given',
      /Release of 2 references to export 0, which has 1/,
      [releaseMessage(0, 2)],
    ],
    [
      'a Release of 2^32 - 1 references',
      /Release of 4294967295 references to export 0/,
      [releaseMessage(0, 0xffff_ffff)],
    ],
    [
      'a Release twice',
      /Release of export 0, which does not exist/,
      [releaseMessage(0, 1), releaseMessage(0, 1)],
    ],
    [
      'a Release, and a Finish that releases the same',
      /Release of export 0, which does not exist/,
      [releaseMessage(0, 1), finishMessage(0)],
    ],
    [
      'a Resolve of an import that is no promise',
      /import 3, which is not an unresolved promise/,
      [
        callMessage(1, withCapability({ kind: 'senderHosted', id: 3 })),
        resolveMessage(3, { kind: 'senderHosted', id: 4 }),
      ],
    ],
    [
      'a Resolve of an unknown kind',
      /a Resolve of the unknown kind 5/,
      [message(layout.Message.resolve, layout.Resolve, (body) => body.setU16(layout.Resolve.tag, 5))],
    ],
    [
      'a Disembargo of an export that does not exist',
      /a target that does not exist/,
      [disembargoMessage(1, { exported: 99 })],
    ],
    [
      'a Disembargo of a question that does not exist',
      /a target that does not exist/,
      [disembargoMessage(1, { question: 99 })],
    ],
    [
      'a Disembargo of what does not lead back to it',
      /does not lead back to the sender/,
      [disembargoMessage(1, { exported: 0 })],
    ],
    [
      'the echo of a Disembargo that was not sent',
      /Disembargo of 0, which is not under an embargo/,
      [disembargoMessage(0, { exported: 0 }, EMBARGO)],
    ],
    [
      'an Unimplemented for what is needed',
      /does not implement a message that we need \(kind 4\)/,
      [unimplemented(finishMessage(1))],
    ],
    [
      'an Unimplemented for a Resolve that was not sent',
      /Release of export 9, which does not exist/,
      [unimplemented(resolveMessage(1, { kind: 'senderHosted', id: 9 }))],
    ],
    [
      'a MessageTarget of an unknown kind',
      /a message target of the unknown kind 9/,
      [rawCall(1, { target: [9n << 32n, 0n] })],
    ],
    ['a transform with an unknown step', /a transform with the unknown step 9/, [unknownStep()]],
  ])('%s', (_, reason, messages) => {
    const { object, peer, theirs, outcomes } = acquainted();
    const other = new HostilePeer({ bootstrap: object.capability() });
    other.greet();
    for (const one of messages) peer.say(one);
    expect(peer.abortReason).toMatch(reason);
    expect(peer.closed).toMatchObject({ type: 'disconnected', message: expect.stringMatching(reason) });
    expect(peer.ends).toBe(1);
    expect(peer.connection.tables).toEqual(EMPTY);
    // Our calls that were under way failed, but for those that had returned.
    for (const outcome of outcomes) expect(outcome.done).toBe(true);
    expect(call(theirs, 9).error).toMatchObject({ type: 'disconnected' });
    // What it says afterwards is not heard, and its neighbour has not noticed.
    const told = peer.told.length;
    peer.say(callMessage(50)).greet(51);
    expect(peer.told).toHaveLength(told);
    other.say(callMessage(1));
    expect(other.closed).toBe(null);
    expect(object.pending.at(-1)!.canceled).toBe(false);
  });
});

function returnOfKind(answerId: number, tag: number): Uint8Array {
  return message(layout.Message.return, layout.Return, (body) => {
    body.setU32(layout.Return.answerId, answerId);
    body.setBool(layout.Return.keepParamCaps, true);
    body.setU16(layout.Return.tag, tag);
  });
}

function unimplemented(original: Uint8Array): Uint8Array {
  const builder = new MessageBuilder();
  const root = builder.root.struct(layout.Message.words, layout.Message.pointers);
  root.setU16(layout.Message.tag, layout.Message.unimplemented);
  root.pointer(layout.Message.body).copy(new MessageReader([original]).root);
  return builder.segment();
}

function unknownStep(): Uint8Array {
  return message(layout.Message.call, layout.Call, (body) => {
    const target = body.pointer(layout.Call.target).struct(1, 1);
    target.setU16(layout.MessageTarget.tag, layout.MessageTarget.promisedAnswer);
    const answer = target.pointer(0).struct(1, 1);
    answer.pointer(layout.PromisedAnswer.transform).structList(1, 1, 0).struct(0).setU16(layout.Op.tag, 9);
  });
}

describe('a peer is answered, and the connection goes on, where it', () => {
  it('calls a method or an interface that does not exist', async () => {
    const { peer } = takerPeer();
    peer.say(callMessage(1, { interfaceId: TARGET.id, methodId: 0xffff }));
    peer.say(callMessage(2, { interfaceId: 0xffff_ffff_ffff_ffffn }));
    await quiet();
    for (const question of [1, 2]) {
      expect(peer.answerTo(question)).toMatchObject({
        type: 'unimplemented',
        reason: expect.stringContaining('Target has no method'),
      });
    }
    expect(peer.closed).toBe(null);
  });

  it.each(['constructor', 'toString', 'then'])(
    'calls a method named %s, which every object has, and this one does not implement',
    async (name) => {
      const { peer } = takerPeer();
      peer.say(callMessage(1, { interfaceId: TARGET.id, methodId: TARGET.method(name)!.id }));
      await quiet();
      expect(peer.answerTo(1)).toEqual({
        type: 'unimplemented',
        reason: `Target.${name} is not implemented`,
      });
    },
  );

  it('sends a message of a kind that nobody knows: it is sent back', () => {
    const { peer } = acquainted();
    for (const tag of [14, 99, 0xffff]) {
      peer.say(message(tag, { words: 2, pointers: 1 }, (body) => body.setU32(0, 77)));
      const told = peer.told.at(-1)!;
      expect(told.tag).toBe(layout.Message.unimplemented);
      const echoed = told.reader.root.struct().pointer(layout.Message.body).struct();
      expect(echoed.u16(layout.Message.tag)).toBe(tag);
      expect(echoed.pointer(layout.Message.body).struct().u32(0)).toBe(77);
    }
    expect(peer.closed).toBe(null);
  });

  it('sends a capability of an unknown kind, or one that it was not given: calls on it fail', () => {
    const { kept, peer } = keeper();
    peer.say(
      callMessage(1, {
        capabilities: [
          { kind: 'unknown', tag: 77 },
          { kind: 'receiverHosted', id: 12_345 },
          { kind: 'receiverAnswer', question: 12_345 },
          { kind: 'receiverAnswer', question: 1 },
        ],
      }),
    );
    expect(kept.map((capability) => call(capability!, 1).error?.message)).toEqual([
      'the peer sent a capability of the unknown kind 77',
      'the peer sent back export 12345, which does not exist',
      'the peer named question 12345, which does not exist',
      'the peer named question 1, which does not exist',
    ]);
    expect(peer.closed).toBe(null);
  });

  it('sends a Resolve for an import that it never sent: there may have been one, which was released', () => {
    const { peer } = acquainted();
    peer.say(resolveMessage(12_345, { kind: 'senderHosted', id: 8 }));
    expect(peer.closed).toBe(null);
    expect(peer.connection.tables.imports).toBe(0);
  });

  it('finishes what runs, and is told that it was canceled', () => {
    const { object, peer } = limited({});
    peer.say(callMessage(1)).say(finishMessage(1));
    expect(peer.answerTo(1)).toBe('canceled');
    expect(object.pending[0]!.canceled).toBe(true);
    object.pending[0]!.params.release();
    object.pending[0]!.return_(payload(0));
    expect(peer.closed).toBe(null);
  });
});

describe('a promise of the peer', () => {
  it('that is resolved to itself is broken', () => {
    const { kept, peer } = keeper();
    peer.say(callMessage(1, withCapability({ kind: 'senderPromise', id: 3 })));
    peer.say(resolveMessage(3, { kind: 'senderPromise', id: 3 }));
    expect(call(kept[0]!, 1).error).toMatchObject({ message: 'a promise was resolved to itself' });
    kept[0]!.release();
    expect(peer.closed).toBe(null);
  });

  it('that goes round in a circle with others is broken', () => {
    const { kept, peer } = keeper();
    const ids = [3, 4, 5];
    peer.say(callMessage(1, withCapability(...ids.map((id): Descriptor => ({ kind: 'senderPromise', id })))));
    for (const id of ids) peer.say(resolveMessage(id, { kind: 'senderPromise', id: id === 5 ? 3 : id + 1 }));
    // When 5 becomes 3, that has gone from the table: it is an import of its own, and not what 3 has become.
    const outcomes = kept.map((capability) => call(capability!, 1));
    expect(outcomes.every(({ value }) => value === null)).toBe(true);
    for (const outcome of outcomes) outcome.call.finish();
    for (const capability of kept) capability!.release();
    expect(peer.closed).toBe(null);
    peer.connection.close();
    expect(peer.connection.tables).toEqual(EMPTY);
  });

  it('that is resolved to a promise of ours which waits for it does not become a circle of calls', () => {
    const ours = new QueuedCapability();
    let theirs: Capability | null = null;
    const object = new TestObject((incoming) => {
      theirs = incoming.params.capabilities[0]!.retain();
      incoming.params.release();
      incoming.return_(payload(1, [ours.retain()]));
    });
    const peer = new HostilePeer({ bootstrap: object.capability() });
    peer.greet().say(callMessage(1, withCapability({ kind: 'senderPromise', id: 3 })));
    const waiting = call(theirs!, 1);
    ours.resolve(theirs!);
    ours.release();
    const ourExport = 1;
    for (const to of [
      { kind: 'receiverHosted', id: ourExport },
      { kind: 'receiverAnswer', question: 1, path: [0] },
    ] as const) {
      peer.say(resolveMessage(3, to));
    }
    const after = call(ours, 2);
    expect(peer.ends).toBeLessThanOrEqual(1);
    peer.connection.close();
    expect(waiting.error).toMatchObject({ type: 'disconnected' });
    expect(after.error).not.toBe(null);
    expect(peer.connection.tables).toEqual(EMPTY);
  });
});

describe('names that JavaScript has a meaning for', () => {
  it('are fields like others', async () => {
    const { peer, taker } = takerPeer();
    peer.say(
      callMessage(1, {
        interfaceId: TARGET.id,
        methodId: NAMES,
        content: (content) => {
          const struct = content.struct(0, 6);
          for (let i = 0; i < 6; i++) struct.pointer(i).setText(`text ${i}`);
        },
      }),
    );
    await quiet();
    expect(peer.answerTo(1)).toBe('results');
    const [names] = taker.taken as [Record<string, unknown>];
    expect(Object.entries(names)).toEqual([
      ['constructor', 'text 0'],
      ['toString', 'text 1'],
      ['hasOwnProperty', 'text 2'],
      ['valueOf', 'text 3'],
      ['then', 'text 4'],
      ['xxprotoxx', 'text 5'],
    ]);
    expect(Object.getPrototypeOf(names)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['text 0']).toBe(undefined);
  });

  it('are refused where a schema has one that its language does not allow', () => {
    const changed = Buffer.from(hostileSchema);
    const place = changed.indexOf('xxprotoxx');
    expect(place).toBeGreaterThan(0);
    changed.write('__proto__', place);
    const graph = SchemaGraph.load(changed);
    expect(() => graph.struct('Names').fields).toThrow('the schema has the name "__proto__"');
    expect(() => graph.struct('Names').encode({}, new MessageBuilder().root, NOTHING)).toThrow('"__proto__"');
  });

  it('make methods of a stub with another name, and do not make a promise of it', async () => {
    const { peer } = takerPeer();
    const stub = stubFor(peer.connection.bootstrap(), TARGET) as unknown as Record<string, unknown>;
    expect(stub['then']).toBe(undefined);
    expect(typeof stub['then_']).toBe('function');
    expect(stub['constructor']).not.toBe(stub['constructor_']);
    expect(String(stub)).toBe('[object Target]');
    expect(await stub).toBe(stub);
    peer.connection.close();
  });

  it('are places of results that can be pipelined on, but for what a promise has by itself', async () => {
    const taker = new Taker();
    const own: Stub = serve(TARGET, taker);
    // biome-ignore lint/suspicious/noExplicitAny: a dynamic stub
    const stub = serve(TARGET, { promise: () => ({ own, toString: own }) }) as any;
    const pending = stub.promise({});
    for (const name of ['then', 'catch', 'finally']) {
      expect(Object.hasOwn(Object.getPrototypeOf(pending), name)).toBe(false);
      expect(typeof pending[name]).toBe('function');
    }
    await pending.own.names({ constructor: 'own' });
    await pending.toString.names({ constructor: 'toString' });
    expect(taker.taken).toMatchObject([{ constructor: 'own' }, { constructor: 'toString' }]);
    expect(Object.isFrozen(pending)).toBe(true);
    for (let above = Object.getPrototypeOf(pending); above !== Object.prototype; ) {
      expect(Object.isFrozen(above)).toBe(true);
      expect(Object.hasOwn(above, 'constructor')).toBe(false);
      above = Object.getPrototypeOf(above);
    }
    await pending;
  });
});

const NOTHING = { encode: () => 0 };
