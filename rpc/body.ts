/**
 * The content of a payload as it lies in a message, and how it gets into the next one: never by being read.
 *
 * What was built here stands behind room for an envelope, which is written in front of it when it is sent: one segment. What a
 * peer sent goes on as it came, in one of two ways.
 *
 * - Where the envelope is of the usual shape, no part of it overlaps another, and whoever read the content here has read nothing
 *   of it, the new one is written over the old one: the message goes on with other ids, and is not larger than it was. What the
 *   content points to that was not read, by accident or on purpose, makes no difference to anything that was decided here.
 * - Otherwise it goes on segment by segment, and the new envelope is a segment of its own behind them: the word in which the
 *   peer's message has its root becomes a far pointer to that, and the new payload has one to the word in which the old one had
 *   its content. So nothing is patched but that one word, and what overlaps what makes no difference again. What the peer said
 *   in its own envelope (ids that are between it and us) is erased. Both happen before anything of that is looked at as content:
 *   whoever reads it here reads what will be sent.
 */
import {
  MessageBuilder,
  MessageReader,
  type PointerReader,
  readU32,
  type Watcher,
  writeU32,
} from '../schema/index.js';
import {
  type CallTerms,
  CONTENT,
  eraseWords,
  HEADROOM,
  NOWHERE,
  type PlainEnvelope,
  rewriteCall,
  rewriteReturn,
  writeFar,
} from './envelope.js';
import { MIN_TRAVERSAL_WORDS } from './limits.js';
import { copyOf, type LentFrame, type Loan } from './loan.js';
import * as layout from './protocol.js';
import type { Relay } from './relay.js';
import type { Address } from './remote.js';

/** Content that was passed on so often that its message has more segments than this is copied into one. */
const MAX_RELAYED_SEGMENTS = 8;

/** A message on its way out: the segment in which its envelope is to be written, and those before it. */
export interface Composition {
  readonly envelope: MessageBuilder;
  readonly before: readonly Uint8Array[];
}

const NOTHING_BEFORE: readonly Uint8Array[] = Object.freeze([]);
const NO_SEGMENTS: Uint8Array[] = [];

/** What puts messages on their way: see ConnectionOptions. */
export interface Sender {
  put(segments: readonly Uint8Array[], awaited: boolean, loan: Loan | null): void;
  putFrame(frame: LentFrame): void;
}

export interface Body {
  /** A reader of the content, within limits. */
  readonly content: PointerReader;
  /** The size of what it is in: the message of a peer, or what was built here, with the slot of the content. */
  readonly bytes: number;
  /**
   * A message with this content, and no envelope yet.
   * @throws MessageError where the content has to be copied and is malformed.
   */
  compose(): Composition;
  /**
   * Writes the envelope of this Call over that of the message that it came in, if that can be; it is to be passed on then. False:
   * nothing was done.
   */
  reuseForCall(call: CallTerms, interfaceId: bigint, methodId: number, to: Address): boolean;
  /** The same with the envelope of a Return with results. */
  reuseForReturn(answerId: number, noFinishNeeded: boolean): boolean;
  /** Sends the message that it came in, as it is now, and ends. */
  passOn(sender: Sender): void;
  /** What it is in is only lent. Null: it stays what it is. */
  readonly loan: Loan | null;
  /**
   * Nobody reads it any more, and it is not sent again: the memory that it is in goes back, but for one with `sent`, where it
   * has gone to whoever sends it.
   */
  end(sent?: boolean): void;
}

/** A builder of content, for `BuiltBody`. */
export function contentBuilder(initialWords = 32): MessageBuilder {
  return new MessageBuilder(initialWords, HEADROOM);
}

/** Content that was built here. */
export class BuiltBody implements Body {
  /** Null, once it has ended. */
  #builder: MessageBuilder | null;
  #reader: MessageReader | null = null;
  #sent = false;
  readonly bytes: number;

  /** Takes over `builder`, one of `contentBuilder`'s, to which nothing more of the content is added. */
  constructor(builder: MessageBuilder) {
    this.#builder = builder;
    this.bytes = (1 + builder.words - HEADROOM.words) * 8;
  }

  #held(): MessageBuilder {
    if (this.#builder === null) throw given();
    return this.#builder;
  }

  get content(): PointerReader {
    this.#reader ??= this.#held().asReader();
    return this.#reader.root;
  }

  compose(): Composition {
    // The message that it was sent in may be on its way still, and must not be written over.
    if (this.#sent) return copied(this.content);
    this.#sent = true;
    return { envelope: this.#held(), before: NOTHING_BEFORE };
  }

  reuseForCall(): boolean {
    return false;
  }

  reuseForReturn(): boolean {
    return false;
  }

  passOn(): void {
    throw new Error('what was built here came in no message');
  }

  get loan(): Loan | null {
    return this.#builder?.pooled ?? null;
  }

  end(sent = false): void {
    const { loan } = this;
    this.#builder = null;
    this.#reader?.end();
    // What was sent before may be on its way still.
    if (!sent && !this.#sent) loan?.giveBack();
  }
}

/** Of a message that is used after its end. */
function given(): Error {
  return new Error('the bytes of this message were given away');
}

/** What a connection takes of a peer's message to read it. */
export interface ReadingLimits {
  readonly traversalWords: number;
  readonly nesting: number;
}

/** A message of a peer's, and the content in it. */
export class ReceivedMessage implements Body, Watcher {
  #reader: MessageReader | null = null;
  /** Where the content is: the slot of a pointer to it. */
  #segment = 0;
  #word = NOWHERE;
  /** Its envelope, if that is of the usual shape, until it is written over. */
  #plain: PlainEnvelope | null = null;
  /** Whether what the envelope said is erased. */
  #erased = false;
  /** Whether its content has been put into another message. */
  #sent = false;
  /** None, once it has ended. Null: nobody has asked for them, and it stands in `#frame`. */
  #segments: Uint8Array[] | null = null;
  #frame: LentFrame | null = null;
  #loan: Loan | null = null;
  bytes = 0;

  private constructor(private readonly limits: ReadingLimits) {}

  /** One in these segments. With a brief loan: until `keep()`, which has to be called in time. */
  static of(segments: Uint8Array[], limits: ReadingLimits, loan: Loan | null = null): ReceivedMessage {
    const message = new ReceivedMessage(limits);
    message.#segments = segments;
    message.#loan = loan;
    for (const segment of segments) message.bytes += segment.length;
    return message;
  }

  /** One that stands in its frame: until `keep()` likewise. `spent` is one that has ended and that nobody has, to be used again. */
  static framed(frame: LentFrame, limits: ReadingLimits, spent: ReceivedMessage | null): ReceivedMessage {
    const message = spent ?? new ReceivedMessage(limits);
    message.#segments = null;
    message.#frame = frame;
    message.#loan = frame;
    message.#erased = false;
    message.#sent = false;
    message.bytes = frame.bytes;
    return message;
  }

  get loan(): Loan | null {
    return this.#loan;
  }

  #held(): Uint8Array[] {
    if (this.#segments === null) {
      const { memory, at, bytes } = this.#frame!;
      this.#segments = [memory.part(at, bytes)];
    }
    if (this.#segments.length === 0) throw given();
    return this.#segments;
  }

  /**
   * A brief loan ends: whoever holds this and has not let go of it by now finds it in memory of its own. Whether it needs the
   * envelope that it is enclosed by, from now on as its own.
   */
  keep(): boolean {
    if (this.#loan?.isBrief === true) {
      this.#loan = null;
      if (this.#word === NOWHERE) this.end();
      else this.#move();
    }
    return this.#plain !== null;
  }

  #move(): void {
    let own: Uint8Array[];
    try {
      own = copyOf(this.#held());
    } catch (error) {
      this.end();
      throw error;
    }
    this.#segments = own;
    this.#frame = null;
    this.#reader?.movedTo(own);
    this.#plain?.movedTo(own[this.#segment]!);
  }

  end(sent = false): void {
    const loan = this.#loan;
    this.#loan = null;
    this.#segments = NO_SEGMENTS;
    this.#frame = null;
    this.#reader?.end();
    this.#reader = null;
    this.#word = NOWHERE;
    this.#plain = null;
    // What was sent before may be on its way still.
    if (!sent && !this.#sent) loan?.giveBack();
  }

  /** Its envelope is `plain`, borrowed until `keep()`; what that says is there to be written over or erased. */
  enclosedBy(plain: PlainEnvelope): void {
    this.#segment = plain.segment;
    this.#word = plain.content;
    this.#plain = plain;
  }

  /** Its content is what the word `word` of a segment points to. The envelope has been read, and what is in it erased. */
  contains(segment: number, word: number): void {
    this.#segment = segment;
    this.#word = word;
    this.#detach();
  }

  get reader(): MessageReader {
    if (this.#reader === null) {
      // Where it stands in a frame, it is read there.
      const held = this.#segments === null ? this.#frame! : this.#held();
      const plain = this.#plain;
      // Where it lies over itself, or in another segment than the first, it is not known who reads it.
      if (plain !== null && (plain.segment !== 0 || !plain.disjoint)) this.reached();
      const { nesting } = this.limits;
      const traversalWords = Math.min(this.limits.traversalWords, MIN_TRAVERSAL_WORDS + this.bytes);
      this.#reader = new MessageReader(held, { traversalWords, nesting });
      if (plain !== null && !this.#erased) this.#reader.watch(plain.end, this);
    }
    return this.#reader;
  }

  get content(): PointerReader {
    return this.reader.pointerAt(this.#segment, this.#word);
  }

  /** Whoever has read the content so far has done so for nothing: it is read from the beginning, within the same limits. */
  readAgain(): void {
    this.#reader?.end();
    this.#reader = null;
  }

  /** The envelope is about to be read as content. */
  reached(): void {
    const plain = this.#plain;
    if (plain === null || this.#erased) return;
    const isCall = plain.target !== NOWHERE;
    eraseWords(plain, plain.head, isCall ? layout.Call.words : layout.Return.words);
    if (isCall) eraseWords(plain, plain.target, layout.MessageTarget.words);
    if (plain.promised !== NOWHERE) eraseWords(plain, plain.promised, layout.PromisedAnswer.words);
    this.#erased = true;
    this.#detach();
  }

  #detach(): void {
    const segments = this.#held();
    writeFar(segments[0]!, 0, segments.length, 0);
  }

  reuseForCall(call: CallTerms, interfaceId: bigint, methodId: number, to: Address): boolean {
    const plain = this.#reusable();
    if (plain === null || plain.target === NOWHERE) return false;
    if (plain.methodId !== methodId || plain.interfaceId !== interfaceId) return false;
    if (!rewriteCall(plain, call, to)) return false;
    this.#plain = null;
    return true;
  }

  /** The same of a call that is handed on as it is. */
  reuseForRelay(relay: Relay): boolean {
    const plain = this.#reusable();
    if (plain === null || !rewriteCall(plain, relay, relay.target.address)) return false;
    this.#plain = null;
    return true;
  }

  reuseForReturn(answerId: number, noFinishNeeded: boolean): boolean {
    const plain = this.#reusable();
    if (plain === null || plain.target !== NOWHERE) return false;
    rewriteReturn(plain, answerId, noFinishNeeded);
    this.#plain = null;
    return true;
  }

  passOn(sender: Sender): void {
    // Sending comes last: see Connection.#post.
    const frame = this.#frame;
    if (frame !== null) {
      this.end(true);
      sender.putFrame(frame);
    } else {
      const segments = this.#held();
      const loan = this.#loan;
      this.end(true);
      sender.put(segments, true, loan);
    }
  }

  /**
   * The envelope, if no part of it lies over another, and nobody has read any of it as content. (Who reads it later finds what
   * was written: nothing is decided by that any more.)
   */
  #reusable(): PlainEnvelope | null {
    const plain = this.#plain;
    return plain?.disjoint === true && !this.#erased ? plain : null;
  }

  compose(): Composition {
    const segments = this.#held();
    this.reached();
    this.#plain = null;
    this.#sent = true;
    if (segments.length >= MAX_RELAYED_SEGMENTS) return copied(this.content);
    const envelope = new MessageBuilder(HEADROOM.words, HEADROOM);
    const from = segments[this.#segment]!;
    const low = readU32(from, this.#word * 8);
    const high = readU32(from, this.#word * 8 + 4);
    const { bytes, base } = envelope;
    // A struct or a list is said to stand so far behind its pointer: the pointer stays where it is. A pointer of any other
    // kind, a null pointer among them, says the same wherever it stands.
    if ((low & 2) === 0 && (low !== 0 || high !== 0)) {
      writeFar(bytes, base / 8 + CONTENT, this.#segment, this.#word);
      return { envelope, before: segments };
    }
    writeU32(bytes, base + CONTENT * 8, low);
    writeU32(bytes, base + CONTENT * 8 + 4, high);
    return { envelope, before: (low & 3) === layout.FAR ? segments : NOTHING_BEFORE };
  }
}

function copied(content: PointerReader): Composition {
  const envelope = contentBuilder();
  envelope.root.copy(content);
  return { envelope, before: NOTHING_BEFORE };
}
