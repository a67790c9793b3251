/**
 * Cap'n Proto RPC: capabilities, connections and transports. Usable on its own; knows nothing of brokers, grants or
 * domains. What of it needs Node is named here, and the rest in portable.ts.
 */
export * from './portable.js';
export { descriptorTransport, standardTransport } from './transport/descriptor.js';
export type { Pace } from './transport/pace.js';
export {
  connectSocket,
  type DialOptions,
  describeAddress,
  dialSocket,
  type Listener,
  type ListenOptions,
  listenSocket,
  type SocketAddress,
} from './transport/socket.js';
export { StreamTransport } from './transport/stream.js';
export {
  certificateKeyDigest,
  clientOf,
  keyDigest,
  type TlsClient,
  type TlsIdentity,
  type TlsServer,
} from './transport/tls.js';
