import { expect, it } from 'vitest';
import { shrink, stepsOf, type WalkOptions, walk } from './random-walk.js';
import { REGRESSIONS } from './random-walk.regressions.js';

/**
 * How long it walks: about ten seconds, or as many as RANDOM_WALK_SECONDS says. RANDOM_WALK_SEED begins where a walk that
 * failed was; the seeds count up from there.
 */
const SECONDS = Number(process.env['RANDOM_WALK_SECONDS'] ?? 10);
const FIRST = Number(process.env['RANDOM_WALK_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** What a walk is like, by its seed. */
function walkOf(seed: number): { options: WalkOptions; operations: number } {
  return {
    options: { vats: 2 + (seed % 3), tailCalls: seed % 2 === 0 },
    operations: [60, 200, 600][seed % 3]!,
  };
}

it.each(REGRESSIONS)('what a walk has met once is right: $name', ({ options, steps }) => {
  expect(walk(options, steps).faults).toEqual([]);
});

it(
  'a random walk keeps order and targets, comes to its end, and leaves nothing behind',
  () => {
    const until = Date.now() + SECONDS * 1000;
    const totals = { seeds: 0, calls: 0, messages: 0, operations: {} as Record<string, number> };
    for (let seed = FIRST; Date.now() < until; seed++) {
      const { options, operations } = walkOf(seed);
      const steps = stepsOf(seed, operations);
      const result = walk(options, steps);
      if (result.faults.length > 0) {
        const fewest = shrink(options, steps);
        const lines: string[] = [];
        const { faults } = walk({ ...options, log: (line) => lines.push(line) }, fewest);
        expect.fail(
          `seed ${seed} (${JSON.stringify(options)}), ${fewest.length} of ${steps.length} steps:\n${lines.join('\n')}\n${faults.join('\n')}\n${JSON.stringify(fewest)}`,
        );
      }
      totals.seeds++;
      totals.calls += result.calls;
      totals.messages += result.messages;
      for (const [name, count] of Object.entries(result.coverage)) {
        totals.operations[name] = (totals.operations[name] ?? 0) + count;
      }
    }
    console.log(
      `random walk: seeds ${FIRST} to ${FIRST + totals.seeds - 1}, 2 to 4 vats, ${totals.calls} calls, ${totals.messages} messages, operations ${JSON.stringify(totals.operations)}`,
    );
    expect(totals.seeds).toBeGreaterThan(0);
  },
  (SECONDS + 60) * 1000,
);
