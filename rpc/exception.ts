/** Exception of rpc.capnp: errors as they cross a connection, and those of a message that could not be built. */
import { MessageError, type StructBuilder, type StructReader } from '../schema/index.js';
import { MAX_ERROR_MESSAGE, MAX_ERROR_TRACE, RPC_ERROR_TYPES, RpcError } from './error.js';
import * as layout from './protocol.js';

/** The cause stays here; the trace goes only where it was asked for. */
export function writeException(error: RpcError, into: StructBuilder, trace: boolean): void {
  into.setU16(layout.Exception.type, RPC_ERROR_TYPES.indexOf(error.type));
  into.pointer(layout.Exception.reason).setText(error.message.toWellFormed());
  if (!trace || error.stack === undefined) return;
  into.pointer(layout.Exception.trace).setText(error.stack.slice(0, MAX_ERROR_TRACE).toWellFormed());
}

/** Never throws: what is wrong with it is what it says. */
export function readException(exception: StructReader): RpcError {
  const type = RPC_ERROR_TYPES[exception.u16(layout.Exception.type)] ?? 'failed';
  let reason: string;
  try {
    reason = exception.pointer(layout.Exception.reason).text().slice(0, MAX_ERROR_MESSAGE);
  } catch {
    reason = 'the peer gave a reason that is not valid text';
  }
  let remoteTrace: string;
  try {
    remoteTrace = exception.pointer(layout.Exception.trace).text();
  } catch {
    remoteTrace = '';
  }
  return new RpcError(type, reason === '' ? 'the peer gave no reason' : reason, {
    code: 'ERR_RPC_REMOTE',
    remoteTrace: remoteTrace === '' ? null : remoteTrace,
  });
}

/** Why a message could not be built: the content that was to be copied is bad or too large, or a limit was met. */
export function sendError(cause: unknown): RpcError {
  if (cause instanceof MessageError) {
    return new RpcError('failed', `the content of the message cannot be passed on: ${cause.message}`, {
      code: 'ERR_RPC_BAD_CONTENT',
      cause,
    });
  }
  return RpcError.from(cause);
}
