/**
 * A call that only passes through, as nearly all do at a broker: it came over one connection, its target is on another one, and
 * nothing on the way needs more of it than a verdict. It is one entry in two tables, an answer of the first connection and a
 * question of the second, and its message goes on as it came, with other ids, and so do its results.
 *
 *     running --Return--> returned --Finish--> finished
 *     running --Return, where nobody finishes--> finished
 *     running --unfold()--> an Answer, a Question and what stands between them
 *
 * As a question it is over with its Return: its Finish goes at once, whenever the one for the answer comes.
 *
 * Whatever else happens to it (it is pipelined on, cancelled, cut; it fails, or has results with capabilities; a connection ends)
 * happens to those three, which it is unfolded into first, in the state that they would be in. So there is one place that knows
 * what to do, and no difference but the time that it takes: see test/broker/relay.test.ts.
 */
import { Answer } from './answer.js';
import type { CallInProgress, ReturnSink } from './capability.js';
import type { Connection } from './connection.js';
import type { CallTerms } from './envelope.js';
import { Payload } from './payload.js';
import { Question } from './question.js';
import type { ImportedCapability } from './remote.js';

/** What stands between an answer and a question: the answer's call, and the sink of the question. */
export interface Middle extends CallInProgress, ReturnSink {
  /** Its call is this one. */
  begin(call: CallInProgress): void;
}

export abstract class Relay implements CallTerms {
  state: 'running' | 'returned' = 'running';
  /** Where it came from, and its id as an answer there. */
  from!: Connection;
  answerId = 0;
  /** Its id as a question. */
  id = 0;
  /** The size of its message, as long as it counts as in flight. */
  bytes = 0;
  /** Whether whoever returned it wants it finished. */
  finishNeeded = true;
  /** Where it goes. */
  readonly to: Connection;

  constructor(
    readonly target: ImportedCapability,
    readonly noPromisePipelining: boolean,
  ) {
    this.to = target.connection;
  }

  get toYourself(): boolean {
    return false;
  }

  get onlyPromisePipeline(): boolean {
    return false;
  }

  /** It is not made after all, whose message has so many bytes. */
  abstract takeBack(bytes: number): void;

  /** It has returned results of so many bytes: whether they may pass, and do so now. False: nothing was done. */
  abstract passesBack(bytes: number): boolean;

  /** It has returned, and its results go on. */
  returned(finishNeeded: boolean): void {
    this.state = 'returned';
    this.bytes = 0;
    this.finishNeeded = finishNeeded;
  }

  /** It is unfolded: what is in its place from now on. */
  protected abstract middle(sink: ReturnSink): Middle;

  /** Puts the three in the place of this one. */
  unfold(): Middle {
    const answer = new Answer(this.from, this.answerId);
    answer.noPipelining = this.noPromisePipelining;
    answer.bytes = this.bytes;
    answer.isCounted = true;
    const middle = this.middle(answer);
    const question = new Question(this.to, this.id, middle, this);
    this.from.unfolded(this, answer, question);
    middle.begin(question);
    answer.begin(middle);
    return middle;
  }

  /** What it is as an answer, once it has returned: its results have no capabilities. */
  concluded(): Answer {
    const answer = new Answer(this.from, this.answerId);
    answer.noPipelining = this.noPromisePipelining;
    answer.isCounted = true;
    answer.conclude(Payload.empty(), null);
    return answer;
  }
}
