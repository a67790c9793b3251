/**
 * The pace of starts: only so many at a time, so that many domains that start at once (with the broker, after the death of
 * a host) do not take the processor from each other until none of them is ready in time. Who waits is served in the order
 * of coming, and a domain has one start at a time: one that fails again and again stands behind everyone else each time.
 */
import { availableParallelism } from 'node:os';
import { RpcError } from '../rpc/index.js';

/** Starts that wait. One more is refused. */
const LONGEST = 1024;

export class StartQueue {
  #underway = 0;
  /** What lets each of those go on that wait, in their order. */
  readonly #waiting = new Set<() => void>();

  constructor(
    private readonly atATime: number = availableParallelism(),
    private readonly longest: number = LONGEST,
  ) {}

  /**
   * Does `start` when it is its turn. Rejects with `overloaded` where too many wait already, and with the reason of `signal`
   * when that is aborted before the turn has come.
   */
  async inTurn<T>(start: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    // Whoever is let go on is handed the place of the one that ended.
    if (this.#underway < this.atATime) this.#underway++;
    else await this.#turn(signal);
    try {
      return await start();
    } finally {
      const [next] = this.#waiting;
      if (next === undefined) this.#underway--;
      else next();
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.size >= this.longest) {
      throw new RpcError('overloaded', `${this.longest} starts wait already`, { code: 'ERR_START_QUEUE' });
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(go);
        signal?.removeEventListener('abort', give);
      };
      const go = () => {
        leave();
        resolve();
      };
      const give = () => {
        leave();
        reject(signal?.reason);
      };
      this.#waiting.add(go);
      signal?.addEventListener('abort', give);
    });
  }
}
