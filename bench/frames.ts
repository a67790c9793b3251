/**
 * Frames over a socket with as little as can be done in Node: the yardstick, and what carries the messages of peers that
 * bring no stream transport of their own. A frame is its length and a number (32 bits each, little-endian), then its
 * bytes. It shares nothing with `rpc/`.
 *
 * One write a tick: what is sent in one turn of the loop goes out together.
 */

import type { Socket } from 'node:net';

const HEADER = 8;
/** A larger frame goes out in a write of its own, uncopied. */
const BATCH = 64 * 1024;

export class FrameSocket {
  readonly #socket: Socket;
  readonly #take: (number: number, bytes: Buffer) => void;
  #batch: Buffer | null = null;
  #batched = 0;
  /** The beginning of a frame that is not complete: `#length` bytes. */
  #partial: Buffer = Buffer.alloc(0);
  #length = 0;

  /** `take` is given each frame that comes; its bytes are its own to keep. */
  constructor(socket: Socket, take: (number: number, bytes: Buffer) => void) {
    this.#socket = socket;
    this.#take = take;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  send(number: number, bytes: Uint8Array): void {
    const size = HEADER + bytes.length;
    if (size > BATCH) {
      this.#flush();
      const header = Buffer.allocUnsafe(HEADER);
      header.writeUInt32LE(bytes.length, 0);
      header.writeUInt32LE(number, 4);
      this.#socket.cork();
      this.#socket.write(header);
      this.#socket.write(bytes);
      this.#socket.uncork();
      return;
    }
    if (this.#batched + size > BATCH) this.#flush();
    if (this.#batch === null) {
      this.#batch = Buffer.allocUnsafeSlow(BATCH);
      process.nextTick(() => this.#flush());
    }
    this.#batch.writeUInt32LE(bytes.length, this.#batched);
    this.#batch.writeUInt32LE(number, this.#batched + 4);
    this.#batch.set(bytes, this.#batched + HEADER);
    this.#batched += size;
  }

  end(): void {
    this.#flush();
    this.#socket.end();
  }

  #flush(): void {
    if (this.#batch === null) return;
    this.#socket.write(this.#batch.subarray(0, this.#batched));
    this.#batch = null;
    this.#batched = 0;
  }

  #read(chunk: Buffer): void {
    let at = 0;
    if (this.#length > 0) {
      at = this.#fill(chunk);
      if (at === -1) return;
    }
    while (chunk.length - at >= HEADER) {
      const end = at + HEADER + chunk.readUInt32LE(at);
      if (end > chunk.length) break;
      this.#take(chunk.readUInt32LE(at + 4), chunk.subarray(at + HEADER, end));
      at = end;
    }
    if (at < chunk.length) {
      const whole = chunk.length - at >= HEADER ? HEADER + chunk.readUInt32LE(at) : HEADER;
      this.#partial = Buffer.allocUnsafeSlow(whole);
      this.#length = chunk.copy(this.#partial, 0, at);
    }
  }

  /** Completes the frame that has begun. Where the next one begins in `chunk`, or -1 where all of it was needed. */
  #fill(chunk: Buffer): number {
    let at = chunk.copy(this.#partial, this.#length, 0);
    this.#length += at;
    if (this.#length < this.#partial.length) return -1;
    if (this.#partial.length === HEADER) {
      // Only the header was expected, and only now is it known how much belongs to it.
      const whole = HEADER + this.#partial.readUInt32LE(0);
      const grown = Buffer.allocUnsafeSlow(whole);
      this.#partial.copy(grown);
      this.#partial = grown;
      const more = chunk.copy(grown, HEADER, at);
      at += more;
      this.#length += more;
      if (this.#length < whole) return -1;
    }
    const frame = this.#partial;
    this.#length = 0;
    this.#take(frame.readUInt32LE(4), frame.subarray(HEADER));
    return at;
  }
}
