/**
 * An answer: a call of the peer's that this side works on. An entry of the answer table from Call until Finish.
 *
 *     running --Return--> returned --Finish--> finished
 *     running --Finish--> finished (and a Return that says canceled)
 */
import { BrokenCapability, type CallInProgress, type Capability, capabilityIn } from './capability.js';
import type { Connection } from './connection.js';
import { Designation } from './designation.js';
import { RpcError } from './error.js';
import { MAX_PIPELINE_DEPTH, MAX_PIPELINED_PATHS } from './limits.js';
import type { Payload } from './payload.js';
import type { Question } from './question.js';

type Outcome = { readonly results: Payload } | { readonly error: RpcError };

export class Answer {
  state: 'running' | 'returned' | 'finished' = 'running';
  /** The size of the call's message, as long as it counts as in flight. */
  bytes = 0;
  /** How many calls before it have to return until it can run: each is addressed to what the next will return. */
  depth = 0;
  /** Whether the results are kept here, for a Return of the peer's to take (sendResultsTo.yourself). */
  redirected = false;
  /** The exports that were sent in the results, for a Finish with releaseResultCaps. */
  exports: readonly number[] = [];
  #call: CallInProgress | null = null;
  #outcome: Outcome | null = null;
  #redirect: Question | null = null;
  /** Places that were pipelined on, and the capabilities of the results by their index. */
  readonly #designations = new Map<string, Designation>();
  #results: readonly (Designation | null)[] = [];

  constructor(
    private readonly connection: Connection,
    readonly id: number,
  ) {}

  /** The call runs (or has ended already). Takes over the caller's end of it. */
  begin(call: CallInProgress): void {
    if (this.state === 'finished') call.finish();
    else this.#call = call;
  }

  /** The outcome is known; `results` are borrowed from the call until `finish()`. */
  returned(outcome: Outcome): void {
    // The connection may have ended while the Return was sent: nothing is kept for it any more.
    if (this.state === 'finished') return;
    this.state = 'returned';
    this.#outcome = outcome;
    if ('results' in outcome) {
      // What the peer was told of each result is what its messages to that place must reach from now on.
      this.#results = outcome.results.capabilities.map((capability) =>
        capability === null ? null : new Designation(this.connection, capability.retain()),
      );
    }
    if (this.#redirect !== null) this.#settleRedirect();
  }

  /** Where messages for the place `path` of the results go. A promise before the results are there. */
  designationAt(path: readonly number[]): Designation | null {
    const key = path.join();
    const known = this.#designations.get(key);
    if (known !== undefined) return known;
    const result = this.#resultAt(path);
    if (result !== null) return result;
    if (this.#designations.size >= MAX_PIPELINED_PATHS) return null;
    const designation = new Designation(this.connection, this.#find(path));
    this.#designations.set(key, designation);
    return designation;
  }

  /** The same as a capability: a new reference, broken where there is none. */
  capabilityAt(path: readonly number[]): Capability {
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
    if (designation !== null) return designation.capability.retain();
    return new BrokenCapability(
      new RpcError('overloaded', `more than ${MAX_PIPELINED_PATHS} places of one answer were pipelined on`, {
        code: 'ERR_RPC_PIPELINE_LIMIT',
      }),
    );
  }

  #resultAt(path: readonly number[]): Designation | null {
    if (this.#outcome === null || !('results' in this.#outcome)) return null;
    try {
      const index = this.#outcome.results.indexAt(path);
      return index === null ? null : (this.#results[index] ?? null);
    } catch {
      // Not a capability: capabilityIn() says what it is.
      return null;
    }
  }

  #find(path: readonly number[]): Capability {
    const outcome = this.#outcome;
    if (outcome !== null && 'error' in outcome) return new BrokenCapability(outcome.error);
    if (this.#call !== null) return this.#call.pipelined(path);
    return capabilityIn(outcome!.results, path);
  }

  /** A Return of the peer's hands the outcome to `question`, as soon as there is one. */
  redirect(question: Question): void {
    this.#redirect = question;
    if (this.#outcome !== null) this.#settleRedirect();
  }

  #settleRedirect(): void {
    const question = this.#redirect!;
    const outcome = this.#outcome!;
    this.#redirect = null;
    question.settle('results' in outcome ? { results: outcome.results.share() } : outcome);
  }

  /** The peer needs nothing more. */
  finish(): void {
    this.state = 'finished';
    for (const designation of this.#designations.values()) designation.release();
    for (const designation of this.#results) designation?.release();
    this.#designations.clear();
    this.#results = [];
    if (this.#redirect !== null) {
      const question = this.#redirect;
      this.#redirect = null;
      question.settle({
        error: new RpcError('failed', 'the call was canceled', { code: 'ERR_RPC_CANCELED' }),
      });
    }
    this.#call?.finish();
    this.#call = null;
  }
}
