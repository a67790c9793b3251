/**
 * For programs in a browser that call what a broker guards: the same as client/index.ts, over the browser's own WebSocket.
 * Bundled, it needs nothing of Node's.
 *
 * A browser does not let a program see the key of its server. Over `sturdy+wss://` it goes by the certificate, as for any
 * page, and the reference's KEY is not compared.
 */
import {
  RpcError,
  Session,
  type StandardWebSocket,
  WebSocketTransport,
  watchPeer,
  webSocketUrl,
} from '../rpc/portable.js';
import { formatAddress, type SturdyAddress } from './address.js';
import { BrokerSession, type BrokerSessionOptions, CONNECT_TIMEOUT_MILLIS } from './broker-session.js';
import { SturdyRef } from './sturdyref.js';

export { SchemaGraph } from '../schema/index.js';
export * from './portable.js';

/**
 * Connects to the broker that `where`, a `sturdy+ws://` or `sturdy+wss://`, leads to. Nothing is restored yet.
 * @throws RpcError `disconnected` where nobody answers there, or where pages of this origin are not let in: a browser does
 * not tell a program which of the two it was.
 */
export async function connect(
  where: SturdyRef | SturdyAddress,
  options: BrokerSessionOptions = {},
): Promise<BrokerSession> {
  const address = where instanceof SturdyRef ? where.address : where;
  const dial = () => dialBroker(address, options);
  return new BrokerSession(address, options, await dial(), dial);
}

async function dialBroker(address: SturdyAddress, options: BrokerSessionOptions): Promise<Session> {
  const where = formatAddress(address);
  if (address.transport !== 'webSocket')
    throw refused(
      where,
      'a browser has only WebSockets: the reference has to be a sturdy+ws:// or sturdy+wss://',
    );
  const { limits, connectTimeout = CONNECT_TIMEOUT_MILLIS } = options;
  const { WebSocket } = globalThis as unknown as { WebSocket: new (url: string) => StandardWebSocket };
  const transport = new WebSocketTransport(
    new WebSocket(webSocketUrl(address, address.key !== null)),
    limits,
  );
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(refused(where, `no answer within ${connectTimeout} ms`)), connectTimeout);
  });
  try {
    await Promise.race([transport.opened, late]);
  } catch (cause) {
    transport.close();
    if (cause instanceof RpcError && cause.code === NOT_CONNECTED) throw cause;
    throw refused(where, 'nobody answers there, or its broker does not let in pages of this origin', cause);
  } finally {
    clearTimeout(timer);
  }
  const session = new Session(transport, limits === undefined ? {} : { limits });
  watchPeer(session, transport, options.patience);
  return session;
}

const NOT_CONNECTED = 'ERR_RPC_CONNECT';

function refused(where: string, why: string, cause?: unknown): RpcError {
  return new RpcError('disconnected', `cannot connect to ${where}: ${why}`, { code: NOT_CONNECTED, cause });
}
