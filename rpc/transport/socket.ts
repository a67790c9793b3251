/** Unix and TCP sockets, and TLS over TCP. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { clearTimeout, setTimeout } from 'node:timers';
import type { TLSSocket } from 'node:tls';
import { RpcError } from '../error.js';
import { type Patience, watchPeer } from '../peer-watch.js';
import { Session, type SessionOptions } from '../session.js';
import { StreamTransport } from './stream.js';
import { beginTls, checkServer, type TlsClient, type TlsServer, tlsServer } from './tls.js';

/** A unix socket by its path, or a TCP port. */
export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

export function describeAddress(address: SocketAddress): string {
  return 'path' in address ? address.path : `${address.host}:${address.port}`;
}

export interface DialOptions {
  /** By TLS, to the server that has this key; for a port only. */
  readonly tls?: TlsClient;
  /** How long it may take until the socket is there, in milliseconds. As long as the system tries, without it. */
  readonly timeoutMillis?: number;
  /** How long a connection of TCP is silent before the system asks whether the peer is still there, in milliseconds. */
  readonly keepAliveMillis?: number;
}

/** Two minutes: shorter than what most that stand between two machines forget a connection after. */
export const KEEP_ALIVE_MILLIS = 120_000;

/** A socket that is connected. Rejects with `disconnected`, naming the address and the reason. */
export async function dialSocket(address: SocketAddress, options: DialOptions = {}): Promise<Socket> {
  const { tls, timeoutMillis, keepAliveMillis = KEEP_ALIVE_MILLIS } = options;
  if (tls !== undefined && 'path' in address)
    throw new TypeError('tls: it is for a port, not for a unix socket');
  const socket =
    tls !== undefined && 'host' in address
      ? beginTls(address.host, address.port, tls)
      : createConnection({ ...address });
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      if (timeoutMillis !== undefined)
        timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMillis} ms`)), timeoutMillis);
      socket.once(tls === undefined ? 'connect' : 'secureConnect', resolve);
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('the peer closed the connection')));
    });
    if (tls !== undefined) checkServer(socket as TLSSocket, tls);
  } catch (cause) {
    socket.on('error', () => {});
    socket.destroy();
    throw cannotConnect(describeAddress(address), cause);
  } finally {
    clearTimeout(timer);
  }
  socket.removeAllListeners('error');
  socket.removeAllListeners('close');
  socket.setNoDelay(true);
  if ('host' in address) socket.setKeepAlive(true, keepAliveMillis);
  return socket;
}

/** Why nobody was reached at `where`. */
export function cannotConnect(where: string, cause: unknown): RpcError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = cause instanceof RpcError ? message : (code ?? message);
  return new RpcError('disconnected', `cannot connect to ${where}: ${why}`, {
    code: cause instanceof RpcError ? cause.code : 'ERR_RPC_CONNECT',
    cause,
  });
}

/** Connects. Rejects with `disconnected`, naming the address and the reason. */
export async function connectSocket(
  address: SocketAddress,
  options: SessionOptions & DialOptions & { readonly patience?: Patience } = {},
): Promise<Session> {
  const transport = new StreamTransport(await dialSocket(address, options), options.limits);
  const session = new Session(transport, options);
  watchPeer(session, transport, options.patience);
  return session;
}

/** How many connections one listener holds at a time. More are closed at once. */
export const MAX_CONNECTIONS = 8192;

export interface Listener {
  /** Where it listens: with the port that was chosen, if 0 was asked for. */
  readonly address: SocketAddress;
  /** Takes no more connections. Those that are open go on. */
  close(): Promise<void>;
}

export interface ListenOptions {
  /** By TLS; for a port only. Its sockets are TLSSockets: see `clientOf`. */
  readonly tls?: TlsServer;
  /** As in DialOptions. */
  readonly keepAliveMillis?: number;
}

/**
 * Listens, and hands each new socket to `accept`, who takes it over: `new Session(new StreamTransport(socket), ...)`.
 * Rejects where the address cannot be had, with the system's code.
 */
export async function listenSocket(
  address: SocketAddress,
  accept: (socket: Socket) => void,
  options: ListenOptions = {},
): Promise<Listener> {
  const { tls, keepAliveMillis = KEEP_ALIVE_MILLIS } = options;
  if (tls !== undefined && 'path' in address)
    throw new TypeError('tls: it is for a port, not for a unix socket');
  const take = (socket: Socket): void => {
    if ('host' in address) socket.setKeepAlive(true, keepAliveMillis);
    accept(socket);
  };
  const server: Server = tls === undefined ? createServer({ noDelay: true }, take) : tlsServer(tls, take);
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
