import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { areSame, NO_STEPS, oneStep, type Path, Places } from '../../rpc/places.js';

const path = fc.array(fc.nat(3), { maxLength: 3 });

describe('the places of a call', () => {
  it('are kept apart by their paths, in the order in which they came, as in a map', () => {
    const step = fc.record({ does: fc.constantFrom('add', 'delete'), path });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const places = new Places<number>();
        const model = new Map<string, { path: Path; value: number }>();
        for (const [i, { does, path }] of steps.entries()) {
          const key = path.join();
          if (does === 'delete') {
            places.delete([...path]);
            model.delete(key);
          } else if (!model.has(key)) {
            places.add(path, i);
            model.set(key, { path, value: i });
          }
          expect(places.get([...path])).toBe(model.get(key)?.value);
          expect(places.size).toBe(model.size);
          expect(places.entries()).toEqual([...model.values()]);
        }
      }),
    );
  });

  it('are the same where their paths are, whoever made them', () => {
    expect(areSame(oneStep(3), [3])).toBe(true);
    expect(areSame(oneStep(40_000), [40_000])).toBe(true);
    expect(areSame(NO_STEPS, [])).toBe(true);
    expect(areSame([1, 2], [1, 3])).toBe(false);
    expect(areSame([1], [1, 1])).toBe(false);
    expect(areSame([11], [1, 1])).toBe(false);
  });
});
