/** For Node programs that call what a broker guards: `connect()`, sturdyrefs, the protocol, and its errors. */
export type { TlsIdentity } from '../rpc/index.js';
export { type ConnectOptions, connect } from './connect.js';
export * from './portable.js';
