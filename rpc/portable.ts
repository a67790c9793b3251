/**
 * All of Cap'n Proto RPC that runs wherever JavaScript does: in Node, and bundled for a browser. Nothing that is named here
 * may import a module of Node's (test/client/browser-bundle.test.ts bundles it).
 */
export {
  type Account,
  type Accounts,
  type BudgetSize,
  type BudgetSizes,
  Budgets,
  DEFAULT_BUDGETS,
} from './budget.js';
export type { CallSignal } from './call-signal.js';
export {
  BrokenCapability,
  type Call,
  type CallHints,
  type CallInProgress,
  Capability,
  capabilityIn,
  hintsPassedOn,
  type ReturnSink,
  settled,
} from './capability.js';
export { Connection, type ConnectionOptions } from './connection.js';
export { type Deferred, deferred } from './deferred.js';
export {
  causeOf,
  MAX_ERROR_MESSAGE,
  MAX_ERROR_TRACE,
  RpcError,
  type RpcErrorOptions,
  type RpcErrorType,
  remoteTraceOf,
} from './error.js';
export { FrameReader } from './frame.js';
export { type ConnectionLimits, DEFAULT_LIMITS } from './limits.js';
export { BRIEF, type LentFrame, type Loan } from './loan.js';
export { type Dispatcher, LocalCall, LocalCapability } from './local.js';
export { Payload } from './payload.js';
export { type Patience, watchPeer } from './peer-watch.js';
export type { CallOptions, Pending, Pipelined } from './pending.js';
export type { Path } from './places.js';
export { PromisedCapability, QueuedCapability } from './promised.js';
export { type Middle, Relay } from './relay.js';
export { ImportedCapability, RemoteCapability, RemotePromise } from './remote.js';
export { goneBy, isGone, RenewedCapability } from './renewed.js';
export { type CallContext, isServed, serve, serveAlso, served } from './serve.js';
export { Session, type SessionOptions } from './session.js';
export { flush, STREAM_WINDOW } from './streaming.js';
export { brokenStub, capabilityOf, isStub, Stub, stubFor, stubMethodName, typeOf } from './stub.js';
export type { Flow } from './transport/flow.js';
export { Link, type MemoryPair, memoryPair } from './transport/memory.js';
export { MessagePortTransport, type Port } from './transport/message-port.js';
export type { Throttle } from './transport/throttle.js';
export type { Transport, TransportReceiver } from './transport/transport.js';
export {
  type StandardWebSocket,
  WEB_SOCKET_MESSAGE_BYTES,
  type WebSocketAddress,
  WebSocketTransport,
  webSocketUrl,
} from './transport/web-socket.js';
export { untilSettled } from './until-settled.js';
