/**
 * A call that crosses a membrane: its results come back the other way, and it ends when the grant does.
 *
 * Most calls need no more of the broker than a verdict. Those are relayed (see ../rpc/relay.ts), and become a MembranedCall only when
 * something happens to them that is not plain.
 */
import {
  BrokenCapability,
  type Call,
  type CallInProgress,
  type Capability,
  capabilityIn,
  hintsPassedOn,
  type ImportedCapability,
  type Middle,
  type Path,
  type Payload,
  Relay,
  type ReturnSink,
  type RpcError,
} from '../rpc/index.js';
import { NOWHERE } from './bag.js';
import { against, type Direction, forbidden } from './flow/crossing.js';
import type { Cuttable } from './live-grant.js';
import type { Membrane, MembranedCapability } from './membrane.js';
import { IN_LINE } from './policy/verdict.js';

export class MembranedCall implements Middle, Cuttable {
  readonly is = 'call';
  place = NOWHERE;
  readonly #membrane: Membrane;
  readonly #back: Direction;
  #sink: ReturnSink | null;
  #inner: CallInProgress | null = null;
  /** Its outcome, when there is one: one of the two. */
  #results: Payload | null = null;
  #error: RpcError | null = null;
  #cut = false;
  /** Whether it counts as in flight. */
  #counted: boolean;
  /** Its number in the lane. 0: it goes to no domain. */
  readonly #number: number;

  /** One that is yet to `begin`. It is in the lane as `number`. */
  constructor(membrane: Membrane, back: Direction, sink: ReturnSink, number: number) {
    this.#membrane = membrane;
    this.#back = back;
    this.#sink = sink;
    this.#number = number;
    this.#counted = number > 0;
    membrane.grant.enter(this);
  }

  /** Makes the call. */
  static make(target: MembranedCapability, call: Call, sink: ReturnSink, number: number): MembranedCall {
    const { membrane, direction } = target;
    const made = new MembranedCall(membrane, direction, sink, number);
    const params = membrane.pass(call.params, against(direction));
    // Of the caller's hints that alone is passed on which it cannot go back on here: its answer takes no pipelined calls.
    const hints = hintsPassedOn(call.hints?.noPromisePipelining);
    const { interfaceId, methodId } = call;
    const isSame = params === call.params && hints === call.hints;
    made.begin(target.inner.call(isSame ? call : { interfaceId, methodId, params, hints }, made));
    return made;
  }

  begin(inner: CallInProgress): void {
    if (this.#sink === null || this.#cut) inner.finish();
    else this.#inner = inner;
  }

  returned(results: Payload): void {
    this.#begun();
    if (this.#isOver()) return;
    const { grant } = this.#membrane;
    const refusal = grant.refusesResults(results.body.bytes);
    if (refusal === IN_LINE) grant.whenResultsPass(results.body.bytes, (after) => this.#pass(results, after));
    else this.#pass(results, refusal);
  }

  #pass(results: Payload, refusal: RpcError | null): void {
    // Results that waited may be wanted no more.
    if (this.#isOver() || this.#sink === null) return;
    if (refusal !== null) {
      if (this.#back === 'out') this.#membrane.services.refused(this.#membrane, refusal);
      this.cut(refusal);
    } else if (results.capabilities.length > 0 && this.#membrane.forbidsPassing(results, this.#back)) {
      this.cut(forbidden('results'));
    } else this.#end(this.#membrane.pass(results.share(), this.#back), null);
  }

  failed(error: RpcError): void {
    this.#begun();
    this.#end(null, error);
  }

  cut(reason: RpcError): void {
    if (this.#isOver()) return;
    this.#cut = true;
    this.#end(null, reason);
    const inner = this.#inner;
    this.#inner = null;
    inner?.finish();
  }

  #end(results: Payload | null, error: RpcError | null): void {
    if (this.#isOver()) return;
    this.#results = results;
    this.#error = error;
    this.#leave();
    if (results !== null) this.#sink?.returned(results);
    else this.#sink?.failed(error!);
  }

  #isOver(): boolean {
    return this.#results !== null || this.#error !== null;
  }

  #begun(): void {
    if (this.#number > 0) this.#membrane.lane?.returned(this.#number);
  }

  #leave(): void {
    this.#membrane.grant.leave(this);
    if (this.#counted) this.#membrane.lane?.leave();
    this.#counted = false;
  }

  pipelined(path: Path): Capability {
    if (this.#error !== null) return new BrokenCapability(this.#error);
    if (this.#inner === null) {
      if (this.#results !== null) return capabilityIn(this.#results, path);
      throw new Error('a call was pipelined on after it was finished');
    }
    const inner = this.#inner.pipelined(path);
    return this.#back === 'out' ? this.#membrane.outward(inner) : this.#membrane.inward(inner);
  }

  finish(): void {
    if (this.#sink === null) return;
    this.#sink = null;
    this.#leave();
    this.#results?.release();
    const inner = this.#inner;
    this.#inner = null;
    inner?.finish();
  }
}

/** A call that crosses a membrane and is relayed. */
export class RelayedCall extends Relay implements Cuttable {
  readonly is = 'call';
  place = NOWHERE;
  readonly #membrane: Membrane;
  readonly #back: Direction;
  /** Its number in the lane. 0: it goes to no domain. */
  readonly #number: number;

  constructor(
    membrane: Membrane,
    back: Direction,
    target: ImportedCapability,
    noPromisePipelining: boolean,
    number: number,
  ) {
    super(target, noPromisePipelining);
    this.#membrane = membrane;
    this.#back = back;
    this.#number = number;
    membrane.grant.enter(this);
  }

  #leave(): void {
    this.#membrane.grant.leave(this);
    if (this.#number > 0) this.#membrane.lane!.leave();
  }

  takeBack(bytes: number): void {
    this.#membrane.grant.giveBack(bytes, this.#back === 'in');
    this.#leave();
  }

  passesBack(bytes: number): boolean {
    if (this.#number > 0) this.#membrane.lane!.returned(this.#number);
    if (this.#membrane.grant.refusesResults(bytes) !== null) return false;
    this.#leave();
    return true;
  }

  protected middle(sink: ReturnSink): MembranedCall {
    const call = new MembranedCall(this.#membrane, this.#back, sink, this.#number);
    this.#membrane.grant.leave(this);
    return call;
  }

  cut(reason: RpcError): void {
    (this.unfold() as MembranedCall).cut(reason);
  }
}
