import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bag, NOWHERE, type Placed } from '../../broker/bag.js';

describe('a bag', () => {
  it('has what was put in and not taken out, and each of that in its place', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 200 }), (steps) => {
        const items: Placed[] = Array.from({ length: 10 }, () => ({ place: NOWHERE }));
        const bag = new Bag<Placed>();
        const inside = new Set<Placed>();
        for (const step of steps) {
          const item = items[step]!;
          if (inside.delete(item)) expect(bag.delete(item)).toBe(true);
          else {
            expect(bag.delete(item)).toBe(false);
            bag.add(item);
            inside.add(item);
          }
          expect(bag.size).toBe(inside.size);
          expect(new Set(bag.all())).toEqual(inside);
        }
      }),
    );
  });
});
