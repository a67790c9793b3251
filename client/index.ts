/** For Node programs that call what a broker guards: `connect()`, sturdyrefs, the protocol, and its errors. */
export {
  type CallOptions,
  type Pending,
  RpcError,
  type RpcErrorType,
  type Stub,
  type TlsIdentity,
} from '../rpc/index.js';
export { BrokerSession, type ConnectOptions, connect } from './broker-session.js';
export * from './protocol.js';
export {
  formatAddress,
  parseAddress,
  type SturdyAddress,
  SturdyRef,
  SturdyRefError,
} from './sturdyref.js';
