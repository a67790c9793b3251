/** What several policies allow together: the effective policy of a grant is that of its own and all above it. */
import type { StoredPolicy } from '../store/store.js';
import { bothMethods } from './methods.js';

/** No restriction at all. */
export const EVERYTHING: StoredPolicy = { methods: 'all', expires: 0, delegable: true };

/** Without what does not restrict. */
export function compact({
  constraints = [],
  maxCalls = 0,
  maxBytes = 0,
  rates = [],
  ...policy
}: StoredPolicy): StoredPolicy {
  return {
    ...policy,
    ...(constraints.length > 0 && { constraints }),
    ...(maxCalls > 0 && { maxCalls }),
    ...(maxBytes > 0 && { maxBytes }),
    ...(rates.length > 0 && { rates }),
  };
}

/** What all of `policies` allow. */
export function conjunction(policies: readonly StoredPolicy[]): StoredPolicy {
  return policies.reduce(
    (all, next) =>
      compact({
        methods: bothMethods(all.methods, next.methods),
        expires: lower(all.expires, next.expires),
        delegable: all.delegable && next.delegable,
        constraints: allOf(all.constraints, next.constraints),
        maxCalls: lower(all.maxCalls ?? 0, next.maxCalls ?? 0),
        maxBytes: lower(all.maxBytes ?? 0, next.maxBytes ?? 0),
        rates: allOf(all.rates, next.rates),
      }),
    EVERYTHING,
  );
}

/** Of two bounds, of which 0 is none. */
function lower(a: number, b: number): number {
  return a === 0 ? b : b === 0 ? a : Math.min(a, b);
}

/** Each once. */
function allOf<T>(a: readonly T[] = [], b: readonly T[] = []): readonly T[] {
  if (a.length === 0) return b;
  const all = new Map(a.map((each) => [identityOf(each), each]));
  for (const each of b) if (!all.has(identityOf(each))) all.set(identityOf(each), each);
  return [...all.values()];
}

/** The same text for what is the same. */
export function identityOf(part: unknown): string {
  return JSON.stringify(part, (_key, value) => {
    if (typeof value === 'bigint') return `${value}n`;
    // What JSON has no number for would be the same null.
    return typeof value === 'number' && !Number.isFinite(value) ? `${value}!` : value;
  });
}
