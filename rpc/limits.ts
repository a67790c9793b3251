/** What a peer can make one connection hold. Each limit has a default, and an error that names it. */
export interface ConnectionLimits {
  /** The largest message, in bytes, that is sent or taken. */
  readonly messageBytes: number;
  /** The most segments in one message. */
  readonly segments: number;
  /**
   * Words that may be read of one message, counting each time: what stops amplification. Of a small message it is less:
   * as many as it has bytes (which is each of its words eight times), and MIN_TRAVERSAL_WORDS.
   */
  readonly traversalWords: number;
  /** The deepest nesting of pointers that is read. */
  readonly nesting: number;
  /** Calls of ours that wait for a return. More fail with `overloaded`. */
  readonly questions: number;
  /** Calls of the peer's that have not been finished. More are answered `overloaded`. */
  readonly answers: number;
  /**
   * Bytes of params of the peer's calls that have not returned, and of results that are kept until they are finished, because the peer
   * may pipeline on them. More calls, and results, are answered `overloaded`.
   */
  readonly bytesInFlight: number;
  /** Capabilities that the peer holds of ours. Messages that would need more fail with `overloaded`. */
  readonly exports: number;
  /** Capabilities that we hold of the peer's. A peer that sends more is cut. */
  readonly imports: number;
  /** Disembargoes of the peer's that wait to be echoed. A peer that sends more is cut. */
  readonly embargoes: number;
  /** Bytes that wait to be read by the peer. A peer that lets more pile up is cut. */
  readonly bytesQueued: number;
  /** How many messages of the peer's are handled in one turn of the event loop, before others have theirs. */
  readonly messagesPerTurn: number;
}

export const DEFAULT_LIMITS: ConnectionLimits = {
  messageBytes: 64 * 1024 * 1024 + 64 * 1024,
  segments: 512,
  traversalWords: 16 * 1024 * 1024,
  nesting: 64,
  questions: 1 << 17,
  answers: 1 << 16,
  bytesInFlight: 256 * 1024 * 1024,
  exports: 1 << 17,
  imports: 1 << 17,
  embargoes: 1024,
  bytesQueued: 256 * 1024 * 1024,
  messagesPerTurn: Number.POSITIVE_INFINITY,
};

/** The longest PromisedAnswer.transform, in steps. */
export const MAX_TRANSFORM = 64;

/** How many different places of one answer may be pipelined on. */
export const MAX_PIPELINED_PATHS = 256;

/**
 * How many calls may wait for one another in a row, each addressed to what the one before will return: what has become of
 * the first passes through all of them on one stack.
 */
export const MAX_PIPELINE_DEPTH = 128;

/** How many promises may become each other in a row. Who holds the first of them holds them all. */
export const MAX_PROMISE_CHAIN = 128;

/** How many ids of answers that needed no Finish are remembered: which of them are free, and what may still be said of them. */
export const MAX_CLOSED_EARLY = 1024;

/** Words that may be read of the smallest message. */
export const MIN_TRAVERSAL_WORDS = 64 * 1024;
