import { expect, it } from 'vitest';
import { QueuedCapability } from '../../rpc/promised.js';
import { TestObject } from '../conformance/vats.js';

it('a promise does not tell whoever left while it was telling the others', () => {
  const promise = new QueuedCapability();
  const told: string[] = [];
  let leave = () => {};
  promise.onResolution(() => {
    told.push('first');
    leave();
  });
  leave = promise.onResolution(() => told.push('second'));
  promise.onResolution(() => told.push('third'));
  promise.resolve(new TestObject().capability());
  promise.release();
  expect(told).toEqual(['first', 'third']);
});
