/** A clock that stands still until it is set forward. */
import type { Clock } from 'sturdy/broker';

export class SettableClock implements Clock {
  #now: number;
  readonly #waiting = new Set<{ readonly at: number; readonly action: () => void }>();

  constructor(now: number) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  after(millis: number, action: () => void): () => void {
    const entry = { at: this.#now + Math.max(0, millis), action };
    this.#waiting.add(entry);
    return () => this.#waiting.delete(entry);
  }

  /** What is due by then is done, in its order. */
  advance(millis: number): void {
    this.#now += millis;
    const due = [...this.#waiting].filter(({ at }) => at <= this.#now).sort((a, b) => a.at - b.at);
    for (const entry of due) if (this.#waiting.delete(entry)) entry.action();
  }
}
