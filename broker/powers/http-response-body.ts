/**
 * The body of a response as it comes: read in chunks, and no faster than it is read. What has come and was not read is in Node's own
 * buffer, which holds no more than its high-water mark and what one read of the socket brings; the rest waits at the other end.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { RpcError } from '../../rpc/index.js';
import { unlessAborted } from '../unless-aborted.js';
import { told, tooLarge, unreachable } from './http-errors.js';

export interface Chunk {
  readonly chunk: Uint8Array;
  /** There is nothing behind it. */
  readonly end: boolean;
}

export interface ResponseBodyLimits {
  readonly maxBytes: number;
  /** Where that stands, for the error. */
  readonly setting: string;
  readonly maxHeaderBytes: number;
}

const NOTHING = new Uint8Array();

export class ResponseBody {
  #bytes = 0;
  #state: { readonly is: 'open' | 'ended' } | { readonly is: 'failed'; readonly error: Error } = {
    is: 'open',
  };
  /** Tells whoever waits that there is something, be it an end. */
  #wake = () => {};

  /** Takes the request over, with its connection. */
  constructor(
    private readonly request: ClientRequest,
    private readonly response: IncomingMessage,
    private readonly url: URL,
    private readonly limits: ResponseBodyLimits,
  ) {
    response.on('readable', () => this.#wake());
    response.on('end', () => this.#wake());
    response.on('error', (error: NodeJS.ErrnoException) => this.close(told(error, url, limits)));
    response.on('close', () => {
      if (!response.complete) this.close(unreachable(url, 'its response was cut short'));
    });
  }

  /**
   * The next bytes, at most so many, as soon as there are any. One read at a time. Where `signal` ends the wait, nothing is lost, and
   * the body is read on by the next.
   */
  async read(maxBytes: number, signal: AbortSignal | undefined): Promise<Chunk> {
    const { response, limits, url } = this;
    for (;;) {
      if (this.#state.is === 'failed') throw this.#state.error;
      if (this.#state.is === 'ended') return { chunk: NOTHING, end: true };
      const there = response.readableLength;
      if (there > 0) {
        const found: Buffer = response.read(Math.min(there, maxBytes));
        this.#bytes += found.length;
        if (this.#bytes > limits.maxBytes) {
          this.close(
            tooLarge(url, `its response has more than ${limits.maxBytes} bytes (${limits.setting})`),
          );
          continue;
        }
        return { chunk: new Uint8Array(found), end: this.#endIfOver() };
      }
      if (this.#endIfOver()) continue;
      await unlessAborted(
        new Promise<void>((wake) => {
          this.#wake = wake;
        }),
        signal,
      );
    }
  }

  /** All of it that is left. */
  async whole(signal: AbortSignal): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    for (;;) {
      const { chunk, end } = await this.read(Number.MAX_SAFE_INTEGER, signal);
      chunks.push(chunk);
      if (end) return new Uint8Array(Buffer.concat(chunks));
    }
  }

  #endIfOver(): boolean {
    const { response, request } = this;
    if (!response.complete || response.readableLength > 0) return false;
    this.#state = { is: 'ended' };
    request.destroy();
    return true;
  }

  /** Ends it, and the connection. Who reads it from now on, or waits for more, is told `error`. */
  close(
    error: Error = new RpcError('disconnected', 'the body was let go of', { code: 'ERR_HTTP_BODY' }),
  ): void {
    if (this.#state.is !== 'open') return;
    this.#state = { is: 'failed', error };
    this.request.destroy();
    this.#wake();
  }
}
