/**
 * Messages over a byte stream: a unix or TCP socket, TLS, an inherited descriptor, or a WebSocket as a stream.
 *
 * Writes are coalesced: what is sent in one turn goes out as one write, or as one for each 128 messages or 64 KiB. What nobody
 * awaits is kept back for a few milliseconds, for the next of them. Reads are never paused for a slow reader elsewhere;
 * a peer that does not read is cut instead (limit `bytesQueued`). What is read is lent: see ../loan.ts.
 */
import type { Buffer } from 'node:buffer';
import { Socket } from 'node:net';
import { nextTick } from 'node:process';
import type { Duplex } from 'node:stream';
import { setTimeout } from 'node:timers';
import { Memory, PooledBuffer } from '../../schema/index.js';
import { type Account, NO_BUDGET } from '../budget.js';
import { ProtocolViolation, type RpcError } from '../error.js';
import { FRAME_HEADER, FrameReader, headerBytes, type Taker, writeHeader } from '../frame.js';
import { type ConnectionLimits, DEFAULT_LIMITS } from '../limits.js';
import { type Borrower, copyOf, LentFrame, type Loan } from '../loan.js';
import { soon } from '../soon.js';
import { endedByPeer, endedHere, lost, notReading } from './ends.js';
import type { Flow } from './flow.js';
import { MessagesPerTurn, type Pace } from './pace.js';
import { type Reader, readInto } from './reading.js';
import { NO_THROTTLE, type Throttle } from './throttle.js';
import type { Transport, TransportReceiver } from './transport.js';

/** How much is collected for one write. A larger message goes out in a write of its own, copied only where it is lent briefly. */
const BATCH_BYTES = 64 * 1024;

/**
 * As soon as so many messages are collected they are written, in the same turn: the peer works on them while this side goes on,
 * where both would otherwise wait for each other in turn.
 */
const WRITE_MESSAGES = 128;

/** What every socket of this thread is read into: what is in it is gone when the next one is read. */
const READ_BYTES = 64 * 1024;
const readMemory = new Memory(new Uint8Array(READ_BYTES));
const readFrame = new LentFrame(readMemory);

/** Memory of so many bytes, in which anything may stand. */
const pooled = (bytes: number): PooledBuffer => PooledBuffer.of(Math.max(bytes, PooledBuffer.LEAST_BYTES))!;

/**
 * How long what nobody awaits is kept back for what is sent next, in milliseconds, and how many messages of it. A write of its own
 * would wake the peer for nothing.
 */
const KEEP_BACK = { millis: 5, messages: 64 } as const;

/** How many times its size a buffer may have that is kept for a segment in it. */
const SLACK = 1.25;

/** What has come and waits to be taken up: bytes, from `at` to `end` of a buffer that is ours, or a message that is complete. */
type Waiting =
  | {
      readonly is: 'bytes';
      readonly buffer: PooledBuffer;
      readonly lent: LentFrame;
      at: number;
      readonly end: number;
    }
  | { readonly is: 'message'; readonly segments: Uint8Array[]; readonly loan: Loan | null };

/** How long a closed stream waits for its peer to read what was sent, in milliseconds. */
const LINGER = 5_000;

export interface StreamOptions {
  /** Charged with the bytes that are held here. */
  readonly account?: Account;
  /** Whether messages may come in. */
  readonly throttle?: Throttle;
  /** When they are taken up. Default: as many in a turn as the limit `messagesPerTurn` says, while `throttle` allows it. */
  readonly pace?: Pace;
  /**
   * How many messages are collected before they are written in the turn that sends them; default 128. With Infinity nothing below
   * 64 KiB is written while something is sent, but only behind it: for a sender that may have used up the stack, in which a stream
   * must not be written.
   */
  readonly writeMessages?: number;
}

export class StreamTransport implements Transport, Flow, Borrower {
  readonly #stream: Duplex;
  readonly #limits: ConnectionLimits;
  readonly #frames: FrameReader;
  readonly #account: Account;
  /** What the account was charged with for what waits to be read. */
  #charged = 0;
  /** What has come, and waits until its time has come, oldest first; and whether the end is behind that. */
  readonly #waiting: Waiting[] = [];
  #peerHasEnded = false;
  /** The stream is closed: nothing is written any more, and nothing charged. */
  #isGone = false;
  #isPaused = false;
  /** What was read last has filled the memory for it: there is more, which is read in the same turn. */
  #goesOn = false;
  #receiver: TransportReceiver | null = null;
  #batch: PooledBuffer | null = null;
  #batched = 0;
  /** How many messages that is. */
  #messages = 0;
  /** Frames one behind the other that are collected, where they stand still: from where to where. */
  #run: LentFrame | null = null;
  #runStart = 0;
  #runEnd = 0;
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

  readonly #pace: Pace;
  readonly #writeMessages: number;

  /** Takes over `stream`. */
  constructor(
    stream: Duplex,
    limits: Partial<ConnectionLimits> = {},
    {
      account = NO_BUDGET.bytes,
      throttle = NO_THROTTLE,
      pace,
      writeMessages = WRITE_MESSAGES,
    }: StreamOptions = {},
  ) {
    this.#writeMessages = writeMessages;
    this.#stream = stream;
    this.#handsOver = stream instanceof Socket;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#pace = pace ?? new MessagesPerTurn(this.#limits, throttle);
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
    if (!readInto(this.#stream, this.#reader()))
      this.#stream.on('data', (chunk: Buffer<ArrayBuffer>) =>
        this.#came(new LentFrame(new Memory(chunk)), chunk.length),
      );
    this.#stream.on('drain', () => this.#charge());
    this.#stream.on('error', (cause: Error) => this.#ended(lost(cause)));
    this.#stream.on('end', () => this.#endedByPeer());
    this.#stream.on('close', () => {
      this.#isGone = true;
      this.#account.give(this.#charged);
      this.#charged = 0;
      // Where the peer has ended it in peace, what came before that is taken up first.
      if (!this.#peerHasEnded) this.#ended(endedHere());
    });
  }

  send(segments: readonly Uint8Array[], awaited = true, loan: Loan | null = null): void {
    if (this.#state !== 'open') return;
    const nothingElse = this.#batch === null && this.#run === null;
    if (!awaited && nothingElse && this.#kept.length < KEEP_BACK.messages)
      return this.#keep(loan === null ? segments : copyOf(segments));
    this.#collectKept();
    this.#collect(segments, loan);
  }

  sendFrame(frame: LentFrame): void {
    if (this.#state !== 'open') return;
    const begin = frame.at - FRAME_HEADER;
    const end = frame.at + frame.bytes;
    if (this.#run !== frame || this.#runEnd !== begin) {
      this.copyBorrowed();
      this.#collectKept();
    }
    if (end - begin > BATCH_BYTES) return this.#collect([frame.memory.part(frame.at, frame.bytes)], frame);
    const start = this.#run === null ? begin : this.#runStart;
    if (this.#batched + end - start > BATCH_BYTES) this.#flush();
    if (this.#state !== 'open') return;
    if (this.#run === null) {
      this.#writeBehind();
      frame.borrow(this);
      this.#run = frame;
      this.#runStart = begin;
    }
    this.#runEnd = end;
    if (++this.#messages >= this.#writeMessages) this.#flush();
  }

  copyBorrowed(): void {
    const run = this.#run;
    if (run === null) return;
    this.#run = null;
    const length = this.#runEnd - this.#runStart;
    try {
      // There is room: see sendFrame.
      this.#batch ??= pooled(BATCH_BYTES);
      this.#batch.memory.put(this.#batched, run.memory.part(this.#runStart, length));
      this.#batched += length;
    } catch (cause) {
      // There is no memory. Whoever lends the bytes is not to blame.
      this.#ended(lost(cause));
    }
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
    for (const segments of this.#kept) this.#collect(segments, null);
    this.#kept = [];
  }

  /** Has one message written, behind this turn. */
  #collect(segments: readonly Uint8Array[], loan: Loan | null): void {
    if (this.#run !== null) this.copyBorrowed();
    const header = headerBytes(segments.length);
    let size = header;
    for (let i = 0; i < segments.length; i++) size += segments[i]!.length;
    if (this.#batched + size > BATCH_BYTES) this.#flush();
    // The peer may have been cut by that.
    if (this.#state !== 'open') return;
    if (size > BATCH_BYTES) {
      const { bytes, view } = new Memory(new Uint8Array(header));
      writeHeader(view, 0, segments);
      this.#stream.cork();
      this.#write(bytes, null);
      const last = segments.length - 1;
      for (let i = 0; i <= last; i++) {
        const segment = segments[i]!;
        if (loan === null) this.#write(byItself(segment), null);
        else if (loan.isBrief) this.#write(new Uint8Array(segment), null);
        else this.#write(segment, i === last ? loan : null);
      }
      this.#stream.uncork();
      return;
    }
    this.#writeBehind();
    this.#batch ??= pooled(BATCH_BYTES);
    const batch = this.#batch.memory;
    writeHeader(batch.view, this.#batched, segments);
    let end = this.#batched + header;
    for (let i = 0; i < segments.length; i++) {
      batch.put(end, segments[i]!);
      end += segments[i]!.length;
    }
    // Before it counts as sent: where a program has used up the stack, this throws.
    loan?.giveBack();
    this.#batched = end;
    if (++this.#messages >= this.#writeMessages) this.#flush();
  }

  /** Has what is collected written behind this turn. */
  #writeBehind(): void {
    if (this.#writes) return;
    // First of all: where a program has used up the stack, this throws, and then nothing may be half done.
    void soon.then(this.#flushBehind);
    this.#writes = true;
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
    // The peer may have been cut by that.
    if (this.#hasEnded()) return;
    // What is closed already says so no more.
    if (this.#isGone) return this.#ended(endedHere());
    this.#state = 'closing';
    this.#frames.end();
    this.#waiting.length = 0;
    this.#stream.resume();
    this.#stream.end(() => this.#stream.destroy());
    // A peer that does not read must not keep what was sent to it for ever.
    setTimeout(() => this.#stream.destroy(), LINGER).unref();
  }

  #flush(): void {
    this.copyBorrowed();
    const batch = this.#batch;
    if (batch === null || this.#state !== 'open') return;
    this.#batch = null;
    const length = this.#batched;
    this.#batched = 0;
    this.#messages = 0;
    const bytes = batch.memory.part(0, length);
    const waits = this.#stream.writableLength > 0 && length < BATCH_BYTES / 2;
    if (waits || !this.#handsOver) {
      // What has to wait is kept for as long as the peer likes: not in far more than its own bytes.
      this.#write(new Uint8Array(bytes), null);
      batch.giveBack();
    } else {
      this.#write(bytes, batch);
      if (this.#stream.writableLength === 0) batch.giveBack();
    }
  }

  /** `loan`: what the bytes are in, to be given back when the write is done. */
  #write(bytes: Uint8Array, loan: Loan | null): void {
    if (this.#isGone) return;
    this.#sent += bytes.length;
    if (loan === null || !this.#handsOver) {
      if (this.#stream.writable) this.#stream.write(bytes);
    } else if (this.#stream.writable) {
      this.#stream.write(bytes, (error) => {
        // One that failed may be under way in the system still.
        if (!error) loan.giveBack();
      });
    }
    const within = this.#stream.writableLength <= this.#limits.bytesQueued;
    if (within && this.#charge()) return;
    const bound = within ? 'budget bytes' : 'limit bytesQueued';
    this.#ended(notReading(this.#stream.writableLength, bound));
  }

  /** Charges the account with what waits now. */
  #charge(): boolean {
    if (this.#isGone) return true;
    const more = this.#stream.writableLength - this.#charged;
    if (more > 0 && !this.#account.take(more)) return false;
    if (more < 0) this.#account.give(-more);
    this.#charged += more;
    return true;
  }

  /** What the socket is read by: into the place where the bytes belong, if it is known, or else where they are seen at once. */
  #reader(): Reader {
    const transport = this;
    let room: Uint8Array | null = null;
    return {
      get memory(): Uint8Array {
        const isOpen = transport.#state === 'open' && transport.#waiting.length === 0;
        room = isOpen ? transport.#frames.room : null;
        return room ?? readMemory.bytes;
      },
      read(bytes: number): void {
        if (room === null) transport.#came(readFrame, bytes);
        else transport.#filled(bytes, bytes === room.length);
      },
    };
  }

  /** So many bytes have come in memory that is only lent. */
  #came(lent: LentFrame, bytes: number): void {
    this.#begins(bytes, bytes === READ_BYTES);
    if (this.#state !== 'open') return;
    if (this.#waiting.length > 0) {
      this.#wait(lent, 0, bytes);
      // Nothing more is read before that is taken up.
      this.#stream.pause();
      this.#isPaused = true;
      return;
    }
    const at = this.#handle(lent, 0, bytes);
    if (at < bytes) this.#wait(lent, at, bytes);
  }

  /** So many bytes have come where the reader of frames has room for them. */
  #filled(bytes: number, goesOn: boolean): void {
    this.#begins(bytes, goesOn);
    if (this.#state !== 'open') return;
    try {
      this.#frames.filled(bytes, this.#orWait);
    } catch (error) {
      this.#violated(error);
    }
  }

  #begins(bytes: number, goesOn: boolean): void {
    this.#received += bytes;
    this.#pace.begins(this.#goesOn);
    this.#goesOn = goesOn;
  }

  #wait({ memory }: LentFrame, at: number, end: number): void {
    const buffer = pooled(end - at);
    buffer.memory.put(0, memory.part(at, end - at));
    this.#waiting.push({ is: 'bytes', buffer, lent: new LentFrame(buffer.memory), at: 0, end: end - at });
  }

  /** Takes up messages from `at` to `end` as long as that may be. Gives where it stopped; if not at the end, `#goOn` is called later. */
  #handle(lent: LentFrame, at: number, end: number): number {
    let next = at;
    try {
      while (next < end && this.#state === 'open') {
        if (!this.#pace.admits(this.#goOn)) return next;
        next = this.#frames.next(lent, next, end, this.#receiver!);
      }
    } catch (error) {
      this.#violated(error);
    } finally {
      lent.over();
    }
    return end;
  }

  #violated(error: unknown): void {
    if (!(error instanceof ProtocolViolation)) throw error;
    this.#receiver!.violated(error.message);
  }

  /** Takes one message, or has it wait. */
  readonly #orWait: Taker = {
    message: (segments, loan) => {
      if (this.#pace.admits(this.#goOn)) this.#receiver!.message(segments, loan);
      else this.#waiting.push({ is: 'message', segments, loan });
    },
  };

  /** Takes up more of what waits. */
  readonly #goOn = (): void => {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (first.is === 'message') {
        if (!this.#pace.admits(this.#goOn)) return;
        this.#waiting.shift();
        this.#receiver!.message(first.segments, first.loan);
      } else {
        first.at = this.#handle(first.lent, first.at, first.end);
        if (first.at < first.end) return;
        // Whoever ended the connection meanwhile has forgotten it already.
        if (this.#waiting[0] === first) this.#waiting.shift();
        first.buffer.giveBack();
      }
    }
    if (this.#peerHasEnded) this.#endedByPeer();
    else if (this.#isPaused && this.#state === 'open') {
      this.#isPaused = false;
      this.#stream.resume();
    }
  };

  #hasEnded(): boolean {
    return this.#state === 'closed';
  }

  #endedByPeer(): void {
    this.#peerHasEnded = true;
    if (this.#waiting.length === 0) this.#ended(endedByPeer(this.#frames.atBoundary));
  }

  #ended(reason: RpcError): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#frames.end();
    this.#waiting.length = 0;
    this.#batch = null;
    this.#batched = this.#messages = 0;
    this.#run = null;
    this.#kept = [];
    this.#stream.destroy();
    this.#receiver?.closed(reason);
  }
}

/** A segment that may wait for long: not as a view that keeps far more than itself. */
function byItself(segment: Uint8Array): Uint8Array {
  return segment.buffer.byteLength > SLACK * segment.length ? new Uint8Array(segment) : segment;
}
