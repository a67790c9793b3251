/** What the connections of one listener may hold between them: who draws too much on the pool, and who does not notice. */
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { contentBuilder } from '../../rpc/body.js';
import { type BudgetSizes, Budgets } from '../../rpc/budget.js';
import { FrameReader } from '../../rpc/frame.js';
import { DEFAULT_LIMITS } from '../../rpc/limits.js';
import { LentFrame } from '../../rpc/loan.js';
import { Payload } from '../../rpc/payload.js';
import { Memory } from '../../schema/index.js';
import { EMPTY, hold, payload, TestObject } from '../conformance/vats.js';
import {
  bootstrapMessage,
  type CallSpec,
  callMessage,
  finishMessage,
  HostilePeer,
  releaseMessage,
} from './peer.js';

const SIZES: BudgetSizes = {
  bytes: { share: 2000, pool: 10_000 },
  calls: { share: 2, pool: 10 },
  refusals: { share: 2, pool: 10 },
  imports: { share: 2, pool: 10 },
  exports: { share: 2, pool: 10 },
};

/** Peers that share budgets, at objects that do what `handle` says. */
function peers(count: number, handle = hold) {
  const budgets = new Budgets(SIZES);
  return Array.from({ length: count }, () => {
    const object = new TestObject(handle);
    const peer = new HostilePeer({ bootstrap: object.capability(), accounts: budgets.accounts() });
    return { object, peer: peer.greet() };
  });
}

const overloaded = (budget: string) => ({
  type: 'overloaded',
  reason: expect.stringContaining(`budget ${budget}`),
});

describe('the budget', () => {
  it('of calls is met by those who have many, and not by those who have few', () => {
    const [greedy, other, late] = peers(3);
    for (let i = 1; i <= 13; i++) greedy!.peer.say(callMessage(i));
    expect(greedy!.object.pending).toHaveLength(12);
    expect(greedy!.peer.answerTo(13)).toMatchObject(overloaded('calls'));
    for (const i of [1, 2, 3]) other!.peer.say(callMessage(i));
    expect(other!.object.pending).toHaveLength(2);
    expect(other!.peer.answerTo(3)).toMatchObject(overloaded('calls'));
    // What is finished, before or after its return, and what ends with its connection, is there again for others.
    greedy!.object.pending[0]!.params.release();
    greedy!.object.pending[0]!.return_(payload(0));
    other!.peer.say(callMessage(4));
    expect(other!.object.pending).toHaveLength(2);
    for (const i of [1, 2]) greedy!.peer.say(finishMessage(i));
    for (const i of [5, 6, 7]) other!.peer.say(callMessage(i));
    expect(other!.object.pending).toHaveLength(4);
    greedy!.peer.connection.close();
    for (let i = 1; i <= 13; i++) late!.peer.say(callMessage(i));
    expect(late!.object.pending).toHaveLength(10);
  });

  it('of bytes is met by large calls, and small ones go through', () => {
    const [greedy, other] = peers(2);
    const large: CallSpec = {
      content: (content) => content.struct(1, 1).pointer(0).setData(new Uint8Array(5000)),
    };
    for (const i of [1, 2, 3]) greedy!.peer.say(callMessage(i, large));
    expect(greedy!.peer.answerTo(3)).toMatchObject(overloaded('bytes'));
    other!.peer.say(callMessage(1, large)).say(callMessage(2));
    expect(other!.peer.answerTo(1)).toMatchObject(overloaded('bytes'));
    expect(other!.object.pending).toHaveLength(1);
    greedy!.peer.say(finishMessage(1));
    other!.peer.say(callMessage(3, large));
    expect(other!.object.pending).toHaveLength(2);
  });

  it('of bytes is met by results that are kept, as the peer may pipeline on them, until they are finished', () => {
    let held = 0;
    const [greedy, other] = peers(2, (incoming, self) => {
      incoming.params.release();
      const large = contentBuilder();
      const struct = large.root.struct(0, 2);
      struct.pointer(0).setCapability(0);
      struct.pointer(1).setData(new Uint8Array(5000));
      held++;
      incoming.return_(Payload.built(large, [self.capability()]));
    });
    for (const i of [1, 2, 3]) greedy!.peer.say(callMessage(i));
    expect([1, 2, 3].map((id) => greedy!.peer.answerTo(id))).toEqual([
      'results',
      'results',
      overloaded('bytes'),
    ]);
    // Nothing is kept of what was refused: the object has been let go of, as often as it was given.
    expect(held).toBe(3);
    expect(greedy!.object.held).toBe(3);
    other!.peer.say(callMessage(1));
    expect(other!.peer.answerTo(1)).toMatchObject(overloaded('bytes'));
    greedy!.peer.say(finishMessage(1));
    other!.peer.say(callMessage(2));
    expect(other!.peer.answerTo(2)).toBe('results');
    for (const { peer } of [greedy!, other!]) {
      peer.connection.close();
      expect(peer.connection.tables).toEqual(EMPTY);
    }
  });

  it('of bytes is not met by results without capabilities, which nobody keeps', () => {
    const [client] = peers(1, (incoming) => {
      incoming.params.release();
      const large = contentBuilder();
      large.root.struct(0, 1).pointer(0).setData(new Uint8Array(5000));
      incoming.return_(Payload.built(large));
    });
    for (const i of [1, 2, 3, 4, 5]) client!.peer.say(callMessage(i));
    expect(client!.peer.answerTo(5)).toBe('results');
  });

  it('of refusals is met by who leaves them unfinished: that one is cut', () => {
    const [greedy, other] = peers(2);
    const refused = (from: number, to: number) => {
      for (let i = from; i <= to; i++) greedy!.peer.say(callMessage(i));
    };
    refused(1, 12);
    // With the Bootstrap, which is not finished either.
    refused(13, 23);
    expect(greedy!.peer.closed).toBe(null);
    greedy!.peer.say(finishMessage(13));
    refused(24, 24);
    expect(greedy!.peer.closed).toBe(null);
    // Others have their share.
    other!.peer.say(callMessage(1));
    expect(other!.peer.closed).toBe(null);
    refused(25, 25);
    expect(greedy!.peer.abortReason).toContain('budget refusals');
    for (let i = 2; i <= 11; i++) other!.peer.say(callMessage(i));
    expect(other!.object.pending).toHaveLength(11);
  });

  it('of bytes is met by messages that do not end', () => {
    const budgets = new Budgets(SIZES);
    const readers = [1, 2, 3].map(() => new FrameReader(DEFAULT_LIMITS, budgets.accounts().bytes));
    const header = new Uint8Array(8);
    new DataView(header.buffer).setUint32(4, 80_000 / 8, true);
    const read = (reader: FrameReader, bytes: number) => reader.push(new Uint8Array(bytes), () => {});
    for (const reader of readers) reader.push(header, () => {});
    read(readers[0]!, 5000);
    expect(() => read(readers[1]!, 12_000)).toThrow(/budget bytes/);
    read(readers[2]!, 900);
    readers[0]!.end();
    readers[1]!.end();
    read(readers[2]!, 5000);
  });

  it('of bytes is met by a large message where its bytes come, not where room is made for them', () => {
    const reader = new FrameReader(DEFAULT_LIMITS, new Budgets(SIZES).accounts().bytes);
    const shared = new LentFrame(new Memory(new Uint8Array(5000)));
    shared.memory.view.setUint32(4, 80_000 / 8, true);
    const taker = { message() {} };
    reader.next(shared, 0, 5000, taker);
    let { room } = reader;
    while (room !== null) {
      reader.filled(room.length, taker);
      room = reader.room;
    }
    expect(() => reader.next(shared, 0, 5000, taker)).toThrow(/budget bytes/);
  });

  it('of imports is met by those who send many', () => {
    const [greedy, other] = peers(2);
    const sending = (count: number): CallSpec => ({
      capabilities: Array.from({ length: count }, (_, id) => ({ kind: 'senderHosted', id })),
    });
    greedy!.peer.say(callMessage(1, sending(12)));
    expect(greedy!.peer.closed).toBe(null);
    other!.peer.say(callMessage(1, sending(2)));
    expect(other!.peer.closed).toBe(null);
    greedy!.peer.say(callMessage(2, sending(13)));
    expect(greedy!.peer.abortReason).toContain('budget imports');
    other!.peer.say(callMessage(2, sending(12)));
    expect(other!.peer.closed).toBe(null);
  });

  it('of exports is met by those who are given many', () => {
    const [greedy, other] = peers(2, (incoming) => {
      incoming.params.release();
      incoming.return_(payload(1, [new TestObject().capability()]));
    });
    for (let i = 1; i <= 12; i++) greedy!.peer.say(callMessage(i));
    expect(greedy!.peer.answerTo(11)).toBe('results');
    expect(greedy!.peer.answerTo(12)).toMatchObject(overloaded('exports'));
    other!.peer.say(callMessage(1));
    expect(other!.peer.answerTo(1)).toBe('results');
    greedy!.peer.say(releaseMessage(1, 1));
    other!.peer.say(callMessage(2));
    expect(other!.peer.answerTo(2)).toBe('results');
    for (const { peer } of [greedy!, other!]) {
      peer.connection.close();
      expect(peer.connection.tables).toEqual(EMPTY);
    }
  });

  it('counts what was cancelled until it has been passed on', () => {
    const accounts = new Budgets(SIZES).accounts();
    const waiting: (() => void)[] = [];
    const object = new TestObject(hold);
    const peer = new HostilePeer({
      bootstrap: object.capability(),
      accounts,
      whenPassedOn: (action) => waiting.push(action),
    });
    peer.greet();
    for (let i = 1; i <= 20; i++) peer.say(callMessage(i)).say(finishMessage(i));
    expect(object.pending).toHaveLength(12);
    expect(peer.answerTo(13)).toMatchObject(overloaded('calls'));
    for (const action of waiting.splice(0)) action();
    peer.say(callMessage(1)).say(callMessage(2));
    expect(object.pending).toHaveLength(14);
    // What the connection had in flight when it ended counts as well.
    peer.connection.close();
    expect(accounts.calls.take(11)).toBe(false);
    for (const action of waiting.splice(0)) action();
    expect(accounts.calls.take(12)).toBe(true);
  });

  it('need not count the memory of what was taken up: nothing holds it any more', async () => {
    const [quiet] = peers(1);
    /** A message in memory of its own, far larger than it is itself. */
    const told = (message: Uint8Array): WeakRef<ArrayBuffer> => {
      const memory = new Uint8Array(1024 * 1024);
      memory.set(message);
      quiet!.peer.connection.receive([memory.subarray(0, message.length)], null);
      return new WeakRef(memory.buffer);
    };
    const held = [told(callMessage(1)), told(bootstrapMessage(2)), told(finishMessage(1))];
    quiet!.object.pending[0]!.params.release();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    await turn();
    collect();
    // A call that runs has its params.
    expect(held.map((each) => each.deref() === undefined)).toEqual([false, true, true]);
  });
});
