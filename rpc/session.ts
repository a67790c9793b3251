/** A connection on a transport: what a program holds of a peer. */
import type { InterfaceType } from '../schema/index.js';
import type { Accounts } from './budget.js';
import { Connection } from './connection.js';
import { RpcError } from './error.js';
import type { ConnectionLimits } from './limits.js';
import { capabilityOf, type Stub, stubFor } from './stub.js';
import type { Transport } from './transport/transport.js';

export interface SessionOptions {
  /** What the peer gets by Bootstrap; borrowed. Without one, the peer's Bootstrap fails. */
  readonly bootstrap?: Stub | null;
  readonly limits?: Partial<ConnectionLimits>;
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
      send: (message) => transport.send(message),
      closed: (reason) => {
        transport.close();
        closed(reason);
      },
      bootstrap: options.bootstrap ? capabilityOf(options.bootstrap) : null,
      limits: options.limits ?? {},
      ...(options.accounts && { accounts: options.accounts }),
      ...(options.whenPassedOn && { whenPassedOn: options.whenPassedOn }),
    });
    transport.start({
      message: (segments) => this.connection.receive(segments),
      violated: (reason) => this.connection.abort(reason),
      closed: (reason) => this.connection.disconnected(reason),
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

  [Symbol.dispose](): void {
    this.close();
  }
}
