/** Bytes that are no messages, or announce more than ever comes: at the FrameReader, and at a Session on a stream. */
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader } from '../../rpc/frame.js';
import { DEFAULT_LIMITS } from '../../rpc/limits.js';
import * as layout from '../../rpc/protocol.js';
import { serve } from '../../rpc/serve.js';
import { Session } from '../../rpc/session.js';
import { StreamTransport } from '../../rpc/transport/stream.js';
import { MessageReader } from '../../schema/index.js';
import { quiet } from '../conformance/vats.js';
import { bootstrapMessage, callMessage } from './peer.js';
import { TARGET, Taker } from './target.js';

/** The table of segment sizes, in words, as it begins a message. */
function header(...sizes: number[]): Uint8Array {
  const bytes = new Uint8Array((4 + 4 * sizes.length + 7) & ~7);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, sizes.length - 1, true);
  for (const [i, size] of sizes.entries()) view.setUint32(4 + 4 * i, size, true);
  return bytes;
}

function framed(...segments: Uint8Array[]): Uint8Array {
  return Buffer.concat([header(...segments.map(({ length }) => length / 8)), ...segments]);
}

/** The segments of each message that was read, as bytes. */
function reading(limits = DEFAULT_LIMITS) {
  const messages: Uint8Array[][] = [];
  const reader = new FrameReader(limits);
  return { messages, reader, push: (bytes: Uint8Array) => reader.push(bytes, (one) => messages.push(one)) };
}

describe('a frame', () => {
  it.each([
    [
      '0xFFFFFFFF segments',
      [0xfe, 0xff, 0xff, 0xff],
      /a message of 4294967295 segments; at most 512 are allowed/,
    ],
    ['2^32 segments', [0xff, 0xff, 0xff, 0xff], /a message of 4294967296 segments; at most 512 are allowed/],
    ['one segment more than the limit', [0, 2, 0, 0], /a message of 513 segments; at most 512 are allowed/],
  ])('of %s is refused as soon as its first four bytes are there', (_, bytes, reason) => {
    const { push, messages } = reading();
    push(Uint8Array.from(bytes.slice(0, 3)));
    expect(() => push(Uint8Array.from(bytes.slice(3)))).toThrow(reason);
    expect(messages).toEqual([]);
  });

  it('with a segment table that is longer than the message waits for the rest of it, and holds what came', () => {
    const { push, messages, reader } = reading();
    push(header(...Array.from({ length: 512 }, () => 0)).subarray(0, 2000));
    expect(messages).toEqual([]);
    expect(reader.atBoundary).toBe(false);
  });

  it('with segments that are larger together than the limit is refused, and the reason names the limit', () => {
    const each = DEFAULT_LIMITS.messageBytes / 8 / 4;
    for (const sizes of [
      [0xffff_ffff],
      [each, each, each, each + 1],
      Array.from({ length: 512 }, () => 0xffff_ffff),
    ]) {
      const { push } = reading();
      expect(() => push(header(...sizes))).toThrow(/limit messageBytes/);
    }
  });

  it('of the largest size is not waited for with more memory than has come', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 200 }, () => reading());
    for (const { push } of readers) {
      push(header(DEFAULT_LIMITS.messageBytes / 8));
      push(new Uint8Array(1000));
    }
    const held = process.memoryUsage().arrayBuffers - before;
    expect(held).toBeLessThan(200 * 8 * 1024);
    expect(readers.every(({ messages }) => messages.length === 0)).toBe(true);
  });

  it('without a word in it, and one of many segments without a word, are messages', () => {
    const { push, messages, reader } = reading();
    push(header(0));
    push(header(...Array.from({ length: 512 }, () => 0)));
    expect(messages.map((segments) => segments.map(({ length }) => length))).toEqual([
      [0],
      Array.from({ length: 512 }, () => 0),
    ]);
    expect(reader.atBoundary).toBe(true);
  });

  it('of as many segments as are allowed is read, each in its place', () => {
    const segments = Array.from({ length: 512 }, (_, i) => new Uint8Array(8).fill(i));
    const { push, messages } = reading();
    push(framed(...segments));
    expect(messages[0]!.map((segment) => segment[0])).toEqual(segments.map((segment) => segment[0]));
  });

  it('is read in whatever pieces it comes', () => {
    const stream = Buffer.concat([
      framed(bootstrapMessage(1)),
      framed(new Uint8Array(8).fill(1), new Uint8Array(0), new Uint8Array(24).fill(2)),
      framed(callMessage(2)),
    ]);
    for (let size = 1; size <= stream.length; size++) {
      const { push, messages, reader } = reading();
      for (let from = 0; from < stream.length; from += size) push(stream.subarray(from, from + size));
      expect(messages.map((segments) => segments.map(({ length }) => length))).toEqual([
        [bootstrapMessage(1).length],
        [8, 0, 24],
        [callMessage(2).length],
      ]);
      expect(reader.atBoundary).toBe(true);
    }
  });

  it('of any size is read in whatever pieces it comes, large ones and small ones', () => {
    const sizes = fc.oneof(fc.nat({ max: 12 }), fc.nat({ max: 12_000 }));
    const pieces = fc.oneof(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 2000 }),
      fc.constant(64 * 1024),
    );
    fc.assert(
      fc.property(
        fc.array(fc.array(sizes, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }),
        fc.array(pieces, { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        (shapes, cuts, shared) => {
          const sent = shapes.map((shape, m) =>
            shape.map((words, s) => new Uint8Array(8 * words).map((_, i) => i + 7 * m + 3 * s)),
          );
          const stream = Buffer.concat(sent.map((segments) => framed(...segments)));
          const { push, messages, reader } = reading();
          for (let from = 0, cut = 0; from < stream.length; cut++) {
            const piece = stream.subarray(from, from + cuts[cut % cuts.length]!);
            push(shared ? piece : Uint8Array.from(piece));
            from += piece.length;
          }
          const same = messages.every((segments, m) =>
            segments.every((segment, s) => Buffer.compare(segment, sent[m]![s]!) === 0),
          );
          return same && messages.length === sent.length && reader.atBoundary;
        },
      ),
      { numRuns: 300 },
    );
  });

  it('that is cut off at any byte is no message, and not the end of one', () => {
    const whole = framed(callMessage(1), new Uint8Array(16));
    for (let length = 1; length < whole.length; length++) {
      const { push, messages, reader } = reading();
      push(whole.subarray(0, length));
      expect(messages).toEqual([]);
      expect(reader.atBoundary).toBe(false);
    }
  });

  it('that comes byte by byte costs the memory of what has come', () => {
    const { push, messages } = reading();
    push(header(DEFAULT_LIMITS.messageBytes / 8));
    const before = process.memoryUsage().arrayBuffers;
    const byte = new Uint8Array(1);
    for (let i = 0; i < 100_000; i++) push(byte);
    // It grows by doubling: what it outgrew may not have been collected yet.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
    expect(messages).toEqual([]);
  });
});

/** The bytes that two ends write to each other: what the test writes is `push`ed, what the session writes is in `written`. */
class Wire extends Duplex {
  readonly written: Buffer[] = [];
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk);
    done();
  }
}

function session() {
  const taker = new Taker();
  using bootstrap = serve(TARGET, taker);
  const wire = new Wire();
  return { taker, wire, session: new Session(new StreamTransport(wire), { bootstrap }) };
}

/** The reason in the last message, which is an Abort. */
function abortReason(wire: Wire): string {
  const messages: Uint8Array[][] = [];
  new FrameReader(DEFAULT_LIMITS).push(Buffer.concat(wire.written), (segments) => messages.push(segments));
  const root = new MessageReader(messages.at(-1)!).root.struct();
  expect(root.u16(layout.Message.tag)).toBe(layout.Message.abort);
  return root.pointer(layout.Message.body).struct().pointer(layout.Exception.reason).text();
}

describe('a session', () => {
  it.each([
    ['too many segments', Uint8Array.of(0xff, 0xff, 0xff, 0xff), /4294967296 segments/],
    ['too many bytes', header(0xffff_ffff), /limit messageBytes/],
    ['a line of HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'), /segments; at most 512/],
    ['a TLS greeting', Buffer.from('160301020001000001fc0303', 'hex'), /segments; at most 512/],
    ['an empty message', header(0), /kind 0/],
  ])('that gets %s tells its peer why by an Abort, and ends', async (_, bytes, reason) => {
    const { wire, session: ended } = session();
    wire.push(bytes);
    expect((await ended.closed).message).toMatch(reason);
    await quiet();
    expect(abortReason(wire)).toMatch(reason);
    expect(wire.destroyed).toBe(true);
  });

  it('whose peer stops in the middle of a message says so', async () => {
    const { wire, session: ended } = session();
    wire.push(framed(bootstrapMessage(0)).subarray(0, 13));
    wire.push(null);
    expect(await ended.closed).toMatchObject({ code: 'ERR_RPC_TRUNCATED' });
  });

  it('does nothing with what comes behind bytes that are no message', async () => {
    const { wire, session: ended, taker } = session();
    const call = framed(callMessage(1, { interfaceId: TARGET.id }));
    wire.push(Buffer.concat([framed(bootstrapMessage(0)), header(0xffff_ffff), call]));
    wire.push(call);
    await ended.closed;
    await quiet();
    expect(taker.taken).toEqual([]);
  });

  it('whose peer sends much at once handles so many of its messages in a turn, and then lets others have theirs', async () => {
    const taker = new Taker();
    using bootstrap = serve(TARGET, taker);
    const wire = new Wire();
    const limits = { messagesPerTurn: 3 };
    const busy = new Session(new StreamTransport(wire, limits), { bootstrap, limits });
    const calls = Array.from({ length: 20 }, (_, i) =>
      framed(callMessage(i + 1, { interfaceId: TARGET.id })),
    );
    wire.push(Buffer.concat([framed(bootstrapMessage(0)), ...calls, header(0xffff_ffff)]));
    const taken: number[] = [];
    let over = false;
    void busy.closed.then(() => {
      over = true;
    });
    while (!over) {
      await new Promise((resolve) => setImmediate(resolve));
      taken.push(taker.taken.length);
    }
    expect(taker.taken).toHaveLength(20);
    for (const [i, count] of taken.entries()) expect(count - (taken[i - 1] ?? 0)).toBeLessThanOrEqual(6);
    expect((await busy.closed).message).toContain('limit messageBytes');
  });
});
