/** How calls fail: by what a method throws, by a promise that breaks, and by a connection that ends, at any byte. */
import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { RPC_ERROR_TYPES, RpcError, remoteTraceOf } from '../../rpc/error.js';
import { QueuedCapability } from '../../rpc/promised.js';
import { StreamTransport } from '../../rpc/transport/stream.js';
import {
  call,
  drop,
  echo,
  hold,
  type Outcome,
  Pair,
  payload,
  quiet,
  ScriptedPeer,
  TestObject,
  TRANSPORTS,
} from './vats.js';

describe.each(TRANSPORTS)('over $name', (transport) => {
  it.each(
    RPC_ERROR_TYPES.flatMap(
      (type) =>
        [
          [type, 'at once'],
          [type, 'later'],
        ] as const,
    ),
  )('a method that fails as %s %s is told so', async (type, when) => {
    const object = new TestObject((incoming, self) => {
      if (when === 'later') return hold(incoming, self);
      incoming.params.release();
      incoming.fail(new RpcError(type, 'because'));
    });
    const pair = await transport.pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const outcome = call(target, 1);
    await quiet();
    for (const held of object.pending) {
      held.params.release();
      held.fail(new RpcError(type, 'because'));
    }
    await quiet();
    expect(outcome.error).toMatchObject({ type, message: 'because', code: 'ERR_RPC_REMOTE' });
    drop(outcome, target);
  });

  it('a call on a promise that is rejected later fails as that', async () => {
    const promise = new QueuedCapability();
    const pair = await transport.pair({ right: promise.retain() });
    const target = pair.left.bootstrap();
    const outcome = call(target, 1);
    const onward = outcome.call.pipelined([3]);
    const second = call(onward, 2);
    await quiet();
    promise.reject(new RpcError('overloaded', 'no room'));
    await quiet();
    expect([outcome.error?.type, second.error?.message]).toEqual(['overloaded', 'no room']);
    drop(outcome, second, onward, target, promise);
  });

  it('a vat without a bootstrap capability says so, and the connection lives', async () => {
    const pair = await transport.pair();
    const target = pair.left.bootstrap();
    const outcome = call(target, 1);
    await quiet();
    expect(outcome.error).toMatchObject({
      type: 'unimplemented',
      message: 'this vat offers no bootstrap capability',
    });
    drop(outcome, target);
  });

  it('a call on a closed connection is disconnected, on both sides', async () => {
    const object = new TestObject(hold);
    const back = new TestObject(hold);
    const pair = await transport.pair({ right: object.capability(), left: back.capability() });
    const target = pair.left.bootstrap();
    const other = pair.right.bootstrap();
    const waiting = [call(target, 1), call(other, 1)];
    await quiet();
    pair.mayClose = true;
    pair.left.close();
    await quiet();
    const after = [call(target, 2), call(other, 2)];
    expect([...waiting, ...after].map(({ error }) => error?.type)).toEqual(Array(4).fill('disconnected'));
    expect(object.pending[0]!.canceled && back.pending[0]!.canceled).toBe(true);
    for (const held of [...object.pending, ...back.pending]) {
      held.params.release();
      held.return_(payload(0));
    }
    drop(...waiting, ...after, target, other);
  });
});

/** An error whose stack has so many frames of a function of this name. */
function deeplyThrown(name: string, frames: number): RpcError {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = frames;
  const again = {
    [name]: (left: number): RpcError =>
      left === 0 ? new RpcError('failed', 'because') : again[name]!(left - 1),
  };
  try {
    return again[name]!(frames);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

it('a trace is sent only where that was asked for, bounded, and is for the log of the other side', async () => {
  for (const sendTraces of [false, true]) {
    const object = new TestObject((incoming) => {
      incoming.params.release();
      incoming.fail(deeplyThrown('secret', 500));
    });
    const pair = new Pair({ right: object.capability(), sendTraces });
    const target = pair.left.bootstrap();
    const outcome = call(target, 1);
    await quiet();
    const trace = remoteTraceOf(outcome.error!);
    if (sendTraces) expect([trace!.includes('secret ('), trace!.length]).toEqual([true, 16_384]);
    else expect(trace).toBeNull();
    expect(JSON.stringify(outcome.error)).not.toContain('secret');
    drop(outcome, target);
    await quiet();
  }
});

it('an Abort of the peer ends everything with its reason, and is not answered', async () => {
  const peer = new ScriptedPeer();
  peer.mayClose = true;
  const target = peer.connection.bootstrap();
  const outcome = call(target, 1);
  await peer.hears();
  peer.say({ abort: { reason: 'enough', type: 'overloaded' } });
  expect(await peer.hears()).toEqual([]);
  expect(outcome.error).toMatchObject({
    type: 'disconnected',
    code: 'ERR_RPC_ABORTED',
    message: 'the peer ended the connection: enough',
  });
  drop(outcome, target);
});

/** Two ends of a byte stream, of which the first lets through so many bytes of what is written, and then ends. */
function cutStreams(bytesLeft: number, bytesRight: number): { left: Duplex; right: Duplex } {
  const budget = { left: bytesLeft, right: bytesRight };
  const ends = {} as { left: Duplex; right: Duplex };
  const end = (side: 'left' | 'right', other: 'left' | 'right') =>
    new Duplex({
      read() {},
      write(chunk: Uint8Array, _encoding, done) {
        const part = chunk.subarray(0, budget[side]);
        budget[side] -= part.length;
        if (part.length > 0) ends[other].push(part);
        if (part.length < chunk.length) {
          // The wire is cut: both ends see it, after what went before.
          setImmediate(() => {
            ends.left.push(null);
            ends.right.push(null);
          });
        }
        done();
      },
      final(done) {
        if (!ends[other].destroyed) ends[other].push(null);
        done();
      },
    });
  ends.left = end('left', 'right');
  ends.right = end('right', 'left');
  return ends;
}

/** Calls both ways, pipelined ones, capabilities to and fro, an embargo. */
async function conversation(pair: Pair): Promise<Outcome[]> {
  const target = pair.left.bootstrap();
  const mine = new TestObject();
  const first = call(target, 1, [mine.capability()]);
  const back = first.call.pipelined([0]);
  const outcomes = [first, call(back, 2), call(back, 3), call(target, 4, [back.retain()])];
  await quiet();
  outcomes.push(call(back, 5), call(target, 6));
  await quiet();
  drop(back, target);
  return outcomes;
}

function reflecting(): TestObject {
  return new TestObject((incoming) => {
    const returned = incoming.params.capabilities.map((capability) => capability?.retain() ?? null);
    if (returned.length === 0) return echo(incoming);
    incoming.params.release();
    incoming.return_(payload(1, returned));
  });
}

it('every outstanding question is rejected when the link is cut, at any byte of either direction', async () => {
  const whole = new Pair(
    { right: reflecting().capability() },
    (() => {
      const { left, right } = cutStreams(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
      return { left: new StreamTransport(left), right: new StreamTransport(right) };
    })(),
  );
  const all = await conversation(whole);
  expect(all.every(({ error }) => error === null)).toBe(true);
  const sizes = (['left', 'right'] as const).map((side) =>
    whole.ends[side].trace
      .filter(({ direction }) => direction === 'sent')
      .reduce((sum, { segments }) => sum + 8 + segments[0]!.length, 0),
  ) as [number, number];
  drop(...all);
  await quiet();
  let rejected = 0;
  for (const [direction, size] of sizes.entries()) {
    expect(size).toBeGreaterThan(300);
    for (let cut = 0; cut < size; cut++) {
      const streams = cutStreams(
        direction === 0 ? cut : Number.POSITIVE_INFINITY,
        direction === 1 ? cut : Number.POSITIVE_INFINITY,
      );
      const pair = new Pair(
        { right: reflecting().capability() },
        { left: new StreamTransport(streams.left), right: new StreamTransport(streams.right) },
      );
      pair.mayClose = true;
      const outcomes = await conversation(pair);
      await quiet();
      for (const outcome of outcomes) {
        expect(outcome.done, `cut at ${cut} of direction ${direction}`).toBe(true);
        if (outcome.error === null) continue;
        rejected++;
        expect(outcome.error.type).toBe('disconnected');
      }
      drop(...outcomes);
      const empty = { questions: 0, answers: 0, exports: 0, imports: 0, embargoes: 0 };
      expect([pair.left.tables, pair.right.tables]).toEqual([empty, empty]);
      pair.forget();
    }
  }
  expect(rejected).toBeGreaterThan(1000);
}, 120_000);
