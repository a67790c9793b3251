/**
 * What rpc.capnp promises, as invariants over the trace of one end of a connection: everything that it sent and received, in
 * its order. What an end sends is held against what it had sent and received by then; what it receives is its peer's to
 * answer for, in the peer's trace. The harness holds every trace of the suite against it.
 */
import { isDeepStrictEqual } from 'node:util';
import { decodeMessage, type WireMessage } from './wire.js';

export interface Recorded {
  readonly direction: 'sent' | 'received';
  readonly segments: readonly Uint8Array[];
}

/** The invariants by their names, in the words of schema/capnp/rpc.capnp. */
export const INVARIANTS = {
  'question id in use':
    'This number must be different from all other calls originating from the same end of the connection. A question ID can be reused once both: A matching Return has been received from the callee. A matching Finish has been sent from the caller.',
  'one Finish':
    'The ID remains valid in caller -> callee messages until a Finish message is sent. (Finish:) ID of the call whose result is to be released.',
  'finished question':
    'The questionId will no longer be used in any messages sent by the [caller] (no further pipelined requests).',
  'no pipelining promised':
    "If true, the sender promises that it won't make any promise-pipelined calls on the results of this call.",
  'one Return': 'Message type sent from callee to caller indicating that the call has completed.',
  'results sent elsewhere':
    'When `yourself` is used, the receiver must still send a `Return` for the call, but sets the field `resultsSentElsewhere` in that `Return` rather than including the results. This is set when returning from a `Call` that had `sendResultsTo` set to something other than `caller`.',
  canceled:
    'Indicates that the call was canceled due to the caller sending a Finish message before the call had completed.',
  'take from other question':
    'The sender has also sent (before this message) a `Call` with the given question ID and with `sendResultsTo.yourself` set. `takeFromOtherQuestion` can only used once per question.',
  'third-party tail call':
    '[acceptFromThirdParty] should only be used if the corresponding `Call` had `allowThirdPartyTailCall` set.',
  'no Finish needed': 'This implies that the results do not contain any capabilities.',
  'kind of an export':
    'If the ID is a promise (as opposed to a settled capability), this must be indicated at the time the ID is introduced.',
  'resolved promise':
    'The sender will not send this `ExportId` again until it has been released and recycled.',
  'one Resolve':
    'The sender will send exactly one Resolve message at a future point in time to replace this promise. Note that even if the same `senderPromise` is received multiple times, only one `Resolve` is sent to cover all of them.',
  'released import':
    'An `ImportId` remains valid in importer -> exporter messages until the importer has sent `Release` messages that (it believes) have reduced the reference count to zero.',
  'reference count':
    "Whenever an `ExportId` is sent over the wire (from the exporter to the importer), the export's reference count is incremented. The reference count is later decremented by a `Release` message. (releaseParamCaps, releaseResultCaps:) The sender must not send separate `Release` messages for them.",
  'embargo id': 'The sender can use whatever strategy it wants to make sure the value is unambiguous.',
  'echo of a disembargo':
    'As soon as the receiver has echoed back all pipelined calls on this promise, it will deliver the Disembargo back to the sender with `receiverLoopback` set to the same value as `senderLoopback`.',
  'echo of what is not understood':
    "The sender previously received this message from the peer but didn't understand it. So, the sender is echoing the message back.",
  'nothing after Abort': 'Sent when a connection is being aborted due to an unrecoverable error.',
  'nothing is left':
    'IDs can be reused over time. The ID is only safe to reuse once it has been released by both sides. (At the end of a trace, when nothing is held: every question, answer, export, import and embargo has gone.)',
} as const;

export type Invariant = keyof typeof INVARIANTS;

export interface Violation {
  readonly invariant: Invariant;
  /** The place in the trace; its length for what is missing at the end. */
  readonly at: number;
  readonly what: string;
}

interface Question {
  readonly kind: string;
  readonly yourself: boolean;
  readonly noPipelining: boolean;
  /** Its id is free at the Finish: the peer may or may not return. */
  readonly onlyPipeline: boolean;
  /** The exports that went in the params. */
  readonly params: readonly number[];
  returned: boolean;
  finish: { readonly releaseResults: boolean } | null;
  results: readonly number[];
  taken: boolean;
}

interface Answer {
  readonly kind: string;
  readonly yourself: boolean;
  readonly onlyPipeline: boolean;
  readonly thirdParty: boolean;
  /** The imports that came in the params. */
  readonly params: readonly number[];
  returned: boolean;
  finish: { readonly releaseResults: boolean } | null;
  results: readonly number[];
}

/**
 * What the end that made `trace` did wrong. With `quiet`, the connection is still open and nothing is held or under way, so
 * that nothing may be left.
 */
export function violations(trace: readonly Recorded[], quiet: boolean): Violation[] {
  return new Oracle(trace).check(quiet);
}

class Oracle {
  readonly #found: Violation[] = [];
  readonly #questions = new Map<number, Question>();
  readonly #answers = new Map<number, Answer>();
  readonly #exports = new Map<number, { count: number; readonly promise: boolean; resolved: boolean }>();
  readonly #imports = new Map<number, number>();
  readonly #embargoes = new Set<number>();
  readonly #toEcho = new Set<number>();
  /** Questions that the peer has said needs no Finish: one may be sent all the same. */
  readonly #finishOptional = new Set<number>();
  #aborted = false;
  #at = 0;

  constructor(private readonly trace: readonly Recorded[]) {}

  check(quiet: boolean): Violation[] {
    for (const { direction, segments } of this.trace) {
      const message = decodeMessage(segments);
      if (direction === 'sent') this.#sent(message);
      else this.#received(message);
      this.#at++;
    }
    if (quiet && !this.#aborted) this.#end();
    return this.#found;
  }

  #violated(invariant: Invariant, what: string): void {
    this.#found.push({ invariant, at: this.#at, what });
  }

  // ---- what it sent -----------------------------------------------------------------------------------------------

  #sent(message: WireMessage): void {
    const [kind = '', body] = Object.entries(message)[0] ?? [];
    if (this.#aborted) this.#violated('nothing after Abort', `${kind} was sent after an Abort`);
    switch (kind) {
      case 'bootstrap':
        return this.#ask(body.questionId, { kind });
      case 'call':
        this.#address(body.target, 'a Call');
        return this.#ask(body.questionId, {
          kind,
          yourself: 'yourself' in body.sendResultsTo,
          noPipelining: body.noPromisePipelining,
          // The high bit tells the ids of those that may never be returned.
          onlyPipeline: body.onlyPromisePipeline && body.questionId >= 0x8000_0000,
          params: this.#export(body.params?.capTable ?? []),
        });
      case 'return':
        return this.#return(body);
      case 'finish':
        return this.#finish(body);
      case 'resolve':
        return this.#resolve(body);
      case 'release':
        return this.#unimport(body.id, body.referenceCount, 'a Release');
      case 'disembargo':
        return this.#disembargo(body);
      case 'abort':
        this.#aborted = true;
        return;
      case 'unimplemented':
        return this.#unimplemented(body);
    }
  }

  #ask(id: number, question: Partial<Question> & { kind: string }): void {
    if (this.#questions.has(id)) this.#violated('question id in use', `question ${id} was asked again`);
    this.#finishOptional.delete(id);
    this.#questions.set(id, {
      yourself: false,
      noPipelining: false,
      onlyPipeline: false,
      params: [],
      returned: false,
      finish: null,
      results: [],
      taken: false,
      ...question,
    });
  }

  #return(body: WireMessage): void {
    const id: number = body['answerId'];
    const answer = this.#answers.get(id);
    if (answer === undefined || answer.returned) {
      this.#violated('one Return', `Return for ${id}, which is not waiting for one`);
      return;
    }
    answer.returned = true;
    if ('resultsSentElsewhere' in body !== answer.yourself && !('canceled' in body)) {
      this.#violated('results sent elsewhere', `Return for ${id}, sendResultsTo.yourself ${answer.yourself}`);
    }
    if ('canceled' in body && answer.finish === null) {
      this.#violated('canceled', `Return for ${id} says canceled, and no Finish had come`);
    }
    if ('acceptFromThirdParty' in body && !answer.thirdParty) {
      this.#violated('third-party tail call', `Return for ${id} hands it to a third party`);
    }
    if ('takeFromOtherQuestion' in body) this.#take(body['takeFromOtherQuestion']);
    if (body['releaseParamCaps']) {
      for (const imported of answer.params) this.#unimport(imported, 1, `the Return for ${id}`);
    }
    const table = body['results']?.capTable ?? [];
    const results = this.#export(table);
    if (answer.finish?.releaseResults) for (const exported of results) this.#unexport(exported, 1);
    else answer.results = results;
    if (body['noFinishNeeded']) {
      if (table.length > 0) this.#violated('no Finish needed', `the results of ${id} have capabilities`);
      this.#answers.delete(id);
    }
    if (answer.finish !== null) this.#answers.delete(id);
  }

  #take(id: number): void {
    const other = this.#questions.get(id);
    if (other === undefined || !other.yourself || other.finish !== null || other.taken) {
      this.#violated('take from other question', `the results of question ${id} cannot be taken`);
      return;
    }
    other.taken = true;
  }

  #finish(body: WireMessage): void {
    const id: number = body['questionId'];
    const question = this.#questions.get(id);
    if (question === undefined && this.#finishOptional.delete(id)) return;
    if (question === undefined || question.finish !== null) {
      this.#violated('one Finish', `Finish of question ${id}, which is not open`);
      return;
    }
    question.finish = { releaseResults: body['releaseResultCaps'] };
    if (question.returned && body['releaseResultCaps']) {
      for (const imported of question.results) this.#unimport(imported, 1, `the Finish of ${id}`);
    }
    if (question.returned || question.onlyPipeline) this.#questions.delete(id);
  }

  #resolve(body: WireMessage): void {
    const id: number = body['promiseId'];
    const entry = this.#exports.get(id);
    if (entry === undefined || !entry.promise || entry.resolved) {
      this.#violated('one Resolve', `Resolve of export ${id}, which is not an unresolved promise`);
    } else {
      entry.resolved = true;
    }
    if ('cap' in body) this.#export([body['cap']]);
  }

  #disembargo(body: WireMessage): void {
    const context = body['context'];
    if ('senderLoopback' in context) {
      const id: number = context.senderLoopback;
      this.#address(body['target'], 'a Disembargo');
      if (this.#embargoes.has(id)) this.#violated('embargo id', `embargo ${id} is in use`);
      this.#embargoes.add(id);
    } else if ('receiverLoopback' in context) {
      const id: number = context.receiverLoopback;
      this.#address(body['target'], 'a Disembargo');
      if (!this.#toEcho.delete(id)) this.#violated('echo of a disembargo', `${id} is not to be echoed`);
    }
  }

  #unimplemented(body: WireMessage): void {
    const received = this.trace
      .slice(0, this.#at)
      .some(({ direction, segments }) => direction === 'received' && same(decodeMessage(segments), body));
    if (!received) this.#violated('echo of what is not understood', 'no such message was received');
    const [kind = '', inner] = Object.entries(body)[0] ?? [];
    if (ASKING.has(kind)) this.#answers.delete((inner as WireMessage)['questionId']);
    if (kind === 'disembargo' && 'senderLoopback' in (inner as WireMessage)['context']) {
      this.#toEcho.delete((inner as WireMessage)['context'].senderLoopback);
    }
  }

  /** Something of the peer's that a message is addressed to, or that is passed back. */
  #address(target: WireMessage, by: string): void {
    if ('importedCap' in target) this.#imported(target['importedCap'], by);
    else if ('promisedAnswer' in target) this.#pipelined(target['promisedAnswer'].questionId, by);
  }

  #imported(id: number, by: string): void {
    if (!this.#imports.has(id)) this.#violated('released import', `${by} names import ${id}`);
  }

  #pipelined(id: number, by: string): void {
    const question = this.#questions.get(id);
    if (question === undefined || question.finish !== null) {
      this.#violated('finished question', `${by} names question ${id}`);
    } else if (question.noPipelining) {
      this.#violated('no pipelining promised', `${by} names question ${id}`);
    }
  }

  /** Capabilities that are sent; gives the ids that count. */
  #export(table: readonly WireMessage[]): number[] {
    const exported: number[] = [];
    for (const descriptor of table) {
      if ('receiverHosted' in descriptor) this.#imported(descriptor['receiverHosted'], 'a descriptor');
      if ('receiverAnswer' in descriptor) {
        this.#pipelined(descriptor['receiverAnswer'].questionId, 'a descriptor');
      }
      const promise = 'senderPromise' in descriptor;
      if (!promise && !('senderHosted' in descriptor)) continue;
      const id: number = promise ? descriptor['senderPromise'] : descriptor['senderHosted'];
      const entry = this.#exports.get(id);
      if (entry === undefined) {
        this.#exports.set(id, { count: 1, promise, resolved: false });
      } else {
        if (entry.promise !== promise) {
          this.#violated('kind of an export', `export ${id} was introduced as another kind`);
        }
        if (entry.resolved) this.#violated('resolved promise', `promise ${id} was sent after its Resolve`);
        entry.count++;
      }
      exported.push(id);
    }
    return exported;
  }

  #unimport(id: number, count: number, by: string): void {
    const held = this.#imports.get(id) ?? 0;
    if (count > held) {
      this.#violated('reference count', `${by} gives back ${count} of import ${id}, which has ${held}`);
    }
    if (held > count) this.#imports.set(id, held - count);
    else this.#imports.delete(id);
  }

  // ---- what it received ---------------------------------------------------------------------------------------------

  #received(message: WireMessage): void {
    const [kind = '', body] = Object.entries(message)[0] ?? [];
    switch (kind) {
      case 'bootstrap':
      case 'provide':
      case 'accept':
      case 'join':
        return this.#asked(body.questionId, { kind });
      case 'call':
        return this.#asked(body.questionId, {
          kind,
          yourself: 'yourself' in body.sendResultsTo,
          thirdParty: body.allowThirdPartyTailCall,
          onlyPipeline: body.onlyPromisePipeline,
          params: this.#import(body.params?.capTable ?? []),
        });
      case 'return':
        return this.#returned(body);
      case 'finish':
        return this.#finished(body);
      case 'resolve':
        if ('cap' in body) this.#import([body.cap]);
        return;
      case 'release':
        return this.#unexport(body.id, body.referenceCount);
      case 'disembargo':
        if ('senderLoopback' in body.context) this.#toEcho.add(body.context.senderLoopback);
        else if ('receiverLoopback' in body.context) this.#embargoes.delete(body.context.receiverLoopback);
        return;
      case 'abort':
        this.#aborted = true;
        return;
      case 'unimplemented':
        return this.#echoed(body);
    }
  }

  #asked(id: number, answer: Partial<Answer> & { kind: string }): void {
    this.#answers.set(id, {
      yourself: false,
      onlyPipeline: false,
      thirdParty: false,
      params: [],
      returned: false,
      finish: null,
      results: [],
      ...answer,
    });
  }

  #returned(body: WireMessage): void {
    const id: number = body['answerId'];
    const question = this.#questions.get(id);
    if (question === undefined) return;
    question.returned = true;
    if (body['releaseParamCaps']) for (const exported of question.params) this.#unexport(exported, 1);
    const table = body['results']?.capTable ?? [];
    if (question.finish?.releaseResults !== true) question.results = this.#import(table);
    if (question.finish !== null) this.#questions.delete(id);
    else if (body['noFinishNeeded']) {
      this.#questions.delete(id);
      this.#finishOptional.add(id);
    }
  }

  #finished(body: WireMessage): void {
    const id: number = body['questionId'];
    const answer = this.#answers.get(id);
    if (answer === undefined) return;
    answer.finish = { releaseResults: body['releaseResultCaps'] };
    if (answer.returned && body['releaseResultCaps']) {
      for (const exported of answer.results) this.#unexport(exported, 1);
    }
    if (answer.returned || answer.onlyPipeline) this.#answers.delete(id);
  }

  #echoed(message: WireMessage): void {
    const [kind = '', body] = Object.entries(message)[0] ?? [];
    if (kind === 'call' || kind === 'bootstrap') {
      const question = this.#questions.get(body.questionId);
      this.#questions.delete(body.questionId);
      for (const exported of question?.params ?? []) this.#unexport(exported, 1);
    } else if (kind === 'resolve' && 'cap' in body) {
      for (const key of ['senderHosted', 'senderPromise']) {
        if (key in body.cap) this.#unexport(body.cap[key], 1);
      }
    }
  }

  #import(table: readonly WireMessage[]): number[] {
    const imported: number[] = [];
    for (const descriptor of table) {
      const id: number | undefined =
        descriptor['senderHosted'] ?? descriptor['senderPromise'] ?? descriptor['thirdPartyHosted']?.vineId;
      if (id === undefined) continue;
      this.#imports.set(id, (this.#imports.get(id) ?? 0) + 1);
      imported.push(id);
    }
    return imported;
  }

  #unexport(id: number, count: number): void {
    const entry = this.#exports.get(id);
    if (entry === undefined) return;
    entry.count -= count;
    if (entry.count <= 0) this.#exports.delete(id);
  }

  // ---- the end --------------------------------------------------------------------------------------------------------

  #end(): void {
    const left = (what: string, ids: Iterable<number>) => {
      const list = [...ids];
      if (list.length > 0) this.#violated('nothing is left', `${what} ${list.join(', ')}`);
    };
    left('questions', this.#questions.keys());
    left('answers', this.#answers.keys());
    left('exports', this.#exports.keys());
    left('imports', this.#imports.keys());
    left('embargoes', this.#embargoes);
    left('disembargoes to echo', this.#toEcho);
  }
}

/** The kinds of message that introduce a question. */
const ASKING = new Set(['call', 'bootstrap', 'provide', 'accept', 'join']);

/** Contents are opaque here, and only their presence is compared. */
function same(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(JSON.parse(plain(a)), JSON.parse(plain(b)));
}

function plain(message: unknown): string {
  return JSON.stringify(message, (_key, value) => {
    if (typeof value === 'bigint') return `${value}`;
    return typeof value === 'object' && value !== null && 'as' in value ? 'a pointer' : value;
  });
}
