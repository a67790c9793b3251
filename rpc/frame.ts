/**
 * The stream framing of Cap'n Proto messages ("Serialization over a stream"): a table of segment sizes, then the segments.
 *
 * `FrameReader` takes the bytes as they come, in any pieces, and holds no more of an unfinished message than has really
 * arrived: a size that was only announced costs nothing.
 */
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

function writeU32(into: Uint8Array, offset: number, value: number): void {
  into[offset] = value & 0xff;
  into[offset + 1] = (value >>> 8) & 0xff;
  into[offset + 2] = (value >>> 16) & 0xff;
  into[offset + 3] = value >>> 24;
}

export class FrameReader {
  /** The beginning of a message that is not complete: `#length` bytes of a buffer that grows with what arrives. */
  #partial = new Uint8Array(0);
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
      this.account.give(this.#partial.length);
      this.#partial = new Uint8Array(0);
      this.#length = 0;
    }
    for (;;) {
      const length = this.#measure(bytes);
      if (length === null || bytes.length < length) {
        this.#wanted = length ?? (bytes.length < 4 ? 4 : headerLength(bytes));
        break;
      }
      message(segmentsOf(bytes));
      bytes = bytes.subarray(length);
    }
    if (bytes.length > 0) this.#append(bytes);
  }

  /** Nothing more will be pushed. */
  end(): void {
    this.account.give(this.#partial.length);
    this.#partial = new Uint8Array(0);
    this.#length = 0;
  }

  #append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#partial.length) {
      const size = Math.max(length, Math.min(this.#wanted, 2 * length));
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

  /** The length of the message that begins here, header included; null while the header is not complete. */
  #measure(bytes: Uint8Array): number | null {
    if (bytes.length < 4) return null;
    const segments = u32(bytes, 0) + 1;
    if (segments > this.limits.segments) {
      throw new ProtocolViolation(
        `a message of ${segments} segments; at most ${this.limits.segments} are allowed`,
      );
    }
    const header = headerLength(bytes);
    if (bytes.length < header) return null;
    let total = 0;
    for (let i = 0; i < segments; i++) total += u32(bytes, 4 + 4 * i) * 8;
    if (total > this.limits.messageBytes) {
      throw new ProtocolViolation(
        `a message of ${total} bytes; at most ${this.limits.messageBytes} are allowed (limit messageBytes)`,
      );
    }
    return header + total;
  }
}

function headerLength(bytes: Uint8Array): number {
  return headerBytes(u32(bytes, 0) + 1);
}

function segmentsOf(bytes: Uint8Array): Uint8Array[] {
  const count = u32(bytes, 0) + 1;
  const segments: Uint8Array[] = [];
  let offset = headerLength(bytes);
  for (let i = 0; i < count; i++) {
    const length = u32(bytes, 4 + 4 * i) * 8;
    segments.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  return segments;
}

function u32(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>>
    0
  );
}
