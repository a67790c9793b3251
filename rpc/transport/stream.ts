/**
 * Messages over a byte stream: a unix or TCP socket, TLS, an inherited descriptor, or a WebSocket as a stream.
 *
 * Writes are coalesced: what is sent in one turn goes out as one write, or as one for each 64 messages or 64 KiB. What nobody
 * awaits is kept back for a few milliseconds, for the next of them. Reads are never paused for a slow reader elsewhere;
 * a peer that does not read is cut instead (limit `bytesQueued`).
 */
import { Buffer } from 'node:buffer';
import { Socket } from 'node:net';
import { nextTick } from 'node:process';
import type { Duplex } from 'node:stream';
import { setImmediate, setTimeout } from 'node:timers';
import { type Account, NO_BUDGET } from '../budget.js';
import { ProtocolViolation, type RpcError } from '../error.js';
import { FrameReader, headerBytes, writeHeader } from '../frame.js';
import { type ConnectionLimits, DEFAULT_LIMITS } from '../limits.js';
import { endedByPeer, endedHere, lost, notReading } from './ends.js';
import type { Flow } from './flow.js';
import { NO_THROTTLE, type Throttle } from './throttle.js';
import type { Transport, TransportReceiver } from './transport.js';

/** What is collected for one write. A larger message goes out in a write of its own, uncopied. */
const BATCH_BYTES = 64 * 1024;

/**
 * As soon as so many messages are collected they are written, in the same turn: the peer works on them while this side goes on,
 * where both would otherwise wait for each other in turn.
 */
const WRITE_MESSAGES = 64;

/** Buffers for what is collected, that nobody uses now: for the streams of this thread that write in one turn. */
const SPARE_BATCHES = 4;
const spare: Buffer[] = [];

/**
 * How long what nobody awaits is kept back for what is sent next, in milliseconds, and how many messages of it. A write of its own
 * would wake the peer for nothing.
 */
const KEEP_BACK = { millis: 5, messages: 64 } as const;

/** How many times its size a buffer may have that is kept for a segment in it. */
const SLACK = 1.25;

/** What follows it comes behind the microtasks that wait now. (`queueMicrotask` makes a resource for each.) */
const soon = Promise.resolve();

/** How long a closed stream waits for its peer to read what was sent, in milliseconds. */
const LINGER = 5_000;

export interface StreamOptions {
  /** Charged with the bytes that are held here. */
  readonly account?: Account;
  /** Whether messages may come in. */
  readonly throttle?: Throttle;
  /**
   * How many messages are collected before they are written in the turn that sends them; default 64. With Infinity nothing below
   * 64 KiB is written while something is sent, but only behind it: for a sender that may have used up the stack, in which a stream
   * must not be written.
   */
  readonly writeMessages?: number;
}

export class StreamTransport implements Transport, Flow {
  readonly #stream: Duplex;
  readonly #limits: ConnectionLimits;
  readonly #frames: FrameReader;
  readonly #account: Account;
  /** What the account was charged with for what waits to be read. */
  #charged = 0;
  /** Messages that have come, and wait for the next turn. */
  #waiting: Uint8Array[][] = [];
  #receiver: TransportReceiver | null = null;
  #batch: Buffer | null = null;
  #batched = 0;
  /** How many messages that is. */
  #messages = 0;
  /** Whether what is collected will be written behind this turn. */
  #writes = false;
  /** What is kept back, while nothing else is collected; and whether a timer runs for it. */
  #kept: (readonly Uint8Array[])[] = [];
  #timed = false;
  /** Whether the stream needs the bytes of a write no more once the write is done: one of the kernel's. */
  readonly #handsOver: boolean;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #received = 0;
  #sent = 0;

  readonly #throttle: Throttle;
  readonly #writeMessages: number;

  /** Takes over `stream`. */
  constructor(
    stream: Duplex,
    limits: Partial<ConnectionLimits> = {},
    { account = NO_BUDGET.bytes, throttle = NO_THROTTLE, writeMessages = WRITE_MESSAGES }: StreamOptions = {},
  ) {
    this.#throttle = throttle;
    this.#writeMessages = writeMessages;
    this.#stream = stream;
    this.#handsOver = stream instanceof Socket;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#account = account;
    this.#frames = new FrameReader(this.#limits, account);
  }

  /** Bytes that wait to be read by the peer. */
  get bytesQueued(): number {
    return this.#stream.writableLength;
  }

  get bytesReceived(): number {
    return this.#received;
  }

  get bytesPassedOn(): number {
    return this.#sent - this.#stream.writableLength;
  }

  get isWithinMessage(): boolean {
    return !this.#frames.atBoundary && this.#waiting.length === 0;
  }

  /** Bounds the peer by these limits from now on, as Connection.restrict does. */
  restrict(limits: Pick<ConnectionLimits, 'bytesQueued'>): void {
    Object.assign(this.#limits, limits);
  }

  start(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    this.#stream.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#stream.on('drain', () => this.#charge());
    this.#stream.on('error', (cause: Error) => this.#ended(lost(cause)));
    this.#stream.on('end', () => this.#ended(endedByPeer(this.#frames.atBoundary)));
    this.#stream.on('close', () => {
      this.#ended(endedHere());
      this.#account.give(this.#charged);
      this.#charged = 0;
    });
  }

  send(segments: readonly Uint8Array[], awaited = true): void {
    if (this.#state !== 'open') return;
    if (!awaited && this.#batch === null && this.#kept.length < KEEP_BACK.messages)
      return this.#keep(segments);
    this.#collectKept();
    this.#collect(segments);
  }

  #keep(segments: readonly Uint8Array[]): void {
    if (!this.#timed) {
      // Not here: a program may have used up the stack, and a timer is to be whole or not at all.
      void soon.then(this.#time);
      this.#timed = true;
    }
    this.#kept.push(segments);
  }

  readonly #time = (): void => {
    if (this.#kept.length > 0) setTimeout(this.#timeIsUp, KEEP_BACK.millis);
    else this.#timed = false;
  };

  readonly #timeIsUp = (): void => {
    this.#timed = false;
    if (this.#state === 'open') this.#collectKept();
  };

  #collectKept(): void {
    if (this.#kept.length === 0) return;
    for (const segments of this.#kept) this.#collect(segments);
    this.#kept = [];
  }

  /** Has one message written, behind this turn. */
  #collect(segments: readonly Uint8Array[]): void {
    const header = headerBytes(segments.length);
    let size = header;
    for (let i = 0; i < segments.length; i++) size += segments[i]!.length;
    if (size > BATCH_BYTES) {
      this.#flush();
      const bytes = Buffer.allocUnsafe(header);
      writeHeader(bytes, 0, segments);
      this.#stream.cork();
      this.#write(bytes);
      for (const segment of segments) this.#write(byItself(segment));
      this.#stream.uncork();
      return;
    }
    if (this.#batched + size > BATCH_BYTES) this.#flush();
    const batch = this.#batch ?? this.#begin();
    writeHeader(batch, this.#batched, segments);
    let end = this.#batched + header;
    for (let i = 0; i < segments.length; i++) {
      batch.set(segments[i]!, end);
      end += segments[i]!.length;
    }
    this.#batched = end;
    if (++this.#messages >= this.#writeMessages) this.#flush();
  }

  #begin(): Buffer {
    if (!this.#writes) {
      // First of all: where a program has used up the stack, this throws, and then nothing may be half done.
      void soon.then(this.#flushBehind);
      this.#writes = true;
    }
    this.#batch = spare.pop() ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
    return this.#batch;
  }

  /** Behind the microtasks of this turn: what they send is to go out in the same write. */
  readonly #flushBehind = (): void => nextTick(this.#flushNow);
  readonly #flushNow = (): void => {
    this.#writes = false;
    this.#flush();
  };

  close(): void {
    if (this.#state !== 'open') return;
    this.#collectKept();
    this.#flush();
    this.#state = 'closing';
    this.#frames.end();
    this.#waiting = [];
    this.#stream.resume();
    this.#stream.end(() => this.#stream.destroy());
    // A peer that does not read must not keep what was sent to it for ever.
    setTimeout(() => this.#stream.destroy(), LINGER).unref();
  }

  #flush(): void {
    const batch = this.#batch;
    if (batch === null || this.#state !== 'open') return;
    this.#batch = null;
    const bytes = batch.subarray(0, this.#batched);
    this.#batched = 0;
    this.#messages = 0;
    // What has to wait is kept for as long as the peer likes: no more than its own bytes, but for the first of it.
    const waits = this.#stream.writableLength > 0;
    this.#write(waits ? Buffer.from(bytes) : bytes);
    const over = waits || (this.#handsOver && this.#stream.writableLength === 0);
    if (over && spare.length < SPARE_BATCHES) spare.push(batch);
  }

  #write(bytes: Uint8Array): void {
    this.#sent += bytes.length;
    if (this.#stream.writable) this.#stream.write(bytes);
    const within = this.#stream.writableLength <= this.#limits.bytesQueued;
    if (within && this.#charge()) return;
    const bound = within ? 'budget bytes' : 'limit bytesQueued';
    this.#ended(notReading(this.#stream.writableLength, bound));
  }

  /** Charges the account with what waits now. */
  #charge(): boolean {
    const more = this.#stream.writableLength - this.#charged;
    if (more > 0 && !this.#account.take(more)) return false;
    if (more < 0) this.#account.give(-more);
    this.#charged += more;
    return true;
  }

  #take(chunk: Buffer): void {
    if (this.#state !== 'open') return;
    this.#received += chunk.length;
    let handled = 0;
    let violation: ProtocolViolation | null = null;
    try {
      this.#frames.push(chunk, (segments) => {
        if (handled >= this.#limits.messagesPerTurn || this.#throttle.isFull) {
          handled = Number.POSITIVE_INFINITY;
          this.#waiting.push(segments);
          return;
        }
        handled++;
        if (this.#state === 'open') this.#receiver!.message(segments);
      });
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      violation = error;
    }
    if (this.#waiting.length > 0) {
      this.#stream.pause();
      this.#goOnLater(violation);
    } else if (violation !== null) this.#receiver!.violated(violation.message);
  }

  #goOnLater(violation: ProtocolViolation | null): void {
    const goOn = () => setImmediate(() => this.#goOn(violation));
    if (this.#throttle.isFull) this.#throttle.whenRoom(goOn);
    else goOn();
  }

  /** Handles what waited; nothing more is read before that is done. */
  #goOn(violation: ProtocolViolation | null): void {
    const waiting = this.#waiting;
    const most = Math.min(waiting.length, this.#limits.messagesPerTurn);
    let handled = 0;
    while (handled < most && this.#state === 'open' && !this.#throttle.isFull)
      this.#receiver!.message(waiting[handled++]!);
    if (this.#state !== 'open') return;
    waiting.splice(0, handled);
    if (waiting.length > 0) this.#goOnLater(violation);
    else if (violation !== null) this.#receiver!.violated(violation.message);
    else this.#stream.resume();
  }

  #ended(reason: RpcError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#frames.end();
    this.#batch = null;
    this.#kept = [];
    this.#stream.destroy();
    this.#receiver?.closed(reason);
  }
}

/** A segment that may wait for long: not as a view that keeps far more than itself. */
function byItself(segment: Uint8Array): Uint8Array {
  return segment.buffer.byteLength > SLACK * segment.length ? new Uint8Array(segment) : segment;
}
