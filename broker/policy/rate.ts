/** How fast calls may be made: a token bucket, in memory. It is full when the broker starts. */
import type { Rate } from '../../client/protocol.js';
import { RpcError } from '../../rpc/index.js';
import type { StoredRate } from '../store/store.js';

/** The most rates of one policy. */
export const MAX_RATES = 4;

/** The longest time that a bucket may take to fill, in milliseconds: what was drawn from it is remembered for so long. */
export const LONGEST_FILL = 24 * 3600 * 1000;

/** @throws RpcError ERR_POLICY_RATE */
export function checkedRates(rates: readonly StoredRate[]): readonly StoredRate[] {
  if (rates.length > MAX_RATES)
    throw refused(`policy: ${rates.length} rates; at most ${MAX_RATES} are allowed`);
  for (const [i, { calls, perMillis, burst }] of rates.entries()) {
    for (const [name, value] of Object.entries({ calls, perMillis, burst })) {
      if (!Number.isInteger(value) || value < 1 || value > 0xffff_ffff)
        throw refused(`policy.rates[${i}].${name}: expected 1 or more, found ${value}`);
    }
    if ((burst / calls) * perMillis > LONGEST_FILL)
      throw refused(
        `policy.rates[${i}]: a burst of ${burst} would take longer than a day to be there again; lower it`,
      );
  }
  return rates;
}

export function ratesFromWire(rates: readonly Rate[]): StoredRate[] {
  return rates.map(({ calls = 0, perMillis = 0, burst = 0 }) => ({ calls, perMillis, burst }));
}

function refused(message: string): RpcError {
  return new RpcError('failed', message, { code: 'ERR_POLICY_RATE' });
}

const PERIODS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export const RATE_EXPECTED = 'expected such as 10/s, or 10/s:20 where 20 may be made at once; s, m, h or d';

/** `10/s`, or with the calls that may be made at once: `10/s:20`; of another period, `10/250ms`. Null: it is none. */
export function parseRate(text: string): StoredRate | null {
  const found = /^([1-9][0-9]{0,8})\/(?:([smhd])|([1-9][0-9]{0,8})ms)(?::([1-9][0-9]{0,8}))?$/.exec(text);
  if (found === null) return null;
  const calls = Number(found[1]);
  const perMillis = found[2] === undefined ? Number(found[3]) : PERIODS[found[2] as keyof typeof PERIODS];
  return { calls, perMillis, burst: found[4] === undefined ? calls : Number(found[4]) };
}

/** As it is written. */
export function rateText({ calls, perMillis, burst }: StoredRate): string {
  const period = Object.entries(PERIODS).find(([, millis]) => millis === perMillis)?.[0];
  return `${calls}/${period ?? `${perMillis}ms`}:${burst}`;
}

export class TokenBucket {
  #tokens: number;
  #filled: number;

  constructor(
    readonly rate: StoredRate,
    /** Milliseconds of a clock. Where it was set back, no time has passed. */
    private readonly now: () => number,
  ) {
    this.#tokens = rate.burst;
    this.#filled = now();
  }

  #fill(): number {
    const now = this.now();
    const { calls, perMillis, burst } = this.rate;
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, now - this.#filled) * calls) / perMillis);
    this.#filled = now;
    return this.#tokens;
  }

  /** Whether one call may be made. */
  get ready(): boolean {
    return this.#fill() >= 1;
  }

  get isFull(): boolean {
    return this.#fill() >= this.rate.burst;
  }

  take(): void {
    this.#tokens -= 1;
  }

  /** One that was taken, for a call that was not made. */
  giveBack(): void {
    this.#tokens = Math.min(this.rate.burst, this.#tokens + 1);
  }
}
