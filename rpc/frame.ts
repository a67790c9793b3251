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

/** The buffer of a message that is not complete is at most so many times as large as what has arrived of it. */
const GROWTH = 2;

const NOTHING = new Uint8Array(0);

export class FrameReader {
  /** The beginning of a message that is not complete: `#length` bytes of a buffer that grows with what arrives. */
  #partial: Uint8Array = NOTHING;
  #length = 0;
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
    let bytes = chunk;
    if (this.#length > 0) {
      this.#append(chunk);
      if (this.#length < this.#wanted) return;
      bytes = this.#partial.subarray(0, this.#length);
      this.end();
    }
    let at = 0;
    for (;;) {
      const length = this.#measure(bytes, at);
      const there = bytes.length - at;
      if (length === null || there < length) {
        this.#wanted = length ?? (there < 4 ? 4 : headerLength(bytes, at));
        break;
      }
      message(segmentsOf(bytes, at));
      at += length;
    }
    if (at < bytes.length) this.#append(at === 0 ? bytes : bytes.subarray(at));
  }

  /** Nothing more will be pushed. */
  end(): void {
    this.account.give(this.#partial.length);
    this.#partial = NOTHING;
    this.#length = 0;
  }

  #append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#partial.length) {
      const size = Math.max(length, Math.min(this.#wanted, GROWTH * length));
      if (!this.account.take(size - this.#partial.length)) {
        throw new ProtocolViolation(
          'all the connections together hold too many bytes of messages (budget bytes)',
        );
      }
      const grown = new Uint8Array(size);
      grown.set(this.#partial.subarray(0, this.#length));
      this.#partial = grown;
    }
    this.#partial.set(bytes, this.#length);
    this.#length = length;
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
  const segments: Uint8Array[] = [];
  let offset = bytes.byteOffset + at + headerBytes(count);
  for (let i = 0; i < count; i++) {
    const length = readU32(bytes, at + 4 + 4 * i) * 8;
    // Not `subarray`: of a Buffer that makes a Buffer, which costs more.
    segments.push(new Uint8Array(bytes.buffer, offset, length));
    offset += length;
  }
  return segments;
}
