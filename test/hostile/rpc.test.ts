/**
 * Messages that a peer must not send, or not so many of, to one Connection with real objects behind it: each is answered by
 * an exception or by an Abort that says why, and never by an exception out of `receive`.
 */
import { describe, expect, it } from 'vitest';
import { RpcError } from '../../rpc/error.js';
import { EMPTY, payload, TestObject } from '../conformance/vats.js';
import { callMessage, HostilePeer } from './peer.js';

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
