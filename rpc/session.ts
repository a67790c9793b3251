/** A connection on a transport: what a program holds of a peer. */
import type { InterfaceType } from '../schema/index.js';
import type { Accounts } from './budget.js';
import { Connection, type ConnectionOptions } from './connection.js';
import { RpcError } from './error.js';
import type { ConnectionLimits } from './limits.js';
import { capabilityOf, type Stub, stubFor } from './stub.js';
import { clearTimeout, setTimeout } from './timers.js';
import type { Transport } from './transport/transport.js';

export interface SessionOptions {
  /** What the peer gets by Bootstrap; borrowed. Without one, the peer's Bootstrap fails. */
  readonly bootstrap?: Stub | null;
  readonly limits?: Partial<ConnectionLimits>;
  /** What a lost connection means to those who had calls on it: the reason that they are given. Default: as it is. */
  readonly explain?: (lost: RpcError) => RpcError;
  /** What the peer gets by a Bootstrap that names an object: see ConnectionOptions. */
  readonly restore?: NonNullable<ConnectionOptions['restore']>;
  /** Whether the peer takes tail calls before it has made one. */
  readonly peerTakesTailCalls?: boolean;
  /** Whether the peer is told the stack traces of errors. */
  readonly sendTraces?: boolean;
  /** Told whenever nothing is held and nothing is under way any more, in either direction. */
  readonly onIdle?: () => void;
  /** What it may hold together with others. */
  readonly accounts?: Accounts;
  /** See ConnectionOptions. */
  whenPassedOn?(action: () => void): void;
}

export class Session {
  readonly connection: Connection;
  /** Settles when the connection is over, with the reason. Never rejects. */
  readonly closed: Promise<RpcError>;

  /** Takes over `transport` and starts at once. */
  constructor(transport: Transport, options: SessionOptions = {}) {
    let closed: (reason: RpcError) => void = () => {};
    this.closed = new Promise((resolve) => {
      closed = resolve;
    });
    this.connection = new Connection({
      send: (segments, awaited, loan) => transport.send(segments, awaited, loan),
      ...(transport.sendFrame && { sendFrame: (frame) => transport.sendFrame!(frame) }),
      closed: (reason) => {
        transport.close();
        closed(reason);
      },
      bootstrap: options.bootstrap ? capabilityOf(options.bootstrap) : null,
      limits: options.limits ?? {},
      ...(options.restore ? { restore: options.restore } : {}),
      peerTakesTailCalls: options.peerTakesTailCalls ?? false,
      sendTraces: options.sendTraces ?? false,
      idle: () => options.onIdle?.(),
      ...(options.accounts && { accounts: options.accounts }),
      ...(options.whenPassedOn && { whenPassedOn: options.whenPassedOn }),
    });
    transport.start({
      message: (segments, loan = null) => this.connection.receive(segments, loan),
      frame: (frame) => this.connection.receiveFrame(frame),
      violated: (reason) => this.connection.abort(reason),
      closed: (reason) => this.connection.disconnected(options.explain?.(reason) ?? reason),
    });
  }

  /** The peer's bootstrap capability, as `type`. Usable at once; the caller disposes it. */
  bootstrap<T = Stub>(type: InterfaceType): T {
    return stubFor(this.connection.bootstrap(), type) as T;
  }

  /** Ends the connection. What the peer was sent before is still delivered to it; live capabilities break. */
  close(reason?: string): void {
    this.connection.close(
      reason === undefined ? undefined : new RpcError('disconnected', reason, { code: 'ERR_RPC_CLOSED' }),
    );
  }

  /**
   * Ends the connection when what is under way has ended: the peer's new calls fail with `disconnected`, those that run may
   * end, and ours may return. After `graceMillis` (default 10,000) it is closed all the same. Resolves when it is closed.
   */
  async shutdown({ graceMillis = 10_000 }: { readonly graceMillis?: number } = {}): Promise<RpcError> {
    const timer = setTimeout(() => this.close('the vat was shut down'), graceMillis);
    this.connection.drain(() => this.close('the vat was shut down'));
    const reason = await this.closed;
    clearTimeout(timer);
    return reason;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
