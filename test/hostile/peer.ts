/**
 * A peer that says whatever a test wants it to, word by word, at the other end of a real Connection; and what it is told.
 */
import { Connection, type ConnectionOptions } from '../../rpc/connection.js';
import { RPC_ERROR_TYPES, type RpcError } from '../../rpc/error.js';
import type { ConnectionLimits } from '../../rpc/limits.js';
import * as layout from '../../rpc/protocol.js';
import {
  type InterfaceType,
  MessageBuilder,
  MessageReader,
  type PointerBuilder,
  type StructBuilder,
} from '../../schema/index.js';
import { receiveLent } from '../lending.js';

// ---- words --------------------------------------------------------------------------------------------------------

/** A struct pointer; `offset` counts in words from behind it. */
export function structPointer(offset: number, dataWords: number, pointers: number): bigint {
  return BigInt((offset << 2) >>> 0) | (BigInt(dataWords) << 32n) | (BigInt(pointers) << 48n);
}

/** A list pointer; of structs, `count` is in words. */
export function listPointer(offset: number, size: number, count: number): bigint {
  return BigInt(((offset << 2) | 1) >>> 0) | (BigInt(((count << 3) | size) >>> 0) << 32n);
}

/** The tag in front of a list of structs. */
export function listTag(count: number, dataWords: number, pointers: number): bigint {
  return BigInt((count << 2) >>> 0) | (BigInt(dataWords) << 32n) | (BigInt(pointers) << 48n);
}

export function farPointer(segment: number, pad: number, double = false): bigint {
  return BigInt(((pad << 3) | (double ? 6 : 2)) >>> 0) | (BigInt(segment) << 32n);
}

export function capabilityPointer(index: number): bigint {
  return 3n | (BigInt(index) << 32n);
}

export function segment(words: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setBigUint64(i * 8, BigInt.asUintN(64, word), true);
  return bytes;
}

// ---- messages -----------------------------------------------------------------------------------------------------

export function message(
  tag: number,
  size: { readonly words: number; readonly pointers: number },
  fill: (body: StructBuilder) => void = () => {},
): Uint8Array {
  const builder = new MessageBuilder();
  const root = builder.root.struct(layout.Message.words, layout.Message.pointers);
  root.setU16(layout.Message.tag, tag);
  fill(root.pointer(layout.Message.body).struct(size.words, size.pointers));
  return builder.segment();
}

export type Target =
  | { readonly exported: number }
  | { readonly question: number; readonly path?: readonly number[] };

export function writeTarget(target: Target, into: PointerBuilder): void {
  const builder = into.struct(layout.MessageTarget.words, layout.MessageTarget.pointers);
  if ('exported' in target) {
    builder.setU32(layout.MessageTarget.importedCapId, target.exported);
    return;
  }
  builder.setU16(layout.MessageTarget.tag, layout.MessageTarget.promisedAnswer);
  writePromisedAnswer(target.question, target.path ?? [], builder.pointer(layout.MessageTarget.body));
}

export function writePromisedAnswer(question: number, path: readonly number[], into: PointerBuilder): void {
  const answer = into.struct(layout.PromisedAnswer.words, layout.PromisedAnswer.pointers);
  answer.setU32(layout.PromisedAnswer.questionId, question);
  if (path.length === 0) return;
  const steps = answer
    .pointer(layout.PromisedAnswer.transform)
    .structList(path.length, layout.Op.words, layout.Op.pointers);
  path.forEach((field, i) => {
    steps.struct(i).setU16(layout.Op.tag, layout.Op.getPointerField);
    steps.struct(i).setU16(layout.Op.field, field);
  });
}

/** A CapDescriptor, by its kind. */
export type Descriptor =
  | { readonly kind: keyof typeof DESCRIPTORS; readonly id: number }
  | { readonly kind: 'receiverAnswer'; readonly question: number; readonly path?: readonly number[] }
  | { readonly kind: 'thirdPartyHosted'; readonly vine: number }
  | { readonly kind: 'unknown'; readonly tag: number };

const DESCRIPTORS = {
  senderHosted: layout.CapDescriptor.senderHosted,
  senderPromise: layout.CapDescriptor.senderPromise,
  receiverHosted: layout.CapDescriptor.receiverHosted,
} as const;

export function writeDescriptor(descriptor: Descriptor, into: StructBuilder): void {
  switch (descriptor.kind) {
    case 'receiverAnswer':
      into.setU16(layout.CapDescriptor.tag, layout.CapDescriptor.receiverAnswer);
      return writePromisedAnswer(
        descriptor.question,
        descriptor.path ?? [],
        into.pointer(layout.CapDescriptor.body),
      );
    case 'thirdPartyHosted':
      into.setU16(layout.CapDescriptor.tag, layout.CapDescriptor.thirdPartyHosted);
      return into
        .pointer(layout.CapDescriptor.body)
        .struct(1, 1)
        .setU32(layout.ThirdPartyCapDescriptor.vineId, descriptor.vine);
    case 'unknown':
      return into.setU16(layout.CapDescriptor.tag, descriptor.tag);
    default:
      into.setU16(layout.CapDescriptor.tag, DESCRIPTORS[descriptor.kind]);
      into.setU32(layout.CapDescriptor.id, descriptor.id);
  }
}

export interface PayloadSpec {
  readonly content?: (content: PointerBuilder) => void;
  readonly capabilities?: readonly Descriptor[];
}

function writePayload(payload: PayloadSpec, into: PointerBuilder): void {
  const { content, capabilities = [] } = payload;
  const builder = into.struct(layout.Payload.words, layout.Payload.pointers);
  content?.(builder.pointer(layout.Payload.content));
  if (capabilities.length === 0) return;
  const table = builder
    .pointer(layout.Payload.capTable)
    .structList(capabilities.length, layout.CapDescriptor.words, layout.CapDescriptor.pointers);
  capabilities.forEach((descriptor, i) => {
    writeDescriptor(descriptor, table.struct(i));
  });
}

export interface CallSpec extends PayloadSpec {
  readonly target?: Target;
  readonly interfaceId?: bigint;
  readonly methodId?: number;
  readonly sendResultsTo?: number;
}

export function bootstrapMessage(questionId: number): Uint8Array {
  return message(layout.Message.bootstrap, layout.Bootstrap, (body) =>
    body.setU32(layout.Bootstrap.questionId, questionId),
  );
}

/** A call of a method of a schema, with params as JavaScript has them; capabilities by their index. */
export function method(type: InterfaceType, name: string, params: object, rest: CallSpec): CallSpec {
  const found = type.method(name)!;
  return {
    interfaceId: found.interface.id,
    methodId: found.id,
    content: (content: PointerBuilder) => {
      const built = new MessageBuilder();
      found.params.encode(params, built.root, { encode: (value) => value as number });
      content.copy(built.asReader().root);
    },
    ...rest,
  };
}

/** A call; without a target, on the export 0. */
export function callMessage(questionId: number, spec: CallSpec = {}): Uint8Array {
  const { target = { exported: 0 }, interfaceId = 0n, methodId = 0, sendResultsTo = 0 } = spec;
  return message(layout.Message.call, layout.Call, (call) => {
    call.setU32(layout.Call.questionId, questionId);
    call.setU64(layout.Call.interfaceId, interfaceId);
    call.setU16(layout.Call.methodId, methodId);
    call.setU16(layout.Call.sendResultsTo, sendResultsTo);
    writeTarget(target, call.pointer(layout.Call.target));
    writePayload(spec, call.pointer(layout.Call.params));
  });
}

export function finishMessage(questionId: number, releaseResultCaps = true): Uint8Array {
  return message(layout.Message.finish, layout.Finish, (body) => {
    body.setU32(layout.Finish.questionId, questionId);
    body.setBool(layout.Finish.keepResultCaps, !releaseResultCaps);
  });
}

export function releaseMessage(id: number, referenceCount: number): Uint8Array {
  return message(layout.Message.release, layout.Release, (body) => {
    body.setU32(layout.Release.id, id);
    body.setU32(layout.Release.referenceCount, referenceCount);
  });
}

export function resolveMessage(promiseId: number, to: Descriptor): Uint8Array {
  return message(layout.Message.resolve, layout.Resolve, (body) => {
    body.setU32(layout.Resolve.promiseId, promiseId);
    writeDescriptor(
      to,
      body.pointer(layout.Resolve.body).struct(layout.CapDescriptor.words, layout.CapDescriptor.pointers),
    );
  });
}

export function disembargoMessage(
  embargoId: number,
  target: Target,
  tag: number = layout.Disembargo.senderLoopback,
): Uint8Array {
  return message(layout.Message.disembargo, layout.Disembargo, (body) => {
    body.setU16(layout.Disembargo.tag, tag);
    body.setU32(layout.Disembargo.embargoId, embargoId);
    writeTarget(target, body.pointer(layout.Disembargo.target));
  });
}

export function resultsMessage(answerId: number, payload: PayloadSpec = {}): Uint8Array {
  return message(layout.Message.return, layout.Return, (body) => {
    body.setU32(layout.Return.answerId, answerId);
    body.setBool(layout.Return.keepParamCaps, true);
    body.setU16(layout.Return.tag, layout.Return.results);
    writePayload(payload, body.pointer(layout.Return.body));
  });
}

/**
 * A Call whose params are given by the word: `content` and `capTable` stand in the pointer slots of its Payload, and `rest`
 * right behind them, so that for `content` the first word of `rest` is at the offset 1, and for `capTable` at 0. The words
 * in front have fixed places (RAW_CALL), for those who want to point back at them.
 */
export function rawCall(
  questionId: number,
  words: {
    readonly content?: bigint;
    readonly capTable?: bigint;
    readonly rest?: readonly bigint[];
    readonly target?: readonly [data: bigint, pointer: bigint];
    readonly interfaceId?: bigint;
    readonly methodId?: number;
  },
): Uint8Array {
  const { content = 0n, capTable = 0n, rest = [], target = [0n, 0n], interfaceId = 0n, methodId = 0 } = words;
  return segment([
    structPointer(0, 1, 1),
    BigInt(layout.Message.call),
    structPointer(0, 3, 3),
    BigInt(questionId) | (BigInt(methodId) << 32n),
    interfaceId,
    0n,
    structPointer(2, 1, 1),
    structPointer(3, 0, 2),
    0n,
    ...target,
    content,
    capTable,
    ...rest,
  ]);
}

/** The words of a `rawCall`, by what they are. */
export const RAW_CALL = {
  call: 3,
  target: 9,
  targetPointer: 10,
  content: 11,
  capTable: 12,
  rest: 13,
} as const;

// ---- the peer -----------------------------------------------------------------------------------------------------

/** A message that the peer was sent, as far as tests look into it. */
export interface Told {
  readonly tag: number;
  /** The question that a Return is for, or the id that stands first in any other message. */
  readonly id: number;
  readonly returned?:
    | 'results'
    | 'canceled'
    | 'elsewhere'
    | { readonly type: string; readonly reason: string };
  readonly reason?: string;
  readonly bytes: number;
  readonly reader: MessageReader;
}

export class HostilePeer {
  readonly connection: Connection;
  readonly told: Told[] = [];
  /** Why the connection ended; null while it lasts. */
  closed: RpcError | null = null;
  ends = 0;
  #onSend: (() => void) | null = null;

  constructor(options: Partial<ConnectionOptions> & { limits?: Partial<ConnectionLimits> } = {}) {
    this.connection = new Connection({
      send: (segments) => {
        this.told.push(read(segments));
        this.#onSend?.();
      },
      closed: (reason) => {
        this.ends++;
        this.closed = reason;
      },
      ...options,
    });
    options.bootstrap?.release();
  }

  onSend(listener: () => void): void {
    this.#onSend = listener;
  }

  /** Says one message, of one segment or several. */
  say(...segments: Uint8Array[]): this {
    receiveLent(this.connection, segments);
    return this;
  }

  /** Asks for the bootstrap capability as the question `questionId`: it is the export 0 if it is the first. */
  greet(questionId = 0): this {
    return this.say(bootstrapMessage(questionId));
  }

  /** The reason in the Abort that it was sent; null if there was none. */
  get abortReason(): string | null {
    return this.told.find(({ tag }) => tag === layout.Message.abort)?.reason ?? null;
  }

  /** What came back for a question; undefined if nothing did. */
  answerTo(questionId: number): Told['returned'] {
    return this.told.findLast(({ tag, id }) => tag === layout.Message.return && id === questionId)?.returned;
  }
}

function read(segments: readonly Uint8Array[]): Told {
  const reader = new MessageReader(segments, { traversalWords: Number.MAX_SAFE_INTEGER, nesting: 1024 });
  const root = reader.root.struct();
  const tag = root.u16(layout.Message.tag);
  const body = root.pointer(layout.Message.body).struct();
  const told = { tag, id: body.u32(0), bytes: segments.reduce((sum, { length }) => sum + length, 0), reader };
  const reasonOf = (exception: typeof body) => exception.pointer(layout.Exception.reason).text();
  if (tag === layout.Message.abort) return { ...told, reason: reasonOf(body) };
  if (tag !== layout.Message.return) return told;
  switch (body.u16(layout.Return.tag)) {
    case layout.Return.results:
      return { ...told, returned: 'results' };
    case layout.Return.canceled:
      return { ...told, returned: 'canceled' };
    case layout.Return.resultsSentElsewhere:
      return { ...told, returned: 'elsewhere' };
    case layout.Return.exception: {
      const exception = body.pointer(layout.Return.body).struct();
      const type = RPC_ERROR_TYPES[exception.u16(layout.Exception.type)] ?? 'unknown';
      return { ...told, returned: { type, reason: reasonOf(exception) } };
    }
    default:
      throw new Error('a Return that these tests do not expect');
  }
}
