/**
 * A call that waits, in the line of its grant, until what it is counted by is reserved on disk; then it goes on, or is
 * refused. It may be pipelined on and cancelled meanwhile, and ends with its grant.
 */
import {
  type Call,
  type CallInProgress,
  Capability,
  QueuedCapability,
  type ReturnSink,
  type RpcError,
} from '../rpc/index.js';
import { NOWHERE } from './bag.js';
import type { Cuttable } from './live-grant.js';
import type { Line, Waiting } from './policy/line.js';
import { IN_LINE, type Verdict } from './policy/verdict.js';

/** Where the call came, and goes on from. */
export interface Passage {
  /** Asks again whether it may pass, as its turn has come. */
  judge(call: Call): Verdict;
  /** Hands the call on, which has been let pass. */
  forward(call: Call, sink: ReturnSink): CallInProgress;
  /** It is not waiting any more, whatever became of it. */
  ended(waiting: WaitingCall): void;
}

export class WaitingCall implements Waiting, Cuttable {
  readonly is = 'waiting';
  place = NOWHERE;
  readonly #call: Call;
  readonly #line: Line;
  readonly #passage: Passage;
  readonly #promise: QueuedCapability;
  #waits = true;

  private constructor(call: Call, line: Line, passage: Passage) {
    this.#call = call;
    this.#line = line;
    this.#passage = passage;
    // The call alone holds the promise: when it is cancelled, that goes.
    this.#promise = new QueuedCapability(() => this.#end());
  }

  /** Puts `call` at the end of the line. */
  static join(
    call: Call,
    sink: ReturnSink,
    line: Line,
    passage: Passage,
  ): { readonly waiting: WaitingCall; readonly inProgress: CallInProgress } {
    const waiting = new WaitingCall(call, line, passage);
    const inProgress = waiting.#promise.call(call, sink);
    waiting.#promise.release();
    line.join(waiting);
    return { waiting, inProgress };
  }

  attempt(): boolean {
    const verdict = this.#passage.judge(this.#call);
    if (verdict === IN_LINE) return false;
    if (verdict !== null) this.cut(verdict);
    else this.#resolve(new Onward(this.#passage));
    return true;
  }

  /** It is not made. */
  cut(reason: RpcError): void {
    if (!this.#waits) return;
    const promise = this.#promise.retain();
    this.#end();
    promise.reject(reason);
    promise.release();
  }

  #resolve(onward: Capability): void {
    const promise = this.#promise.retain();
    this.#waits = false;
    promise.resolve(onward);
    promise.release();
    this.#passage.ended(this);
  }

  #end(): void {
    if (!this.#waits) return;
    this.#waits = false;
    this.#passage.ended(this);
    this.#line.leave(this);
  }
}

/** What a waiting call is for: to be handed on. */
class Onward extends Capability {
  constructor(private readonly passage: Passage) {
    super();
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    return this.passage.forward(call, sink);
  }

  protected override dropped(): void {}
}
