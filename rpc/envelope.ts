/**
 * The envelopes of Call and Return, read and written at fixed offsets: everything around the content of a payload. And the
 * messages that are nothing but an envelope, Finish and Release.
 *
 * An envelope of ours has one layout. It stands right before the slot of the content, in the headroom of the message that the
 * content was built in, or in a segment of its own, where it is not a peer's that is used once more (see body.ts):
 *
 *     Call, to an import                    4 root   5 Message .   7 Call . . . . .  13 MessageTarget .  15 Payload: content, table
 *     Call, to a place in an answer   0 root  1 Message .  3 Call . . . . .  9 MessageTarget .
 *                                           11 PromisedAnswer .  13 the transform and its first step     15 Payload
 *     Return                                               9 root  10 Message .  12 Return . .           15 Payload
 *
 * An envelope of a peer's that has such a shape, wherever its parts stand, is read in place. Every other one is read by the
 * general way, field by field through MessageReader, and comes to the same: see test/conformance/envelope.test.ts.
 */
import { Memory, type MessageBuilder, writeU32 } from '../schema/index.js';
import type { LentFrame } from './loan.js';
import { writeSteps } from './message-target.js';
import { areSame, NO_STEPS, oneStep, type Path } from './places.js';
import * as layout from './protocol.js';
import type { Address } from './remote.js';

/** The room for an envelope in front of content, and the slot of that content. */
export const HEADROOM = { words: 17, root: 15 } as const;

/** The words of the payload. */
export const CONTENT = HEADROOM.root;
export const TABLE = CONTENT + 1;

/** Where the messages begin. */
export const START = { imported: 4, pipelined: 0, return: 9 } as const;

/** Where the parts of a message stand behind its beginning. */
const MESSAGE_AT = 1;
const BODY_AT = 3;
const TARGET_AT = 9;
const PROMISED_AT = 11;

const size = ({ words, pointers }: { words: number; pointers: number }): number => words | (pointers << 16);
const MESSAGE = size(layout.Message);
const CALL = size(layout.Call);
const RETURN = size(layout.Return);
const FINISH = size(layout.Finish);
const RELEASE = size(layout.Release);
const TARGET = size(layout.MessageTarget);
const PROMISED = size(layout.PromisedAnswer);
const OP = size(layout.Op);
const PAYLOAD = size(layout.Payload);

/** The flags of a Call and of a Return: where they stand in its data, in bytes, and each of them. */
const CALL_FLAGS = 16;
const NO_PROMISE_PIPELINING = 1 << (layout.Call.noPromisePipelining - 8 * CALL_FLAGS);
const ONLY_PROMISE_PIPELINE = 1 << (layout.Call.onlyPromisePipeline - 8 * CALL_FLAGS);
const RETURN_FLAGS = 4;
const KEEP_PARAM_CAPS = 1 << (layout.Return.keepParamCaps - 8 * RETURN_FLAGS);
const NO_FINISH_NEEDED = 1 << (layout.Return.noFinishNeeded - 8 * RETURN_FLAGS);
const FINISH_FLAGS = 4;
const KEEP_RESULT_CAPS = 1 << (layout.Finish.keepResultCaps - 8 * FINISH_FLAGS);
const NO_WORKAROUND = 1 << (layout.Finish.noEarlyCancellationWorkaround - 8 * FINISH_FLAGS);

// ---- writing ------------------------------------------------------------------------------------------------------

/** What the data of a Call says besides its interface and its method. */
export interface CallTerms {
  /** The question's id. */
  readonly id: number;
  readonly toYourself: boolean;
  readonly noPromisePipelining: boolean;
  readonly onlyPromisePipeline: boolean;
}

/** Writes the envelope of a Call into the headroom of `message`, and gives the word where it begins. */
export function writeCall(
  message: MessageBuilder,
  call: CallTerms,
  interfaceId: bigint,
  methodId: number,
  to: Address,
): number {
  const { view, base } = message;
  const start = START[to.kind];
  const body = begin(message, start, layout.Message.call, CALL);
  const at = base + body * 8;
  view.setUint32(at + layout.Call.questionId, call.id, true);
  view.setUint16(at + layout.Call.methodId, methodId, true);
  view.setUint16(
    at + layout.Call.sendResultsTo,
    call.toYourself ? layout.Call.toYourself : layout.Call.toCaller,
    true,
  );
  view.setBigUint64(at + layout.Call.interfaceId, interfaceId, true);
  view.setUint32(at + CALL_FLAGS, flagsOf(call), true);
  const target = start + TARGET_AT;
  point(view, base, body + layout.Call.words + layout.Call.target, target, TARGET);
  point(view, base, body + layout.Call.words + layout.Call.params, CONTENT, PAYLOAD);
  if (to.kind === 'imported') {
    view.setUint32(base + target * 8 + layout.MessageTarget.importedCapId, to.id, true);
  } else {
    view.setUint16(base + target * 8 + layout.MessageTarget.tag, layout.MessageTarget.promisedAnswer, true);
    point(view, base, target + layout.MessageTarget.words, PROMISED_AT, PROMISED);
    view.setUint32(base + PROMISED_AT * 8 + layout.PromisedAnswer.questionId, to.questionId, true);
    writeTransform(message, to.path);
  }
  return start;
}

/** Writes what stands before the body of a message that begins at the word `start`, and gives the word where the body does. */
function begin({ view, base }: MessageBuilder, start: number, tag: number, size: number): number {
  point(view, base, start, start + MESSAGE_AT, MESSAGE);
  view.setUint32(base + (start + MESSAGE_AT) * 8, tag, true);
  const body = start + BODY_AT;
  point(view, base, body - 1, body, size);
  return body;
}

/** The transform of a PromisedAnswer of ours. */
function writeTransform(message: MessageBuilder, path: Path): void {
  const slot = PROMISED_AT + layout.PromisedAnswer.words + layout.PromisedAnswer.transform;
  // Rare: there is no room for it in the headroom.
  if (path.length > 1) return writeSteps(path, message.pointerAt(slot));
  if (path.length === 0) return;
  const { view, base } = message;
  view.setUint32(base + slot * 8, LIST, true);
  view.setUint32(base + slot * 8 + 4, STEP_LIST, true);
  view.setUint32(base + (slot + 1) * 8, 1 << 2, true);
  view.setUint32(base + (slot + 1) * 8 + 4, OP, true);
  view.setUint16(base + (slot + 2) * 8 + layout.Op.tag, layout.Op.getPointerField, true);
  view.setUint16(base + (slot + 2) * 8 + layout.Op.field, path[0]!, true);
}

/** The kind of a pointer to a list, with the offset 0; and the upper half of one to a list of a single step, behind its tag. */
const LIST = 1;
const STEP_LIST = 7 | ((layout.Op.words + layout.Op.pointers) << 3);

/** Writes the envelope of a Return with results into the headroom of `message`, which begins at START.return then. */
export function writeReturn(message: MessageBuilder, answerId: number, noFinishNeeded: boolean): void {
  const { view, base } = message;
  const body = begin(message, START.return, layout.Message.return, RETURN);
  view.setUint32(base + body * 8 + layout.Return.answerId, answerId, true);
  const flags = KEEP_PARAM_CAPS | (noFinishNeeded ? NO_FINISH_NEEDED : 0);
  view.setUint32(base + body * 8 + RETURN_FLAGS, flags, true);
  point(view, base, body + layout.Return.words + layout.Return.body, CONTENT, PAYLOAD);
}

/** A Return without results, of one of the kinds that say nothing more than that: a message. */
export function returnMessage(answerId: number, tag: number): Uint8Array {
  const bytes = bare(layout.Message.return, RETURN);
  const at = BODY_AT * 8;
  writeU32(bytes, at + layout.Return.answerId, answerId);
  writeU32(bytes, at + RETURN_FLAGS, KEEP_PARAM_CAPS);
  bytes[at + layout.Return.tag] = tag;
  return bytes;
}

/** A message. */
export function finishMessage(questionId: number, keepResultCaps: boolean): Uint8Array {
  const bytes = bare(layout.Message.finish, FINISH);
  const at = BODY_AT * 8;
  writeU32(bytes, at + layout.Finish.questionId, questionId);
  writeU32(bytes, at + FINISH_FLAGS, (keepResultCaps ? KEEP_RESULT_CAPS : 0) | NO_WORKAROUND);
  return bytes;
}

/** A message. */
export function releaseMessage(id: number, referenceCount: number): Uint8Array {
  const bytes = bare(layout.Message.release, RELEASE);
  writeU32(bytes, BODY_AT * 8 + layout.Release.id, id);
  writeU32(bytes, BODY_AT * 8 + layout.Release.referenceCount, referenceCount);
  return bytes;
}

/** A message whose body is a struct of this size, zero so far. Not of a slab: so small an array costs less by itself. */
function bare(tag: number, body: number): Uint8Array {
  const bytes = new Uint8Array((BODY_AT + (body & 0xffff) + (body >>> 16)) * 8);
  writeU32(bytes, 4, MESSAGE);
  bytes[MESSAGE_AT * 8 + layout.Message.tag] = tag;
  writeU32(bytes, (BODY_AT - 1) * 8 + 4, body);
  return bytes;
}

/** Where in its segment the parts of a Call stand that is written over, and what of it stays. */
export interface CallPlaces {
  readonly methodId: number;
  /** The two halves of the interface's id. */
  readonly interfaceLow: number;
  readonly interfaceHigh: number;
  readonly head: number;
  readonly target: number;
  /** The PromisedAnswer that it is addressed to, and what that says; NOWHERE where it is addressed to an import. */
  readonly promised: number;
  readonly steps: number;
  readonly path: Path;
}

/** Where a segment stands whose words are read and written: in a view of its memory, from the byte `base` on. */
export interface SegmentPlace {
  readonly view: DataView;
  readonly base: number;
}

/**
 * Writes a Call over the one in these places, of the same method, or where that was erased; whether that can be: one that was
 * addressed to an import, or to another place, has no room for the place in an answer that it is for now.
 */
export function rewriteCall(places: CallPlaces & SegmentPlace, call: CallTerms, to: Address): boolean {
  const { view, base, head, target, promised, steps, path } = places;
  if (to.kind === 'pipelined' && (promised === NOWHERE || !areSame(path, to.path))) return false;
  const at = base + head * 8;
  view.setUint32(at + layout.Call.questionId, call.id, true);
  const sendResultsTo = call.toYourself ? layout.Call.toYourself : layout.Call.toCaller;
  view.setUint32(at + layout.Call.methodId, places.methodId | (sendResultsTo << 16), true);
  view.setUint32(at + layout.Call.interfaceId, places.interfaceLow, true);
  view.setUint32(at + layout.Call.interfaceId + 4, places.interfaceHigh, true);
  view.setUint32(at + CALL_FLAGS, flagsOf(call), true);
  view.setUint32(at + CALL_FLAGS + 4, 0, true);
  // Of one that is sent to whoever asked it: where else its results could go.
  eraseWord(view, at + (layout.Call.words + layout.Call.thirdParty) * 8);
  const addressed = base + target * 8;
  eraseWord(view, addressed);
  if (to.kind === 'imported') {
    view.setUint32(addressed + layout.MessageTarget.importedCapId, to.id, true);
    eraseWord(view, addressed + layout.MessageTarget.words * 8);
    if (promised !== NOWHERE) eraseWords(places, promised, PROMISED_WORDS);
    if (path.length > 0) eraseWords(places, steps, STEP_WORDS);
  } else {
    const question = base + promised * 8 + layout.PromisedAnswer.questionId;
    view.setUint16(addressed + layout.MessageTarget.tag, layout.MessageTarget.promisedAnswer, true);
    view.setUint32(question, to.questionId, true);
    view.setUint32(question + 4, 0, true);
    if (path.length > 0) view.setUint32(base + (steps + 1) * 8 + 4, 0, true);
  }
  return true;
}

/** Writes a Return with results over the one that begins at the word `head`. */
export function rewriteReturn(
  place: SegmentPlace & { readonly head: number },
  answerId: number,
  noFinishNeeded: boolean,
): void {
  const { view, base, head } = place;
  const at = base + head * 8;
  view.setUint32(at + layout.Return.answerId, answerId, true);
  // The tag is behind the flags, and says that there are results.
  view.setUint32(at + RETURN_FLAGS, KEEP_PARAM_CAPS | (noFinishNeeded ? NO_FINISH_NEEDED : 0), true);
  eraseWord(view, at + 8);
}

/** So many words from `start` on are zero. */
export function eraseWords({ view, base }: SegmentPlace, start: number, words: number): void {
  const end = start + words;
  for (let word = start; word < end; word++) eraseWord(view, base + word * 8);
}

function eraseWord(view: DataView, at: number): void {
  view.setUint32(at, 0, true);
  view.setUint32(at + 4, 0, true);
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

/** The kinds of messages that are read so. */
export type Kind = 'call' | 'return' | 'finish' | 'release';

/**
 * One envelope of the usual shape: a Call or a Return whose payload has no capabilities, where the Call is to an import or to a
 * place no more than one step into an answer; a Return that was canceled; a Finish or a Release.
 */
export class PlainEnvelope implements CallHead, ReturnHead {
  /** Of a Call or a Finish the question's id; of a Return the answer's; of a Release the export's. */
  id = 0;
  interfaceId = 0n;
  methodId = 0;
  sendResultsTo = 0;
  noPromisePipelining = false;
  onlyPromisePipeline = false;
  importedCapId = 0;
  /** What a Call is addressed to, where `promised` is somewhere. */
  questionId = 0;
  path: Path = NO_STEPS;
  keepParamCaps = false;
  noFinishNeeded = false;
  /** Of a Return: how the call has ended. */
  tag = 0;
  keepResultCaps = false;
  referenceCount = 0;
  /** The segment in which it is, but for a far pointer to it at the beginning of the first. */
  segment = 0;
  /** The words where its parts begin: the Call or Return, the target of a Call, and the slot of the content. */
  head = NOWHERE;
  target = NOWHERE;
  promised = NOWHERE;
  /** The tag of a list of one step, which stands behind it. */
  steps = NOWHERE;
  content = NOWHERE;
  /** Whether its parts lie side by side: each can be written over, and the others stay what they are. */
  disjoint = false;
  /** The word behind all of its parts. */
  end = 0;
  /** Where its segment stands, and how many words that has. */
  view: DataView = NOTHING.view;
  base = 0;
  #words = 0;
  #root = 0;
  #message = 0;
  /** Whether each part so far stands behind those before it. */
  #inOrder = true;
  interfaceLow = 0;
  interfaceHigh = 0;

  /** What stands in `segments`, if it has this shape. */
  take(segments: readonly Uint8Array[]): Kind | null {
    return this.#enter(segments[0]) ? this.#take(segments) : null;
  }

  /** The same of a message that stands in its frame. */
  takeFrame({ memory, at, bytes }: LentFrame): Kind | null {
    if (bytes < 8) return null;
    this.#stand(memory, at, bytes >>> 3);
    return this.#take(null);
  }

  /** Null: there is no segment but the one that is entered. */
  #take(segments: readonly Uint8Array[] | null): Kind | null {
    this.segment = 0;
    this.head = NOWHERE;
    this.target = NOWHERE;
    this.promised = NOWHERE;
    this.steps = NOWHERE;
    this.content = NOWHERE;
    this.path = NO_STEPS;
    this.end = 1;
    this.#root = 0;
    this.#inOrder = true;
    const low = this.#u32(0, 0);
    if ((low & 7) === layout.FAR) {
      this.#root = low >>> 3;
      this.segment = this.#u32(0, 4);
      if (this.segment !== 0 && !this.#enter(segments?.[this.segment])) return null;
      this.end = this.#root + 1;
    }
    const message = this.#follow(this.#root, MESSAGE);
    if (message < 0) return null;
    this.#message = message;
    this.#part(message, MESSAGE_WORDS);
    switch (this.#u16(message, layout.Message.tag)) {
      case layout.Message.call:
        return this.#takeCall(this.#follow(message + 1, CALL)) ? 'call' : null;
      case layout.Message.return:
        return this.#takeReturn(this.#follow(message + 1, RETURN)) ? 'return' : null;
      case layout.Message.finish:
        return this.#takeFinish(this.#follow(message + 1, FINISH)) ? 'finish' : null;
      case layout.Message.release:
        return this.#takeRelease(this.#follow(message + 1, RELEASE)) ? 'release' : null;
      default:
        return null;
    }
  }

  /** Nothing is read or written there any more: what is left alone must not keep the memory of a message. */
  leave(): void {
    this.#stand(NOTHING, 0, 0);
  }

  /** Its segment stands somewhere else now. */
  movedTo(segment: Uint8Array): void {
    this.#enter(segment);
  }

  #takeCall(call: number): boolean {
    if (call < 0) return false;
    const target = this.#follow(call + layout.Call.words + layout.Call.target, TARGET);
    const payload = this.#follow(call + layout.Call.words + layout.Call.params, PAYLOAD);
    if (target < 0 || payload < 0 || !this.#isNull(payload + layout.Payload.capTable)) return false;
    const sendResultsTo = this.#u16(call, layout.Call.sendResultsTo);
    if (sendResultsTo > layout.Call.toYourself) return false;
    this.#part(call, CALL_WORDS);
    // We write the payload behind the target, and others in front of it.
    const isBehind = payload > target;
    if (!isBehind) this.#part(payload, PAYLOAD_WORDS);
    this.#part(target, TARGET_WORDS);
    const tag = this.#u16(target, layout.MessageTarget.tag);
    if (tag === layout.MessageTarget.promisedAnswer) {
      if (!this.#takePromised(this.#follow(target + layout.MessageTarget.words, PROMISED))) return false;
    } else if (tag !== layout.MessageTarget.importedCap) return false;
    if (isBehind) this.#part(payload, PAYLOAD_WORDS);
    this.id = this.#u32(call, layout.Call.questionId);
    this.#readInterfaceId(call);
    this.methodId = this.#u16(call, layout.Call.methodId);
    this.sendResultsTo = sendResultsTo;
    const flags = this.#u32(call, CALL_FLAGS);
    this.noPromisePipelining = (flags & NO_PROMISE_PIPELINING) !== 0;
    this.onlyPromisePipeline = (flags & ONLY_PROMISE_PIPELINE) !== 0;
    this.importedCapId = this.#u32(target, layout.MessageTarget.importedCapId);
    this.head = call;
    this.target = target;
    this.content = payload + layout.Payload.content;
    this.disjoint = this.#inOrder || this.#areApart();
    return true;
  }

  #takePromised(promised: number): boolean {
    if (promised < 0) return false;
    const transform = promised + layout.PromisedAnswer.words + layout.PromisedAnswer.transform;
    this.#part(promised, PROMISED_WORDS);
    if (!this.#isNull(transform)) {
      const steps = this.#followSteps(transform);
      if (steps < 0 || this.#u16(steps + 1, layout.Op.tag) !== layout.Op.getPointerField) return false;
      this.#part(steps, STEP_WORDS);
      this.steps = steps;
      this.path = oneStep(this.#u16(steps + 1, layout.Op.field));
    }
    this.promised = promised;
    this.questionId = this.#u32(promised, layout.PromisedAnswer.questionId);
    return true;
  }

  #takeReturn(return_: number): boolean {
    if (return_ < 0) return false;
    this.tag = this.#u16(return_, layout.Return.tag);
    if (this.tag === layout.Return.results) {
      const payload = this.#follow(return_ + layout.Return.words + layout.Return.body, PAYLOAD);
      if (payload < 0 || !this.#isNull(payload + layout.Payload.capTable)) return false;
      this.#part(return_, RETURN_WORDS);
      this.#part(payload, PAYLOAD_WORDS);
      this.content = payload + layout.Payload.content;
    } else if (this.tag !== layout.Return.canceled) return false;
    this.id = this.#u32(return_, layout.Return.answerId);
    const flags = this.#u32(return_, RETURN_FLAGS);
    this.keepParamCaps = (flags & KEEP_PARAM_CAPS) !== 0;
    this.noFinishNeeded = (flags & NO_FINISH_NEEDED) !== 0;
    this.head = return_;
    this.disjoint = this.#inOrder || this.#areApart();
    return true;
  }

  #takeFinish(finish: number): boolean {
    if (finish < 0) return false;
    this.id = this.#u32(finish, layout.Finish.questionId);
    this.keepResultCaps = (this.#u32(finish, FINISH_FLAGS) & KEEP_RESULT_CAPS) !== 0;
    return true;
  }

  #takeRelease(release: number): boolean {
    if (release < 0) return false;
    this.id = this.#u32(release, layout.Release.id);
    this.referenceCount = this.#u32(release, layout.Release.referenceCount);
    return true;
  }

  /** Notes a part, of so many words from `start` on. */
  #part(start: number, words: number): void {
    if (start < this.end) this.#inOrder = false;
    if (start + words > this.end) this.end = start + words;
  }

  /** Whether no part lies over another one, or over the root and a far pointer to that. */
  #areApart(): boolean {
    const isCall = this.target !== NOWHERE;
    const parts: readonly (readonly [start: number, words: number])[] = [
      [this.segment === 0 && this.#root > 0 ? 0 : NOWHERE, 1],
      [this.#root, 1],
      [this.#message, MESSAGE_WORDS],
      [this.head, isCall ? CALL_WORDS : RETURN_WORDS],
      [this.target, TARGET_WORDS],
      [this.promised, PROMISED_WORDS],
      [this.steps, STEP_WORDS],
      [this.content - layout.Payload.content, PAYLOAD_WORDS],
    ];
    return parts.every(
      ([start, words], i) =>
        start < 0 ||
        parts.every(
          ([other, others], j) => j >= i || other < 0 || start + words <= other || other + others <= start,
        ),
    );
  }

  /** Most calls are of the interface that the one before was of: a BigInt of its own for each would cost more than they do. */
  #readInterfaceId(call: number): void {
    const low = this.#u32(call, layout.Call.interfaceId);
    const high = this.#u32(call, layout.Call.interfaceId + 4);
    if (low === this.interfaceLow && high === this.interfaceHigh) return;
    this.interfaceLow = low;
    this.interfaceHigh = high;
    this.interfaceId = (BigInt(high) << 32n) | BigInt(low);
  }

  #enter(segment: Uint8Array | undefined): boolean {
    if (segment === undefined || segment.length < 8) return false;
    this.#stand(new Memory(segment as Uint8Array<ArrayBuffer>), 0, segment.length >>> 3);
    return true;
  }

  #stand({ view }: Memory, base: number, words: number): void {
    this.view = view;
    this.base = base;
    this.#words = words;
  }

  /** The number in the bytes from `at` on of the struct that begins at a word of the segment. */
  #u16(word: number, at: number): number {
    return this.view.getUint16(this.base + word * 8 + at, true);
  }
  #u32(word: number, at: number): number {
    return this.view.getUint32(this.base + word * 8 + at, true);
  }

  /** The word where the struct begins to which the word `at` points: of just this size, in this segment. -1 otherwise. */
  #follow(at: number, struct: number): number {
    if (at >= this.#words) return -1;
    const low = this.#u32(at, 0) | 0;
    if ((low & 3) !== 0 || this.#u32(at, 4) !== struct) return -1;
    const start = at + 1 + (low >> 2);
    const words = (struct & 0xffff) + (struct >>> 16);
    return start >= 0 && start + words <= this.#words ? start : -1;
  }

  /** The word where the tag of a list of one Op stands to which the word `at` points, in this segment. -1 otherwise. */
  #followSteps(at: number): number {
    const low = this.#u32(at, 0) | 0;
    if ((low & 3) !== LIST || this.#u32(at, 4) !== STEP_LIST) return -1;
    const tag = at + 1 + (low >> 2);
    if (tag < 0 || tag + STEP_WORDS > this.#words) return -1;
    return this.#u32(tag, 0) === 1 << 2 && this.#u32(tag, 4) === OP ? tag : -1;
  }

  #isNull(word: number): boolean {
    return this.#u32(word, 0) === 0 && this.#u32(word, 4) === 0;
  }
}

const wordsOf = ({ words, pointers }: { words: number; pointers: number }): number => words + pointers;
const MESSAGE_WORDS = wordsOf(layout.Message);
const CALL_WORDS = wordsOf(layout.Call);
const RETURN_WORDS = wordsOf(layout.Return);
const TARGET_WORDS = wordsOf(layout.MessageTarget);
const PROMISED_WORDS = wordsOf(layout.PromisedAnswer);
/** A list of one step, with its tag. */
const STEP_WORDS = 1 + wordsOf(layout.Op);
const PAYLOAD_WORDS = wordsOf(layout.Payload);

const NOTHING = new Memory(new Uint8Array(0));
