import { once } from 'node:events';
import { connect as tcpConnect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, type WebSocketServer } from 'ws';
import {
  type Listener,
  type RpcError,
  type Session,
  StreamTransport,
  WebSocketTransport,
} from '../../rpc/index.js';
import { listenWebSocket, type WebSocketListenOptions } from '../../rpc/web-sockets.js';
import { encodeMessage } from '../conformance/wire.js';
import { serveProbe } from './probe.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server of the Probe, with its sessions, and what it refused. */
async function server(options: WebSocketListenOptions = {}) {
  const sessions: Session[] = [];
  const refusals: string[] = [];
  const listener: Listener = await listenWebSocket(
    { host: '127.0.0.1', port: 0, path: '/here' },
    (stream) => sessions.push(serveProbe(new StreamTransport(stream))),
    { ...options, refused: (reason) => refusals.push(reason) },
  );
  ends.push(() => listener.close());
  const { port } = listener.address as { port: number };
  return { url: `ws://127.0.0.1:${port}/here`, port, sessions, refusals };
}

async function opened(url: string, options: object = {}): Promise<WebSocket> {
  const socket = new WebSocket(url, options);
  ends.push(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

/** The status with which a handshake was answered. */
async function status(url: string, options: object = {}): Promise<number> {
  const socket = new WebSocket(url, options);
  socket.on('error', () => {});
  const [, response] = await once(socket, 'unexpected-response');
  socket.terminate();
  return response.statusCode;
}

/** With what a connection ended, at the server and at its client. */
async function end(socket: WebSocket, sessions: Session[]): Promise<{ reason: RpcError; code: number }> {
  const [code] = await once(socket, 'close');
  await expect.poll(() => sessions.length).toBe(1);
  return { reason: await sessions[0]!.closed, code };
}

describe('a server of WebSockets', () => {
  it('refuses pages of every origin that is not listed, and takes programs', async () => {
    const { url, sessions, refusals } = await server({ origins: ['https://app.example'] });
    for (const origin of [
      'https://app.example.evil',
      'http://app.example',
      'null',
      'https://app.example, https://x',
    ])
      expect(await status(url, { origin })).toBe(403);
    expect(refusals).toEqual(Array(4).fill('pages of this origin are not allowed'));
    await opened(url, { origin: 'https://app.example' });
    await opened(url);
    expect(sessions).toHaveLength(2);
  });

  it('lets in no page at all where none is listed', async () => {
    const { url } = await server();
    expect(await status(url, { origin: 'http://127.0.0.1' })).toBe(403);
  });

  it('has nothing on another path, and no other use', async () => {
    const { url, port, refusals } = await server();
    expect(await status(`${url}/else`)).toBe(404);
    expect((await fetch(`http://127.0.0.1:${port}/here`)).status).toBe(426);
    expect(refusals).toEqual(['the path is another', 'there are WebSockets here, and nothing else']);
  });

  it('agrees to no compression', async () => {
    const { url } = await server();
    const socket = await opened(url, { perMessageDeflate: true });
    expect(socket.extensions).toBe('');
  });

  it('breaks off with a peer that sends a text, and says so to both', async () => {
    const { url, sessions } = await server();
    const socket = await opened(url);
    socket.send('hello');
    const { reason, code } = await end(socket, sessions);
    expect(code).toBe(1003);
    expect(reason).toMatchObject({
      code: 'ERR_RPC_WEB_SOCKET',
      message: expect.stringContaining('a text message'),
    });
  });

  it('breaks off with a peer that sends too large a message, and says so to both', async () => {
    const { url, sessions } = await server();
    const socket = await opened(url);
    socket.send(new Uint8Array(1024 * 1024 + 1));
    const { reason, code } = await end(socket, sessions);
    expect(code).toBe(1009);
    expect(reason).toMatchObject({
      code: 'ERR_RPC_WEB_SOCKET',
      message: expect.stringContaining('size exceeded'),
    });
  });

  it('takes a message in pieces of any size', async () => {
    const { url } = await server();
    const socket = await opened(url);
    const bootstrap = encodeMessage({ bootstrap: { questionId: 0 } });
    const bytes = [0, 0, 0, 0, bootstrap.length / 8, 0, 0, 0, ...bootstrap];
    for (const byte of bytes) socket.send(Uint8Array.of(byte));
    const [answer] = await once(socket, 'message');
    expect(answer.length).toBeGreaterThan(8);
  });

  it('ends with those who have not become a WebSocket when it is closed', async () => {
    const { port } = await server();
    const silent = tcpConnect(port, '127.0.0.1');
    await once(silent, 'connect');
    silent.on('error', () => {});
    await ends.pop()!();
    await once(silent, 'close');
  });
});

describe('a WebSocket as a browser has it', () => {
  it('that brings a text ends the session, which says why', async () => {
    const { WebSocketServer: Server } = await import('ws');
    const plain: WebSocketServer = new Server({ port: 0, host: '127.0.0.1' });
    ends.push(() => plain.close());
    await once(plain, 'listening');
    plain.on('connection', (socket) => socket.send('hello'));
    const { port } = plain.address() as { port: number };
    const session = serveProbe(new WebSocketTransport(new WebSocket(`ws://127.0.0.1:${port}`) as never));
    expect((await session.closed).message).toMatch(/a text came over the WebSocket/);
  });
});
