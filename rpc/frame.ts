/**
 * The stream framing of Cap'n Proto messages ("Serialization over a stream"): a table of segment sizes, then the segments.
 *
 * `FrameReader` takes the bytes as they come, in any pieces. What it holds of an unfinished message is at most twice what has
 * arrived of it, or, up to 2 MiB, what the last one had that came so: a size that was only announced costs nothing.
 */
import { Memory, PooledBuffer } from '../schema/index.js';
import { type Account, NO_BUDGET } from './budget.js';
import { ProtocolViolation } from './error.js';
import type { LentFrame, Loan } from './loan.js';

/** The header of a message of these segments, written into `into` at `offset`: `headerBytes` of it. */
export function writeHeader(into: DataView, offset: number, segments: readonly Uint8Array[]): void {
  const count = segments.length;
  into.setUint32(offset, count - 1, true);
  for (let i = 0; i < count; i++) into.setUint32(offset + 4 + 4 * i, segments[i]!.length / 8, true);
  if ((count & 1) === 0) into.setUint32(offset + 4 + 4 * count, 0, true);
}

/** The length of the header of a message of so many segments. */
export function headerBytes(segments: number): number {
  return (4 + 4 * segments + 7) & ~7;
}

/** The least that is kept for a message that has begun. */
const LEAST_BYTES = 1024;

/** A message of which so much is missing is worth being read into its own memory, without a copy. */
const DIRECT_BYTES = 32 * 1024;

/** How large a message is believed to become before it has, of a peer that has sent one. */
const MOST_BELIEVED_BYTES = 2 * 1024 * 1024;

/** What messages are given to: each with its segments, or in its frame. */
export interface Taker {
  message(segments: Uint8Array[], loan: Loan | null): void;
  /** Without it, `message` is given that, too. */
  frame?(frame: LentFrame): void;
}

/** The header of a message of a single segment. */
export const FRAME_HEADER = 8;

export class FrameReader {
  /** The beginning of a message that is not complete: `#length` bytes. It begins with the header. */
  #partial: Memory = NOTHING;
  #length = 0;
  #buffer: PooledBuffer | null = null;
  /** How long it will be, as far as that is known: of the header, until that is there. */
  #wanted = 0;
  /** How much may be held, which is what the account is charged with. */
  #held = 0;
  /** The length of the last message that was put together: so much the peer is believed. */
  #believed = 0;

  /** `account` is charged with what is held of a message that is not complete. */
  constructor(
    private readonly limits: { readonly messageBytes: number; readonly segments: number },
    private readonly account: Account = NO_BUDGET.bytes,
  ) {}

  /**
   * Adds bytes, and gives each message that is complete to `message`: views of those bytes, which are the taker's, or of memory of
   * its own. Throws ProtocolViolation at a frame that is over a limit; nothing more may be added then.
   */
  push(chunk: Uint8Array, message: Taker['message']): void {
    const taker = { message };
    const memory = new Memory(chunk as Uint8Array<ArrayBuffer>);
    let at = 0;
    while (at < chunk.length) at = this.#next(memory, at, chunk.length, null, taker);
  }

  /**
   * Adds bytes of what is `lent`, from `at` to `end`, but none behind the end of a message, which is given to `taker` then. Gives where
   * the next one begins. Nothing else is kept of the memory.
   */
  next(lent: LentFrame, at: number, end: number, taker: Taker): number {
    const { memory } = lent;
    // Nearly every message is of one segment, and there as a whole.
    if (
      taker.frame &&
      this.#length === 0 &&
      end - at >= FRAME_HEADER &&
      memory.view.getUint32(at, true) === 0
    ) {
      const bytes = memory.view.getUint32(at + 4, true) * 8;
      const next = at + FRAME_HEADER + bytes;
      if (next <= end && bytes <= this.limits.messageBytes) {
        lent.at = at + FRAME_HEADER;
        lent.bytes = bytes;
        taker.frame(lent);
        return next;
      }
    }
    return this.#next(memory, at, end, lent, taker);
  }

  #next(chunk: Memory, at: number, end: number, loan: Loan | null, taker: Taker): number {
    if (this.#length > 0) return this.#goOn(chunk, at, end, taker);
    const length = this.#measure(chunk, at, end);
    if (length !== null && length <= end - at) {
      taker.message(segmentsOf(chunk, at), loan);
      return at + length;
    }
    this.#wanted = length ?? (end - at < 4 ? 4 : headerLength(chunk, at));
    this.#append(chunk, at, end);
    return end;
  }

  /** More of the message that has begun. */
  #goOn(chunk: Memory, at: number, end: number, taker: Taker): number {
    const until = Math.min(end, at + this.#wanted - this.#length);
    this.#append(chunk, at, until);
    this.#complete(taker);
    return until;
  }

  /**
   * Where to read the next bytes to, if there is much left of a message: the place that they belong to. Null: anywhere, if only
   * to find out that they are too many. Whoever has read so many says `filled`.
   */
  get room(): Uint8Array | null {
    if (this.#wanted - this.#length < DIRECT_BYTES) return null;
    if (this.#length === this.#held && !this.#grow(this.#length + 1)) return null;
    return this.#partial.part(this.#length, Math.min(this.#wanted, this.#held) - this.#length);
  }

  filled(bytes: number, taker: Taker): void {
    this.#length += bytes;
    this.#complete(taker);
  }

  #complete(taker: Taker): void {
    while (this.#length === this.#wanted) {
      const message = this.#partial;
      const length = this.#measure(message, 0, this.#length);
      if (length === this.#length) {
        const buffer = this.#buffer;
        this.#believed = Math.min(length, MOST_BELIEVED_BYTES);
        this.end();
        return taker.message(segmentsOf(message, 0), buffer);
      }
      // Only more of the header was wanted.
      this.#wanted = length ?? headerLength(message, 0);
    }
  }

  /** Nothing more will be pushed. */
  end(): void {
    this.account.give(this.#held);
    this.#partial = NOTHING;
    this.#buffer = null;
    this.#length = 0;
    this.#wanted = 0;
    this.#held = 0;
  }

  #append(chunk: Memory, at: number, end: number): void {
    const length = this.#length + end - at;
    if (length > this.#held && !this.#grow(length)) {
      throw new ProtocolViolation(
        'all the connections together hold too many bytes of messages (budget bytes)',
      );
    }
    this.#partial.put(this.#length, chunk.part(at, end - at));
    this.#length = length;
  }

  /** Makes room for so many bytes at least; whether the account allows it. */
  #grow(least: number): boolean {
    const ahead = Math.max(2 * least, this.#believed, LEAST_BYTES);
    const bytes = Math.max(least, Math.min(ahead, this.#wanted));
    if (!this.account.take(bytes - this.#held)) return false;
    this.#held = bytes;
    const before = this.#buffer;
    const written = this.#partial.part(0, this.#length);
    this.#buffer = PooledBuffer.of(bytes);
    this.#partial = this.#buffer?.memory ?? new Memory(new Uint8Array(bytes));
    this.#partial.put(0, written);
    before?.giveBack();
    return true;
  }

  /** Whether the stream may end here: not in the middle of a message. */
  get atBoundary(): boolean {
    return this.#length === 0;
  }

  /** The length of the message that begins at `at`, header included; null while the header is not complete. */
  #measure(chunk: Memory, at: number, end: number): number | null {
    const there = end - at;
    if (there < 4) return null;
    const { view } = chunk;
    const segments = view.getUint32(at, true) + 1;
    if (segments > this.limits.segments) {
      throw new ProtocolViolation(
        `a message of ${segments} segments; at most ${this.limits.segments} are allowed`,
      );
    }
    const header = headerBytes(segments);
    if (there < header) return null;
    let total = 0;
    for (let i = 0; i < segments; i++) total += view.getUint32(at + 4 + 4 * i, true) * 8;
    if (total > this.limits.messageBytes) {
      throw new ProtocolViolation(
        `a message of ${total} bytes; at most ${this.limits.messageBytes} are allowed (limit messageBytes)`,
      );
    }
    return header + total;
  }
}

const NOTHING = new Memory(new Uint8Array(0));

function headerLength(chunk: Memory, at: number): number {
  return headerBytes(chunk.view.getUint32(at, true) + 1);
}

function segmentsOf(chunk: Memory, at: number): Uint8Array[] {
  const { view } = chunk;
  const count = view.getUint32(at, true) + 1;
  let offset = at + headerBytes(count);
  if (count === 1) return [chunk.part(offset, view.getUint32(at + 4, true) * 8)];
  const segments: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const length = view.getUint32(at + 4 + 4 * i, true) * 8;
    segments.push(chunk.part(offset, length));
    offset += length;
  }
  return segments;
}
