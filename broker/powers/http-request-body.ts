/**
 * The body of a request that a domain gives chunk by chunk: it is asked for the next one when the system has taken the one before, and
 * so the broker holds one at most. What it gives, and when, is its own affair, and is checked.
 */
import type { ClientRequest } from 'node:http';
import { type CallOptions, RpcError, type Stub } from '../../rpc/index.js';
import { unlessAborted } from '../unless-aborted.js';
import { tooLate } from './http-errors.js';
import type { Chunk } from './http-response-body.js';

/** The most that is read of a body at a time, by either side. */
export const MAX_CHUNK = 65_536;

export type BodyStub = Stub & {
  read(params: { maxBytes: number }, options?: CallOptions): Promise<Chunk>;
};

export interface Source {
  /** Borrowed. */
  readonly stub: BodyStub;
  /** Null: it is not known. */
  readonly length: number | null;
}

export interface SourceLimits {
  readonly maxBytes: number;
  /** Where that stands, for the error. */
  readonly setting: string;
  readonly idleMillis: number;
}

/** Resolves when all of it is sent, and the request has ended. `over` gives up. */
export async function send(
  request: ClientRequest,
  url: URL,
  { stub, length }: Source,
  { maxBytes, setting, idleMillis }: SourceLimits,
  over: AbortSignal,
): Promise<void> {
  const idle = new AbortController();
  const either = AbortSignal.any([over, idle.signal]);
  const within = async <T>(what: string, step: Promise<T>): Promise<T> => {
    const late = () => idle.abort(tooLate(url, `${what} for ${idleMillis} ms (powers.http.bodyIdleMillis)`));
    const timer = setTimeout(late, idleMillis);
    try {
      return await unlessAborted(step, either);
    } finally {
      clearTimeout(timer);
    }
  };
  using source = stub.dup() as BodyStub;
  for (let bytes = 0; ; ) {
    const reading = source.read({ maxBytes: MAX_CHUNK }, { signal: either });
    const { chunk, end } = await within('the source of the body gave nothing', Promise.resolve(reading));
    if (chunk.length > MAX_CHUNK)
      throw refused(`its read gave ${chunk.length} bytes, and was asked for at most ${MAX_CHUNK}`);
    if (chunk.length === 0 && !end) throw refused('its read gave nothing, and it is not the end');
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new RpcError('failed', `source: more than ${maxBytes} bytes; so many are sent (${setting})`, {
        code: 'ERR_HTTP_REQUEST_SIZE',
      });
    }
    if (length !== null && (bytes > length || (end && bytes < length)))
      throw refused(`it gave ${bytes > length ? 'more' : 'less'} than its length, ${length} bytes`);
    if (chunk.length > 0) await within('none of the body was taken', taken(request, chunk));
    if (end) {
      request.end();
      return;
    }
  }
}

function taken(request: ClientRequest, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    request.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

function refused(why: string): RpcError {
  return new RpcError('failed', `source: ${why}`, { code: 'ERR_HTTP_BODY' });
}
