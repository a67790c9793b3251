/**
 * How fast grants may be minted below one root: whoever holds a delegable reference could fill the disk otherwise, and
 * revocations need the disk as well.
 */
import { RpcError } from '../rpc/index.js';

/** So many at once, after a pause. */
const BURST = 1000;
/** And so many a second from then on. */
const PER_SECOND = 100;

export class MintRate {
  /** By the id of the root; one that has its whole burst again is forgotten. */
  readonly #roots = new Map<string, { left: number; at: number }>();

  /** @throws RpcError overloaded */
  take(root: string, now = Date.now()): void {
    const known = this.#roots.get(root);
    const refilled = known === undefined ? BURST : known.left + ((now - known.at) / 1000) * PER_SECOND;
    const left = Math.min(BURST, Math.max(0, refilled));
    if (left < 1) {
      throw new RpcError(
        'overloaded',
        `more than ${PER_SECOND} grants a second are minted below one root; try again later`,
        {
          code: 'ERR_GRANT_RATE',
        },
      );
    }
    if (known === undefined) this.#forgetFull(now);
    this.#roots.set(root, { left: left - 1, at: now });
  }

  #forgetFull(now: number): void {
    for (const [root, { left, at }] of this.#roots) {
      if (left + ((now - at) / 1000) * PER_SECOND >= BURST) this.#roots.delete(root);
    }
  }
}
