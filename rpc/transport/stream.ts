/**
 * Messages over a byte stream: a unix or TCP socket, or an inherited descriptor.
 *
 * Writes are coalesced: what is sent in one turn goes out as one write. Reads are never paused for a slow reader elsewhere;
 * a peer that does not read is cut instead (limit `bytesQueued`).
 */
import { Buffer } from 'node:buffer';
import { nextTick } from 'node:process';
import type { Duplex } from 'node:stream';
import { setTimeout } from 'node:timers';
import { ProtocolViolation, RpcError } from '../error.js';
import { FrameReader, SINGLE_SEGMENT_HEADER, writeSingleSegmentHeader } from '../frame.js';
import { type ConnectionLimits, DEFAULT_LIMITS } from '../limits.js';
import type { Transport, TransportReceiver } from './transport.js';

/** What is collected for one write. A larger message goes out in a write of its own, uncopied. */
const BATCH_BYTES = 64 * 1024;

/** How long a closed stream waits for its peer to read what was sent, in milliseconds. */
const LINGER = 5_000;

export class StreamTransport implements Transport {
  readonly #stream: Duplex;
  readonly #limits: ConnectionLimits;
  readonly #frames: FrameReader;
  #receiver: TransportReceiver | null = null;
  #batch: Buffer | null = null;
  #batched = 0;
  #state: 'open' | 'closing' | 'closed' = 'open';

  /** Takes over `stream`. */
  constructor(stream: Duplex, limits: Partial<ConnectionLimits> = {}) {
    this.#stream = stream;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#frames = new FrameReader(this.#limits);
  }

  start(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    this.#stream.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#stream.on('error', (cause: Error) => this.#ended(lost(cause)));
    this.#stream.on('end', () => {
      const whole = this.#frames.atBoundary;
      this.#ended(
        new RpcError(
          'disconnected',
          whole ? 'the peer closed the connection' : 'the peer stopped in the middle of a message',
          {
            code: whole ? 'ERR_RPC_CLOSED' : 'ERR_RPC_TRUNCATED',
          },
        ),
      );
    });
    this.#stream.on('close', () =>
      this.#ended(new RpcError('disconnected', 'the connection was closed', { code: 'ERR_RPC_CLOSED' })),
    );
  }

  send(segment: Uint8Array): void {
    if (this.#state !== 'open') return;
    const size = SINGLE_SEGMENT_HEADER + segment.length;
    if (size > BATCH_BYTES) {
      this.#flush();
      const header = Buffer.allocUnsafe(SINGLE_SEGMENT_HEADER);
      writeSingleSegmentHeader(header, 0, segment.length);
      this.#write(header);
      this.#write(segment);
      return;
    }
    if (this.#batched + size > BATCH_BYTES) this.#flush();
    if (this.#batch === null) {
      // Fresh for every write: the stream holds on to it until the kernel has taken it.
      this.#batch = Buffer.allocUnsafeSlow(BATCH_BYTES);
      nextTick(() => this.#flush());
    }
    writeSingleSegmentHeader(this.#batch, this.#batched, segment.length);
    this.#batch.set(segment, this.#batched + SINGLE_SEGMENT_HEADER);
    this.#batched += size;
  }

  close(): void {
    if (this.#state !== 'open') return;
    this.#flush();
    this.#state = 'closing';
    this.#stream.end(() => this.#stream.destroy());
    // A peer that does not read must not keep what was sent to it for ever.
    setTimeout(() => this.#stream.destroy(), LINGER).unref();
  }

  #flush(): void {
    const batch = this.#batch;
    if (batch === null || this.#state !== 'open') return;
    this.#batch = null;
    const length = this.#batched;
    this.#batched = 0;
    this.#write(batch.subarray(0, length));
  }

  #write(bytes: Uint8Array): void {
    if (this.#stream.writable) this.#stream.write(bytes);
    if (this.#stream.writableLength > this.#limits.bytesQueued) {
      this.#ended(
        new RpcError(
          'overloaded',
          `the peer does not read: ${this.#stream.writableLength} bytes wait for it (limit bytesQueued)`,
          {
            code: 'ERR_RPC_QUEUE_LIMIT',
          },
        ),
      );
    }
  }

  #take(chunk: Buffer): void {
    if (this.#state !== 'open') return;
    try {
      this.#frames.push(chunk, (segments) => {
        if (this.#state === 'open') this.#receiver!.message(segments);
      });
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      this.#receiver!.violated(error.message);
    }
  }

  #ended(reason: RpcError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#batch = null;
    this.#stream.destroy();
    this.#receiver?.closed(reason);
  }
}

function lost(cause: Error): RpcError {
  return new RpcError('disconnected', `the connection was lost: ${cause.message}`, {
    code: 'ERR_RPC_LOST',
    cause,
  });
}
