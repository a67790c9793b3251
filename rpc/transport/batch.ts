/** The messages that are sent in one turn, for transports which send them as one buffer: in the framing of streams. */
import { Memory } from '../../schema/index.js';
import { headerBytes, writeHeader } from '../frame.js';
import { copyOf, type Loan } from '../loan.js';
import { soon } from '../soon.js';

export class Batch {
  #messages: (readonly Uint8Array[])[] = [];
  #bytes = 0;

  /** `flush` is called behind the microtasks of the turn in which something was added. */
  constructor(private readonly flush: () => void) {}

  /** Of all that is in it, with the headers. */
  get bytes(): number {
    return this.#bytes;
  }

  /** With a `loan`: of bytes that are somebody else's afterwards. */
  add(segments: readonly Uint8Array[], loan: Loan | null): void {
    if (this.#messages.length === 0) void soon.then(this.flush);
    this.#messages.push(loan === null ? segments : copyOf(segments));
    loan?.giveBack();
    this.#bytes += headerBytes(segments.length);
    for (let i = 0; i < segments.length; i++) this.#bytes += segments[i]!.length;
  }

  /** All that was added; it is empty then. Null where it is. */
  take(): Uint8Array<ArrayBuffer> | null {
    if (this.#messages.length === 0) return null;
    const { bytes, view } = new Memory(new Uint8Array(this.#bytes));
    let at = 0;
    for (const segments of this.#messages) {
      writeHeader(view, at, segments);
      at += headerBytes(segments.length);
      for (const segment of segments) {
        bytes.set(segment, at);
        at += segment.length;
      }
    }
    this.clear();
    return bytes;
  }

  clear(): void {
    this.#messages = [];
    this.#bytes = 0;
  }
}
