/**
 * Messages over a WebSocket, by no more of it than the standard has: what a program in a browser uses. (In Node a WebSocket is
 * a stream, which can be paused: web-socket-stream.ts.)
 *
 * A binary message of the WebSocket carries bytes of the stream, cut anywhere. Nothing else may come.
 */
import { ProtocolViolation, type RpcError } from '../error.js';
import { FrameReader } from '../frame.js';
import { type ConnectionLimits, DEFAULT_LIMITS } from '../limits.js';
import type { Loan } from '../loan.js';
import { soon } from '../soon.js';
import { Batch } from './batch.js';
import { endedByPeer, endedHere, notReading } from './ends.js';
import type { Flow } from './flow.js';
import type { Transport, TransportReceiver } from './transport.js';

/** The bytes of the stream that one message of a WebSocket carries at most; larger ones are refused. */
export const WEB_SOCKET_MESSAGE_BYTES = 1024 * 1024;

/** What we put into one. */
export const WEB_SOCKET_PIECE_BYTES = 256 * 1024;

/** Where a server takes WebSockets. */
export interface WebSocketAddress {
  readonly host: string;
  readonly port: number;
  /** Such as `/` or `/sturdy`. */
  readonly path: string;
}

/** `wss:` with TLS. */
export function webSocketUrl({ host, port, path }: WebSocketAddress, isTls: boolean): string {
  return `${isTls ? 'wss' : 'ws'}://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
}

/** A WebSocket, as far as it is used here. */
export interface StandardWebSocket {
  binaryType: string;
  readonly bufferedAmount: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
  addEventListener(type: 'open' | 'error' | 'close', listener: (event: object) => void): void;
}

const NORMAL = 1000;

export class WebSocketTransport implements Transport, Flow {
  readonly #socket: StandardWebSocket;
  readonly #limits: ConnectionLimits;
  readonly #frames: FrameReader;
  readonly #batch = new Batch(() => this.#flush());
  /** Whether it was there; with what came before it was started. */
  readonly #opened: Promise<void>;
  #early: unknown[] = [];
  #receiver: TransportReceiver | null = null;
  #ended: RpcError | null = null;
  #sent = 0;
  #received = 0;

  /** Takes over `socket`, which may still be connecting. */
  constructor(socket: StandardWebSocket, limits: Partial<ConnectionLimits> = {}) {
    this.#socket = socket;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#frames = new FrameReader(this.#limits);
    socket.binaryType = 'arraybuffer';
    this.#opened = new Promise((resolve, reject) => {
      socket.addEventListener('open', () => resolve());
      socket.addEventListener('close', () => {
        const reason = endedByPeer(this.#frames.atBoundary);
        reject(reason);
        this.#end(reason);
      });
    });
    this.#opened.catch(() => {});
    // The standard says nothing of an error but that there was one; a close follows it.
    socket.addEventListener('error', () => {});
    socket.addEventListener('message', ({ data }) => {
      if (this.#receiver === null) this.#early.push(data);
      else this.#take(data);
    });
  }

  /** Settles when the WebSocket is there, or does not come to be: a browser does not say why. */
  get opened(): Promise<void> {
    return this.#opened;
  }

  /** Bytes that wait to be sent. */
  get bytesQueued(): number {
    return this.#socket.bufferedAmount + this.#batch.bytes;
  }

  get bytesReceived(): number {
    return this.#received;
  }

  get bytesPassedOn(): number {
    return this.#sent - this.#socket.bufferedAmount;
  }

  get isWithinMessage(): boolean {
    return !this.#frames.atBoundary;
  }

  start(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    void soon.then(() => {
      for (const data of this.#early.splice(0)) this.#take(data);
      if (this.#ended !== null) receiver.closed(this.#ended);
    });
  }

  send(segments: readonly Uint8Array[], _awaited = true, loan: Loan | null = null): void {
    if (this.#ended !== null) return;
    this.#batch.add(segments, loan);
    if (this.bytesQueued <= this.#limits.bytesQueued) return;
    const reason = notReading(this.bytesQueued, 'limit bytesQueued');
    // Never at once: whoever sends is not to be called meanwhile.
    void soon.then(() => this.#end(reason));
  }

  close(): void {
    if (this.#ended !== null) return;
    this.#flush();
    this.#end(endedHere());
  }

  #flush(): void {
    if (this.#ended !== null) return;
    const bytes = this.#batch.take();
    if (bytes === null) return;
    this.#sent += bytes.length;
    for (let at = 0; at < bytes.length; at += WEB_SOCKET_PIECE_BYTES)
      this.#socket.send(bytes.subarray(at, at + WEB_SOCKET_PIECE_BYTES));
  }

  #take(data: unknown): void {
    if (this.#ended !== null) return;
    if (!(data instanceof ArrayBuffer))
      return this.#violated('a text came over the WebSocket, where bytes belong');
    this.#received += data.byteLength;
    try {
      this.#frames.push(new Uint8Array(data), (segments) => {
        if (this.#ended === null) this.#receiver!.message(segments);
      });
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      this.#violated(error.message);
    }
  }

  #violated(reason: string): void {
    if (this.#ended === null) this.#receiver!.violated(reason);
  }

  #end(reason: RpcError): void {
    if (this.#ended !== null) return;
    this.#ended = reason;
    this.#frames.end();
    this.#batch.clear();
    this.#socket.close(NORMAL);
    this.#receiver?.closed(reason);
  }
}
