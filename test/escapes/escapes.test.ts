/** Every class of attempts, behind the wall in every tier, and without it, where it has to succeed. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bare } from './harness/bare.js';
import { CHAPTERS, type Filed, filedEscapes } from './harness/classes.js';
import {
  type Attempt,
  type EscapeClass,
  type Feature,
  isThere,
  type SourceAttempt,
} from './harness/escape-class.js';
import { Findings } from './harness/findings.js';
import { endModules } from './harness/module-attempt.js';
import { ASKED, refusals, type Tier, WITHOUT_WALLS } from './harness/tiers.js';
import { IS_INTACT, Walls } from './harness/wall.js';

const refused = refusals();
const findings = new Findings('escapes');
const bare = new Bare();
let walls: Walls;
beforeAll(async () => {
  walls = await Walls.start(ASKED.filter((tier) => refused.get(tier) === null));
}, 180_000);
afterAll(async () => {
  findings.write();
  await walls?.stop();
  await endModules();
}, 60_000);

const chapters = await Promise.all(
  (Object.keys(CHAPTERS) as (keyof typeof CHAPTERS)[]).map(
    async (chapter) => [chapter, await filedEscapes(chapter)] as const,
  ),
);

it.runIf(process.env['CI'])('can be made in every tier where the peers are to be there', () => {
  expect([...refused].filter(([, why]) => why !== null)).toEqual([]);
});

for (const [chapter, filed] of chapters) {
  describe.each(filed)(`${CHAPTERS[chapter]}: $class.name`, (each) => {
    const attempts = Object.entries(each.class.attempts);
    const made = attempts.filter(([, attempt]) => lacking(attempt) === null);

    it.runIf(WITHOUT_WALLS && made.length > 0)(
      'gets out without the wall',
      async () => {
        const held: Record<string, string> = {};
        await Promise.all(
          made.map(async ([name, attempt]) => {
            const outcome = await without(each.class, attempt);
            if (outcome !== 'out') held[name] = outcome;
          }),
        );
        expect(held, 'attempts that get out of nothing prove nothing').toEqual({});
      },
      120_000,
    );

    for (const tier of ASKED) {
      const why = refused.get(tier) ?? each.class.notIn?.[tier] ?? null;
      if (why !== null || made.length === 0) {
        const reasons = { '': why ?? 'this version of Node has nothing of it' };
        add(each, tier, 'not applicable', 0, reasons);
        it.skip(`not applicable in the tier ${tier}: ${Object.values(reasons)}`);
        continue;
      }
      it(`does not get out of the tier ${tier}, and leaves nothing behind`, async () => {
        const wall = walls.byTier.get(tier)!;
        const reasons: Record<string, string> = {};
        for (const [name, attempt] of attempts) {
          const missing = lacking(attempt);
          reasons[name] = missing === null ? await behind(tier, attempt) : `not applicable: ${missing}`;
        }
        const outs = Object.entries(reasons).filter(([, reason]) => reason === 'out');
        add(each, tier, outs.length === 0 ? 'held' : 'out', made.length, reasons);
        expect(outs.map(([name]) => name)).toEqual([]);
        expect(await wall.check()).toEqual({ starts: 1, intact: IS_INTACT });
      }, 120_000);
    }

    function add(
      { file, class: { name, from, rules } }: Filed<EscapeClass>,
      tier: Tier,
      outcome: 'held' | 'out' | 'not applicable',
      count: number,
      reasons: Record<string, string>,
    ): void {
      findings.add({ chapter, file, name, from, rules, tier, outcome, attempts: count, reasons });
    }
  });
}

/** What this Node does not have of what an attempt needs. */
function lacking(attempt: Attempt): string | null {
  const needs: Feature | undefined = typeof attempt === 'string' ? undefined : attempt.needs;
  return needs === undefined || isThere(needs) ? null : `this version of Node has no ${needs.what}`;
}

async function without(declared: EscapeClass, attempt: Attempt): Promise<string> {
  if (typeof attempt === 'object' && 'without' in attempt) {
    return (await attempt.without(bare)) ? 'out' : 'held';
  }
  const { body, bare: kind } = asSource(attempt);
  return bare.escapes(body, kind ?? declared.bare);
}

async function behind(tier: Tier, attempt: Attempt): Promise<string> {
  const wall = walls.byTier.get(tier)!;
  if (typeof attempt === 'object' && 'behind' in attempt) return attempt.behind(wall);
  return wall.escapes(asSource(attempt).body);
}

function asSource(attempt: string | SourceAttempt): SourceAttempt {
  return typeof attempt === 'string' ? { body: attempt } : attempt;
}
