/**
 * The one error class of the wire: the four types of Exception in rpc.capnp, a stable code for programs, and a
 * message for people. The cause stays on this side; it must never be put on the wire.
 */

/** Exception.Type of rpc.capnp, in the order of its numbers. */
export const RPC_ERROR_TYPES = ['failed', 'overloaded', 'disconnected', 'unimplemented'] as const;

/**
 * - `failed`: the call was understood and went wrong; trying again is no help.
 * - `overloaded`: a limit was met; later it may succeed.
 * - `disconnected`: a connection that the call needed is gone; restore the reference and try again.
 * - `unimplemented`: the object has no such method, or the peer does not know such a message.
 */
export type RpcErrorType = (typeof RPC_ERROR_TYPES)[number];

/** The longest trace, in UTF-16 units, that is sent to a peer or taken from one. */
export const MAX_ERROR_TRACE = 16_384;

/** The longest message, in UTF-16 units, that is sent to a peer or taken from one. */
export const MAX_ERROR_MESSAGE = 4096;

export interface RpcErrorOptions {
  /** Stable, for programs: `ERR_...`. Not sent. */
  readonly code?: string;
  /** What led to this, for the local log. Not sent. */
  readonly cause?: unknown;
  /** Exception.trace of a peer's. Not sent on. */
  readonly remoteTrace?: string | null;
}

/** What led to `error`: for a log on this side. Not a property: an RpcError is shown to programs that may not see it. */
export let causeOf: (error: RpcError) => unknown;

/** The trace that a peer sent with `error`, if it did: for a log on this side. */
export let remoteTraceOf: (error: RpcError) => string | null;

export class RpcError extends Error {
  static {
    causeOf = (error) => error.#cause;
    remoteTraceOf = (error) => error.#remoteTrace;
  }

  readonly #cause: unknown;
  readonly #remoteTrace: string | null;
  /** Tells an RpcError by a private field: `instanceof` would run the traps of a hostile proxy. */
  readonly #brand = true;
  override readonly name = 'RpcError';
  readonly type: RpcErrorType;
  readonly code: string;

  /** A program of a domain can get hold of this class and call it with anything, hence the checks. */
  constructor(type: RpcErrorType, message: string, options: RpcErrorOptions = {}) {
    super(bounded(message));
    if (!RPC_ERROR_TYPES.includes(type))
      throw new TypeError(`the type of an RpcError is one of ${RPC_ERROR_TYPES.join(', ')}`);
    const { code, cause, remoteTrace } = options;
    this.#cause = cause;
    this.#remoteTrace = typeof remoteTrace === 'string' ? remoteTrace.slice(0, MAX_ERROR_TRACE) : null;
    this.type = type;
    this.code = typeof code === 'string' ? code : `ERR_RPC_${type.toUpperCase()}`;
    // `from` lets it pass as it is: nobody may put a value of another kind into it, or a getter.
    Object.freeze(this);
  }

  /**
   * What may be told to a peer about `thrown`, which may be hostile (a proxy, a getter that throws). An RpcError goes as
   * it is; of anything else only its message goes, as `failed`.
   */
  static from(thrown: unknown): RpcError {
    if (typeof thrown === 'object' && thrown !== null && #brand in thrown) return thrown as RpcError;
    return new RpcError('failed', describe(thrown), { code: 'ERR_RPC_EXCEPTION', cause: thrown });
  }
}

function describe(thrown: unknown): string {
  try {
    if (typeof thrown === 'string') return thrown;
    if (typeof thrown === 'object' && thrown !== null) {
      const message = (thrown as { message?: unknown }).message;
      if (typeof message === 'string' && message !== '') return message;
      return 'an object without a message was thrown';
    }
    if (typeof thrown === 'function') return 'a function was thrown';
    return String(thrown);
  } catch {
    return 'a value that cannot be described was thrown';
  }
}

function bounded(message: unknown): string {
  const text = String(message);
  return text.length <= MAX_ERROR_MESSAGE ? text : `${text.slice(0, MAX_ERROR_MESSAGE - 1)}…`;
}

/** The peer broke the protocol. The connection ends with an Abort that says why. Never leaves rpc/. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
}

/** What a call fails with that its caller has given up. Made when it is needed: it has a stack, which costs more than most calls. */
export function canceled(): RpcError {
  return new RpcError('failed', 'the call was canceled', { code: 'ERR_RPC_CANCELED' });
}
