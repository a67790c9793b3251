/** What a program holds of a broker, wherever it runs. */
export {
  type CallOptions,
  type Pending,
  RpcError,
  type RpcErrorType,
  type Stub,
  serve,
} from '../rpc/portable.js';
export { formatAddress, parseAddress, type SturdyAddress, SturdyRefError } from './address.js';
export { BrokerSession, type BrokerSessionOptions } from './broker-session.js';
export * from './protocol.js';
export { SturdyRef } from './sturdyref.js';
