/** What happened in a run so far, for whoever reads how it failed; and how a run waits, and fails. */
import { type Outcome, outcomeOf } from './outcomes.js';
import type { Tally } from './tally.js';

/** How long the real thing may take to do what the model does at once, in milliseconds. */
const PATIENCE = 10_000;
/** So many lines are told. */
const TOLD = 60;

export class Diary {
  readonly #lines: string[] = [];

  constructor(readonly tally: Tally) {}

  note(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > TOLD) this.#lines.shift();
  }

  fault(text: string): never {
    throw new Error(`${text}\nthe last of it:\n${this.#lines.join('\n')}`);
  }

  /** What `promise` comes to. */
  try<T>(promise: PromiseLike<T>): Promise<Outcome<T>> {
    return outcomeOf(promise, (bytes) => this.tally.seen.push({ where: 'an error', bytes }));
  }

  /** Waits until it holds, or has the run fail. */
  async until(what: string | (() => string), holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + PATIENCE;
    while (!(await holds())) {
      if (Date.now() > deadline) this.fault(`not so in time: ${typeof what === 'string' ? what : what()}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
