/**
 * The content of a payload as it lies in a message, and how it gets into the next one: never by being read.
 *
 * What was built here stands behind room for an envelope, which is written in front of it when it is sent: one segment. What a
 * peer sent goes on as it came, segment by segment, and the new envelope is a segment of its own behind them: the word in
 * which the peer's message has its root becomes a far pointer to that, and the new payload has one to the word in which the
 * old one had its content. So nothing of a message is ever patched but that one word, and what overlaps what in it, by accident
 * or on purpose, makes no difference. What the peer said in its own envelope (ids that are between it and us) is erased once it
 * has been read. Both happen before anything of the content is looked at: whoever reads it here reads what will be sent.
 */
import { MessageBuilder, MessageReader, type PointerReader, readU32, writeU32 } from '../schema/index.js';
import { CONTENT, HEADROOM, writeFar } from './envelope.js';
import { MIN_TRAVERSAL_WORDS } from './limits.js';
import { FAR } from './protocol.js';

/** Content that was passed on so often that its message has more segments than this is copied into one. */
const MAX_RELAYED_SEGMENTS = 8;

/** A message on its way out: the segment in which its envelope is to be written, and those before it. */
export interface Composition {
  readonly envelope: MessageBuilder;
  readonly before: readonly Uint8Array[];
}

const NOTHING_BEFORE: readonly Uint8Array[] = Object.freeze([]);

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
}

/** A builder of content, for `BuiltBody`. */
export function contentBuilder(initialWords = 32): MessageBuilder {
  return new MessageBuilder(initialWords, HEADROOM);
}

/** Content that was built here. */
export class BuiltBody implements Body {
  #content: PointerReader | null = null;
  #sent = false;
  readonly bytes: number;

  /** Takes over `builder`, one of `contentBuilder`'s, to which nothing more of the content is added. */
  constructor(private readonly builder: MessageBuilder) {
    this.bytes = (1 + builder.words - HEADROOM.words) * 8;
  }

  get content(): PointerReader {
    this.#content ??= this.builder.asReader().root;
    return this.#content;
  }

  compose(): Composition {
    // The message that it was sent in may be on its way still, and must not be written over.
    if (this.#sent) return copied(this.content);
    this.#sent = true;
    return { envelope: this.builder, before: NOTHING_BEFORE };
  }
}

/** What a connection takes of a peer's message to read it. */
export interface ReadingLimits {
  readonly traversalWords: number;
  readonly nesting: number;
}

/** A message of a peer's. */
export class ReceivedMessage {
  #reader: MessageReader | null = null;

  constructor(
    readonly segments: Uint8Array[],
    readonly bytes: number,
    private readonly limits: ReadingLimits,
  ) {}

  get reader(): MessageReader {
    if (this.#reader === null) {
      const { nesting } = this.limits;
      const traversalWords = Math.min(this.limits.traversalWords, MIN_TRAVERSAL_WORDS + this.bytes);
      this.#reader = new MessageReader(this.segments, { traversalWords, nesting });
    }
    return this.#reader;
  }
}

/** Content that a peer sent. */
export class ReceivedBody implements Body {
  /**
   * The content to which the word `word` of a segment of `message` points. The envelope of the message must have been read,
   * and what is in it erased.
   */
  constructor(
    private readonly message: ReceivedMessage,
    private readonly segment: number,
    private readonly word: number,
  ) {
    const { segments } = message;
    writeFar(segments[0]!, 0, segments.length, 0);
  }

  get bytes(): number {
    return this.message.bytes;
  }

  get content(): PointerReader {
    return this.message.reader.pointerAt(this.segment, this.word);
  }

  compose(): Composition {
    const { segments } = this.message;
    if (segments.length >= MAX_RELAYED_SEGMENTS) return copied(this.content);
    const envelope = new MessageBuilder(HEADROOM.words, HEADROOM);
    const from = segments[this.segment]!;
    const low = readU32(from, this.word * 8);
    const high = readU32(from, this.word * 8 + 4);
    const { bytes, base } = envelope;
    // A struct or a list is said to stand so far behind its pointer: the pointer stays where it is. A pointer of any other
    // kind, a null pointer among them, says the same wherever it stands.
    if ((low & 2) === 0 && (low !== 0 || high !== 0)) {
      writeFar(bytes, base / 8 + CONTENT, this.segment, this.word);
      return { envelope, before: segments };
    }
    writeU32(bytes, base + CONTENT * 8, low);
    writeU32(bytes, base + CONTENT * 8 + 4, high);
    return { envelope, before: (low & 3) === FAR ? segments : NOTHING_BEFORE };
  }
}

function copied(content: PointerReader): Composition {
  const envelope = contentBuilder();
  envelope.root.copy(content);
  return { envelope, before: NOTHING_BEFORE };
}
