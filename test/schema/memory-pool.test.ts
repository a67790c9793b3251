/** Memory that is used again: never by two at a time, and never with what the one before has left in it. */
import fc from 'fast-check';
import { afterEach, expect, it, vi } from 'vitest';
import { MessageBuilder } from '../../schema/index.js';
import { PooledBuffer } from '../../schema/memory-pool.js';

afterEach(() => {
  vi.useRealTimers();
  vi.resetModules();
});

it('is never lent to two holders at a time, and is as large as was asked for, or up to a quarter more', () => {
  const lend = fc.record({ is: fc.constant('lend' as const), bytes: fc.integer({ min: 1, max: 3_000_000 }) });
  const giveBack = fc.record({ is: fc.constant('give back' as const), which: fc.nat() });
  fc.assert(
    fc.property(fc.array(fc.oneof(lend, giveBack), { maxLength: 60 }), (steps) => {
      const held: PooledBuffer[] = [];
      for (const step of steps) {
        if (step.is === 'lend') {
          const buffer = PooledBuffer.of(step.bytes);
          expect(buffer === null).toBe(step.bytes < PooledBuffer.LEAST_BYTES);
          if (buffer === null) continue;
          const { length } = buffer.bytes;
          expect(length).toBeGreaterThanOrEqual(step.bytes);
          expect(length).toBeLessThanOrEqual(1.25 * step.bytes);
          expect(held.map(({ bytes }) => bytes.buffer)).not.toContain(buffer.bytes.buffer);
          if (buffer.isZero) expect(buffer.bytes[length - 1]).toBe(0);
          buffer.bytes[length - 1] = 7;
          held.push(buffer);
        } else if (held.length > 0) {
          const [buffer] = held.splice(step.which % held.length, 1);
          buffer!.giveBack();
          // Whoever gives it back once more does not take it from the next holder.
          const next = PooledBuffer.of(PooledBuffer.LEAST_BYTES)!;
          buffer!.giveBack();
          expect(PooledBuffer.of(PooledBuffer.LEAST_BYTES)!.bytes.buffer).not.toBe(next.bytes.buffer);
        }
      }
      for (const buffer of held) buffer.giveBack();
    }),
    { numRuns: 100 },
  );
});

it('is lent again, and is not there any more for whoever has given it back', () => {
  const first = PooledBuffer.of(100_000)!;
  const { buffer } = first.bytes;
  first.giveBack();
  expect(() => first.bytes).toThrow('after it was given back');
  expect(() => first.memory).toThrow('after it was given back');
  const second = PooledBuffer.of(100_000)!;
  expect(second.bytes.buffer).toBe(buffer);
  expect(second.isZero).toBe(false);
});

it('is zero in a message that is built in it, whatever stood there', () => {
  const dirty = (): void => {
    const buffers = [2_100, 5_000, 5_000, 20_000, 20_000].map((bytes) => PooledBuffer.of(bytes)!);
    for (const buffer of buffers) buffer.bytes.fill(0xff);
    for (const buffer of buffers) buffer.giveBack();
  };
  const build = (initialWords: number): Uint8Array => {
    const message = new MessageBuilder(initialWords);
    const struct = message.root.struct(1, 3);
    struct.pointer(0).setData(new Uint8Array(4_097).fill(1));
    struct.pointer(1).structList(100, 3, 1).struct(7).setU8(3, 9);
    struct.pointer(2).setText('one byte behind a word');
    return message.segment();
  };
  const clean = build(1);
  for (const initialWords of [1, 300, 600, 2_000]) {
    dirty();
    expect(Buffer.compare(build(initialWords), clean)).toBe(0);
  }
});

it('is not taken from whoever has a view of a message that grows', () => {
  const message = new MessageBuilder(300);
  message.root.struct(1, 1).setU32(0, 77);
  const seen = message.segment();
  const reader = message.asReader();
  message.pointerAt(2).setData(new Uint8Array(100_000));
  for (const bytes of [2_400, 2_400, 100_000]) PooledBuffer.of(bytes)!.bytes.fill(0xff);
  expect(seen[8]).toBe(77);
  expect(reader.root.struct().u32(0)).toBe(77);
});

it('is kept up to a bound, and for no longer than two seconds in which nobody needs it', async () => {
  vi.useFakeTimers();
  const { PooledBuffer: Fresh } = await import('../../schema/memory-pool.js');
  Fresh.keepBytes = 1_000_000;
  const lend = (count: number) => {
    const buffers = Array.from({ length: count }, () => Fresh.of(400_000)!);
    const fresh = buffers.filter(({ isZero }) => isZero).length;
    for (const buffer of buffers) buffer.giveBack();
    return fresh;
  };
  expect(lend(3)).toBe(3);
  await Promise.resolve(); // The clock begins behind the turn.
  expect(lend(3)).toBe(1); // The third was over the bound.
  vi.advanceTimersByTime(1_100);
  expect(lend(1)).toBe(0);
  vi.advanceTimersByTime(1_000); // The other was not needed for a second.
  expect(lend(2)).toBe(1);
  vi.advanceTimersByTime(2_100);
  expect(lend(2)).toBe(2);
  vi.advanceTimersByTime(5_000);
  expect(vi.getTimerCount()).toBe(0);
});
