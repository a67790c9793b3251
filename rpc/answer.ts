/**
 * An answer: a call of the peer's that this side works on. An entry of the answer table from Call until Finish.
 *
 *     running --Return--> returned --Finish--> finished
 *     running --Finish--> finished (and a Return that says canceled)
 *     running --Return, noFinishNeeded--> finished
 *
 * A tail call is returned as soon as the call that takes its place is made: `returned`, without an outcome on this side.
 * What the peer wants for pipelining only is never returned, and is `returned` when its outcome is known.
 */
import {
  BrokenCapability,
  type CallInProgress,
  type Capability,
  capabilityIn,
  type ReturnSink,
} from './capability.js';
import type { Connection } from './connection.js';
import { Designation } from './designation.js';
import { canceled, RpcError } from './error.js';
import { MAX_PIPELINE_DEPTH, MAX_PIPELINED_PATHS } from './limits.js';
import type { Payload } from './payload.js';
import { type Path, Places } from './places.js';
import type { Question } from './question.js';

const NO_DESIGNATIONS: readonly (Designation | null)[] = Object.freeze([]);

export class Answer implements ReturnSink {
  state: 'running' | 'returned' | 'finished' = 'running';
  /** The size of the call's message, as long as it counts as in flight. */
  bytes = 0;
  /** Whether it counts as a call until it is finished. Otherwise it was refused, or is none. */
  isCounted = false;
  /** The size of the results, where they are kept until it is finished. */
  kept = 0;
  /** How many calls before it have to return until it can run: each is addressed to what the next will return. */
  depth = 0;
  /** Whether the results are kept here, for a Return of the peer's to take (sendResultsTo.yourself). */
  redirected = false;
  /** Whether the peer has said that it will not pipeline on it. */
  noPipelining = false;
  /** Whether the peer wants to pipeline on it and nothing else: it gets no Return. */
  onlyPipeline = false;
  /** The exports that were sent in the results, for a Finish with releaseResultCaps. */
  exports: readonly number[] = [];
  #call: CallInProgress | null = null;
  /** Its outcome, when it is known: one of the two. The results are borrowed from the call. */
  #results: Payload | null = null;
  #error: RpcError | null = null;
  #redirect: Question | null = null;
  #taken = false;
  /** Places that were pipelined on, and the capabilities of the results by their index. */
  #designations: Places<Designation> | null = null;
  #designated: readonly (Designation | null)[] = NO_DESIGNATIONS;

  constructor(
    readonly connection: Connection,
    readonly id: number,
  ) {}

  /** The call that it is the sink of is this one. */
  get answer(): Answer {
    return this;
  }

  /** The call has returned. */
  returned(results: Payload): void {
    this.connection.answered(this, results, null);
  }

  failed(error: RpcError): void {
    this.connection.answered(this, null, error);
  }

  /** The call runs (or has ended already). Takes over the caller's end of it. */
  begin(call: CallInProgress): void {
    if (this.state === 'finished' || this.#error !== null) call.finish();
    else this.#call = call;
  }

  /** The outcome is known, one of the two; `results` are borrowed from the call until `finish()`. */
  conclude(results: Payload | null, error: RpcError | null): void {
    // The connection may have ended while the Return was sent: nothing is kept for it any more.
    if (this.state === 'finished') return;
    this.state = 'returned';
    this.#results = results;
    this.#error = error;
    if (error !== null) {
      // Of one that has failed the error is all that is needed.
      this.#call?.finish();
      this.#call = null;
    }
    this.#tell();
    if (results !== null && results.capabilities.length > 0) {
      // What the peer was told of each result is what its messages to that place must reach from now on.
      this.#designated = results.capabilities.map((capability) =>
        capability === null ? null : new Designation(this.connection, capability.retain()),
      );
    }
    if (this.#redirect !== null) this.#settleRedirect();
  }

  /** Another call has taken the place of this one, and its results are with the peer. */
  handedOn(): void {
    this.state = 'returned';
    this.#tell();
  }

  #tell(): void {
    if (this.#designations === null) return;
    for (const { value } of this.#designations.entries()) value.tell();
  }

  /** Where messages for the place `path` of the results go. A promise before the results are there. */
  designationAt(path: Path): Designation | null {
    const known = this.#designations?.get(path);
    if (known !== undefined) return known;
    const result = this.#resultAt(path);
    if (result !== null) return result;
    this.#designations ??= new Places();
    if (this.#designations.size >= MAX_PIPELINED_PATHS) return null;
    const told = this.state !== 'running';
    const designation = new Designation(this.connection, this.#find(path), null, told);
    this.#designations.add(path, designation);
    return designation;
  }

  /** Where a message to that place goes: a new reference, broken where there is none. */
  capabilityAt(path: Path): Capability {
    return this.#at(path, (designation) => designation.capability.retain());
  }

  /** What the peer means when it names that place: likewise. */
  referenceAt(path: Path): Capability {
    return this.#at(path, (designation) => designation.reference());
  }

  #at(path: Path, of: (designation: Designation) => Capability): Capability {
    if (this.noPipelining) {
      return new BrokenCapability(
        new RpcError('failed', `question ${this.id} said noPromisePipelining, and was pipelined on`, {
          code: 'ERR_RPC_NO_PIPELINING',
        }),
      );
    }
    if (this.state === 'running' && this.depth >= MAX_PIPELINE_DEPTH) {
      return new BrokenCapability(
        new RpcError(
          'overloaded',
          `more than ${MAX_PIPELINE_DEPTH} calls in a row were pipelined on each other (limit MAX_PIPELINE_DEPTH)`,
          { code: 'ERR_RPC_PIPELINE_LIMIT' },
        ),
      );
    }
    const designation = this.designationAt(path);
    if (designation !== null) return of(designation);
    return new BrokenCapability(
      new RpcError('overloaded', `more than ${MAX_PIPELINED_PATHS} places of one answer were pipelined on`, {
        code: 'ERR_RPC_PIPELINE_LIMIT',
      }),
    );
  }

  #resultAt(path: Path): Designation | null {
    if (this.#results === null) return null;
    try {
      const index = this.#results.indexAt(path);
      return index === null ? null : (this.#designated[index] ?? null);
    } catch {
      // Not a capability: capabilityIn() says what it is.
      return null;
    }
  }

  #find(path: Path): Capability {
    if (this.#error !== null) return new BrokenCapability(this.#error);
    if (this.#call !== null) return this.#call.pipelined(path);
    return capabilityIn(this.#results!, path);
  }

  /** Whether a Return of the peer's may take the results: once. */
  get takeable(): boolean {
    return this.redirected && !this.#taken;
  }

  /** A Return of the peer's hands the outcome to `question`, as soon as there is one; to nobody, if that is cancelled. */
  redirect(question: Question | null): void {
    this.#taken = true;
    this.#redirect = question;
    if (question === null) return;
    if (this.#results !== null || this.#error !== null) this.#settleRedirect();
  }

  #settleRedirect(): void {
    const question = this.#redirect!;
    this.#redirect = null;
    question.settle(this.#results?.share() ?? null, this.#error);
  }

  /** The peer needs nothing more; with `over`, because the connection has ended. */
  finish(over = false): void {
    this.state = 'finished';
    if (this.#designations !== null)
      for (const { value } of this.#designations.entries()) value.release(over);
    // Hardly any answer has some, and walking none costs something, too.
    if (this.#designated.length > 0) for (const designation of this.#designated) designation?.release(over);
    this.#designations = null;
    this.#designated = NO_DESIGNATIONS;
    if (this.#redirect !== null) {
      const question = this.#redirect;
      this.#redirect = null;
      question.settle(null, canceled());
    }
    this.#call?.finish();
    this.#call = null;
  }
}
