/**
 * A program's connection to a broker, which comes back by itself.
 *
 * While the connection is lost, it is tried again, after pauses that double. References stay good: what `restore` gave
 * restores again by itself. Everything that came out of it broke with the connection, and the calls that were under way
 * failed with `disconnected`, which says nothing about whether they were carried out. A call that is made meanwhile waits
 * for the next attempt to connect, and fails if that fails, which it does after a limit: no call waits for ever for a
 * connection. Over one that is there, a call may take as long as the object takes; its caller can cancel it.
 */
import {
  BrokenCapability,
  type Capability,
  type ConnectionLimits,
  capabilityOf,
  type Patience,
  type Pending,
  QueuedCapability,
  RpcError,
  type Session,
  type Stub,
  stubFor,
} from '../rpc/portable.js';
import { type InterfaceType, sturdySchema } from '../schema/index.js';
import { type SturdyAddress, sameAddress } from './address.js';
import { RestoredCapability } from './restored.js';
import type { SturdyRef } from './sturdyref.js';

export interface BrokerSessionOptions {
  /** Whether a connection that was lost is made again. Default true. */
  readonly reconnect?: boolean;
  /** The pause before the first attempt to come back, in milliseconds; doubled each time. Default 100. */
  readonly firstPause?: number;
  /** The longest pause between two attempts, in milliseconds. Default 10,000. */
  readonly longestPause?: number;
  /** How long an attempt to connect may take, in milliseconds. Default 10,000. */
  readonly connectTimeout?: number;
  /** How long the broker may be silent, and a message of its unfinished. */
  readonly patience?: Patience;
  /** What the broker can make this side hold. */
  readonly limits?: Partial<ConnectionLimits>;
  /** The connection was lost: every live capability but those that `restore` gave is broken. */
  readonly onDisconnected?: (reason: RpcError) => void;
  /** The connection is there again. */
  readonly onReconnected?: () => void;
}

export const CONNECT_TIMEOUT_MILLIS = 10_000;

/** Makes a connection to the broker. Rejects with `disconnected`, naming the address and the reason. */
export type Dial = () => Promise<Session>;

/** Gate of schema/sturdy.capnp. */
interface Gate extends Stub {
  restore(params: { ref: { secret: Uint8Array } }): Pending<{ cap: Stub }>;
}

type State =
  | { readonly is: 'connected'; readonly session: Session; readonly gate: Gate; readonly since: number }
  | {
      readonly is: 'reconnecting';
      /** Restores that wait for the next attempt. */
      readonly waiting: { readonly ref: SturdyRef; readonly promise: QueuedCapability }[];
      timer: ReturnType<typeof setTimeout> | null;
    }
  | { readonly is: 'closed'; readonly reason: RpcError };

/** A connection that held for so long was a good one: the next pause is the first again. In milliseconds. */
const STEADY = 10_000;

export class BrokerSession {
  readonly address: SturdyAddress;
  readonly #options: BrokerSessionOptions;
  readonly #dial: Dial;
  #state: State;
  /** Attempts that failed, or connections that did not hold, one after the other. */
  #failures = 0;

  /** Use `connect`. Takes over `session`; others are made by `dial`. */
  constructor(address: SturdyAddress, options: BrokerSessionOptions, session: Session, dial: Dial) {
    this.address = address;
    this.#options = options;
    this.#dial = dial;
    this.#state = this.#connected(session);
  }

  /** `reconnecting` while the connection is lost; `closed` for good. */
  get state(): State['is'] {
    return this.#state.is;
  }

  /**
   * The object that `ref` stands for, as `type`: usable at once, restored by its first call, and again after it was lost.
   * The caller disposes it. Calls fail with "no such reference" where the broker does not accept it.
   */
  restore<T = Stub>(ref: SturdyRef, type: InterfaceType): T {
    return stubFor(new RestoredCapability(() => this.#obtain(ref)), type) as T;
  }

  /** Ends the connection for good. Whatever is under way fails with `disconnected`. Safe to call again. */
  close(): void {
    this.#close(new RpcError('disconnected', 'the session was closed', { code: 'ERR_SESSION_CLOSED' }));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // ---- references -------------------------------------------------------------------------------------------------

  #obtain(ref: SturdyRef): Capability {
    // A secret is shown to nobody but the broker that it is for.
    if (!sameAddress(ref.address, this.address)) {
      return new BrokenCapability(
        new RpcError(
          'failed',
          `${ref} is not a reference of the broker of this session; connect to its own`,
          {
            code: 'ERR_OTHER_BROKER',
          },
        ),
      );
    }
    const state = this.#state;
    switch (state.is) {
      case 'connected':
        return restore(state.gate, ref);
      case 'reconnecting': {
        const promise = new QueuedCapability();
        state.waiting.push({ ref, promise: promise.retain() });
        return promise;
      }
      case 'closed':
        return new BrokenCapability(state.reason);
    }
  }

  // ---- the connection ---------------------------------------------------------------------------------------------

  #connected(session: Session): State {
    const gate = session.bootstrap<Gate>(sturdySchema().interface('Gate'));
    const since = Date.now();
    void session.closed.then((reason) => this.#lost(session, since, reason));
    return { is: 'connected', session, gate, since };
  }

  #lost(session: Session, since: number, reason: RpcError): void {
    const state = this.#state;
    if (state.is !== 'connected' || state.session !== session) return;
    state.gate[Symbol.dispose]();
    if (this.#options.reconnect === false) {
      this.#state = { is: 'closed', reason };
    } else {
      if (Date.now() - since > STEADY) this.#failures = 0;
      this.#wait();
    }
    this.#options.onDisconnected?.(reason);
  }

  #wait(): void {
    const { firstPause = 100, longestPause = 10_000 } = this.#options;
    const pause = Math.min(longestPause, firstPause * 2 ** this.#failures++);
    const state: State = { is: 'reconnecting', waiting: [], timer: null };
    // Not all clients of a broker that comes back at one moment.
    state.timer = setTimeout(() => void this.#attempt(state), pause * (0.5 + Math.random() / 2));
    this.#state = state;
  }

  async #attempt(state: State & { is: 'reconnecting' }): Promise<void> {
    const outcome = await this.#dial().catch((error: unknown) => RpcError.from(error));
    if (this.#state !== state) {
      // Closed meanwhile.
      if (!(outcome instanceof RpcError)) outcome.close();
      return;
    }
    if (outcome instanceof RpcError) {
      this.#wait();
      for (const { promise } of state.waiting) settle(promise, new BrokenCapability(outcome));
      return;
    }
    const next = this.#connected(outcome);
    this.#state = next;
    if (next.is !== 'connected') return;
    for (const { ref, promise } of state.waiting) settle(promise, restore(next.gate, ref));
    this.#options.onReconnected?.();
  }

  #close(reason: RpcError): void {
    const state = this.#state;
    if (state.is === 'closed') return;
    this.#state = { is: 'closed', reason };
    if (state.is === 'connected') {
      state.gate[Symbol.dispose]();
      state.session.close(reason.message);
    } else {
      if (state.timer !== null) clearTimeout(state.timer);
      for (const { promise } of state.waiting) settle(promise, new BrokenCapability(reason));
    }
  }
}

/** Asks the gate, and gives the promise of what it will answer: a call on it is under way at once. */
function restore(gate: Gate, ref: SturdyRef): Capability {
  using pending = gate.restore({ ref: { secret: ref.secret() } });
  using cap = pending.cap;
  return capabilityOf(cap).retain();
}

/** Resolves `promise`, whose reference it takes over. */
function settle(promise: QueuedCapability, to: Capability): void {
  promise.resolve(to);
  promise.release();
}
