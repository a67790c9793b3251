/** Unix and TCP sockets. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { RpcError } from '../error.js';
import { Session, type SessionOptions } from '../session.js';
import { StreamTransport } from './stream.js';

/** A unix socket by its path, or a TCP port. */
export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

export function describeAddress(address: SocketAddress): string {
  return 'path' in address ? address.path : `${address.host}:${address.port}`;
}

/** Connects. Rejects with `disconnected`, naming the address and the reason. */
export async function connectSocket(address: SocketAddress, options: SessionOptions = {}): Promise<Session> {
  const socket = createConnection({ ...address });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new RpcError(
          'disconnected',
          `cannot connect to ${describeAddress(address)}: ${cause.code ?? cause.message}`,
          {
            code: 'ERR_RPC_CONNECT',
            cause,
          },
        ),
      );
    });
  });
  socket.removeAllListeners('error');
  socket.setNoDelay(true);
  return new Session(new StreamTransport(socket, options.limits), options);
}

/** How many connections one listener holds at a time. More are closed at once. */
export const MAX_CONNECTIONS = 8192;

export interface Listener {
  /** Where it listens: with the port that was chosen, if 0 was asked for. */
  readonly address: SocketAddress;
  /** Takes no more connections. Those that are open go on. */
  close(): Promise<void>;
}

/**
 * Listens, and hands each new socket to `accept`, who takes it over: `new Session(new StreamTransport(socket), ...)`.
 * Rejects where the address cannot be had, with the system's code.
 */
export async function listenSocket(
  address: SocketAddress,
  accept: (socket: Socket) => void,
): Promise<Listener> {
  const server: Server = createServer({ noDelay: true }, accept);
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(
      'path' in address ? { path: address.path } : { host: address.host, port: address.port },
      () => {
        server.removeListener('error', reject);
        resolve();
      },
    );
  });
  const bound = server.address();
  return {
    address:
      bound === null || typeof bound === 'string' ? address : { host: bound.address, port: bound.port },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
