/**
 * The stream framing of Cap'n Proto messages ("Serialization over a stream"): a table of segment sizes, then the segments.
 *
 * `FrameReader` takes the bytes as they come, in any pieces, and holds no more of an unfinished message than has really
 * arrived: a size that was only announced costs nothing.
 */
import { readU32, writeU32 } from '../schema/index.js';
import { type Account, NO_BUDGET } from './budget.js';
import { ProtocolViolation } from './error.js';

/** The header of a message of these segments, written into `into` at `offset`: `headerBytes` of it. */
export function writeHeader(into: Uint8Array, offset: number, segments: readonly Uint8Array[]): void {
  const count = segments.length;
  writeU32(into, offset, count - 1);
  for (let i = 0; i < count; i++) writeU32(into, offset + 4 + 4 * i, segments[i]!.length / 8);
  if ((count & 1) === 0) writeU32(into, offset + 4 + 4 * count, 0);
}

/** The length of the header of a message of so many segments. */
export function headerBytes(segments: number): number {
  return (4 + 4 * segments + 7) & ~7;
}

/**
 * Pieces of an unfinished message that are at least so large are kept as they came, and joined once, when it is complete.
 * Smaller ones are collected in buffers of up to this size: a peer that sends byte by byte must not make each of them cost
 * an object.
 */
const PIECE_BYTES = 16 * 1024;

export class FrameReader {
  /** The beginning of a message that is not complete: `#length` bytes in all. */
  #pieces: Uint8Array[] = [];
  #length = 0;
  /** Bytes that are free in the last piece, where that is one of ours. */
  #room = 0;
  /** What the account was charged with: the buffers of the pieces, at most twice as large as what has arrived. */
  #held = 0;
  /** How many bytes must be there before it is worth looking again. */
  #wanted = 0;

  /** `account` is charged with what is held of a message that is not complete. */
  constructor(
    private readonly limits: { readonly messageBytes: number; readonly segments: number },
    private readonly account: Account = NO_BUDGET.bytes,
  ) {}

  /**
   * Adds bytes, which are kept and must not change. Calls `message` for each message that is complete, with its segments
   * (views of those bytes). Throws ProtocolViolation at a frame that is over a limit; nothing more may be pushed then.
   */
  push(chunk: Uint8Array, message: (segments: Uint8Array[]) => void): void {
    let at = 0;
    while (this.#length > 0) {
      const missing = this.#wanted - this.#length;
      if (chunk.length - at < missing) {
        this.#append(at === 0 ? chunk : chunk.subarray(at));
        return;
      }
      const end = chunk.subarray(at, at + missing);
      at += missing;
      const bytes = this.#joinedWith(end);
      const length = this.#measure(bytes, 0);
      if (length === bytes.length) {
        this.end();
        message(segmentsOf(bytes, 0));
      } else {
        // Only more of the header was wanted.
        this.#append(end);
        this.#wanted = length ?? headerLength(bytes, 0);
      }
    }
    for (;;) {
      const length = this.#measure(chunk, at);
      const there = chunk.length - at;
      if (length === null || there < length) {
        this.#wanted = length ?? (there < 4 ? 4 : headerLength(chunk, at));
        break;
      }
      message(segmentsOf(chunk, at));
      at += length;
    }
    if (at < chunk.length) this.#append(at === 0 ? chunk : chunk.subarray(at));
  }

  /** Nothing more will be pushed. */
  end(): void {
    this.account.give(this.#held);
    this.#pieces = [];
    this.#length = 0;
    this.#room = 0;
    this.#held = 0;
  }

  #append(bytes: Uint8Array): void {
    const { length } = bytes;
    const whole = bytes.buffer.byteLength;
    if (length >= PIECE_BYTES && whole <= 2 * length) {
      this.#hold(whole);
      const last = this.#pieces.length - 1;
      if (this.#room > 0) this.#pieces[last] = this.#pieces[last]!.subarray(0, -this.#room);
      this.#room = 0;
      this.#pieces.push(bytes);
    } else {
      const copied = Math.min(this.#room, length);
      if (copied > 0) {
        const last = this.#pieces[this.#pieces.length - 1]!;
        last.set(copied === length ? bytes : bytes.subarray(0, copied), last.length - this.#room);
        this.#room -= copied;
      }
      if (copied < length) {
        const rest = length - copied;
        const size = Math.max(rest, Math.min(this.#length + length, PIECE_BYTES));
        this.#hold(size);
        const piece = new Uint8Array(size);
        piece.set(copied === 0 ? bytes : bytes.subarray(copied));
        this.#pieces.push(piece);
        this.#room = size - rest;
      }
    }
    this.#length += length;
  }

  #hold(bytes: number): void {
    if (!this.account.take(bytes)) {
      throw new ProtocolViolation(
        'all the connections together hold too many bytes of messages (budget bytes)',
      );
    }
    this.#held += bytes;
  }

  /** All that is there, and `end` behind it: one buffer of just that. */
  #joinedWith(end: Uint8Array): Uint8Array {
    const joined = new Uint8Array(this.#length + end.length);
    let at = 0;
    for (const piece of this.#pieces) {
      const rest = this.#length - at;
      joined.set(piece.length <= rest ? piece : piece.subarray(0, rest), at);
      at += piece.length;
    }
    joined.set(end, this.#length);
    return joined;
  }

  /** Whether the stream may end here: not in the middle of a message. */
  get atBoundary(): boolean {
    return this.#length === 0;
  }

  /** The length of the message that begins at `at`, header included; null while the header is not complete. */
  #measure(bytes: Uint8Array, at: number): number | null {
    const there = bytes.length - at;
    if (there < 4) return null;
    const segments = readU32(bytes, at) + 1;
    if (segments > this.limits.segments) {
      throw new ProtocolViolation(
        `a message of ${segments} segments; at most ${this.limits.segments} are allowed`,
      );
    }
    const header = headerLength(bytes, at);
    if (there < header) return null;
    let total = 0;
    for (let i = 0; i < segments; i++) total += readU32(bytes, at + 4 + 4 * i) * 8;
    if (total > this.limits.messageBytes) {
      throw new ProtocolViolation(
        `a message of ${total} bytes; at most ${this.limits.messageBytes} are allowed (limit messageBytes)`,
      );
    }
    return header + total;
  }
}

function headerLength(bytes: Uint8Array, at: number): number {
  return headerBytes(readU32(bytes, at) + 1);
}

function segmentsOf(bytes: Uint8Array, at: number): Uint8Array[] {
  const count = readU32(bytes, at) + 1;
  let offset = bytes.byteOffset + at + headerBytes(count);
  if (count === 1) return [new Uint8Array(bytes.buffer, offset, readU32(bytes, at + 4) * 8)];
  const segments: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const length = readU32(bytes, at + 4 + 4 * i) * 8;
    // Not `subarray`: of a Buffer that makes a Buffer, which costs more.
    segments.push(new Uint8Array(bytes.buffer, offset, length));
    offset += length;
  }
  return segments;
}
