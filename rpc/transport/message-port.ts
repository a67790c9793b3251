/**
 * Messages over a MessagePort, between threads that trust each other with a port. (To a domain's thread no port is ever
 * given.) It needs no more of a port than the standard has, so that it works in a browser as well.
 *
 * What is sent in one turn goes as one buffer, in the framing of streams, which is transferred and not copied. A port never
 * says whether anybody reads: each end therefore tells how many bytes it has taken up, and a peer that leaves too many
 * of them (limit `bytesQueued`) is cut.
 */
import { ProtocolViolation, type RpcError } from '../error.js';
import { FrameReader } from '../frame.js';
import { type ConnectionLimits, DEFAULT_LIMITS } from '../limits.js';
import type { Loan } from '../loan.js';
import { soon } from '../soon.js';
import { Batch } from './batch.js';
import { endedByPeer, endedHere, notReading } from './ends.js';
import type { Transport, TransportReceiver } from './transport.js';

/** A MessagePort, as far as it is used here. */
export interface Port {
  postMessage(value: unknown, transfer: ArrayBuffer[]): void;
  addEventListener(type: 'message' | 'messageerror' | 'close', listener: (event: Event) => void): void;
  start(): void;
  close(): void;
}

export class MessagePortTransport implements Transport {
  readonly #port: Port;
  readonly #limits: ConnectionLimits;
  readonly #frames: FrameReader;
  #receiver: TransportReceiver | null = null;
  readonly #batch = new Batch(() => this.#flush());
  /** Bytes that the peer has not taken up yet. */
  #queued = 0;
  #state: 'open' | 'closed' = 'open';

  /** Takes over `port`. */
  constructor(port: Port, limits: Partial<ConnectionLimits> = {}) {
    this.#port = port;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#frames = new FrameReader(this.#limits);
  }

  /** Bytes that the peer has not taken up yet. */
  get bytesQueued(): number {
    return this.#queued + this.#batch.bytes;
  }

  start(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    this.#port.addEventListener('message', (event) => this.#take((event as MessageEvent).data));
    this.#port.addEventListener('messageerror', () =>
      this.#violated('what came over the port cannot be read'),
    );
    this.#port.addEventListener('close', () => this.#ended(endedByPeer(this.#frames.atBoundary)));
    this.#port.start();
  }

  send(segments: readonly Uint8Array[], _awaited = true, loan: Loan | null = null): void {
    if (this.#state !== 'open') return;
    this.#batch.add(segments, loan);
    if (this.bytesQueued <= this.#limits.bytesQueued) return;
    const reason = notReading(this.bytesQueued, 'limit bytesQueued');
    // Never at once: whoever sends is not to be called meanwhile.
    void soon.then(() => this.#ended(reason));
  }

  close(): void {
    if (this.#state !== 'open') return;
    this.#flush();
    this.#ended(endedHere());
  }

  #flush(): void {
    if (this.#state !== 'open') return;
    const bytes = this.#batch.take();
    if (bytes === null) return;
    this.#queued += bytes.length;
    this.#port.postMessage(bytes.buffer, [bytes.buffer]);
  }

  #take(data: unknown): void {
    if (this.#state !== 'open') return;
    if (typeof data === 'number') {
      if (!Number.isSafeInteger(data) || data < 0 || data > this.#queued)
        this.#violated(`the peer has taken up ${data} bytes of ${this.#queued}`);
      else this.#queued -= data;
      return;
    }
    if (!(data instanceof ArrayBuffer)) {
      this.#violated('what came over the port is neither bytes nor how many were taken up');
      return;
    }
    const { byteLength } = data;
    try {
      this.#frames.push(new Uint8Array(data), (segments) => {
        if (this.#state === 'open') this.#receiver!.message(segments);
      });
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      this.#violated(error.message);
      return;
    }
    if (this.#state === 'open') this.#port.postMessage(byteLength, []);
  }

  #violated(reason: string): void {
    if (this.#state === 'open') this.#receiver!.violated(reason);
  }

  #ended(reason: RpcError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#frames.end();
    this.#batch.clear();
    this.#port.close();
    this.#receiver?.closed(reason);
  }
}
