/** What every attempt at a denial of service does where no wall holds it: one that does no harm there would prove nothing. */

import { afterAll, describe, expect, it } from 'vitest';
import { Bare } from './harness/bare.js';
import { filedDenials } from './harness/classes.js';
import type { Stopped, Told } from './harness/denial-class.js';
import { asProgram } from './harness/escape-class.js';
import { WITHOUT_WALLS } from './harness/tiers.js';

const bare = new Bare();
afterAll(() => bare.end());

const attempts = (await filedDenials()).flatMap(({ class: { name, attempts } }) =>
  Object.entries(attempts).map(([attempt, made]) => [name, attempt, made] as const),
);

describe.runIf(WITHOUT_WALLS)('Denial of service', () => {
  it.each(attempts)(
    '%s, %s: does harm without the wall',
    async (_class, _name, attempt) => {
      expect(await without(attempt)).toBe(attempt.bare);
    },
    120_000,
  );
});

async function without(attempt: Stopped | Told): Promise<string> {
  const body = attempt.body ?? '';
  if (attempt.bare !== 'gets') return bare.harm(asProgram(body), attempt.bare);
  // What only clients do is held by nothing where nobody counts.
  if (body === '') return 'gets';
  return (await bare.escapes(body)) === 'out' ? 'gets' : 'does not get all';
}
