/** The ways in which a connection ends, as every transport words them. */
import { RpcError } from '../error.js';

/** The peer ended it: behind a message (`whole`), or in the middle of one. */
export function endedByPeer(whole: boolean): RpcError {
  return whole
    ? new RpcError('disconnected', 'the peer closed the connection', { code: 'ERR_RPC_CLOSED' })
    : new RpcError('disconnected', 'the peer stopped in the middle of a message', {
        code: 'ERR_RPC_TRUNCATED',
      });
}

export function endedHere(): RpcError {
  return new RpcError('disconnected', 'the connection was closed', { code: 'ERR_RPC_CLOSED' });
}

export function lost(cause: unknown): RpcError {
  if (cause instanceof RpcError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new RpcError('disconnected', `the connection was lost: ${message}`, { code: 'ERR_RPC_LOST', cause });
}

/** So many bytes wait for the peer, which is more than `what` allows. */
export function notReading(waiting: number, what: string): RpcError {
  return new RpcError('overloaded', `the peer does not read: ${waiting} bytes wait for it (${what})`, {
    code: 'ERR_RPC_QUEUE_LIMIT',
  });
}
