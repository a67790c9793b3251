/**
 * The body of a response, as a capability: Http.Body of schema/sturdy.capnp. It is over when it was read to its end, when something went
 * wrong, when it is let go of, and when it has waited too long for whoever reads it or for what is to be read: then its connection is
 * gone, and its place among those that may be open.
 */
import type { CallContext } from '../../rpc/index.js';
import { tooLate } from './http-errors.js';
import { MAX_CHUNK } from './http-request-body.js';
import type { Chunk, ResponseBody } from './http-response-body.js';

export class HttpStream {
  #timer: NodeJS.Timeout | null = null;
  #last: Promise<unknown> = Promise.resolve();
  /** How many reads have not been answered. */
  #reads = 0;
  #isOver = false;

  /** @param over called once, when it is over */
  constructor(
    private readonly body: ResponseBody,
    private readonly url: URL,
    private readonly idleMillis: number,
    private readonly over: () => void,
  ) {
    this.#wait();
  }

  read({ maxBytes }: { maxBytes: number }, { signal }: CallContext): Promise<Chunk> {
    const most = maxBytes === 0 ? MAX_CHUNK : Math.min(maxBytes, MAX_CHUNK);
    this.#reads++;
    const turn = this.#last.then(() => this.#read(most, signal as AbortSignal));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #read(most: number, signal: AbortSignal): Promise<Chunk> {
    let isEnd = false;
    this.#wait();
    try {
      signal.throwIfAborted();
      const found = await this.body.read(most, signal);
      isEnd = found.end;
      return found;
    } catch (error) {
      isEnd = !signal.aborted;
      throw error;
    } finally {
      this.#reads--;
      if (isEnd) this.#end();
      else this.#wait();
    }
  }

  /** From now on, for so long. */
  #wait(): void {
    if (this.#isOver) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const what = this.#reads > 0 ? 'nothing more of its response came' : 'nobody read its response';
      this.body.close(tooLate(this.url, `${what} for ${this.idleMillis} ms (powers.http.bodyIdleMillis)`));
      this.#end();
    }, this.idleMillis);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.over();
  }

  /** The last reference is gone. */
  [Symbol.dispose](): void {
    this.body.close();
    this.#end();
  }
}
