/**
 * What is audited without a transaction of its own: restores, and references that were refused. A restore writes nothing else
 * to the disk, and does not wait for this; and of what strangers can cause, there must not be an entry each.
 *
 * So they are counted, for each grant and each identity at the other end, and written in batches: the first within a second,
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
/** Of so many the counts are kept apart; of more, together. */
const MAX_KEPT_APART = 1024;

type CountedAction = 'grant.restore' | 'restore.refuse';

interface Counted {
  readonly event: Omit<AuditEvent, 'at'>;
  count: number;
  /** When the first of them was. */
  readonly since: number;
}

export class Audit {
  readonly #counted = new Map<string, Counted>();
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

  /** Writes what there is. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#writing;
    await this.#write([...this.#counted.keys()]);
  }

  #count(action: CountedAction, grant: string | null, who: string): void {
    const key = `${action} ${grant ?? '-'} ${who}`;
    if (this.#counted.has(key) || this.#counted.size < MAX_KEPT_APART) {
      this.#add(key, { action, ...(grant === null ? {} : { grant }), peer: who }, 1);
    } else {
      this.#add(`${action} others`, { action, peer: 'others, too many to be told apart' }, 1);
    }
    this.#timer ??= this.#wait();
  }

  #add(key: string, event: Counted['event'], count: number, since = this.clock.now()): void {
    const known = this.#counted.get(key);
    if (known === undefined) this.#counted.set(key, { event, count, since });
    else known.count += count;
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
        const { event, count, since } = this.#counted.get(key)!;
        this.#counted.delete(key);
        const detail = `${count} ${count === 1 ? 'time' : 'times'} since ${new Date(since).toISOString()}`;
        try {
          await this.store.appendAudit({ ...event, detail });
          this.#written.set(key, this.clock.now());
          return null;
        } catch (error) {
          this.#add(key, event, count, since);
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
