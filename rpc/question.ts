/**
 * A question: a call of ours that the peer works on. An entry of the question table from Call until both Return has come
 * and Finish has gone.
 *
 *     awaiting --Return--> returned --last holder--> (Finish) gone
 *     awaiting --last holder--> (Finish) cancelled --Return--> gone
 *     awaiting --Return, takeFromOtherQuestion--> redirected --the other's outcome--> returned
 *                                                 redirected --last holder--> (Finish) gone
 *     awaiting --Return, resultsSentElsewhere--> elsewhere --last holder--> (Finish) gone
 *
 * One that is for pipelining only is gone with its Finish, in any state: nobody knows whether it will be returned.
 *
 * Holders are the caller and every capability pipelined from it: its id must not be finished while one of them may still
 * be addressed by it.
 */

import type { Answer } from './answer.js';
import {
  BrokenCapability,
  type CallHints,
  type CallInProgress,
  type Capability,
  capabilityIn,
  type ReturnSink,
  settled,
} from './capability.js';
import type { Connection } from './connection.js';
import { RpcError } from './error.js';
import { Payload } from './payload.js';
import { type Path, Places } from './places.js';
import { QueuedCapability } from './promised.js';
import { PipelinedCapability, RemotePromise } from './remote.js';

/** Of a message without capabilities. */
export const NO_EXPORTS: readonly number[] = Object.freeze([]);

export class Question implements CallInProgress {
  /** The caller, until the outcome has come; and what was pipelined. */
  #holders = 1;
  #isCallers = true;
  #sink: ReturnSink | null;
  /** Its outcome, when there is one: one of the two. */
  #results: Payload | null = null;
  #error: RpcError | null = null;
  /** The answer of ours that its outcome is taken from. */
  #taken: Answer | null = null;
  /** What was pipelined on it, by its place. */
  #promises: Places<RemotePromise> | null = null;
  state: 'awaiting' | 'redirected' | 'elsewhere' | 'returned' | 'cancelled' = 'awaiting';
  /** The exports that were sent in the params, for a Return with releaseParamCaps. */
  paramExports: readonly number[] = NO_EXPORTS;
  /** Whether the peer has said that it needs no Finish. */
  finishNeeded = true;

  /** Whether its results stay with the peer, which takes them for another question (sendResultsTo.yourself). */
  toYourself = false;
  readonly noPromisePipelining: boolean;
  readonly onlyPromisePipeline: boolean;

  constructor(
    readonly connection: Connection,
    readonly id: number,
    sink: ReturnSink,
    hints: CallHints,
  ) {
    this.#sink = sink;
    this.noPromisePipelining = hints.noPromisePipelining === true;
    this.onlyPromisePipeline = hints.onlyPromisePipeline === true;
  }

  #isOver(): boolean {
    return this.#results !== null || this.#error !== null;
  }

  hold(): void {
    this.#holders++;
  }

  unhold(): void {
    if (--this.#holders === 0) this.connection.finishQuestion(this);
  }

  pipelined(path: Path): Capability {
    if (this.noPromisePipelining && !this.#isOver()) {
      return new BrokenCapability(
        new RpcError('failed', 'a call that said noPromisePipelining was pipelined on', {
          code: 'ERR_RPC_NO_PIPELINING',
        }),
      );
    }
    const known = this.#promises?.get(path);
    if (known !== undefined) return known.retain();
    if (this.#isOver()) return this.#capabilityAt(path);
    if (this.#taken !== null) return this.#taken.referenceAt(path);
    this.#promises ??= new Places();
    const promises = this.#promises;
    const promise = new RemotePromise(new PipelinedCapability(this, path), () => promises.delete(path));
    promises.add(path, promise);
    return promise;
  }

  #capabilityAt(path: Path): Capability {
    return this.#results === null ? new BrokenCapability(this.#error!) : capabilityIn(this.#results, path);
  }

  /**
   * The outcome will be that of `answer`, a call that the peer made back to us. What was pipelined on this becomes what can
   * be pipelined on that, one hop at a time: it is not for us to look further ahead (the Tribble four-way race).
   */
  takeFrom(answer: Answer): void {
    this.state = 'redirected';
    this.#taken = answer;
    this.#resolvePromises((path) => answer.referenceAt(path), true);
  }

  /** They stay in the map, owned by it now, as long as the caller does: one that is under an embargo has to be met again by
   * whoever asks for the same place. */
  #resolvePromises(find: (path: Path) => Capability, detour: boolean): void {
    if (this.#promises === null || this.#promises.size === 0) return;
    const promises = this.#promises.entries();
    const targets = promises.map(({ path }) => find(path));
    for (const { value } of promises) value.retain();
    promises.forEach(({ value }, i) => {
      value.resolve(targets[i]!, detour);
    });
  }

  /** The outcome has come; takes `results` over, one of the two is null. Pipelined capabilities become what they stood for. */
  settle(results: Payload | null, error: RpcError | null): void {
    if (this.#isOver()) {
      // The connection ended before the other question did.
      results?.release();
      return;
    }
    this.#results = results;
    this.#error = error;
    this.state = 'returned';
    this.hold();
    if (this.#taken === null) this.#resolvePromises((path) => this.#capabilityAt(path), false);
    const sink = this.#sink;
    if (sink === null) {
      this.#letGo();
    } else if (results !== null) {
      // What is under an embargo is so for whoever gets the results, too: one who relays them is about to send calls there.
      if (this.#promises !== null) this.#results = embargoed(results, this.#promises);
      sink.returned(this.#results!);
    } else {
      sink.failed(error!);
    }
    this.#unholdByCaller();
    this.unhold();
  }

  finish(): void {
    if (this.#sink === null) return;
    this.#sink = null;
    if (this.#isOver()) this.#letGo();
    this.#unholdByCaller();
  }

  /**
   * The outcome is all that the caller needs from then on: however long it keeps that, the peer is not to keep it. Another peer may
   * be who keeps it.
   */
  #unholdByCaller(): void {
    if (!this.#isCallers) return;
    this.#isCallers = false;
    this.unhold();
  }

  /** Hands back what the outcome holds. */
  #letGo(): void {
    const promises = this.#promises;
    this.#promises = null;
    if (promises !== null) for (const { value } of promises.entries()) value.release();
    this.#results?.release();
  }
}

/** `results` with what each of `promises` has become, where that is not known to be the result itself yet. */
function embargoed(results: Payload, promises: Places<RemotePromise>): Payload {
  let capabilities: (Capability | null)[] | null = null;
  for (const { path, value } of promises.entries()) {
    const now = settled(value);
    if (!(now instanceof QueuedCapability)) continue;
    const index = results.indexAt(path)!;
    capabilities ??= [...results.capabilities];
    capabilities[index]!.release();
    capabilities[index] = now.retain();
  }
  return capabilities === null ? results : new Payload(results.body, capabilities);
}
