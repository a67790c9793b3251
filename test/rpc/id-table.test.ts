import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FEW, IdTable } from '../../rpc/id-table.js';

describe('a table by ids', () => {
  it('answers as a Map does, whatever ids are put into it and taken out', () => {
    const id = fc.oneof(
      { weight: 5, arbitrary: fc.nat(12) },
      fc.nat(300),
      fc.constantFrom(2 ** 31, 2 ** 32 - 1),
    );
    const step = fc.record({ what: fc.constantFrom('set', 'set', 'delete', 'clear'), id });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const table = new IdTable<{ n: number }>();
        const map = new Map<number, { n: number }>();
        steps.forEach(({ what, id }, n) => {
          if (what === 'set') {
            table.set(id, { n });
            map.set(id, { n });
          } else if (what === 'delete') expect(table.delete(id)).toBe(map.delete(id));
          else if (n % 50 === 0) {
            table.clear();
            map.clear();
          }
          expect(table.size).toBe(map.size);
          expect(table.get(id)).toEqual(map.get(id));
          expect(table.has(id)).toBe(map.has(id));
        });
        const ascending = (a: number, b: number) => a - b;
        expect(table.keys().sort(ascending)).toEqual([...map.keys()].sort(ascending));
        expect(
          table
            .values()
            .map(({ n }) => n)
            .sort(ascending),
        ).toEqual([...map.values()].map(({ n }) => n).sort(ascending));
        for (const key of map.keys()) expect(table.get(key)).toEqual(map.get(key));
      }),
      { numRuns: 300 },
    );
  });

  it('makes no slots for what stands in none, however often somebody asks for them', () => {
    const table = new IdTable<object>();
    const many = 1000;
    for (let i = 0; i < many; i++) table.set(2 ** 30 + i, {});
    for (const id of [FEW - 1 + 4 * many, FEW - 1 + 2 * many, many]) {
      table.set(id, {});
      expect(table.slots).toBe(0);
      table.delete(id);
    }
    for (let id = 0; id < many; id++) table.set(id, {});
    expect(table.slots).toBe(many);
    table.set(FEW - 1 + 4 * many, {});
    expect(table.slots).toBe(FEW + 4 * many);
    for (const id of table.keys()) if (id < 2 ** 30) table.delete(id);
    expect(table.slots).toBe(0);
    table.set(FEW - 1 + 4 * many, {});
    expect(table.slots).toBe(0);
    expect(table.size).toBe(many + 1);
  });
});
