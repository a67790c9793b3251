/**
 * A client that calls a domain of its own twenty times a second, whatever happens to others, and notes how long each answer
 * took: before, during and after an attack. Every call has to be answered; how long that takes is told, and judged by nobody.
 */

import type { AnyStub } from '../../broker/running.js';

const EVERY_MILLIS = 50;
export type Phase = 'before' | 'during' | 'after';

/** Milliseconds. */
export interface Latency {
  readonly calls: number;
  readonly longest: number;
}

export class SteadyClient {
  readonly #latencies: Record<Phase, number[]> = { before: [], during: [], after: [] };
  readonly #under: Promise<void>[] = [];
  readonly #timer: NodeJS.Timeout;
  phase: Phase = 'before';
  /** What calls failed with. */
  readonly failures: string[] = [];

  constructor(private readonly main: AnyStub) {
    this.#timer = setInterval(() => this.#under.push(this.#call()), EVERY_MILLIS);
  }

  async #call(): Promise<void> {
    const { phase } = this;
    const began = performance.now();
    try {
      await this.main['echo']({ text: 'steady' });
      this.#latencies[phase].push(performance.now() - began);
    } catch (error) {
      this.failures.push(String(error));
    }
  }

  /** Goes on for so long. */
  async lasts(millis: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, millis));
  }

  /** Ends when every call was answered. */
  async end(): Promise<Record<Phase, Latency>> {
    clearInterval(this.#timer);
    await Promise.all(this.#under);
    const told = (phase: Phase): Latency => {
      const all = this.#latencies[phase];
      return { calls: all.length, longest: Math.round(Math.max(0, ...all) * 10) / 10 };
    };
    return { before: told('before'), during: told('during'), after: told('after') };
  }
}
