/** What comes over a socket is read into memory that is there already, and lent to whoever takes it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as pause, setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Budgets, DEFAULT_BUDGETS } from '../../rpc/budget.js';
import { FrameReader } from '../../rpc/frame.js';
import { StreamTransport, type Throttle } from '../../rpc/index.js';
import { DEFAULT_LIMITS } from '../../rpc/limits.js';
import { LentFrame, type Loan } from '../../rpc/loan.js';
import { readInto } from '../../rpc/transport/reading.js';
import { Memory } from '../../schema/index.js';
import { framed } from '../schema/streams.js';

/** A message of so many words, each byte of which says which message it is. */
function message(number: number, words: number): Uint8Array {
  return framed([[new Uint8Array(8 * words).fill(number)]]);
}

/** What is taken: the number of the message where all of its bytes say so, its length, and how it was lent. */
interface Taken {
  readonly number: number;
  readonly words: number;
  readonly loan: Loan | null;
  readonly segment: Uint8Array;
}

function taken(segments: readonly Uint8Array[], loan: Loan | null): Taken {
  expect(segments).toHaveLength(1);
  const segment = segments[0]!;
  const number = segment[0]!;
  return {
    number: segment.every((byte) => byte === number) ? number : -1,
    words: segment.length / 8,
    loan,
    segment,
  };
}

describe('frames', () => {
  it('are read wherever their bytes are put, and those that are not lent briefly stay what they are', () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40_000 })), {
      minLength: 1,
      maxLength: 12,
    });
    const reads = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(sizes, reads, (words, pieces) => {
        const bytes = Buffer.concat(words.map((each, i) => message(i + 1, each)));
        const reader = new FrameReader(DEFAULT_LIMITS);
        const brief = new LentFrame(new Memory(new Uint8Array(65_536)));
        const shared = brief.memory;
        const all: Taken[] = [];
        const taker = {
          message(segments: Uint8Array[], loan: Loan | null): void {
            const one = taken(segments, loan);
            // As a connection does that passes it on at once.
            if (all.length % 2 === 0) loan?.giveBack();
            all.push(one);
          },
          frame(frame: LentFrame): void {
            expect(frame).toBe(brief);
            all.push(taken([shared.part(frame.at, frame.bytes)], frame));
          },
        };
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const { room } = reader;
          const into = room ?? shared.bytes;
          const count = Math.min(pieces[turn % pieces.length]!, into.length, bytes.length - at);
          into.set(bytes.subarray(at, at + count));
          at += count;
          if (room !== null) reader.filled(count, taker);
          else for (let next = 0; next < count; ) next = reader.next(brief, next, count, taker);
          shared.bytes.fill(0xfe);
        }
        expect(all.map(({ number, words: each }) => [number, each])).toEqual(
          words.map((each, i) => [i + 1, each]),
        );
        for (const [i, { loan, segment, number }] of all.entries())
          if (loan !== brief && i % 2 === 1) expect(segment.every((byte) => byte === number)).toBe(true);
        expect(reader.atBoundary).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sturdy-reading-'));
  let server: Server | null = null;
  let client: Socket | null = null;
  afterEach(() => {
    client?.destroy();
    server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A socket that a server has accepted, and the other end of it. */
  async function accepted(): Promise<{ socket: Socket; peer: Socket }> {
    server = createServer();
    server.listen({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    client = createConnection(server.address() as { port: number });
    const [socket] = (await once(server, 'connection')) as [Socket];
    return { socket, peer: client };
  }

  function taking(socket: Socket, throttle?: Throttle) {
    const all: Taken[] = [];
    const ends: string[] = [];
    const transport = new StreamTransport(socket, {}, throttle === undefined ? {} : { throttle });
    transport.start({
      message: (segments, loan = null) => void all.push(taken(segments, loan)),
      violated: (reason) => void ends.push(reason),
      closed: ({ message }) => void ends.push(message),
    });
    const come = (count: number) => expect.poll(() => all.length).toBe(count);
    return { all, ends, transport, come };
  }

  it('of this version of Node can be read so, one that a server has accepted too', async () => {
    const { socket, peer } = await accepted();
    const memory = new Uint8Array(1024);
    const read: number[] = [];
    expect(readInto(socket, { memory, read: (bytes) => read.push(bytes) })).toBe(true);
    peer.write('some bytes');
    await expect.poll(() => read).toEqual([10]);
    expect(Buffer.from(memory.subarray(0, 10)).toString()).toBe('some bytes');
    expect(socket.bytesRead).toBe(10);
    socket.destroy();
  });

  it('lends small messages for as long as they are taken, and large ones until they are given back', async () => {
    const { socket, peer } = await accepted();
    const { all, come, transport } = taking(socket);
    peer.write(message(1, 2));
    await come(1);
    expect(all[0]).toMatchObject({ number: 1, words: 2, loan: { isBrief: true } });
    peer.write(message(2, 2));
    await come(2);
    // The same memory: what is in it now is the other one.
    expect(all[0]!.segment.every((byte) => byte === 2)).toBe(true);
    peer.write(message(3, 100_000));
    await come(3);
    expect(all[2]).toMatchObject({ number: 3, words: 100_000, loan: { isBrief: false } });
    const { buffer } = all[2]!.segment;
    peer.write(message(4, 100_000));
    await come(4);
    expect(all[2]!.segment.every((byte) => byte === 3)).toBe(true);
    all[2]!.loan!.giveBack();
    peer.write(message(5, 100_000));
    await come(5);
    expect(all[4]!.segment.buffer).toBe(buffer);
    transport.close();
  });

  it('that has bytes already when it is taken over loses none of them', async () => {
    const { socket, peer } = await accepted();
    peer.write(message(1, 3));
    await expect.poll(() => socket.readableLength).toBe(32);
    const { all, come, transport } = taking(socket);
    peer.write(message(2, 3));
    await come(2);
    expect(all.map(({ number }) => number)).toEqual([1, 2]);
    transport.close();
  });

  it('whose messages have to wait is not read far ahead, and all of them come in order, then the end', async () => {
    const { socket, peer } = await accepted();
    let isFull = true;
    let room = (): void => {};
    const throttle = {
      get isFull() {
        return isFull;
      },
      whenRoom: (listener: () => void) => {
        room = listener;
      },
    };
    const { all, ends } = taking(socket, throttle);
    const words = [1, 50, 20_000, 3, 40_000, 9, 1, 8_000];
    const bytes = Buffer.concat(
      Array.from({ length: 10 }, () => words)
        .flat()
        .map((each, i) => message(i + 1, each)),
    );
    peer.end(bytes);
    await pause(100);
    expect(all).toEqual([]);
    expect(socket.bytesRead).toBeLessThanOrEqual(2 * 65_536);
    isFull = false;
    room();
    await expect.poll(() => ends.length).toBe(1);
    expect(all.map(({ number }) => number)).toEqual(Array.from({ length: 80 }, (_, i) => i + 1));
    expect(ends).toEqual(['the peer closed the connection']);
  });

  it.each(['the peer', 'us'])(
    'that is gone while messages wait is charged for nothing, and its end is told once: closed by %s',
    async (by) => {
      const budgets = new Budgets({ ...DEFAULT_BUDGETS, bytes: { share: 0, pool: 1_000_000 } });
      const account = budgets.accounts().bytes;
      /** Whether nothing of the budget is held. */
      const isWhole = (): boolean => {
        const all = budgets.accounts().bytes;
        const taken = all.take(1_000_000);
        if (taken) all.give(1_000_000);
        return taken;
      };
      let room = (): void => {};
      let isFull = true;
      const throttle = {
        get isFull() {
          return isFull;
        },
        whenRoom: (listener: () => void) => {
          room = listener;
        },
      };
      // One that takes nothing any more, and whose end comes before what waits has been taken up.
      const stream = new Duplex({ read() {}, write() {}, autoDestroy: false });
      const ends: string[] = [];
      const transport = new StreamTransport(stream, {}, { account, throttle });
      let count = 0;
      transport.start({
        message: () => {
          count++;
          transport.send([new Uint8Array(80_000)]);
        },
        violated: (reason) => void ends.push(reason),
        closed: ({ message }) => void ends.push(message),
      });
      transport.send([new Uint8Array(80_000)]);
      expect(isWhole()).toBe(false);
      stream.push(Buffer.concat([message(1, 2), message(2, 2)]));
      stream.push(null);
      await pause(20);
      stream.destroy();
      await pause(20);
      expect({ count, ends, isWhole: isWhole() }).toEqual({ count: 0, ends: [], isWhole: true });
      if (by === 'us') {
        transport.close();
        expect({ ends, count }).toEqual({ ends: ['the connection was closed'], count: 0 });
        return;
      }
      isFull = false;
      room();
      await expect.poll(() => ends).toEqual(['the peer closed the connection']);
      expect({ count, isWhole: isWhole() }).toEqual({ count: 2, isWhole: true });
    },
  );

  it('that is lost while messages wait ends at once, without them', async () => {
    const { socket, peer } = await accepted();
    const { all, ends } = taking(socket, { isFull: true, whenRoom() {} });
    peer.write(message(1, 1));
    await pause(50);
    socket.destroy(new Error('lost'));
    await expect.poll(() => ends.length).toBe(1);
    expect(all).toEqual([]);
  });

  it('whose peer does not read queues many small writes without a callback for each', async () => {
    const { socket, peer } = await accepted();
    peer.pause();
    const { transport } = taking(socket);
    const write = vi.spyOn(socket, 'write');
    for (let i = 0; i < 3_000; i++) {
      transport.send([new Uint8Array(8_000)]);
      await setImmediate();
    }
    expect(socket.writableLength).toBeGreaterThan(1_000_000);
    // Node calls all of them in one turn, when what waits has gone out at last.
    expect(write.mock.calls.slice(-500).filter((given) => given.length > 1)).toEqual([]);
    socket.destroy();
  });

  it('that is closed in the middle of what waits tells its end once', async () => {
    const { socket, peer } = await accepted();
    const { all, ends, transport, come } = taking(socket);
    peer.write(Buffer.concat(Array.from({ length: 500 }, () => message(1, 1))));
    await come(500);
    peer.write(Buffer.concat(Array.from({ length: 500 }, () => message(2, 1))));
    await expect.poll(() => all.length).toBeGreaterThan(500);
    transport.close();
    const then = all.length;
    peer.end();
    await expect.poll(() => ends.length).toBe(1);
    await setImmediate();
    expect(all.length).toBe(then);
    expect(ends).toHaveLength(1);
  });
});
