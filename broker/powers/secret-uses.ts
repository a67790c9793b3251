/**
 * What secrets are being used for: a power that wants one for something makes a ticket, a random number good for that one use, and
 * calls the secret with it, through whatever membranes are between them. The secret looks here what the ticket is for, and gives its
 * value here or refuses. So the value never travels, and what is asked of a secret counts, and is refused, like any other call.
 *
 * A ticket in the wrong hands is worthless: it is redeemed by a secret only, and what it is redeemed with goes where the ticket says.
 */
import { randomBytes } from 'node:crypto';
import { RpcError, type Stub } from '../../rpc/index.js';
import { unlessAborted } from '../unless-aborted.js';

/** What a secret is wanted for. */
export interface SecretUse {
  readonly origin: string;
  /** Of a header, in lower case. */
  readonly header: string;
}

interface Open {
  readonly use: SecretUse;
  value: string | null;
}

export type SecretStub = Stub & { redeem(params: { ticket: Uint8Array }): Promise<unknown> };

export class SecretUses {
  readonly #open = new Map<string, Open>();

  /** The value of a secret, for this use, if that is what it is. Rejects with why it is not. `signal` ends the wait. */
  async value(secret: SecretStub, use: SecretUse, signal: AbortSignal): Promise<string> {
    const ticket = randomBytes(32);
    const key = ticket.toString('hex');
    const open: Open = { use, value: null };
    this.#open.set(key, open);
    try {
      await unlessAborted(Promise.resolve(secret.redeem({ ticket: new Uint8Array(ticket) })), signal);
      if (open.value === null) {
        throw new RpcError('failed', 'it is no secret of this broker', { code: 'ERR_NO_SECRET' });
      }
      return open.value;
    } finally {
      this.#open.delete(key);
    }
  }

  /** Gives the value that `of` answers for what the ticket is for. It may throw why there is none. */
  redeem(ticket: Uint8Array, of: (use: SecretUse) => string): void {
    const open = this.#open.get(Buffer.from(ticket).toString('hex'));
    if (open === undefined || open.value !== null) {
      throw new RpcError(
        'failed',
        'ticket: of no use that is under way; a secret is passed to a power, which uses it',
        {
          code: 'ERR_SECRET_TICKET',
        },
      );
    }
    open.value = of(open.use);
  }
}
