/** `connect()` for programs in Node: over a unix socket, TCP, TLS, or a WebSocket. */
import type { Duplex } from 'node:stream';
import {
  type DialOptions,
  dialSocket,
  Session,
  type SocketAddress,
  StreamTransport,
  type TlsIdentity,
  watchPeer,
} from '../rpc/index.js';
import type { SturdyAddress } from './address.js';
import { BrokerSession, type BrokerSessionOptions, CONNECT_TIMEOUT_MILLIS } from './broker-session.js';
import { SturdyRef } from './sturdyref.js';

export interface ConnectOptions extends BrokerSessionOptions {
  /** Who this side is, where the broker is reached by TLS: what is sealed to this certificate can be restored then. */
  readonly identity?: TlsIdentity;
  /** How long a connection of TCP is silent before the system asks whether the broker is still there. Default 120,000. */
  readonly keepAliveMillis?: number;
}

/**
 * Connects to the broker that `where` leads to. Nothing is restored yet.
 * @throws RpcError `disconnected`, naming the address and the reason, where nobody answers there.
 */
export async function connect(
  where: SturdyRef | SturdyAddress,
  options: ConnectOptions = {},
): Promise<BrokerSession> {
  const address = where instanceof SturdyRef ? where.address : where;
  const dial = () => dialBroker(address, options);
  return new BrokerSession(address, options, await dial(), dial);
}

async function dialBroker(address: SturdyAddress, options: ConnectOptions): Promise<Session> {
  const {
    limits,
    connectTimeout: timeoutMillis = CONNECT_TIMEOUT_MILLIS,
    identity,
    keepAliveMillis,
  } = options;
  const dialling: DialOptions = {
    timeoutMillis,
    ...(keepAliveMillis !== undefined && { keepAliveMillis }),
    ...(address.transport !== 'unix' &&
      address.key !== null && { tls: { serverKey: address.key, ...(identity && { identity }) } }),
  };
  const stream = await dialStream(address, dialling);
  const transport = new StreamTransport(stream, limits);
  const session = new Session(transport, limits === undefined ? {} : { limits });
  watchPeer(session, transport, options.patience);
  return session;
}

async function dialStream(address: SturdyAddress, dialling: DialOptions): Promise<Duplex> {
  if (address.transport !== 'webSocket') return dialSocket(socketAddress(address), dialling);
  // Loaded where it is needed: a program begins sooner without it.
  const { dialWebSocket } = await import('../rpc/web-sockets.js');
  return dialWebSocket(address, dialling);
}

function socketAddress(address: SturdyAddress & { transport: 'unix' | 'tcp' }): SocketAddress {
  return address.transport === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
}
