import { expect, it } from 'vitest';
import { fromThread, MAX_REASON } from '../../worker/orders.js';

it.each([
  [{ kind: 'parked', threadId: 7, task: 12 }],
  [{ kind: 'memory', heapBytes: 1, offHeapBytes: 0 }],
  [{ kind: 'begins' }],
  [{ kind: 'alive' }],
  [{ kind: 'over', reason: 'it is over' }],
])('a host takes from its thread what a shell posts: %j', (posted) => {
  expect(fromThread(posted)).toEqual(posted);
});

it.each([
  [null],
  [undefined],
  ['over'],
  [{}],
  [{ kind: 'over' }],
  [{ kind: 'over', reason: { of: 'the guest' } }],
  [{ kind: 'parked', threadId: '7', task: 12 }],
  [{ kind: 'memory', heapBytes: -1, offHeapBytes: 0 }],
  [{ kind: 'memory', heapBytes: 0.5, offHeapBytes: 0 }],
  [{ kind: { toString: 'over' }, reason: 'x' }],
])('a host takes nothing else: %j', (posted) => {
  expect(fromThread(posted)).toBeNull();
});

it('a host takes a part of a reason that is too long, and nothing beside it', () => {
  const posted = { kind: 'over', reason: 'x'.repeat(MAX_REASON + 1), more: 1 };
  expect(fromThread(posted)).toEqual({ kind: 'over', reason: 'x'.repeat(MAX_REASON) });
});
