/**
 * The envelopes of Call and Return, read and written at fixed offsets: everything around the content of a payload.
 *
 * An envelope of ours has one layout. It stands right before the slot of the content, in the headroom of the message that the
 * content was built in, or in a segment of its own:
 *
 *     Call    0 root  1 Message .  3 Call . . . . .  9 MessageTarget .  11 Payload: content, table
 *     Return                5 root  6 Message .  8 Return . .           11 Payload: content, table
 *
 * An envelope of a peer's that has this shape, wherever its parts stand, is read in place. Every other one is read by the
 * general way, field by field through MessageReader, and comes to the same: see test/conformance/envelope.test.ts.
 */
import type { MessageBuilder } from '../schema/index.js';
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

// ---- writing ------------------------------------------------------------------------------------------------------

interface CallEnvelope {
  readonly questionId: number;
  readonly interfaceId: bigint;
  readonly methodId: number;
  readonly toYourself: boolean;
  readonly noPromisePipelining: boolean;
  readonly onlyPromisePipeline: boolean;
  readonly target: Address;
}

/** Writes the envelope of a Call into the headroom of `message`, which begins at CALL_START then. */
export function writeCall(message: MessageBuilder, call: CallEnvelope): void {
  const { view } = message;
  point(view, 0, 1, MESSAGE);
  view.setUint32(1 * 8, layout.Message.call, true);
  point(view, 2, 3, CALL);
  view.setUint32(3 * 8 + layout.Call.questionId, call.questionId, true);
  view.setUint16(3 * 8 + layout.Call.methodId, call.methodId, true);
  view.setUint16(
    3 * 8 + layout.Call.sendResultsTo,
    call.toYourself ? layout.Call.toYourself : layout.Call.toCaller,
    true,
  );
  view.setBigUint64(3 * 8 + layout.Call.interfaceId, call.interfaceId, true);
  view.setUint32(
    3 * 8 + 16,
    bit(layout.Call.noPromisePipelining - 128, call.noPromisePipelining) |
      bit(layout.Call.onlyPromisePipeline - 128, call.onlyPromisePipeline),
    true,
  );
  point(view, 6, 9, TARGET);
  point(view, 7, CONTENT, PAYLOAD);
  if (call.target.kind === 'imported') {
    view.setUint32(9 * 8 + layout.MessageTarget.importedCapId, call.target.id, true);
  } else {
    view.setUint16(9 * 8 + layout.MessageTarget.tag, layout.MessageTarget.promisedAnswer, true);
    writePromisedAnswer(call.target, message.pointerAt(10));
  }
}

/** Writes the envelope of a Return with results into the headroom of `message`, which begins at RETURN_START then. */
export function writeReturn(message: MessageBuilder, answerId: number, noFinishNeeded: boolean): void {
  const { view } = message;
  point(view, 5, 6, MESSAGE);
  view.setUint32(6 * 8, layout.Message.return, true);
  point(view, 7, 8, RETURN);
  view.setUint32(8 * 8 + layout.Return.answerId, answerId, true);
  view.setUint32(
    8 * 8 + 4,
    bit(layout.Return.keepParamCaps - 32, true) | bit(layout.Return.noFinishNeeded - 32, noFinishNeeded),
    true,
  );
  point(view, 10, CONTENT, PAYLOAD);
}

/** The pointer in the word `from` to a struct that begins at the word `to`. */
function point(view: DataView, from: number, to: number, struct: number): void {
  view.setUint32(from * 8, (to - from - 1) << 2, true);
  view.setUint32(from * 8 + 4, struct, true);
}

function bit(index: number, value: boolean): number {
  return value ? 1 << index : 0;
}

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
  /** Where the slot of the content is. */
  segment = 0;
  word = 0;
  #view: DataView = NOTHING;
  #words = 0;

  /** What stands in `segments`, and is erased there; null, and nothing is touched, where it has another shape. */
  take(segments: readonly Uint8Array[]): 'call' | 'return' | null {
    let root = 0;
    this.segment = 0;
    if (!this.#enter(segments[0])) return null;
    const low = this.#view.getUint32(0, true);
    if ((low & 7) === layout.FAR) {
      this.segment = this.#view.getUint32(4, true);
      root = low >>> 3;
      if (!this.#enter(segments[this.segment])) return null;
    }
    const message = this.#follow(root, MESSAGE);
    if (message < 0) return null;
    switch (this.#view.getUint16(message * 8 + layout.Message.tag, true)) {
      case layout.Message.call:
        return this.#takeCall(this.#follow(message + 1, CALL)) ? 'call' : null;
      case layout.Message.return:
        return this.#takeReturn(this.#follow(message + 1, RETURN)) ? 'return' : null;
      default:
        return null;
    }
  }

  #takeCall(call: number): boolean {
    if (call < 0) return false;
    const view = this.#view;
    const target = this.#follow(call + 3 + layout.Call.target, TARGET);
    const payload = this.#follow(call + 3 + layout.Call.params, PAYLOAD);
    if (target < 0 || payload < 0) return false;
    const tag = view.getUint16(target * 8 + layout.MessageTarget.tag, true);
    if (tag !== layout.MessageTarget.importedCap || !this.#isNull(payload + layout.Payload.capTable))
      return false;
    const at = call * 8;
    this.id = view.getUint32(at + layout.Call.questionId, true);
    this.interfaceId = view.getBigUint64(at + layout.Call.interfaceId, true);
    this.methodId = view.getUint16(at + layout.Call.methodId, true);
    this.sendResultsTo = view.getUint16(at + layout.Call.sendResultsTo, true);
    const flags = view.getUint32(at + 16, true);
    this.noPromisePipelining = (flags & bit(layout.Call.noPromisePipelining - 128, true)) !== 0;
    this.onlyPromisePipeline = (flags & bit(layout.Call.onlyPromisePipeline - 128, true)) !== 0;
    this.importedCapId = view.getUint32(target * 8 + layout.MessageTarget.importedCapId, true);
    this.word = payload + layout.Payload.content;
    if (this.sendResultsTo > layout.Call.toYourself) return false;
    this.#erase(call, layout.Call.words);
    this.#erase(target, layout.MessageTarget.words);
    return true;
  }

  #takeReturn(return_: number): boolean {
    if (return_ < 0) return false;
    const view = this.#view;
    const at = return_ * 8;
    if (view.getUint16(at + layout.Return.tag, true) !== layout.Return.results) return false;
    const payload = this.#follow(return_ + 2 + layout.Return.body, PAYLOAD);
    if (payload < 0 || !this.#isNull(payload + layout.Payload.capTable)) return false;
    this.id = view.getUint32(at + layout.Return.answerId, true);
    const flags = view.getUint32(at + 4, true);
    this.keepParamCaps = (flags & bit(layout.Return.keepParamCaps - 32, true)) !== 0;
    this.noFinishNeeded = (flags & bit(layout.Return.noFinishNeeded - 32, true)) !== 0;
    this.word = payload + layout.Payload.content;
    this.#erase(return_, layout.Return.words);
    return true;
  }

  #enter(segment: Uint8Array | undefined): boolean {
    if (segment === undefined || segment.length < 8) return false;
    this.#view = new DataView(segment.buffer, segment.byteOffset, segment.length);
    this.#words = segment.length >>> 3;
    return true;
  }

  /** The word where the struct begins to which the word `at` points: of just this size, in this segment. -1 otherwise. */
  #follow(at: number, struct: number): number {
    if (at >= this.#words) return -1;
    const low = this.#view.getInt32(at * 8, true);
    const high = this.#view.getInt32(at * 8 + 4, true);
    if ((low & 3) !== 0 || high !== struct) return -1;
    const start = at + 1 + (low >> 2);
    const words = (struct & 0xffff) + (struct >>> 16);
    return start >= 0 && start + words <= this.#words ? start : -1;
  }

  #isNull(word: number): boolean {
    return this.#view.getInt32(word * 8, true) === 0 && this.#view.getInt32(word * 8 + 4, true) === 0;
  }

  #erase(start: number, words: number): void {
    for (let word = start; word < start + words; word++) this.#view.setFloat64(word * 8, 0, true);
  }
}

const NOTHING = new DataView(new ArrayBuffer(0));
