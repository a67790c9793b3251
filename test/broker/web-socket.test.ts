/** Calls through a broker from a client behind a WebSocket, in which as many bytes come at once as the client likes. */
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { Session, StreamTransport } from 'sturdy/rpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type AnyStub, Client, ledgerGraph, Running } from './running.js';

let running: Running;
let socket: WebSocket;
let ledger: AnyStub;
beforeAll(async () => {
  running = await Running.start(undefined, undefined, {
    listen: { unix: 'broker.sock', webSocket: { host: '127.0.0.1', port: 0, path: '/sturdy' } },
  });
  const operator = await running.operator();
  const { ref } = await operator.mint({ domain: 'ledger', policy: { methods: { all: null } } });
  const { port } = running.broker.addresses[1] as { port: number };
  socket = new WebSocket(`ws://127.0.0.1:${port}/sturdy`);
  await once(socket, 'open');
  const client = new Client(new Session(new StreamTransport(inOnePiece(socket))));
  ledger = await client.restore(ref.secret, ledgerGraph.interface('Ledger'));
});
afterAll(async () => {
  socket.close();
  await running.stop();
});

/** What is written to it within a while goes out in one message. */
function inOnePiece(to: WebSocket): Duplex {
  const stream = new Duplex({
    read() {},
    writev(chunks, done) {
      to.send(Buffer.concat(chunks.map(({ chunk }) => chunk)));
      done();
      setImmediate(gather);
    },
  });
  const gather = () => {
    stream.cork();
    setTimeout(() => stream.uncork(), 20);
  };
  to.on('message', (data: Buffer) => stream.push(data));
  to.on('close', () => stream.destroy());
  return stream;
}

describe('over a WebSocket', () => {
  it('many calls at once come in order, and large results', async () => {
    const { account } = await ledger.open({ name: 'many' });
    const attachment = new Uint8Array(4096).fill(7);
    const entries: { entry: { number: number } }[] = await Promise.all(
      Array.from({ length: 100 }, () => account.deposit({ cents: 1n, memo: '', attachment, reference: '' })),
    );
    expect(entries.map(({ entry }) => entry.number)).toEqual(entries.map((_, i) => i + 1));
    const statement = await account.statement({ page: { limit: 100, newest: undefined } });
    expect(statement.entries).toHaveLength(100);
    for (const each of statement.entries) expect(each.attachment).toEqual(attachment);
  });

  it('so does one that is larger than what a socket is read by', async () => {
    const { account } = await ledger.open({ name: 'large' });
    const deposit = (bytes: number) =>
      account.deposit({ cents: 1n, memo: '', attachment: new Uint8Array(bytes), reference: '' });
    for (const bytes of [60_000, 70_000, 900_000])
      await expect(deposit(bytes)).rejects.toThrow(`attachment: ${bytes} bytes; at most 4096`);
    expect((await account.balance()).cents).toBe(0n);
  });
});
