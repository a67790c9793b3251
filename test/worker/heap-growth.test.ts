import { expect, it } from 'vitest';
import { HeapGrowth } from '../../worker/heap-growth.js';

it('lets heaps grow until a domain comes that has no room for what is left lying, and never again', () => {
  const told: number[] = [];
  const growth = new HeapGrowth((percent) => told.push(percent));
  growth.admit({ heapMebibytes: 64, offHeapMebibytes: 256 });
  growth.admit({ heapMebibytes: 64, offHeapMebibytes: 128 });
  expect(told).toEqual([200]);
  growth.admit({ heapMebibytes: 64, offHeapMebibytes: 127 });
  expect(told).toEqual([200, 0]);
  growth.admit({ heapMebibytes: 8, offHeapMebibytes: 256 });
  growth.admit({ heapMebibytes: 64, offHeapMebibytes: 8 });
  expect(told).toEqual([200, 0]);
});
