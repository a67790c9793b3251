/**
 * What a connection charges its peer with for the calls that it makes, within the limits of the connection and what all of them may
 * hold together (budget.ts).
 *
 * A call counts until it is finished, and its bytes until it has returned. Results count where they are kept until then, because the
 * peer may pipeline on them. What was refused, or is no call at all and is answered (a Bootstrap), counts by itself.
 */
import type { Accounts } from './budget.js';
import { RpcError } from './error.js';
import type { ConnectionLimits } from './limits.js';

export class Charges {
  #bytes = 0;
  #calls = 0;
  #refusals = 0;
  #isOver = false;
  #lastRefusal: RpcError | null = null;

  /** `limits` as they are at any time. */
  constructor(
    private readonly limits: ConnectionLimits,
    private readonly accounts: Accounts,
  ) {}

  /** Why a call of so many bytes may not run, where so many are unfinished; null: it may, and is charged from now on. */
  call(bytes: number, unfinished: number): RpcError | null {
    const { accounts, limits } = this;
    if (unfinished > limits.answers) {
      return this.#refused(
        `more than ${limits.answers} calls are unfinished (limit answers)`,
        'ERR_RPC_ANSWER_LIMIT',
      );
    }
    if (this.#bytes + bytes > limits.bytesInFlight) {
      return this.#refused(
        `more than ${limits.bytesInFlight} bytes of calls are in flight (limit bytesInFlight)`,
        'ERR_RPC_FLOW_LIMIT',
      );
    }
    if (!accounts.calls.take(1)) {
      return this.#refused(
        'too many calls of all the connections together are unfinished (budget calls)',
        'ERR_RPC_CALL_BUDGET',
      );
    }
    if (!accounts.bytes.take(bytes)) {
      accounts.calls.give(1);
      return this.#refused(
        'all the connections together hold too many bytes of messages (budget bytes)',
        'ERR_RPC_BYTE_BUDGET',
      );
    }
    this.#bytes += bytes;
    this.#calls++;
    return null;
  }

  /** So many bytes of a call, or of results, are held no more. */
  landed(bytes: number): void {
    if (this.#isOver) return;
    this.#bytes -= bytes;
    this.accounts.bytes.give(bytes);
  }

  /** A call is finished. */
  finished(): void {
    if (this.#isOver) return;
    this.#calls--;
    this.accounts.calls.give(1);
  }

  /** Why results of so many bytes may not be kept; null: they may, until they have `landed`. */
  keep(bytes: number): RpcError | null {
    if (this.#bytes + bytes > this.limits.bytesInFlight || !this.accounts.bytes.take(bytes)) {
      return this.#refused(
        'the results that are kept until their calls are finished have too many bytes (limit bytesInFlight, budget bytes)',
        'ERR_RPC_KEPT_RESULTS',
      );
    }
    this.#bytes += bytes;
    return null;
  }

  /** Whether something may be answered that does not count as a call. */
  refusal(): boolean {
    if (!this.accounts.refusals.take(1)) return false;
    this.#refusals++;
    return true;
  }

  /** That is finished, or counts as a call from now on. */
  refusalOver(): void {
    if (this.#isOver) return;
    this.#refusals--;
    this.accounts.refusals.give(1);
  }

  /** The connection has ended. Gives the way to hand back what is charged, when nothing of it is under way any more. */
  end(): () => void {
    this.#isOver = true;
    return () => {
      this.accounts.bytes.give(this.#bytes);
      this.accounts.calls.give(this.#calls);
      this.accounts.refusals.give(this.#refusals);
    };
  }

  /** One error for all that are refused for the same reason, one after the other: each of them keeps it until it is finished. */
  #refused(message: string, code: string): RpcError {
    if (this.#lastRefusal?.message !== message)
      this.#lastRefusal = new RpcError('overloaded', message, { code });
    return this.#lastRefusal;
  }
}
