import { once } from 'node:events';
import { connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { selfSigned } from '../../broker/self-signed.js';
import {
  certificateKeyDigest,
  clientOf,
  dialSocket,
  type Listener,
  listenSocket,
  RpcError,
} from '../../rpc/index.js';

const identity = selfSigned('the server');
const serverKey = certificateKeyDigest(identity.certificate);
let listener: Listener | null = null;
afterEach(async () => {
  await listener?.close();
  listener = null;
});

/** A server that says who each client is, and gives what it was sent. */
async function server() {
  const clients: (Uint8Array | RpcError | null)[] = [];
  const bytes: Buffer[] = [];
  listener = await listenSocket(
    { host: '127.0.0.1', port: 0 },
    (socket) => {
      clients.push(clientOf(socket as never));
      socket.on('data', (chunk) => bytes.push(chunk)).on('error', () => {});
      socket.write('hello');
    },
    { tls: { identity } },
  );
  return { address: listener.address as { host: string; port: number }, clients, bytes };
}

describe('a client', () => {
  it('knows the server by its key, and sends nothing to one that has another', async () => {
    const { address, bytes } = await server();
    const other = certificateKeyDigest(selfSigned('another').certificate);
    await expect(dialSocket(address, { tls: { serverKey: other } })).rejects.toMatchObject({
      type: 'disconnected',
      code: 'ERR_TLS_KEY',
      message: expect.stringContaining(
        `the server has the key sha-256:${serverKey}; expected sha-256:${other}`,
      ),
    });
    const socket = await dialSocket(address, { tls: { serverKey } });
    await once(socket, 'data');
    expect(bytes).toEqual([]);
    socket.destroy();
  });

  it('is told where there is no TLS at the other end', async () => {
    const plain = await listenSocket({ host: '127.0.0.1', port: 0 }, (socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end('no TLS here'),
    );
    await expect(dialSocket(plain.address, { tls: { serverKey } })).rejects.toMatchObject({
      type: 'disconnected',
      code: 'ERR_RPC_CONNECT',
    });
    await plain.close();
  });

  it('waits no longer than it was told for a server that never shakes hands', async () => {
    const silent = await listenSocket({ host: '127.0.0.1', port: 0 }, (socket) =>
      socket.on('error', () => {}).resume(),
    );
    const dialled = dialSocket(silent.address, { tls: { serverKey }, timeoutMillis: 100 });
    await expect(dialled).rejects.toThrow('no answer within 100 ms');
    await silent.close();
  });
});

describe('a server', () => {
  it('knows a client by the certificate that it shows, and one that shows none as nobody', async () => {
    const { address, clients } = await server();
    const mine = selfSigned('a client');
    for (const tls of [{ serverKey, identity: mine }, { serverKey }]) {
      const socket = await dialSocket(address, { tls });
      await once(socket, 'data');
      socket.destroy();
    }
    const { X509Certificate } = await import('node:crypto');
    const fingerprint = new X509Certificate(mine.certificate).fingerprint256
      .replaceAll(':', '')
      .toLowerCase();
    expect(clients.map((client) => client && Buffer.from(client as Uint8Array).toString('hex'))).toEqual([
      fingerprint,
      null,
    ]);
  });

  it('does not take a certificate for good outside of its dates', async () => {
    const { address, clients } = await server();
    const early = selfSigned('tomorrow', new Date(Date.now() + 86_400_000));
    const socket = await dialSocket(address, { tls: { serverKey, identity: early } });
    await once(socket, 'data');
    socket.destroy();
    expect(clients[0]).toBeInstanceOf(RpcError);
    expect((clients[0] as RpcError).message).toMatch(/^the client's certificate is valid from /);
  });

  it('speaks nothing older than TLS 1.3, and goes on with others', async () => {
    const { address, clients } = await server();
    const old = tlsConnect({ ...address, maxVersion: 'TLSv1.2', rejectUnauthorized: false });
    const [error] = await once(old, 'error').catch((thrown) => [thrown]);
    expect(String(error)).toMatch(/protocol version|ECONNRESET|alert/i);
    const plain = tcpConnect(address);
    plain.on('error', () => {});
    plain.end('GET / HTTP/1.1\r\n\r\n');
    await once(plain, 'close');
    expect(clients).toEqual([]);
    const good = await dialSocket(address, { tls: { serverKey } });
    await once(good, 'data');
    good.destroy();
    expect(clients).toEqual([null]);
  });
});
