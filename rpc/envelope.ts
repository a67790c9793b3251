/**
 * The envelopes of Call and Return, read and written at fixed offsets: everything around the content of a payload.
 *
 * An envelope of ours has one layout. It stands right before the slot of the content, in the headroom of the message that the
 * content was built in, or in a segment of its own, where it is not a peer's that is used once more (see body.ts):
 *
 *     Call    0 root  1 Message .  3 Call . . . . .  9 MessageTarget .  11 Payload: content, table
 *     Return                5 root  6 Message .  8 Return . .           11 Payload: content, table
 *
 * An envelope of a peer's that has this shape, wherever its parts stand, is read in place. Every other one is read by the
 * general way, field by field through MessageReader, and comes to the same: see test/conformance/envelope.test.ts.
 */
import { type MessageBuilder, readU16, readU32, writeU32 } from '../schema/index.js';
import { writePromisedAnswer } from './message-target.js';
import * as layout from './protocol.js';
import type { Address } from './remote.js';

/** The room for an envelope in front of content, and the slot of that content. */
export const HEADROOM = { words: 13, root: 11 } as const;

/** The words of the payload. */
export const CONTENT = HEADROOM.root;
export const TABLE = CONTENT + 1;

/** Where the messages begin. */
export const CALL_START = 0;
export const RETURN_START = 5;

const size = ({ words, pointers }: { words: number; pointers: number }): number => words | (pointers << 16);
const MESSAGE = size(layout.Message);
const CALL = size(layout.Call);
const RETURN = size(layout.Return);
const TARGET = size(layout.MessageTarget);
const PAYLOAD = size(layout.Payload);

/** The flags of a Call and of a Return: where they stand in its data, in bytes, and each of them. */
const CALL_FLAGS = 16;
const NO_PROMISE_PIPELINING = 1 << (layout.Call.noPromisePipelining - 8 * CALL_FLAGS);
const ONLY_PROMISE_PIPELINE = 1 << (layout.Call.onlyPromisePipeline - 8 * CALL_FLAGS);
const RETURN_FLAGS = 4;
const KEEP_PARAM_CAPS = 1 << (layout.Return.keepParamCaps - 8 * RETURN_FLAGS);
const NO_FINISH_NEEDED = 1 << (layout.Return.noFinishNeeded - 8 * RETURN_FLAGS);

// ---- writing ------------------------------------------------------------------------------------------------------

/** What the data of a Call says besides its interface and its method. */
export interface CallTerms {
  /** The question's id. */
  readonly id: number;
  readonly toYourself: boolean;
  readonly noPromisePipelining: boolean;
  readonly onlyPromisePipeline: boolean;
}

/** Writes the envelope of a Call into the headroom of `message`, which begins at CALL_START then. */
export function writeCall(
  message: MessageBuilder,
  call: CallTerms,
  interfaceId: bigint,
  methodId: number,
  to: Address,
): void {
  const { view, base } = message;
  point(view, base, 0, 1, MESSAGE);
  view.setUint32(base + 1 * 8, layout.Message.call, true);
  point(view, base, 2, 3, CALL);
  const at = base + 3 * 8;
  view.setUint32(at + layout.Call.questionId, call.id, true);
  view.setUint16(at + layout.Call.methodId, methodId, true);
  view.setUint16(
    at + layout.Call.sendResultsTo,
    call.toYourself ? layout.Call.toYourself : layout.Call.toCaller,
    true,
  );
  view.setBigUint64(at + layout.Call.interfaceId, interfaceId, true);
  view.setUint32(at + CALL_FLAGS, flagsOf(call), true);
  point(view, base, 6, 9, TARGET);
  point(view, base, 7, CONTENT, PAYLOAD);
  if (to.kind === 'imported') {
    view.setUint32(base + 9 * 8 + layout.MessageTarget.importedCapId, to.id, true);
  } else {
    view.setUint16(base + 9 * 8 + layout.MessageTarget.tag, layout.MessageTarget.promisedAnswer, true);
    writePromisedAnswer(to, message.pointerAt(10));
  }
}

/** Writes the envelope of a Return with results into the headroom of `message`, which begins at RETURN_START then. */
export function writeReturn(message: MessageBuilder, answerId: number, noFinishNeeded: boolean): void {
  const { view, base } = message;
  point(view, base, 5, 6, MESSAGE);
  view.setUint32(base + 6 * 8, layout.Message.return, true);
  point(view, base, 7, 8, RETURN);
  view.setUint32(base + 8 * 8 + layout.Return.answerId, answerId, true);
  const flags = KEEP_PARAM_CAPS | (noFinishNeeded ? NO_FINISH_NEEDED : 0);
  view.setUint32(base + 8 * 8 + RETURN_FLAGS, flags, true);
  point(view, base, 10, CONTENT, PAYLOAD);
}

/** Writes a Call over the one that begins at the word `head`, but for its interface and its method, which stay; and its target. */
export function rewriteCall(
  bytes: Uint8Array,
  head: number,
  target: number,
  call: CallTerms,
  importedCapId: number,
): void {
  const at = head * 8;
  writeU32(bytes, at + layout.Call.questionId, call.id);
  bytes[at + layout.Call.sendResultsTo] = call.toYourself ? layout.Call.toYourself : layout.Call.toCaller;
  bytes[at + layout.Call.sendResultsTo + 1] = 0;
  writeU32(bytes, at + CALL_FLAGS, flagsOf(call));
  writeU32(bytes, at + CALL_FLAGS + 4, 0);
  // Of one that is sent to whoever asked it: where else its results could go.
  erase(bytes, head + 3 + layout.Call.thirdParty, 1);
  writeU32(bytes, target * 8 + layout.MessageTarget.importedCapId, importedCapId);
  writeU32(bytes, target * 8 + layout.MessageTarget.tag, layout.MessageTarget.importedCap);
  erase(bytes, target + 1 + layout.MessageTarget.body, 1);
}

/** Writes a Return with results over the one that begins at the word `head`. */
export function rewriteReturn(
  bytes: Uint8Array,
  head: number,
  answerId: number,
  noFinishNeeded: boolean,
): void {
  const at = head * 8;
  writeU32(bytes, at + layout.Return.answerId, answerId);
  // The tag is behind the flags, and says that there are results.
  writeU32(bytes, at + RETURN_FLAGS, KEEP_PARAM_CAPS | (noFinishNeeded ? NO_FINISH_NEEDED : 0));
  erase(bytes, head + 1, 1);
}

/** So many words from `start` on are zero. */
export function erase(bytes: Uint8Array, start: number, words: number): void {
  const end = (start + words) * 8;
  for (let i = start * 8; i < end; i++) bytes[i] = 0;
}

function flagsOf(call: CallTerms): number {
  return (
    (call.noPromisePipelining ? NO_PROMISE_PIPELINING : 0) |
    (call.onlyPromisePipeline ? ONLY_PROMISE_PIPELINE : 0)
  );
}

/** The pointer in the word `from` to a struct that begins at the word `to`. */
function point(view: DataView, base: number, from: number, to: number, struct: number): void {
  view.setUint32(base + from * 8, (to - from - 1) << 2, true);
  view.setUint32(base + from * 8 + 4, struct, true);
}

/** In the word `at` of `bytes`, a far pointer to the pointer that the word `word` of a segment is. */
export function writeFar(bytes: Uint8Array, at: number, segment: number, word: number): void {
  writeU32(bytes, at * 8, word * 8 + layout.FAR);
  writeU32(bytes, at * 8 + 4, segment);
}

/** The place of what is not there: the target of a Return. */
export const NOWHERE = -1;

// ---- reading ------------------------------------------------------------------------------------------------------

/** What a Call says besides its target and params. */
export interface CallHead {
  readonly id: number;
  readonly interfaceId: bigint;
  readonly methodId: number;
  readonly sendResultsTo: number;
  readonly noPromisePipelining: boolean;
  readonly onlyPromisePipeline: boolean;
}

/** What a Return says of whatever kind it is. */
export interface ReturnHead {
  readonly id: number;
  readonly keepParamCaps: boolean;
  readonly noFinishNeeded: boolean;
}

/** One envelope of the usual shape: a Call to an import, or a Return with results, whose payload has no capabilities. */
export class PlainEnvelope implements CallHead, ReturnHead {
  /** Of a Call the question's id; of a Return the answer's. */
  id = 0;
  interfaceId = 0n;
  methodId = 0;
  sendResultsTo = 0;
  noPromisePipelining = false;
  onlyPromisePipeline = false;
  importedCapId = 0;
  keepParamCaps = false;
  noFinishNeeded = false;
  /** The segment in which it is, but for a far pointer to it at the beginning of the first. */
  segment = 0;
  /** The words where its parts begin: the Call or Return, the target of a Call, and the slot of the content. */
  head = 0;
  target = NOWHERE;
  content = 0;
  /** Whether its parts lie side by side: each can be written over, and the others stay what they are. */
  disjoint = false;
  #bytes: Uint8Array = NOTHING;
  #words = 0;
  #root = 0;
  /** The two halves of `interfaceId`. */
  #low = 0;
  #high = 0;

  /** What stands in `segments`, if it has this shape. */
  take(segments: readonly Uint8Array[]): 'call' | 'return' | null {
    this.segment = 0;
    this.#root = 0;
    if (!this.#enter(segments[0])) return null;
    const low = readU32(this.#bytes, 0);
    if ((low & 7) === layout.FAR) {
      this.segment = readU32(this.#bytes, 4);
      this.#root = low >>> 3;
      if (!this.#enter(segments[this.segment])) return null;
    }
    const message = this.#follow(this.#root, MESSAGE);
    if (message < 0) return null;
    switch (readU16(this.#bytes, message * 8 + layout.Message.tag)) {
      case layout.Message.call:
        return this.#takeCall(message, this.#follow(message + 1, CALL)) ? 'call' : null;
      case layout.Message.return:
        return this.#takeReturn(message, this.#follow(message + 1, RETURN)) ? 'return' : null;
      default:
        return null;
    }
  }

  #takeCall(message: number, call: number): boolean {
    if (call < 0) return false;
    const target = this.#follow(call + 3 + layout.Call.target, TARGET);
    const payload = this.#follow(call + 3 + layout.Call.params, PAYLOAD);
    if (target < 0 || payload < 0 || !this.#isNull(payload + layout.Payload.capTable)) return false;
    const bytes = this.#bytes;
    const at = call * 8;
    const sendResultsTo = readU16(bytes, at + layout.Call.sendResultsTo);
    if (sendResultsTo > layout.Call.toYourself) return false;
    const tag = readU16(bytes, target * 8 + layout.MessageTarget.tag);
    if (tag !== layout.MessageTarget.importedCap) return false;
    this.id = readU32(bytes, at + layout.Call.questionId);
    this.#readInterfaceId(at + layout.Call.interfaceId);
    this.methodId = readU16(bytes, at + layout.Call.methodId);
    this.sendResultsTo = sendResultsTo;
    const flags = readU32(bytes, at + CALL_FLAGS);
    this.noPromisePipelining = (flags & NO_PROMISE_PIPELINING) !== 0;
    this.onlyPromisePipeline = (flags & ONLY_PROMISE_PIPELINE) !== 0;
    this.importedCapId = readU32(bytes, target * 8 + layout.MessageTarget.importedCapId);
    this.head = call;
    this.target = target;
    this.content = payload + layout.Payload.content;
    this.disjoint =
      this.#areDisjoint(message, call, CALL_WORDS, payload) &&
      areApart(target, TARGET_WORDS, call, CALL_WORDS) &&
      areApart(target, TARGET_WORDS, message, MESSAGE_WORDS) &&
      areApart(target, TARGET_WORDS, payload, PAYLOAD_WORDS) &&
      this.#isBehindRoot(target, TARGET_WORDS);
    return true;
  }

  #takeReturn(message: number, return_: number): boolean {
    if (return_ < 0) return false;
    const bytes = this.#bytes;
    const at = return_ * 8;
    if (readU16(bytes, at + layout.Return.tag) !== layout.Return.results) return false;
    const payload = this.#follow(return_ + 2 + layout.Return.body, PAYLOAD);
    if (payload < 0 || !this.#isNull(payload + layout.Payload.capTable)) return false;
    this.id = readU32(bytes, at + layout.Return.answerId);
    const flags = readU32(bytes, at + RETURN_FLAGS);
    this.keepParamCaps = (flags & KEEP_PARAM_CAPS) !== 0;
    this.noFinishNeeded = (flags & NO_FINISH_NEEDED) !== 0;
    this.head = return_;
    this.target = NOWHERE;
    this.content = payload + layout.Payload.content;
    this.disjoint = this.#areDisjoint(message, return_, RETURN_WORDS, payload);
    return true;
  }

  #areDisjoint(message: number, head: number, headWords: number, payload: number): boolean {
    return (
      areApart(message, MESSAGE_WORDS, head, headWords) &&
      areApart(message, MESSAGE_WORDS, payload, PAYLOAD_WORDS) &&
      areApart(head, headWords, payload, PAYLOAD_WORDS) &&
      this.#isBehindRoot(message, MESSAGE_WORDS) &&
      this.#isBehindRoot(head, headWords) &&
      this.#isBehindRoot(payload, PAYLOAD_WORDS)
    );
  }

  /** Whether so many words from `start` on are neither the pointer to the Message nor a far pointer to that. */
  #isBehindRoot(start: number, words: number): boolean {
    return areApart(start, words, this.#root, 1) && (start > 0 || this.segment > 0);
  }

  /** Most calls are of the interface that the one before was of: a BigInt of its own for each would cost more than they do. */
  #readInterfaceId(at: number): void {
    const low = readU32(this.#bytes, at);
    const high = readU32(this.#bytes, at + 4);
    if (low === this.#low && high === this.#high) return;
    this.#low = low;
    this.#high = high;
    this.interfaceId = (BigInt(high) << 32n) | BigInt(low);
  }

  #enter(segment: Uint8Array | undefined): boolean {
    if (segment === undefined || segment.length < 8) return false;
    this.#bytes = segment;
    this.#words = segment.length >>> 3;
    return true;
  }

  /** The word where the struct begins to which the word `at` points: of just this size, in this segment. -1 otherwise. */
  #follow(at: number, struct: number): number {
    if (at >= this.#words) return -1;
    const low = readU32(this.#bytes, at * 8) | 0;
    if ((low & 3) !== 0 || readU32(this.#bytes, at * 8 + 4) !== struct) return -1;
    const start = at + 1 + (low >> 2);
    const words = (struct & 0xffff) + (struct >>> 16);
    return start >= 0 && start + words <= this.#words ? start : -1;
  }

  #isNull(word: number): boolean {
    return readU32(this.#bytes, word * 8) === 0 && readU32(this.#bytes, word * 8 + 4) === 0;
  }
}

const wordsOf = ({ words, pointers }: { words: number; pointers: number }): number => words + pointers;
const MESSAGE_WORDS = wordsOf(layout.Message);
const CALL_WORDS = wordsOf(layout.Call);
const RETURN_WORDS = wordsOf(layout.Return);
const TARGET_WORDS = wordsOf(layout.MessageTarget);
const PAYLOAD_WORDS = wordsOf(layout.Payload);

function areApart(a: number, aWords: number, b: number, bWords: number): boolean {
  return a + aWords <= b || b + bWords <= a;
}

const NOTHING = new Uint8Array(0);
