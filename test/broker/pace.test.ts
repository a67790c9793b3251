import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AHEAD, AHEAD_OF_OTHERS, ClientPace, DomainPace, Lane } from '../../broker/pace.js';
import { Budgets, DEFAULT_LIMITS } from '../../rpc/index.js';
import { StreamTransport } from '../../rpc/transport/stream.js';

const account = () => new Budgets().accounts().calls;

/** Calls, as many as are asked for, and the numbers that they get. */
function enter(lane: Lane, count: number): number[] {
  return Array.from({ length: count }, () => lane.enter()!);
}

describe('a client that is far ahead of a domain', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('waits until the domain has begun with what it was sent', () => {
    const domain = new DomainPace();
    const client = new ClientPace();
    const lane = new Lane(account(), domain, client);
    const room = vi.fn();
    const calls = enter(lane, AHEAD - 1);
    expect(client.isFull).toBe(false);
    calls.push(...enter(lane, 1));
    expect(client.isFull).toBe(true);
    client.whenRoom(room);
    // One that comes back says that those before it have begun.
    lane.returned(calls[0]!);
    expect([client.isFull, room.mock.calls.length]).toEqual([false, 1]);
    enter(lane, 1);
    expect(client.isFull).toBe(true);
    lane.returned(calls.at(-1)!);
    enter(lane, AHEAD - 2);
    expect(client.isFull).toBe(false);
  });

  it('does not hold up another one, whose calls say as well what has begun', () => {
    const domain = new DomainPace();
    const [greedy, other] = [new ClientPace(), new ClientPace()];
    const flood = new Lane(account(), domain, greedy);
    const steady = new Lane(account(), domain, other);
    enter(flood, AHEAD);
    const [call] = enter(steady, 1);
    expect([greedy.isFull, other.isFull]).toEqual([true, false]);
    steady.returned(call!);
    expect(greedy.isFull).toBe(false);
    // Now that there is another, few are enough; and again as many as before when it has not called for a while.
    enter(flood, AHEAD_OF_OTHERS - 1);
    expect(greedy.isFull).toBe(false);
    const last = enter(flood, 1).at(-1)!;
    expect(greedy.isFull).toBe(true);
    flood.returned(last);
    vi.advanceTimersByTime(100);
    enter(flood, AHEAD - 1);
    expect(greedy.isFull).toBe(false);
  });

  it('goes on after a while where nothing returns at all: calls may wait for one another', () => {
    const client = new ClientPace();
    const lane = new Lane(account(), new DomainPace(), client);
    const room = vi.fn();
    enter(lane, AHEAD);
    client.whenRoom(room);
    vi.advanceTimersByTime(19);
    expect(client.isFull).toBe(true);
    vi.advanceTimersByTime(1);
    expect([client.isFull, room.mock.calls.length]).toEqual([false, 1]);
    enter(lane, AHEAD - 1);
    expect(client.isFull).toBe(false);
    enter(lane, 1);
    expect(client.isFull).toBe(true);
  });

  it('waits for the slowest of the domains that it is ahead of', () => {
    const client = new ClientPace();
    const lanes = [0, 1].map(() => new Lane(account(), new DomainPace(), client));
    const calls = lanes.map((lane) => enter(lane, AHEAD));
    lanes[0]!.returned(calls[0]!.at(-1)!);
    expect(client.isFull).toBe(true);
    lanes[1]!.returned(calls[1]!.at(-1)!);
    expect(client.isFull).toBe(false);
  });

  it('has no more in flight than its account, whatever has begun', () => {
    const domain = new DomainPace();
    const few = new Budgets({ calls: { share: 2, pool: 0 } }).accounts().calls;
    const lane = new Lane(few, domain, new ClientPace());
    const [first] = enter(lane, 2);
    expect(lane.enter()).toBe(null);
    lane.returned(first!);
    expect(lane.enter()).toBe(null);
    lane.leave();
    expect(lane.enter()).toBe(3);
  });
});

describe('a transport whose messages have to wait', () => {
  it('hands them over in their order, reads no more meanwhile, and loses none', async () => {
    const stream = new PassThrough({ highWaterMark: 64 });
    const client = new ClientPace();
    const lane = new Lane(account(), new DomainPace(), client);
    const got: number[] = [];
    let most = 0;
    const limits = { ...DEFAULT_LIMITS, messagesPerTurn: 50 };
    new StreamTransport(stream, limits, { throttle: client }).start({
      message([segment]) {
        got.push(new DataView(segment!.buffer, segment!.byteOffset).getUint32(0, true));
        enter(lane, 1);
        most = Math.max(most, got.length);
      },
      violated: (reason) => expect.unreachable(reason),
      closed() {},
    });
    const COUNT = 3 * AHEAD;
    for (let i = 0; i < COUNT; i++) {
      const message = new Uint8Array(16);
      new DataView(message.buffer).setUint32(4, 1, true);
      new DataView(message.buffer).setUint32(8, i, true);
      stream.write(message);
    }
    await expect.poll(() => got.length).toBe(AHEAD);
    await new Promise((resolve) => setImmediate(resolve));
    expect(got.length).toBe(AHEAD);
    expect(stream.writableLength + stream.readableLength).toBeGreaterThan(0);
    await expect.poll(() => got.length).toBe(COUNT);
    expect(got).toEqual(Array.from({ length: COUNT }, (_, i) => i));
    stream.destroy();
  });
});
