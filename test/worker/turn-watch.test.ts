import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TurnWatch, type WatchedThread } from '../../worker/turn-watch.js';

let now = 0;
let watch: TurnWatch;
beforeEach(() => {
  now = 0;
  watch = new TurnWatch(() => now);
});
afterEach(() => watch.remove(thread));

/** A thread as the watch sees it. */
const thread = { idle: 0, pings: 0, overdues: 0 } as {
  idle: number;
  pings: number;
  overdues: number;
} & WatchedThread;
thread.idleMillis = () => thread.idle;
thread.ping = () => void thread.pings++;
thread.overdue = () => void thread.overdues++;

/** Time passes, in the steps of the watch's own timer. */
function pass(millis: number, each: () => void = () => {}): void {
  for (const end = now + millis; now < end; ) {
    now += 25;
    each();
    watch.look();
  }
}

describe('the watch over turns', () => {
  beforeEach(() => {
    Object.assign(thread, { idle: 0, pings: 0, overdues: 0 });
    watch.add(thread, 100);
  });

  it('leaves a thread that waits alone, without asking it anything', () => {
    pass(1000, () => {
      thread.idle += 25;
    });
    expect(thread).toMatchObject({ pings: 0, overdues: 0 });
  });

  it('asks a busy thread, and leaves it alone as long as it answers', () => {
    pass(1000, () => {
      if (now % 75 === 0) watch.alive(thread);
    });
    expect(thread.overdues).toBe(0);
    expect(thread.pings).toBeGreaterThan(5);
  });

  it('reports a thread whose turn is too long, once', () => {
    pass(100);
    expect(thread.overdues).toBe(0);
    pass(1000);
    expect(thread).toMatchObject({ pings: 1, overdues: 1 });
  });

  it('gives a thread as much longer as it comes late itself', () => {
    pass(50);
    now += 5000;
    watch.look();
    expect(thread.overdues).toBe(0);
    pass(200);
    expect(thread.overdues).toBe(1);
  });
});
