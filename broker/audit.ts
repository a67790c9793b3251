/**
 * What is audited without a transaction of its own: restores, references that were refused, calls that a grant refused, and
 * capabilities that the flow policy did not let pass. They
 * write nothing else to the disk, and do not wait for this; and of what others can cause, there must not be an entry each.
 *
 * So they are counted, for each grant, each identity at the other end and each reason, and written in batches: the first within a second,
 * what comes after it in the next minute as one more entry. A batch has 64 entries at most. A broker that is killed loses what it
 * had not written; one that stops writes it all. Where the disk takes no more, restores go on, and their counts wait, in
 * bounded memory.
 */
import type { Logger } from 'pino';
import { type Clock, SYSTEM_CLOCK } from './clock.js';
import type { Peer } from './peer.js';
import type { AuditEvent, Store } from './store/store.js';

/** Between two batches, in milliseconds. */
const INTERVAL = 1000;
/** Between two entries for the same, in milliseconds. */
const AGAIN = 60_000;
const BATCH = 64;
/** Of so many, of each action, the counts are kept apart; of more, together. */
const MAX_KEPT_APART = 1024;

type CountedAction = 'grant.restore' | 'restore.refuse' | 'call.refuse' | 'flow.refuse';

interface Counted {
  readonly event: Omit<AuditEvent, 'at'> & { readonly action: CountedAction };
  /** The code of the refusal. */
  readonly why: string;
  count: number;
  /** When the first of them was. */
  readonly since: number;
}

export class Audit {
  readonly #counted = new Map<string, Counted>();
  /** How many of them there are, of each action. */
  readonly #apart: Record<CountedAction, number> = {
    'grant.restore': 0,
    'restore.refuse': 0,
    'call.refuse': 0,
    'flow.refuse': 0,
  };
  /** When the last entry of this kind was written; of the last minute only. */
  readonly #written = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(
    private readonly store: Pick<Store, 'appendAudit'>,
    private readonly log: Pick<Logger, 'error' | 'info'>,
    private readonly clock: Clock = SYSTEM_CLOCK,
  ) {}

  restored(grant: string, peer: Peer): void {
    this.#count('grant.restore', grant, peer.who);
  }

  /** `grant`: the one that the reference was for, where there ever was one. */
  refused(grant: string | null, peer: Peer): void {
    this.#count('restore.refuse', grant, peer.who);
  }

  /** `why`: the code of the refusal, a word of ours. `peer` is null where the broker itself holds the grant. */
  callRefused(grant: string, peer: Peer | null, why: string): void {
    this.#count('call.refuse', grant, peer?.who ?? null, why);
  }

  /** A capability did not pass, at a membrane of this grant, from one flow label to another. `peer`: the grant's holder. */
  flowRefused(grant: string, peer: Peer | null, from: string, to: string): void {
    this.#count('flow.refuse', grant, peer?.who ?? null, `from ${from} to ${to}`);
  }

  /** Writes what there is. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#writing;
    await this.#write([...this.#counted.keys()]);
  }

  #count(action: CountedAction, grant: string | null, who: string | null, why = ''): void {
    const key = `${action} ${grant ?? '-'} ${who ?? '-'} ${why}`;
    if (this.#counted.has(key) || this.#apart[action] < MAX_KEPT_APART) {
      const event = { action, ...(grant === null ? {} : { grant }), ...(who === null ? {} : { peer: who }) };
      this.#add(key, { event, why, count: 1, since: this.clock.now() });
    } else {
      const event = { action, peer: 'others, too many to be told apart' };
      this.#add(`${action} others`, { event, why: '', count: 1, since: this.clock.now() });
    }
    this.#timer ??= this.#wait();
  }

  #add(key: string, counted: Counted): void {
    const known = this.#counted.get(key);
    if (known !== undefined) {
      known.count += counted.count;
      return;
    }
    this.#counted.set(key, counted);
    this.#apart[counted.event.action]++;
  }

  #take(key: string): Counted {
    const counted = this.#counted.get(key)!;
    this.#counted.delete(key);
    this.#apart[counted.event.action]--;
    return counted;
  }

  #wait(): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#writing = this.#write(this.#due()).then(() => {
        if (this.#timer !== timer) return;
        this.#timer = this.#counted.size === 0 ? null : this.#wait();
      });
    }, INTERVAL);
    return timer.unref();
  }

  #due(): string[] {
    const now = this.clock.now();
    for (const [key, at] of this.#written) if (now - at >= AGAIN) this.#written.delete(key);
    return [...this.#counted.keys()].filter((key) => !this.#written.has(key)).slice(0, BATCH);
  }

  async #write(keys: readonly string[]): Promise<void> {
    // Together, so that they share one commit.
    const outcomes = await Promise.all(
      keys.map(async (key) => {
        const counted = this.#take(key);
        try {
          await this.store.appendAudit({ ...counted.event, detail: detailOf(counted) });
          this.#written.set(key, this.clock.now());
          return null;
        } catch (error) {
          this.#add(key, counted);
          return error;
        }
      }),
    );
    const error = outcomes.find((outcome) => outcome !== null);
    if (error !== undefined && !this.#failed) {
      this.log.error(
        { err: error },
        'restores and refusals could not be written to the audit log; they are kept, and tried again',
      );
    }
    if (error === undefined && this.#failed && keys.length > 0)
      this.log.info('restores and refusals are written to the audit log again');
    if (keys.length > 0) this.#failed = error !== undefined;
  }
}

function detailOf({ why, count, since }: Counted): string {
  const times = `${count} ${count === 1 ? 'time' : 'times'} since ${new Date(since).toISOString()}`;
  return why === '' ? times : `${times}: ${why}`;
}
