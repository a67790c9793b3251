/** The WebSocket of a program in Node, over TCP or, where the server's key is known, over TLS. */
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import { cannotConnect, type DialOptions, dialSocket } from './socket.js';
import { WEB_SOCKET_MESSAGE_BYTES, type WebSocketAddress, webSocketUrl } from './web-socket.js';
import { WebSocketStream } from './web-socket-stream.js';

/** What runs between its ends, as a stream. Rejects with `disconnected`, naming the address and the reason. */
export async function dialWebSocket(address: WebSocketAddress, options: DialOptions = {}): Promise<Duplex> {
  const { host, port } = address;
  const { timeoutMillis, tls } = options;
  // The server is known before it is told anything: its key was looked at when this is there.
  const socket = await dialSocket({ host, port }, options);
  const webSocket = new WebSocket(webSocketUrl(address, false), {
    createConnection: () => socket,
    perMessageDeflate: false,
    followRedirects: false,
    maxPayload: WEB_SOCKET_MESSAGE_BYTES,
    ...(timeoutMillis !== undefined && { handshakeTimeout: timeoutMillis }),
  });
  const stream = new WebSocketStream(webSocket);
  try {
    await new Promise<void>((resolve, reject) => {
      webSocket.once('open', resolve);
      webSocket.once('error', reject);
      webSocket.once('unexpected-response', (_request, response) =>
        reject(new Error(`the server answered ${response.statusCode} ${response.statusMessage}`)),
      );
    });
  } catch (cause) {
    stream.on('error', () => {});
    stream.destroy();
    socket.destroy();
    throw cannotConnect(webSocketUrl(address, tls !== undefined), cause);
  }
  return stream;
}
