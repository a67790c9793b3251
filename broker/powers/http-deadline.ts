/** How long a request may take, which is ended sooner by whoever made it. */
import type { CallSignal } from '../../rpc/index.js';

export class Deadline {
  readonly #over = new AbortController();
  readonly #cancel: () => void;
  #timer: NodeJS.Timeout | null = null;
  #isLifted = false;

  /**
   * @param caller ends it, too
   * @param late what it is ended with when `millis` are over
   */
  constructor(
    private readonly caller: CallSignal,
    private readonly millis: number,
    private readonly late: () => Error,
  ) {
    this.#cancel = () => this.#over.abort(caller.reason);
    caller.addEventListener('abort', this.#cancel);
    if (caller.aborted) this.#cancel();
    this.restart();
  }

  /** Aborted when it is over: its reason is why. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** While others see to it that things go on. */
  pause(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** All of its time again. */
  restart(): void {
    this.pause();
    if (!this.#isLifted && !this.#over.signal.aborted)
      this.#timer = setTimeout(() => this.#over.abort(this.late()), this.millis);
  }

  /** There is none any more, and nothing is ended by it, or by the caller. */
  lift(): void {
    this.#isLifted = true;
    this.pause();
    this.caller.removeEventListener('abort', this.#cancel);
  }

  /** Whatever is under way still is for nobody: unless it was lifted. */
  end(): void {
    if (this.#isLifted) return;
    this.lift();
    this.#over.abort(new Error('the request is over'));
  }
}
