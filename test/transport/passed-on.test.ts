/** What is passed on in the frames that it was read in: as it came, in its order, whatever the sizes of messages and of reads are. */
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { StreamTransport } from '../../rpc/index.js';
import { type Borrower, LentFrame } from '../../rpc/loan.js';
import { Memory, PooledBuffer } from '../../schema/index.js';
import { framed } from '../schema/streams.js';

/** A message of so many words, each byte of which says which message it is. */
function message(number: number, words: number): Buffer {
  return Buffer.from(framed([[new Uint8Array(8 * words).fill(number)]]));
}

/** A transport, what it has written, and how it ended. */
function writing({ stalls = false, bytesQueued = 2 ** 28 } = {}) {
  const written: Buffer[] = [];
  const ends: string[] = [];
  const stream = new Duplex({
    read() {},
    write(chunk: Uint8Array, _encoding, done) {
      written.push(Buffer.from(chunk));
      if (!stalls) done();
    },
  });
  const transport = new StreamTransport(stream, { bytesQueued });
  transport.start({
    message() {},
    violated() {},
    closed: ({ message: reason }) => void ends.push(reason),
  });
  return { transport, written, ends };
}

/** Has `chunks` come, in memory that is somebody else's afterwards, and gives each frame to one of `to` in turn. */
function passOn(chunks: readonly Buffer[], to: readonly StreamTransport[], between: (turn: number) => void) {
  const source = new Duplex({ read() {}, write() {} });
  const transport = new StreamTransport(source);
  let turn = 0;
  const next = () => {
    between(turn);
    return to[turn++ % to.length]!;
  };
  transport.start({
    message: (segments, loan = null) => next().send(segments, true, loan),
    frame: (frame) => next().sendFrame(frame),
    violated: (reason) => {
      throw new Error(reason);
    },
    closed() {},
  });
  for (const chunk of chunks) {
    source.emit('data', chunk);
    chunk.fill(0xfe);
  }
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 1));

describe('frames that are passed on', () => {
  it.each([
    ['one that is larger than a write', [10_000]],
    ['some that are larger together', Array.from({ length: 100 }, () => 100)],
    ['some, with a large one among them', [10, 20_000, 10, 8_191, 8_191, 8_192, 1]],
  ])('go out as they came: %s, read at once', async (_what, words) => {
    const { transport, written } = writing();
    const bytes = Buffer.concat(words.map((each, i) => message(i, each)));
    passOn([Buffer.from(bytes)], [transport], () => {});
    await settle();
    expect(Buffer.concat(written).equals(bytes)).toBe(true);
  });

  it('go out in their order, among others that are sent, to one or several', async () => {
    const words = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 20_000 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(words, { minLength: 1, maxLength: 60 }),
        fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 0, max: 9_000 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 3 }),
        async (sizes, reads, ours, targets) => {
          const to = Array.from({ length: targets }, () => writing());
          const expected: Buffer[][] = to.map(() => []);
          const messages = sizes.map((each, i) => message(i, each));
          const bytes = Buffer.concat(messages);
          const chunks: Buffer[] = [];
          for (let at = 0; at < bytes.length; at += chunks.at(-1)!.length)
            chunks.push(Buffer.from(bytes.subarray(at, at + reads[chunks.length % reads.length]!)));
          passOn(
            chunks,
            to.map(({ transport }) => transport),
            (turn) => {
              const i = turn % targets;
              const own = ours[turn % ours.length]!;
              if (own > 0) {
                to[i]!.transport.send([new Uint8Array(8 * own).fill(turn)]);
                expected[i]!.push(message(turn, own));
              }
              expected[i]!.push(messages[turn]!);
            },
          );
          await settle();
          for (const [i, { written }] of to.entries())
            expect(Buffer.concat(written).equals(Buffer.concat(expected[i]!))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('are not written any more where the peer was cut by what stands before them', async () => {
    const { transport, written, ends } = writing({ stalls: true, bytesQueued: 100_000 });
    const frames = Buffer.concat([message(1, 8_000), message(2, 8_000), message(3, 10)]);
    passOn([frames], [transport], () => {});
    transport.send([new Uint8Array(8 * 8_000)]);
    transport.send([new Uint8Array(8 * 8_000)]);
    await settle();
    expect(ends).toEqual([expect.stringMatching(/limit bytesQueued/)]);
    const before = written.length;
    transport.send([new Uint8Array(8)]);
    passOn([message(4, 10)], [transport], () => {});
    await settle();
    expect(written).toHaveLength(before);
  });

  it('end with the connection, once, where what is written at its end has the peer cut', async () => {
    const { transport, ends } = writing({ stalls: true, bytesQueued: 100 });
    passOn([message(1, 100)], [transport], () => {});
    transport.close();
    await settle();
    expect(ends).toEqual([expect.stringMatching(/limit bytesQueued/)]);
  });

  it('end the connection that has no memory for them, and not the one that they came over', async () => {
    const { transport, ends } = writing();
    const other = writing();
    const none = vi.spyOn(PooledBuffer, 'of').mockImplementation(() => {
      throw new RangeError('Array buffer allocation failed');
    });
    try {
      passOn([Buffer.concat([message(1, 10), message(2, 10)])], [transport], () => {});
    } finally {
      none.mockRestore();
    }
    expect(ends).toEqual([expect.stringMatching(/lost: Array buffer allocation failed/)]);
    passOn([message(3, 10)], [transport, other.transport], () => {});
    passOn([message(4, 10)], [other.transport], () => {});
    await settle();
    expect(ends).toHaveLength(1);
    expect(Buffer.concat(other.written).equals(message(4, 10))).toBe(true);
  });

  it('are copied by everybody who needs them, though one of them fails', () => {
    const frame = new LentFrame(new Memory(new Uint8Array(64)));
    const copied: string[] = [];
    const borrower = (name: string, fails: boolean): Borrower => ({
      copyBorrowed() {
        copied.push(name);
        if (fails) throw new Error(`there is no memory for ${name}`);
      },
    });
    frame.borrow(borrower('a', false));
    frame.borrow(borrower('b', true));
    frame.borrow(borrower('c', true));
    frame.borrow(borrower('d', false));
    expect(() => frame.over()).toThrow('there is no memory for b');
    expect(copied).toEqual(['a', 'b', 'c', 'd']);
    frame.over();
    expect(copied).toHaveLength(4);
  });
});
