/**
 * Messages that a peer must not send, or not so many of, to one Connection with real objects behind it: each is answered by
 * an exception or by an Abort that says why, and never by an exception out of `receive`.
 */
import { describe, expect, it } from 'vitest';
import type { Capability } from '../../rpc/capability.js';
import { RpcError } from '../../rpc/error.js';
import { MAX_PIPELINE_DEPTH, MAX_PROMISE_CHAIN } from '../../rpc/limits.js';
import * as layout from '../../rpc/protocol.js';
import { call, EMPTY, hold, payload, TestObject } from '../conformance/vats.js';
import {
  type CallSpec,
  callMessage,
  type Descriptor,
  finishMessage,
  HostilePeer,
  resolveMessage,
} from './peer.js';

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
