import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { MessagePortTransport, type Port, Session } from '../../rpc/index.js';
import { serveProbe } from './probe.js';

describe('a message port', () => {
  it.each([
    ['a text', 'hello', /neither bytes nor/],
    ['an object that looks like bytes', { byteLength: 8 }, /neither bytes nor/],
    ['shared memory', new SharedArrayBuffer(8), /neither bytes nor/],
    ['more bytes taken up than were sent', 1, /taken up 1 bytes of 0/],
    ['less than nothing taken up', -1, /taken up -1 bytes/],
    ['no number', Number.NaN, /taken up NaN bytes/],
    ['bytes that are no message', new Uint8Array(8).fill(255).buffer, /segments; at most 512/],
  ])('that brings %s ends the session, which says why', async (_what, value, reason) => {
    const { port1, port2 } = new MessageChannel();
    const session = serveProbe(new MessagePortTransport(port1 as Port));
    port2.postMessage(value);
    expect((await session.closed).message).toMatch(reason);
    port2.close();
  });

  it('that ends in the middle of a message says so', async () => {
    const { port1, port2 } = new MessageChannel();
    const session = new Session(new MessagePortTransport(port1 as Port));
    port2.postMessage(new Uint8Array([0, 0, 0, 0, 9, 0, 0, 0, 1]).buffer);
    port2.close();
    expect(await session.closed).toMatchObject({ code: 'ERR_RPC_TRUNCATED' });
  });
});
