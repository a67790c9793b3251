/**
 * A WebSocket as a stream of bytes, for a StreamTransport: each binary message carries bytes, cut anywhere. It is paused where
 * nobody reads, and what was written counts as waiting until the system has taken it.
 */
import type { Buffer } from 'node:buffer';
import { Duplex } from 'node:stream';
import { setTimeout } from 'node:timers';
import type { WebSocket } from 'ws';
import { RpcError } from '../error.js';
import { WEB_SOCKET_PIECE_BYTES } from './web-socket.js';

const BINARY = { binary: true };
const NORMAL = 1000;
const UNSUPPORTED_DATA = 1003;

/** How long a peer that broke the rules has to be told so, in milliseconds. */
const LINGER = 5_000;

type Done = (error?: Error | null) => void;

export class WebSocketStream extends Duplex {
  readonly #socket: WebSocket;

  /** Takes over `socket`, which may still be connecting: write when it is open. */
  constructor(socket: WebSocket) {
    super();
    this.#socket = socket;
    socket.on('message', (data, isBinary) => {
      if (this.destroyed) return;
      if (!isBinary) {
        socket.close(UNSUPPORTED_DATA, 'only binary messages belong here');
        this.destroy(broken('a text message came, where bytes belong'));
      } else if (!this.push(data as Buffer)) socket.pause();
    });
    // Too large a message, or what is no WebSocket: it is told so by ws itself.
    socket.on('error', (cause) => this.destroy(broken(cause.message, cause)));
    socket.on('close', () => this.push(null));
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    this.#send([chunk], done);
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: Done): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  /** Sends nothing after its end, which `close` tells. */
  #send(chunks: readonly Uint8Array[], done: Done): void {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN) return done();
    const pieces = chunks.flatMap((chunk) => {
      const count = Math.ceil(chunk.length / WEB_SOCKET_PIECE_BYTES);
      return Array.from({ length: count }, (_, i) =>
        chunk.subarray(i * WEB_SOCKET_PIECE_BYTES, (i + 1) * WEB_SOCKET_PIECE_BYTES),
      );
    });
    const last = pieces.pop();
    if (last === undefined) return done();
    for (const piece of pieces) socket.send(piece, BINARY);
    socket.send(last, BINARY, done);
  }

  override _final(done: Done): void {
    const socket = this.#socket;
    if (socket.readyState === socket.CLOSED) return done();
    socket.once('close', () => done());
    socket.close(NORMAL);
  }

  override _destroy(error: Error | null, done: Done): void {
    const socket = this.#socket;
    if (error === null) socket.terminate();
    else {
      socket.close();
      setTimeout(() => socket.terminate(), LINGER).unref();
    }
    done(error);
  }
}

function broken(why: string, cause?: Error): RpcError {
  return new RpcError('disconnected', `the WebSocket was broken off: ${why}`, {
    code: 'ERR_RPC_WEB_SOCKET',
    ...(cause && { cause }),
  });
}
