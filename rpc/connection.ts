/**
 * One Cap'n Proto RPC connection, two-party, without I/O: messages come in by `receive()`, go out by the `send` it was
 * given, and nothing else happens: no sockets, no timers, no promises. The contract is schema/capnp/rpc.capnp.
 *
 * It must never throw because of what a peer sends: a peer that breaks the protocol gets an Abort that says why, and the
 * connection ends. What a peer can make it hold is bounded by its limits.
 */

import {
  ElementSize,
  MessageBuilder,
  MessageError,
  type MessageReader,
  type PointerReader,
  type StructBuilder,
  type StructReader,
} from '../schema/index.js';
import { Answer } from './answer.js';
import { type Body, type Composition, ReceivedMessage, type Sender } from './body.js';
import { type Accounts, NO_BUDGET } from './budget.js';
import {
  BrokenCapability,
  type Call,
  type CallHints,
  type CallInProgress,
  type Capability,
  capabilityIn,
  hintsPassedOn,
  type ReturnSink,
} from './capability.js';
import { CapabilityTable } from './capability-table.js';
import { Charges } from './charges.js';
import {
  type CallHead,
  finishMessage,
  type Kind,
  NOWHERE,
  PlainEnvelope,
  type ReturnHead,
  releaseMessage,
  returnMessage,
  START,
  TABLE,
  writeCall,
  writeReturn,
} from './envelope.js';
import { ProtocolViolation, RpcError } from './error.js';
import { readException, sendError, writeException } from './exception.js';
import { IdAllocator } from './id-allocator.js';
import { IdTable } from './id-table.js';
import { type ConnectionLimits, DEFAULT_LIMITS, MAX_CLOSED_EARLY } from './limits.js';
import type { LentFrame, Loan } from './loan.js';
import { readAddress, writeTarget } from './message-target.js';
import { Payload } from './payload.js';
import type { Path } from './places.js';
import type { QueuedCapability } from './promised.js';
import * as layout from './protocol.js';
import { NO_EXPORTS, Question } from './question.js';
import { Relay } from './relay.js';
import { type Address, type ImportedCapability, RemoteCapability } from './remote.js';

export interface ConnectionOptions {
  /** Puts one message on its way: see Transport.send. Must not throw. */
  send(segments: readonly Uint8Array[], awaited: boolean, loan: Loan | null): void;
  /** The same with a message that stands in its frame, where that can be: see Transport.sendFrame. Must not throw. */
  sendFrame?(frame: LentFrame): void;
  /** Told once, when the connection is over, for whatever reason; an Abort has been sent by then, if one was due. */
  closed(error: RpcError): void;
  /** What the peer gets by Bootstrap. Retained. Without one, Bootstrap fails. */
  readonly bootstrap?: Capability | null;
  /**
   * What the peer gets by a Bootstrap that names an object, by which some peers restore (`deprecatedObjectId`, never null):
   * a new reference. Must not throw. Without one, such a Bootstrap fails.
   */
  readonly restore?: (objectId: PointerReader) => Capability;
  readonly limits?: Partial<ConnectionLimits>;
  /**
   * Whether the peer is known to take tail calls (`sendResultsTo.yourself`, `takeFromOtherQuestion`). By default, it gets
   * them once it has made one itself.
   */
  readonly peerTakesTailCalls?: boolean;
  /** Whether the peer is told the stack trace of an error. Default no: a trace shows what runs here. */
  readonly sendTraces?: boolean;
  /** Told whenever the last entry of every table has gone: nothing is held and nothing is under way. */
  idle?(): void;
  /** What it may hold together with others. */
  readonly accounts?: Accounts;
  /**
   * Does `action` as soon as what was passed on to others has left this process: a call that was cancelled counts as in
   * flight until then. At once, without it.
   */
  whenPassedOn?(action: () => void): void;
}

/** The ids of questions that are asked for pipelining only have the high bit set. */
const PIPELINE_ONLY = 0x8000_0000;

const CLOSED_EARLY = Object.freeze({});

interface Embargo {
  readonly promise: QueuedCapability;
  readonly replacement: Capability;
}

export class Connection implements Sender {
  readonly limits: ConnectionLimits;
  readonly accounts: Accounts;
  readonly #options: ConnectionOptions;
  readonly #bootstrap: Capability | null;
  readonly #capabilities: CapabilityTable;
  /** For the next message; null while one is taken. */
  #plain: PlainEnvelope | null = null;
  /** One that nobody has any more, for the next one. */
  #spent: ReceivedMessage | null = null;
  readonly #questions = new IdTable<Question | Relay>();
  readonly #questionIds = new IdAllocator();
  readonly #answers = new IdTable<Answer | Relay>();
  readonly #embargoes = new IdTable<Embargo>();
  readonly #embargoIds = new IdAllocator();
  /** Ids of the peer's that are free, though a Finish or a pipelined message may still come for them. */
  readonly #closedEarly = new IdTable<typeof CLOSED_EARLY>();
  /** Whether there were too many of them: then what is not known may be one. */
  #closedForgotten = false;
  /** Questions that were asked for pipelining only. */
  #pipelineOnlyAsked = 0;
  #pipelineOnlyHonoured = true;
  #peerTakesTailCalls: boolean;
  #busy = false;
  #drained: (() => void) | null = null;
  readonly #charges: Charges;
  #disembargoesWaiting = 0;
  #afterSend: (() => void)[] = [];
  #closed: RpcError | null = null;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#peerTakesTailCalls = options.peerTakesTailCalls ?? false;
    this.accounts = options.accounts ?? NO_BUDGET;
    this.#charges = new Charges(this.limits, this.accounts);
    this.#bootstrap = options.bootstrap?.retain() ?? null;
    this.#capabilities = new CapabilityTable(this, this.limits, {
      sendResolve: (promiseId, resolution) => this.#sendResolve(promiseId, resolution),
      sendRelease: (id, count) => this.put([releaseMessage(id, count)]),
      answerCapability: (questionId, path) => this.#answer(questionId)?.referenceAt(path) ?? null,
    });
  }

  /** Why the connection is over; null while it is not. */
  get closedBy(): RpcError | null {
    return this.#closed;
  }

  // ---- what this side does ------------------------------------------------------------------------------------

  /**
   * The peer's bootstrap capability: a new reference, usable at once. With `objectId`, the object that it restores for
   * that, if it is one of the peers that do so.
   */
  bootstrap(objectId: PointerReader | null = null): Capability {
    if (this.#closed !== null) return new BrokenCapability(this.#closed);
    const question = this.#newQuestion({ returned() {}, failed() {} }, {});
    if (question instanceof RpcError) return new BrokenCapability(question);
    this.#transmit((message) => {
      const bootstrap = begin(message, layout.Message.bootstrap, layout.Bootstrap);
      bootstrap.setU32(layout.Bootstrap.questionId, question.id);
      if (objectId !== null) bootstrap.pointer(layout.Bootstrap.deprecatedObjectId).copy(objectId);
    });
    const capability = question.pipelined([]);
    question.finish();
    return capability;
  }

  /** Ends the connection. Calls in flight fail, on both sides; capabilities of the peer's break. */
  close(
    reason = new RpcError('disconnected', 'the connection was closed', { code: 'ERR_RPC_CLOSED' }),
  ): void {
    this.#end(reason, null);
  }

  /**
   * Has what is under way end in peace: the peer's new calls fail with `disconnected`, and `done` is told once when those
   * that run, and ours, have returned. It does not close.
   */
  drain(done: () => void): void {
    this.#drained = done;
    this.#noticeQuiet();
  }

  /** Whether every table is empty: nothing is held and nothing is under way, in either direction. */
  get isIdle(): boolean {
    return (
      this.#questions.size === 0 &&
      this.#answers.size === 0 &&
      this.#embargoes.size === 0 &&
      this.#capabilities.isEmpty
    );
  }

  #noticeQuiet(): void {
    if (this.#closed !== null) return;
    if (this.#busy && this.isIdle) {
      this.#busy = false;
      this.#options.idle?.();
    }
    const drained = this.#drained;
    if (drained === null || this.callsRunning > 0 || this.callsAwaited > 0) return;
    this.#drained = () => {};
    drained();
  }

  /** The transport is gone. */
  disconnected(reason: RpcError): void {
    this.#end(reason, null);
  }

  /** Ends the connection because of what the peer did, and tells it. */
  abort(reason: string): void {
    const error = new RpcError('failed', reason, { code: 'ERR_RPC_PROTOCOL' });
    this.#end(
      new RpcError('disconnected', `the connection was ended: ${reason}`, { code: error.code, cause: error }),
      error,
    );
  }

  // ---- calls of ours (from remote.ts and question.ts) -----------------------------------------------------------

  ask(target: RemoteCapability, call: Call, sink: ReturnSink): CallInProgress {
    const question = this.#closed ?? this.#newQuestion(sink, this.#hintsFor(call));
    if (question instanceof RpcError) {
      call.params.release();
      return BrokenCapability.failing(question, sink);
    }
    const answer = sink.answer;
    question.toYourself =
      answer?.connection === this &&
      this.#peerTakesTailCalls &&
      answer.state === 'running' &&
      !answer.redirected &&
      !answer.onlyPipeline;
    try {
      this.#sendCall(question, call, target.address);
    } catch (cause) {
      call.params.release();
      this.#forget(question);
      return BrokenCapability.failing(sendError(cause), sink);
    }
    call.params.release();
    if (question.toYourself) this.#handOn(answer!, question);
    return question;
  }

  #sendCall(question: Question, { interfaceId, methodId, params }: Call, to: Address): void {
    const { body, capabilities } = params;
    if (capabilities.length === 0) {
      if (body.reuseForCall(question, interfaceId, methodId, to)) return body.passOn(this);
    }
    const message = body.compose();
    const start = writeCall(message.envelope, question, interfaceId, methodId, to);
    question.paramExports = this.#post(message, start, capabilities, body, true);
  }

  /** "Vat B sends a `Return` for bar() with `takeFromOtherQuestion` set in place of the results." */
  #handOn(answer: Answer, question: Question): void {
    this.#endAnswer(answer);
    answer.handedOn();
    this.#transmit((message) => {
      const builder = this.#beginReturn(message, answer, layout.Return.takeFromOtherQuestion);
      builder.setU32(layout.Return.otherQuestion, question.id);
    });
    this.#noticeQuiet();
  }

  /** The hints that are sent to this peer. */
  #hintsFor(call: Call): CallHints {
    const { noPromisePipelining = false, onlyPromisePipeline = false } = call.hints ?? {};
    // Nobody would say what has become of capabilities in the params, if there is no Return to say so.
    const pipeline =
      onlyPromisePipeline && this.#pipelineOnlyHonoured && call.params.capabilities.length === 0;
    return pipeline ? { noPromisePipelining, onlyPromisePipeline } : hintsPassedOn(noPromisePipelining);
  }

  /** Frees the id of a question. */
  #forget(question: Question | Relay): void {
    this.#questions.delete(question.id);
    if (question.id < PIPELINE_ONLY) this.#questionIds.give(question.id);
  }

  /** "The C++ implementation uses high-numbered IDs for such calls, and cycles through the IDs in order." */
  #pipelineOnlyId(): number {
    let id: number;
    do {
      id = PIPELINE_ONLY + (this.#pipelineOnlyAsked++ % PIPELINE_ONLY);
    } while (this.#questions.has(id));
    return id;
  }

  #newQuestion(sink: ReturnSink, hints: CallHints): Question | RpcError {
    if (this.#questions.size >= this.limits.questions) {
      return new RpcError(
        'overloaded',
        `${this.limits.questions} calls wait for their return already (limit questions)`,
        {
          code: 'ERR_RPC_QUESTION_LIMIT',
        },
      );
    }
    const id = hints.onlyPromisePipeline === true ? this.#pipelineOnlyId() : this.#questionIds.take();
    const question = new Question(this, id, sink, hints);
    this.#questions.set(question.id, question);
    return question;
  }

  /** The last holder of a question is gone. */
  finishQuestion(question: Question | Relay): void {
    if (this.#closed !== null || this.#questions.get(question.id) !== question) return;
    const { state } = question;
    const returned = state !== 'awaiting';
    if (returned || question.id >= PIPELINE_ONLY) this.#forget(question);
    else (question as Question).state = 'cancelled';
    if (question.finishNeeded) {
      // Results that came are ours, and go by Release; those that did not come yet are the peer's to let go of.
      // One that has not returned may end a call over there, if only behind a tail call.
      this.put([finishMessage(question.id, returned)], state !== 'returned');
    }
    this.#noticeQuiet();
  }

  // ---- capabilities (from remote.ts and capability-table.ts) ----------------------------------------------------

  releaseImport(capability: ImportedCapability): void {
    this.#capabilities.releaseImport(capability);
    this.#noticeQuiet();
  }

  /** Holds `promise` back until the peer has echoed a Disembargo sent towards `early`; then it becomes `replacement`. */
  disembargo(early: RemoteCapability, promise: QueuedCapability, replacement: Capability): void {
    if (this.#closed !== null) {
      replacement.release();
      promise.reject(this.#closed);
      promise.release();
      return;
    }
    const id = this.#embargoIds.take();
    this.#embargoes.set(id, { promise, replacement });
    this.#transmit((message) => {
      const disembargo = begin(message, layout.Message.disembargo, layout.Disembargo);
      disembargo.setU16(layout.Disembargo.tag, layout.Disembargo.senderLoopback);
      disembargo.setU32(layout.Disembargo.embargoId, id);
      writeTarget(
        early.address,
        disembargo
          .pointer(layout.Disembargo.target)
          .struct(layout.MessageTarget.words, layout.MessageTarget.pointers),
      );
    });
  }

  /** Has `action` done as soon as the message that is being built is sent. */
  afterSend(action: () => void): void {
    this.#afterSend.push(action);
  }

  #sendResolve(promiseId: number, resolution: Capability): void {
    if (this.#closed !== null) return;
    try {
      this.#transmit((message, exported) => {
        const resolve = begin(message, layout.Message.resolve, layout.Resolve);
        resolve.setU32(layout.Resolve.promiseId, promiseId);
        if (resolution.brokenBy !== null) {
          resolve.setU16(layout.Resolve.tag, layout.Resolve.exception);
          this.#writeException(
            resolution.brokenBy,
            resolve.pointer(layout.Resolve.body).struct(layout.Exception.words, layout.Exception.pointers),
          );
        } else {
          resolve.setU16(layout.Resolve.tag, layout.Resolve.cap);
          const descriptor = resolve
            .pointer(layout.Resolve.body)
            .struct(layout.CapDescriptor.words, layout.CapDescriptor.pointers);
          this.#capabilities.writeDescriptor(resolution, descriptor, exported);
        }
      });
    } catch (cause) {
      // Only the export limit can be met here. The promise must not stay unresolved for ever.
      const broken = new BrokenCapability(sendError(cause));
      this.#sendResolve(promiseId, broken);
      broken.release();
    }
  }

  // ---- sending ------------------------------------------------------------------------------------------------

  /** Builds a message and sends it. If building throws, what it exported is taken back, and nothing was sent. */
  #transmit(build: (message: MessageBuilder, exported: number[]) => void): void {
    this.#exporting((exported) => {
      const message = new MessageBuilder();
      build(message, exported);
      this.put([message.segment()]);
    });
  }

  /**
   * Sends a message with the content of `body`, whose envelope, all but the table of `capabilities`, is written. Gives the exports
   * in it. With `isLast` the body ends here.
   */
  #post(
    composition: Composition,
    start: number,
    capabilities: readonly (Capability | null)[],
    body: Body,
    isLast: boolean,
  ): readonly number[] {
    if (capabilities.length === 0) {
      this.#putComposed(composition, start, body, isLast);
      return NO_EXPORTS;
    }
    return this.#exporting((exported) => {
      const table = composition.envelope
        .pointerAt(TABLE)
        .structList(capabilities.length, layout.CapDescriptor.words, layout.CapDescriptor.pointers);
      for (let i = 0; i < capabilities.length; i++) {
        const capability = capabilities[i];
        if (capability) this.#capabilities.writeDescriptor(capability, table.struct(i), exported);
      }
      this.#putComposed(composition, start, body, isLast);
    });
  }

  #putComposed({ envelope, before }: Composition, start: number, body: Body, isLast: boolean): void {
    const last = envelope.segment(start);
    const segments =
      before.length === 0 ? [last] : before.length === 1 ? [before[0]!, last] : [...before, last];
    const loan = before.length > 0 ? body.loan : envelope.pooled;
    // Sending comes last: where a program has used up the stack, what comes behind it would throw when the call is on its way already.
    if (isLast) body.end(true);
    this.put(segments, true, isLast || loan?.isBrief === true ? loan : null);
  }

  /** Has `send` export capabilities and send them. If it throws, they are taken back, and nothing was sent. */
  #exporting(send: (exported: number[]) => void): readonly number[] {
    const exported: number[] = [];
    const pending = this.#afterSend;
    this.#afterSend = [];
    let after: (() => void)[];
    try {
      send(exported);
      after = this.#afterSend;
    } catch (error) {
      this.#capabilities.releaseExports(exported);
      throw error;
    } finally {
      this.#afterSend = pending;
    }
    for (const action of after) action();
    return exported;
  }

  /** Sends a message. What is not `awaited` only lets the peer forget something. */
  put(segments: readonly Uint8Array[], awaited = true, loan: Loan | null = null): void {
    this.#busy = true;
    let bytes = 0;
    for (const segment of segments) bytes += segment.length;
    if (bytes > this.limits.messageBytes) throw this.#tooLarge(bytes);
    this.#options.send(segments, awaited, loan);
  }

  /** Sends a message that stands in its frame. */
  putFrame(frame: LentFrame): void {
    this.#busy = true;
    if (frame.bytes > this.limits.messageBytes) throw this.#tooLarge(frame.bytes);
    if (this.#options.sendFrame) this.#options.sendFrame(frame);
    else this.#options.send([frame.memory.part(frame.at, frame.bytes)], true, frame);
  }

  #tooLarge(bytes: number): RpcError {
    return new RpcError(
      'failed',
      `a message of ${bytes} bytes is over the limit of ${this.limits.messageBytes} (limit messageBytes)`,
      { code: 'ERR_RPC_MESSAGE_TOO_LARGE' },
    );
  }

  // ---- receiving ----------------------------------------------------------------------------------------------

  /** Takes one message, which may be in memory that is lent: see TransportReceiver.message. Never throws. */
  receive(segments: Uint8Array[], loan: Loan | null): void {
    if (this.#closed !== null) return;
    this.#receive(ReceivedMessage.of(segments, this.limits, loan), segments, null);
  }

  /** Takes one that stands in its frame. Never throws. */
  receiveFrame(frame: LentFrame): void {
    if (this.#closed !== null) return;
    const spent = this.#spent;
    this.#spent = null;
    this.#receive(ReceivedMessage.framed(frame, this.limits, spent), null, frame);
  }

  /** `message` stands in one of the two. */
  #receive(message: ReceivedMessage, segments: readonly Uint8Array[] | null, frame: LentFrame | null): void {
    const plain = this.#plain ?? new PlainEnvelope();
    this.#plain = null;
    try {
      this.#busy = true;
      this.#take(message, plain, frame === null ? plain.take(segments!) : plain.takeFrame(frame));
      this.#noticeQuiet();
    } catch (error) {
      if (error instanceof ProtocolViolation || error instanceof MessageError) this.abort(error.message);
      else {
        // A fault of ours. Nothing may be assumed about the tables any more.
        const failure = RpcError.from(error);
        this.#end(
          new RpcError('disconnected', `internal error: ${failure.message}`, {
            code: 'ERR_RPC_INTERNAL',
            cause: error,
          }),
          new RpcError('failed', 'internal error'),
        );
      }
    } finally {
      if (!message.keep()) {
        plain.leave();
        this.#plain = plain;
      }
    }
  }

  #take(message: ReceivedMessage, plain: PlainEnvelope, kind: Kind | null): void {
    switch (kind) {
      case 'call': {
        if (this.#relay(plain, message)) {
          this.#spent = message;
          return;
        }
        const isPromised = plain.promised !== NOWHERE;
        const depth = isPromised ? this.#depthOf(plain.questionId) : 0;
        const target = isPromised
          ? this.#promised(plain.questionId, plain.path)
          : this.#exported(plain.importedCapId);
        message.enclosedBy(plain);
        return this.#call(plain, target, depth, new Payload(message), message.bytes);
      }
      case 'return':
        if (plain.tag === layout.Return.results) {
          message.enclosedBy(plain);
          if (this.#relayBack(plain, message)) {
            this.#spent = message;
            return;
          }
        }
        return this.#return(plain, plain.tag, null, message);
      case 'finish':
        return this.#finish(plain.id, plain.keepResultCaps);
      case 'release':
        return this.#capabilities.releaseExport(plain.id, plain.referenceCount);
      default:
        return this.#handle(message);
    }
  }

  // ---- what only passes through (see relay.ts) ------------------------------------------------------------------

  /** Hands a call on that may pass as it is. False: nothing was done. */
  #relay(call: PlainEnvelope, message: ReceivedMessage): boolean {
    const { id, interfaceId, methodId } = call;
    if (call.promised !== NOWHERE || call.sendResultsTo !== layout.Call.toCaller) return false;
    if (!call.disjoint || call.onlyPromisePipeline) return false;
    if (this.#answers.has(id) || this.#answers.size >= this.limits.answers) return false;
    const target = this.#capabilities.exported(call.importedCapId)?.capability;
    const to = target?.relaysTo ?? null;
    if (target === undefined || to === null) return false;
    const { bytes } = message;
    // First of all: whoever stands in between is asked for calls only that there is room for.
    if (!to.connection.#takesRelays(bytes) || this.#overload(bytes) !== null) return false;
    message.enclosedBy(call);
    const hints = hintsPassedOn(call.noPromisePipelining);
    const relay = target.relay({ interfaceId, methodId, params: new Payload(message), hints }, to);
    if (relay !== null && this.#enter(relay, id, message)) {
      message.passOn(relay.to);
      return true;
    }
    relay?.takeBack(bytes);
    this.#charges.landed(bytes);
    this.#charges.finished();
    message.readAgain();
    return false;
  }

  /** Puts into both tables what may pass, and writes its ids into the message. False: nothing was done. */
  #enter(relay: Relay, id: number, message: ReceivedMessage): boolean {
    const { to } = relay;
    relay.id = to.#questionIds.take();
    if (!message.reuseForRelay(relay)) {
      to.#questionIds.give(relay.id);
      return false;
    }
    relay.from = this;
    relay.answerId = id;
    relay.bytes = message.bytes;
    this.#closedEarly.delete(id);
    this.#answers.set(id, relay);
    to.#questions.set(relay.id, relay);
    return true;
  }

  /** Whether a call can be asked of this connection as it is. */
  #takesRelays(bytes: number): boolean {
    return (
      this.#closed === null &&
      this.#questions.size < this.limits.questions &&
      bytes <= this.limits.messageBytes
    );
  }

  /** Hands results back that may pass as they are. False: nothing was done. */
  #relayBack(head: PlainEnvelope, message: ReceivedMessage): boolean {
    const relay = this.#questions.get(head.id);
    if (!(relay instanceof Relay) || relay.state !== 'running' || !head.disjoint) return false;
    const { from, answerId, bytes } = relay;
    if (message.bytes > from.limits.messageBytes || !relay.passesBack(message.bytes)) return false;
    const early = relay.noPromisePipelining;
    if (!message.reuseForReturn(answerId, early))
      throw new Error('somebody has read results that pass through');
    relay.returned(!head.noFinishNeeded);
    from.#charges.landed(bytes);
    if (early) {
      from.#answers.delete(answerId);
      from.#charges.finished();
      from.#rememberClosed(answerId);
    }
    message.passOn(from);
    this.finishQuestion(relay);
    from.#noticeQuiet();
    return true;
  }

  /** These two are in the place of a relay now. */
  unfolded(relay: Relay, answer: Answer, question: Question): void {
    this.#answers.set(relay.answerId, answer);
    relay.to.#questions.set(relay.id, question);
  }

  /** An answer as it is when something happens to it. */
  #answer(id: number): Answer | undefined {
    const answer = this.#answers.get(id);
    if (!(answer instanceof Relay)) return answer;
    if (answer.state === 'running') answer.unfold();
    else this.#answers.set(id, answer.concluded());
    return this.#answers.get(id) as Answer;
  }

  /** A question likewise. */
  #question(id: number): Question | Relay | undefined {
    const question = this.#questions.get(id);
    if (!(question instanceof Relay) || question.state !== 'running') return question;
    question.unfold();
    return this.#questions.get(id);
  }

  #unfoldAll(): void {
    for (const id of this.#answers.keys()) this.#answer(id);
    for (const id of this.#questions.keys()) this.#question(id);
  }

  #handle(received: ReceivedMessage): void {
    const { reader } = received;
    const message = reader.root.struct();
    const tag = message.u16(layout.Message.tag);
    const body = message.pointer(layout.Message.body);
    switch (tag) {
      case layout.Message.call:
        return this.#handleCall(body.struct(), received);
      case layout.Message.return:
        return this.#handleReturn(body.struct(), received);
      case layout.Message.finish:
        return this.#handleFinish(body.struct());
      case layout.Message.release: {
        const release = body.struct();
        return this.#capabilities.releaseExport(
          release.u32(layout.Release.id),
          release.u32(layout.Release.referenceCount),
        );
      }
      case layout.Message.resolve:
        return this.#handleResolve(body.struct());
      case layout.Message.disembargo:
        return this.#handleDisembargo(body.struct(), reader);
      case layout.Message.bootstrap:
        return this.#handleBootstrap(body.struct());
      case layout.Message.abort: {
        const error = readException(body.struct());
        return this.#end(
          new RpcError('disconnected', `the peer ended the connection: ${error.message}`, {
            code: 'ERR_RPC_ABORTED',
            cause: error,
          }),
          null,
        );
      }
      case layout.Message.unimplemented:
        return this.#handleUnimplemented(body.struct());
      case layout.Message.provide:
      case layout.Message.accept:
      case layout.Message.join:
        return this.#decline(body.struct().u32(layout.QUESTION_ID), reader);
      default:
        return this.#sendUnimplemented(reader);
    }
  }

  #handleBootstrap(bootstrap: StructReader): void {
    const answer = this.#newAnswer(bootstrap.u32(layout.Bootstrap.questionId));
    const offered = this.#drained !== null ? new BrokenCapability(draining()) : this.#offered(bootstrap);
    if (offered.brokenBy !== null) {
      this.#returnException(answer, offered.brokenBy);
      return;
    }
    const results = Payload.ofCapability(offered);
    answer.begin({ pipelined: (path) => capabilityIn(results, path), finish: () => results.release() });
    this.#returnResults(answer, results);
  }

  #offered(bootstrap: StructReader): Capability {
    const objectId = bootstrap.pointer(layout.Bootstrap.deprecatedObjectId);
    if (objectId.kind !== 'null') {
      return (
        this.#options.restore?.(objectId) ??
        new BrokenCapability(
          new RpcError('unimplemented', 'this vat restores nothing by Bootstrap.deprecatedObjectId'),
        )
      );
    }
    return (
      this.#bootstrap?.retain() ??
      new BrokenCapability(new RpcError('unimplemented', 'this vat offers no bootstrap capability'))
    );
  }

  /**
   * What introduces a question and is not implemented: a peer that knows no better may already have pipelined on it, and
   * may finish it. Both find it closed.
   */
  #decline(questionId: number, reader: MessageReader): void {
    if (this.#answers.has(questionId)) {
      throw new ProtocolViolation(`question ${questionId} was asked while it is in use`);
    }
    this.#rememberClosed(questionId);
    this.#sendUnimplemented(reader);
  }

  #rememberClosed(id: number): void {
    if (this.#closedEarly.size >= MAX_CLOSED_EARLY) {
      this.#closedEarly.clear();
      this.#closedForgotten = true;
    }
    this.#closedEarly.set(id, CLOSED_EARLY);
  }

  #newAnswer(id: number): Answer {
    if (this.#answers.has(id)) throw new ProtocolViolation(`question ${id} was asked while it is in use`);
    if (this.#answers.size >= 2 * this.limits.answers) {
      // Told so often that it is overloaded, and still asking.
      throw new ProtocolViolation(`${this.#answers.size} calls are unfinished (limit answers)`);
    }
    if (!this.#charges.refusal()) {
      throw new ProtocolViolation(
        'all the connections together have too many refused calls unfinished (budget refusals)',
      );
    }
    const answer = new Answer(this, id);
    this.#closedEarly.delete(id);
    this.#answers.set(id, answer);
    return answer;
  }

  #handleCall(call: StructReader, received: ReceivedMessage): void {
    const head: CallHead = {
      id: call.u32(layout.Call.questionId),
      interfaceId: call.u64(layout.Call.interfaceId),
      methodId: call.u16(layout.Call.methodId),
      sendResultsTo: call.u16(layout.Call.sendResultsTo),
      noPromisePipelining: call.bool(layout.Call.noPromisePipelining),
      onlyPromisePipeline: call.bool(layout.Call.onlyPromisePipeline),
    };
    if (head.sendResultsTo > layout.Call.toYourself) return this.#decline(head.id, received.reader);
    const envelope = [call];
    const addressed = call.pointer(layout.Call.target).struct();
    envelope.push(addressed);
    let depth = 0;
    if (addressed.u16(layout.MessageTarget.tag) === layout.MessageTarget.promisedAnswer) {
      const promised = addressed.pointer(layout.MessageTarget.body).struct();
      envelope.push(promised);
      depth = this.#depthOf(promised.u32(layout.PromisedAnswer.questionId));
    }
    const target = this.#target(addressed);
    let params: Payload;
    try {
      params = this.#readPayload(call.pointer(layout.Call.params).struct(), received, envelope);
    } catch (error) {
      target.release();
      throw error;
    }
    this.#call(head, target, depth, params, received.bytes);
  }

  /** Takes over `target` and `params`. */
  #call(head: CallHead, target: Capability, depth: number, params: Payload, bytes: number): void {
    const { interfaceId, methodId } = head;
    let answer: Answer;
    try {
      answer = this.#newAnswer(head.id);
    } catch (error) {
      target.release();
      params.discard();
      throw error;
    }
    answer.redirected = head.sendResultsTo === layout.Call.toYourself;
    if (answer.redirected) this.#peerTakesTailCalls = true;
    answer.noPipelining = head.noPromisePipelining;
    answer.onlyPipeline = head.onlyPromisePipeline && !answer.redirected;
    answer.depth = depth;
    const overload = this.#overload(bytes);
    if (overload !== null) {
      target.release();
      params.discard();
      this.#returnException(answer, overload);
      return;
    }
    answer.bytes = bytes;
    answer.isCounted = true;
    this.#charges.refusalOver();
    const hints = hintsPassedOn(answer.noPipelining);
    let inProgress: CallInProgress;
    try {
      inProgress = target.call({ interfaceId, methodId, params, hints }, answer);
    } finally {
      target.release();
    }
    answer.begin(inProgress);
  }

  /** A call of the peer's has ended: see Answer. `results` are borrowed; one of the two is null. */
  answered(answer: Answer, results: Payload | null, error: RpcError | null): void {
    if (results !== null) this.#returnResults(answer, results);
    else this.#returnException(answer, error!);
    this.#noticeQuiet();
  }

  /** Why a call of so many bytes may not run; null if it may, and counts from now on. */
  #overload(bytes: number): RpcError | null {
    return this.#drained === null ? this.#charges.call(bytes, this.#answers.size) : draining();
  }

  /** Why the results of `answer` may not be kept for what is pipelined on them; null if they may, or need not be. */
  #keep(answer: Answer, { body, capabilities }: Payload): RpcError | null {
    if (capabilities.length === 0 && !answer.redirected && !answer.onlyPipeline) return null;
    const refusal = this.#charges.keep(body.bytes);
    if (refusal === null) answer.kept = body.bytes;
    return refusal;
  }

  #unkeep(answer: Answer): void {
    if (answer.kept > 0) this.#charges.landed(answer.kept);
    answer.kept = 0;
  }

  /** An answer is gone. */
  #leave(answer: Answer): void {
    this.#answers.delete(answer.id);
    this.#unkeep(answer);
    if (answer.isCounted) this.#charges.finished();
    else this.#charges.refusalOver();
  }

  /** What a message is addressed to: a new reference. */
  #target(target: StructReader): Capability {
    const tag = target.u16(layout.MessageTarget.tag);
    if (tag === layout.MessageTarget.importedCap) {
      const id = target.u32(layout.MessageTarget.importedCapId);
      return this.#exported(id);
    }
    if (tag === layout.MessageTarget.promisedAnswer) {
      const { questionId, path } = readAddress(target.pointer(layout.MessageTarget.body).struct());
      return this.#promised(questionId, path);
    }
    throw new ProtocolViolation(`a message target of the unknown kind ${tag}`);
  }

  /** What the peer addresses as its import `id`: a new reference. */
  #exported(id: number): Capability {
    const designation = this.#capabilities.exported(id);
    if (designation === null)
      throw new ProtocolViolation(`a message is addressed to export ${id}, which does not exist`);
    return designation.capability.retain();
  }

  /** What a place in the results of a question of the peer's stands for: a new reference. */
  #promised(questionId: number, path: Path): Capability {
    const found = this.#answer(questionId)?.capabilityAt(path) ?? this.#closedAnswer(questionId);
    if (found === null)
      throw new ProtocolViolation(`a message is addressed to question ${questionId}, which does not exist`);
    return found;
  }

  /** What a place in the results of a question is that was closed before its Finish: broken. Null if there is none. */
  #closedAnswer(questionId: number): Capability | null {
    if (!this.#closedEarly.has(questionId) && !this.#closedForgotten) return null;
    return new BrokenCapability(
      new RpcError('failed', `question ${questionId} was pipelined on, and has returned no capabilities`, {
        code: 'ERR_RPC_NO_PIPELINING',
      }),
    );
  }

  /** How many calls in a row have to return until a message to what this question returns arrives. */
  #depthOf(questionId: number): number {
    const answer = this.#answers.get(questionId);
    if (answer === undefined || answer.state !== 'running') return 0;
    return answer instanceof Relay ? 1 : answer.depth + 1;
  }

  /** The payload of a message, of whose envelope everything else has been read. `envelope` is what was read of it. */
  #readPayload(payload: StructReader, received: ReceivedMessage, envelope: readonly StructReader[]): Payload {
    const table = payload.pointer(layout.Payload.capTable);
    const list = table.list(ElementSize.composite);
    // One that lies about the size of its elements would be passed on far larger than it came.
    if (list.length > table.messageWords) {
      throw new ProtocolViolation(
        `a capability table of ${list.length} elements in a message of ${table.messageWords} words`,
      );
    }
    const capabilities = this.#capabilities.read(list);
    for (const part of envelope) part.erase();
    for (let i = 0; i < list.length; i++) list.struct(i).erase();
    const content = payload.pointer(layout.Payload.content).place;
    if (content === null) return new Payload(Payload.empty().body, capabilities);
    received.contains(content.segment, content.word);
    return new Payload(received, capabilities);
  }

  #returnResults(answer: Answer, results: Payload): void {
    if (!this.#endAnswer(answer)) return;
    const refusal = this.#keep(answer, results);
    if (refusal !== null) return this.#fail(answer, refusal);
    if (answer.redirected || answer.onlyPipeline) {
      answer.conclude(results, null);
      if (answer.redirected) this.#sendReturn(answer, layout.Return.resultsSentElsewhere);
      return;
    }
    const early = answer.noPipelining && results.capabilities.length === 0;
    try {
      this.#sendResults(answer, results, early);
    } catch (cause) {
      const error = sendError(cause);
      this.#unkeep(answer);
      answer.conclude(null, error);
      this.#sendException(answer, error);
      return;
    }
    answer.conclude(results, null);
    if (early) this.#closeEarly(answer);
  }

  #sendResults(answer: Answer, { body, capabilities }: Payload, noFinishNeeded: boolean): void {
    if (capabilities.length === 0) {
      if (body.reuseForReturn(answer.id, noFinishNeeded)) return body.passOn(this);
    }
    const message = body.compose();
    writeReturn(message.envelope, answer.id, noFinishNeeded);
    // With capabilities the places in it are looked up, as long as the peer may pipeline on them.
    const isLast = capabilities.length === 0;
    answer.exports = this.#post(message, START.return, capabilities, body, isLast);
  }

  /** The peer was told that it need not finish `answer`. */
  #closeEarly(answer: Answer): void {
    this.#leave(answer);
    this.#rememberClosed(answer.id);
    answer.finish();
  }

  #returnException(answer: Answer, error: RpcError): void {
    if (this.#endAnswer(answer)) this.#fail(answer, error);
  }

  #fail(answer: Answer, error: RpcError): void {
    answer.conclude(null, error);
    if (answer.redirected) this.#sendReturn(answer, layout.Return.resultsSentElsewhere);
    else if (!answer.onlyPipeline) this.#sendException(answer, error);
  }

  #sendException(answer: Answer, error: RpcError): void {
    const early = answer.noPipelining;
    this.#transmit((message) => {
      const builder = this.#beginReturn(message, answer, layout.Return.exception);
      builder.setBool(layout.Return.noFinishNeeded, early);
      this.#writeException(
        error,
        builder.pointer(layout.Return.body).struct(layout.Exception.words, layout.Exception.pointers),
      );
    });
    if (early) this.#closeEarly(answer);
  }

  #writeException(error: RpcError, into: StructBuilder): void {
    writeException(error, into, this.#options.sendTraces === true);
  }

  #sendReturn(answer: Answer, tag: number): void {
    this.put([returnMessage(answer.id, tag)], tag !== layout.Return.canceled);
  }

  #beginReturn(message: MessageBuilder, answer: Answer, tag: number): StructBuilder {
    const builder = begin(message, layout.Message.return, layout.Return);
    builder.setU32(layout.Return.answerId, answer.id);
    builder.setBool(layout.Return.keepParamCaps, true);
    builder.setU16(layout.Return.tag, tag);
    return builder;
  }

  /** Whether a Return may still be sent for `answer`; from now on it may not. */
  #endAnswer(answer: Answer): boolean {
    if (this.#closed !== null || answer.state !== 'running') return false;
    if (answer.bytes > 0) this.#charges.landed(answer.bytes);
    answer.bytes = 0;
    return true;
  }

  #whenPassedOn(action: () => void): void {
    if (this.#options.whenPassedOn) this.#options.whenPassedOn(action);
    else action();
  }

  #handleFinish(finish: StructReader): void {
    this.#finish(finish.u32(layout.Finish.questionId), finish.bool(layout.Finish.keepResultCaps));
  }

  #finish(id: number, keepResultCaps: boolean): void {
    const relay = this.#answers.get(id);
    if (relay instanceof Relay && relay.state === 'returned') {
      this.#answers.delete(id);
      this.#charges.finished();
      return;
    }
    const answer = this.#answer(id);
    if (answer === undefined) {
      // "The caller may still send a `Finish` message if it wants, which will be silently ignored by the callee."
      if (this.#closedEarly.delete(id) || this.#closedForgotten) return;
      throw new ProtocolViolation(`Finish of question ${id}, which does not exist`);
    }
    const running = answer.state === 'running';
    const exports = answer.exports;
    if (running && answer.bytes > 0) {
      // Its call may be under way still.
      const { bytes } = answer;
      this.#answers.delete(id);
      this.#whenPassedOn(() => {
        this.#charges.landed(bytes);
        this.#charges.finished();
      });
    } else this.#leave(answer);
    answer.finish();
    if (running && !answer.onlyPipeline) this.#sendReturn(answer, layout.Return.canceled);
    else if (!keepResultCaps) this.#capabilities.releaseExports(exports);
  }

  #handleReturn(message: StructReader, received: ReceivedMessage): void {
    const head: ReturnHead = {
      id: message.u32(layout.Return.answerId),
      keepParamCaps: message.bool(layout.Return.keepParamCaps),
      noFinishNeeded: message.bool(layout.Return.noFinishNeeded),
    };
    const tag = message.u16(layout.Return.tag);
    this.#return(head, tag, message, received);
  }

  /** `message` is what was not read yet of it; null: nothing but results, if it has such, which are the content of `received`. */
  #return(head: ReturnHead, tag: number, message: StructReader | null, received: ReceivedMessage): void {
    const { id, noFinishNeeded } = head;
    const question = this.#question(id);
    if (id >= PIPELINE_ONLY && id < PIPELINE_ONLY + this.#pipelineOnlyAsked) {
      // "If a `Return` is ever seen when `onlyPromisePipeline` was set, then the implementation stops using this hint."
      this.#pipelineOnlyHonoured = false;
      if (question === undefined) return;
    }
    if (question === undefined)
      throw new ProtocolViolation(`Return for question ${id}, which was not asked, or has returned already`);
    if (question instanceof Relay || (question.state !== 'awaiting' && question.state !== 'cancelled')) {
      throw new ProtocolViolation(`a second Return for question ${id}`);
    }
    const paramExports = question.paramExports;
    question.paramExports = NO_EXPORTS;
    const releaseParams = !head.keepParamCaps;
    if (question.state === 'cancelled') {
      // Finish is on its way and says that whatever was returned is to be released over there.
      this.#forget(question);
      if (tag === layout.Return.takeFromOtherQuestion) this.#redirectedAnswer(message!).redirect(null);
    } else {
      question.finishNeeded = !noFinishNeeded;
      if (question.toYourself) this.#leftElsewhere(question, tag);
      else
        switch (tag) {
          case layout.Return.results:
            question.settle(this.#resultsOf(message, received), null);
            break;
          case layout.Return.exception:
            question.settle(null, readException(message!.pointer(layout.Return.body).struct()));
            break;
          case layout.Return.canceled:
            question.settle(
              null,
              new RpcError('failed', 'the call was canceled by the peer', { code: 'ERR_RPC_CANCELED' }),
            );
            break;
          case layout.Return.takeFromOtherQuestion: {
            const other = this.#redirectedAnswer(message!);
            question.takeFrom(other);
            other.redirect(question);
            break;
          }
          case layout.Return.resultsSentElsewhere:
            throw new ProtocolViolation(
              `the results of question ${id} were sent elsewhere, which nobody asked for`,
            );
          default:
            throw new ProtocolViolation(`a Return of the unknown kind ${tag}`);
        }
    }
    if (releaseParams && paramExports.length > 0) this.#capabilities.releaseExports(paramExports);
  }

  #resultsOf(message: StructReader | null, received: ReceivedMessage): Payload {
    if (message === null) return new Payload(received);
    return this.#readPayload(message.pointer(layout.Return.body).struct(), received, [message]);
  }

  /** A tail call of ours has ended: its outcome is with the peer, and what is pipelined on it goes there. */
  #leftElsewhere(question: Question, tag: number): void {
    if (tag === layout.Return.results || tag === layout.Return.takeFromOtherQuestion) {
      throw new ProtocolViolation(`the results of question ${question.id} were to be kept (sendResultsTo)`);
    }
    question.state = 'elsewhere';
  }

  #redirectedAnswer(message: StructReader): Answer {
    this.#peerTakesTailCalls = true;
    const id = message.u32(layout.Return.otherQuestion);
    const answer = this.#answer(id);
    if (answer === undefined || !answer.takeable) {
      throw new ProtocolViolation(
        `a Return takes its results from question ${id}, which does not offer them`,
      );
    }
    return answer;
  }

  #handleResolve(resolve: StructReader): void {
    const promiseId = resolve.u32(layout.Resolve.promiseId);
    const tag = resolve.u16(layout.Resolve.tag);
    const body = resolve.pointer(layout.Resolve.body).struct();
    if (tag === layout.Resolve.cap) {
      const capability = this.#capabilities.readDescriptor(body);
      this.#capabilities.resolveImport(
        promiseId,
        body,
        capability ??
          new BrokenCapability(
            new RpcError('failed', 'a promise was resolved to a null capability', {
              code: 'ERR_RPC_NULL_CAPABILITY',
            }),
          ),
      );
    } else if (tag === layout.Resolve.exception) {
      this.#capabilities.resolveImport(promiseId, null, new BrokenCapability(readException(body)));
    } else {
      throw new ProtocolViolation(`a Resolve of the unknown kind ${tag}`);
    }
  }

  #handleDisembargo(disembargo: StructReader, reader: MessageReader): void {
    const id = disembargo.u32(layout.Disembargo.embargoId);
    const tag = disembargo.u16(layout.Disembargo.tag);
    if (tag === layout.Disembargo.senderLoopback) {
      this.#echo(id, disembargo.pointer(layout.Disembargo.target).struct());
    } else if (tag === layout.Disembargo.receiverLoopback) {
      const embargo = this.#embargoes.get(id);
      if (embargo === undefined)
        throw new ProtocolViolation(`Disembargo of ${id}, which is not under an embargo`);
      this.#embargoes.delete(id);
      this.#embargoIds.give(id);
      embargo.promise.resolve(embargo.replacement);
      embargo.promise.release();
    } else {
      this.#sendUnimplemented(reader);
    }
  }

  /**
   * The peer asks for an echo behind everything that it sent towards `target`, which must lead back to it. Where it does
   * not yet, because a promise of ours on the way is itself under an embargo, the echo waits for that: only then have the
   * calls that took the long way come back.
   */
  #echo(id: number, target: StructReader): void {
    const tag = target.u16(layout.MessageTarget.tag);
    if (tag !== layout.MessageTarget.importedCap && tag !== layout.MessageTarget.promisedAnswer) {
      throw new ProtocolViolation(`a message target of the unknown kind ${tag}`);
    }
    const address =
      tag === layout.MessageTarget.promisedAnswer
        ? readAddress(target.pointer(layout.MessageTarget.body).struct())
        : null;
    const designation =
      address === null
        ? this.#capabilities.exported(target.u32(layout.MessageTarget.importedCapId))
        : (this.#answer(address.questionId)?.designationAt(address.path) ?? null);
    if (designation === null) throw new ProtocolViolation('Disembargo of a target that does not exist');
    if (designation.pending && ++this.#disembargoesWaiting > this.limits.embargoes) {
      throw new ProtocolViolation(`more than ${this.limits.embargoes} disembargoes wait (limit embargoes)`);
    }
    const waited = designation.pending;
    designation.whenSettled(() => {
      if (waited) this.#disembargoesWaiting--;
      if (this.#closed !== null) return;
      const capability = designation.capability;
      if (!(capability instanceof RemoteCapability) || capability.connection !== this) {
        this.abort('Disembargo of a target that does not lead back to the sender');
        return;
      }
      this.#transmit((message) => {
        const echo = begin(message, layout.Message.disembargo, layout.Disembargo);
        echo.setU16(layout.Disembargo.tag, layout.Disembargo.receiverLoopback);
        echo.setU32(layout.Disembargo.embargoId, id);
        writeTarget(
          capability.address,
          echo
            .pointer(layout.Disembargo.target)
            .struct(layout.MessageTarget.words, layout.MessageTarget.pointers),
        );
      });
    });
  }

  /** "The message's contents are the same as the one received": so that the sender can recognise it. */
  #sendUnimplemented(reader: MessageReader): void {
    this.#transmit((builder) => {
      const outer = builder.root.struct(layout.Message.words, layout.Message.pointers);
      outer.setU16(layout.Message.tag, layout.Message.unimplemented);
      outer.pointer(layout.Message.body).copy(reader.root);
    });
  }

  #handleUnimplemented(message: StructReader): void {
    const tag = message.u16(layout.Message.tag);
    const body = message.pointer(layout.Message.body).struct();
    if (tag === layout.Message.call || tag === layout.Message.bootstrap) {
      return this.#notAsked(body.u32(layout.QUESTION_ID));
    }
    // A peer that does not count references has nothing to give back.
    if (tag === layout.Message.release) return;
    if (tag === layout.Message.resolve) {
      // "as if the receiver had immediately released any capability to which the promise resolved"
      if (body.u16(layout.Resolve.tag) !== layout.Resolve.cap) return;
      const descriptor = body.pointer(layout.Resolve.body).struct();
      const kind = descriptor.u16(layout.CapDescriptor.tag);
      if (kind === layout.CapDescriptor.senderHosted || kind === layout.CapDescriptor.senderPromise) {
        this.#capabilities.releaseExport(descriptor.u32(layout.CapDescriptor.id), 1);
      }
      return;
    }
    throw new ProtocolViolation(`the peer does not implement a message that we need (kind ${tag})`);
  }

  /**
   * "For any message type that introduces a question, if the message comes back unimplemented, the original sender may
   * simply treat it as if the question failed with an exception." The peer has no entry for it, so there is nothing to
   * finish, and it holds nothing of the params.
   */
  #notAsked(id: number): void {
    const question = this.#question(id);
    if (question === undefined) {
      if (id >= PIPELINE_ONLY && id < PIPELINE_ONLY + this.#pipelineOnlyAsked) return;
      throw new ProtocolViolation(`the peer does not implement question ${id}, which was not asked`);
    }
    if (question instanceof Relay) {
      throw new ProtocolViolation(`the peer does not implement question ${id}, which it has returned`);
    }
    const exports = question.paramExports;
    question.paramExports = NO_EXPORTS;
    question.finishNeeded = false;
    if (question.state === 'cancelled') {
      this.#forget(question);
    } else if (question.state === 'awaiting') {
      question.settle(
        null,
        new RpcError('unimplemented', 'the peer does not implement such a call', {
          code: 'ERR_RPC_UNIMPLEMENTED',
        }),
      );
    } else {
      throw new ProtocolViolation(`the peer does not implement question ${id}, which it has returned`);
    }
    this.#capabilities.releaseExports(exports);
  }

  // ---- the end ------------------------------------------------------------------------------------------------

  #end(reason: RpcError, abort: RpcError | null): void {
    if (this.#closed !== null) return;
    if (abort !== null) {
      this.#transmit((message) => {
        const builder = message.root.struct(layout.Message.words, layout.Message.pointers);
        builder.setU16(layout.Message.tag, layout.Message.abort);
        writeException(
          abort,
          builder.pointer(layout.Message.body).struct(layout.Exception.words, layout.Exception.pointers),
          false,
        );
      });
      // A peer that does not read may have been cut while it was being told.
      if (this.#closed !== null) return;
    }
    this.#unfoldAll();
    this.#closed = reason;
    const error =
      reason.type === 'disconnected'
        ? reason
        : new RpcError('disconnected', reason.message, { code: reason.code, cause: reason });
    const answers = this.#answers.values() as Answer[];
    const questions = this.#questions.values();
    const embargoes = this.#embargoes.values();
    this.#whenPassedOn(this.#charges.end());
    this.#answers.clear();
    this.#questions.clear();
    this.#embargoes.clear();
    for (const question of questions)
      if (question instanceof Question && question.state !== 'cancelled') question.settle(null, error);
    for (const answer of answers) answer.finish(true);
    for (const { promise, replacement } of embargoes) {
      replacement.release();
      promise.reject(error);
      promise.release();
    }
    this.#capabilities.close(error);
    this.#bootstrap?.release();
    this.#options.closed(reason);
  }

  /** Bounds the peer by these limits from now on: where it is known only now who it is. */
  restrict(limits: Partial<ConnectionLimits>): void {
    Object.assign(this.limits, limits);
  }

  /** Calls of the peer's that have not returned. */
  get callsRunning(): number {
    let running = 0;
    for (const answer of this.#answers.values()) if (answer.state === 'running') running++;
    return running;
  }

  /** Calls of ours that have not returned. */
  get callsAwaited(): number {
    let awaited = 0;
    for (const { state } of this.#questions.values()) if (state !== 'returned') awaited++;
    return awaited;
  }

  /** What the peer holds of ours. Borrowed. */
  heldByPeer(): Iterable<Capability> {
    return this.#capabilities.heldByPeer();
  }

  /** What we hold of the peer's. Borrowed. */
  heldOfPeer(): Iterable<ImportedCapability> {
    return this.#capabilities.heldOfPeer();
  }

  // ---- for tests and operators ----------------------------------------------------------------------------------

  /** How many entries each table has. All are zero when nothing is held and nothing is under way. */
  get tables(): { questions: number; answers: number; exports: number; imports: number; embargoes: number } {
    return {
      questions: this.#questions.size,
      answers: this.#answers.size,
      exports: this.#capabilities.exportCount,
      imports: this.#capabilities.importCount,
      embargoes: this.#embargoes.size,
    };
  }

  /** The tables, for a person to read. No contents of messages. */
  dump(): object {
    return {
      closed: this.#closed?.message ?? null,
      questions: this.#questions.values().map(({ id, state }) => ({
        id,
        state: state === 'running' ? 'awaiting' : state,
      })),
      answers: this.#answers.values().map((each) => ({
        id: each instanceof Relay ? each.answerId : each.id,
        state: each.state,
        bytes: each.bytes,
      })),
      ...this.#capabilities.dump(),
      embargoes: this.#embargoes.keys(),
    };
  }
}

/** Starts a Message of the kind `tag` and gives its body. */
function begin(
  message: MessageBuilder,
  tag: number,
  body: { readonly words: number; readonly pointers: number },
): StructBuilder {
  const root = message.root.struct(layout.Message.words, layout.Message.pointers);
  root.setU16(layout.Message.tag, tag);
  return root.pointer(layout.Message.body).struct(body.words, body.pointers);
}

function draining(): RpcError {
  return new RpcError('disconnected', 'this vat is shutting down and takes no new calls', {
    code: 'ERR_RPC_DRAINING',
  });
}
