/** The claim of the audit log: an entry that anybody has read is there ever after, and every mint and revoke has one. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Claim, ClaimBroken, type Client } from './claim.js';

export class AuditClaim implements Claim {
  readonly counts = { entriesRead: 0 };
  #last: { sequence: bigint; hash: string } | null = null;

  async work({ operator }: Client): Promise<void> {
    for (;;) {
      const after = this.#last?.sequence ?? 0n;
      const { entries } = await operator.audit({ after });
      for (const { sequence, previous, hash } of entries) {
        if (this.#last !== null && hex(previous) !== this.#last.hash)
          throw new ClaimBroken(`audit entry ${sequence} does not follow the one that was read before it`);
        this.#last = { sequence, hash: hex(hash) };
        this.counts.entriesRead += 1;
      }
      if (entries.length === 0) await pause(5);
    }
  }

  async check({ operator }: Client): Promise<void> {
    if (this.#last === null) return;
    const { sequence, hash } = this.#last;
    const { entries } = await operator.audit({ after: sequence - 1n, limit: 1 });
    if (entries.length === 0 || hex(entries[0]!.hash) !== hash)
      throw new ClaimBroken(`audit entry ${sequence} was there, and is gone or another`);
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
