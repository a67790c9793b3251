/**
 * A server of WebSockets. A page in a browser may be anybody's, and its visitor did not choose what it connects to: it is let in
 * only from the origins that are named, of which there are none by default. A client that names no origin is a program, and
 * is let in.
 */
import { createServer, type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { clearTimeout, setTimeout } from 'node:timers';
import { WebSocketServer } from 'ws';
import { type Listener, type ListenOptions, listenSocket } from './socket.js';
import { WEB_SOCKET_MESSAGE_BYTES, type WebSocketAddress } from './web-socket.js';
import { WebSocketStream } from './web-socket-stream.js';

/** How long a client has to ask for its WebSocket, in milliseconds: every other use of HTTP ends by then. */
const HANDSHAKE_MILLIS = 10_000;

/** The most bytes that the headers of a handshake may have. */
const HEADER_BYTES = 8 * 1024;

export interface WebSocketListenOptions extends ListenOptions {
  /** Where pages are let in from, such as `https://app.example`: as a browser writes it, in the header `Origin`. */
  readonly origins?: readonly string[];
  /** Told why a handshake was refused, in words of ours. */
  readonly refused?: (reason: string) => void;
}

/**
 * Listens, and hands each new WebSocket to `accept`, as the stream of its bytes, with the socket that it came over. The
 * stream is taken over. Rejects where the address cannot be had, with the system's code.
 */
export async function listenWebSocket(
  address: WebSocketAddress,
  accept: (stream: Duplex, socket: Socket) => void,
  { origins = [], refused, ...options }: WebSocketListenOptions = {},
): Promise<Listener> {
  const allowed = new Set(origins);
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: WEB_SOCKET_MESSAGE_BYTES,
  });
  const refuse = (socket: Duplex, status: number, reason: string): void => {
    refused?.(reason);
    socket.on('error', () => {});
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
        `Content-Length: ${reason.length}\r\n\r\n${reason}`,
    );
  };

  const http = createServer({ maxHeaderSize: HEADER_BYTES }, ({ socket }) =>
    refuse(socket, 426, 'there are WebSockets here, and nothing else'),
  );
  /** Sockets that have not become a WebSocket, each with what ends it. */
  const shaking = new Map<Duplex, NodeJS.Timeout>();
  const done = (socket: Duplex): void => {
    clearTimeout(shaking.get(socket));
    shaking.delete(socket);
  };
  http.on('clientError', (_error, socket) => socket.destroy());
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const origin = request.headers.origin ?? request.headers['sec-websocket-origin'];
    if (request.url !== address.path) return refuse(socket, 404, 'the path is another');
    if (origin !== undefined && !allowed.has(String(origin)))
      return refuse(socket, 403, 'pages of this origin are not allowed');
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      done(socket);
      accept(new WebSocketStream(webSocket), socket as Socket);
    });
  });

  const { host, port } = address;
  const listener = await listenSocket(
    { host, port },
    (socket) => {
      shaking.set(
        socket,
        setTimeout(() => socket.destroy(), HANDSHAKE_MILLIS),
      );
      socket.once('close', () => done(socket));
      http.emit('connection', socket);
    },
    options,
  );
  return {
    address: listener.address,
    close: () => {
      const closed = listener.close();
      for (const socket of shaking.keys()) socket.destroy();
      return closed;
    },
  };
}
