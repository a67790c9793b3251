/** Calls whose results stay with the peer: sendResultsTo.yourself and takeFromOtherQuestion, in both directions. */
import { describe, expect, it } from 'vitest';
import type { Capability } from '../../rpc/capability.js';
import {
  call,
  drop,
  echo,
  hold,
  numberOf,
  Pair,
  payload,
  quiet,
  ScriptedPeer,
  TEST_INTERFACE,
  TestObject,
  TRANSPORTS,
} from './vats.js';
import { content, decodeMessage } from './wire.js';

/** An object that makes a tail call to the first capability that it is passed, with the rest. */
function passingOn(): TestObject {
  return new TestObject((incoming) => {
    if (incoming.params.capabilities.length === 0) return echo(incoming);
    const [target, ...rest] = incoming.params.capabilities.map((capability) => capability!.retain());
    const number = numberOf(incoming.params);
    incoming.params.release();
    incoming.tailCall(target!, { interfaceId: TEST_INTERFACE, methodId: 0, params: payload(number, rest) });
    target!.release();
  });
}

function kinds(pair: Pair, side: 'left' | 'right'): string[] {
  return pair.ends[side].trace
    .filter(({ direction }) => direction === 'sent')
    .map(({ segments }) => decodeMessage(segments))
    .flatMap((message) => {
      if ('call' in message) return 'yourself' in message['call'].sendResultsTo ? ['yourself'] : ['call'];
      if (!('return' in message)) return [];
      return ['takeFromOtherQuestion', 'resultsSentElsewhere', 'results', 'exception', 'canceled'].filter(
        (kind) => kind in message['return'],
      );
    });
}

describe.each(TRANSPORTS)('over $name', (transport) => {
  it.each([true, false])(
    "the results of a tail call home are the caller's (peer takes them: %s)",
    async (peerTakesTailCalls) => {
      const mine = new TestObject((incoming) => {
        const result = incoming.params.capabilities[0]!.retain();
        const number = numberOf(incoming.params);
        incoming.params.release();
        incoming.return_(payload(number + 1, [result]));
      });
      const inner = new TestObject();
      const pair = await transport.pair({ right: passingOn().capability(), peerTakesTailCalls });
      const target = pair.left.bootstrap();
      const outcome = call(target, 41, [mine.capability(), inner.capability()]);
      const pipelined = outcome.call.pipelined([0]);
      const calls = [call(pipelined, 1), call(pipelined, 2)];
      await quiet();
      calls.push(call(pipelined, 3));
      await quiet();
      expect(outcome.value).toBe(42);
      expect(inner.received).toEqual([1, 2, 3]);
      expect(kinds(pair, 'right').includes('takeFromOtherQuestion')).toBe(peerTakesTailCalls);
      expect(kinds(pair, 'left').includes('resultsSentElsewhere')).toBe(peerTakesTailCalls);
      drop(...calls, outcome, pipelined, target);
      await quiet();
      expect([mine.held, inner.held]).toEqual([0, 0]);
    },
  );

  it("a failure of the call that took its place is the caller's", async () => {
    const mine = new TestObject((incoming) => {
      incoming.params.release();
      incoming.return_(payload(0));
    });
    const pair = await transport.pair({ right: passingOn().capability(), peerTakesTailCalls: true });
    const target = pair.left.bootstrap();
    const outcome = call(target, 1, [mine.capability()]);
    const pipelined = outcome.call.pipelined([0]);
    const second = call(pipelined, 2);
    await quiet();
    expect(outcome.value).toBe(0);
    expect(second.error).toMatchObject({ type: 'failed' });
    drop(outcome, second, pipelined, target);
  });
});

/** Finish in every order against the tail call and its end. */
describe('a call that was handed on and is then finished', () => {
  for (const stop of [
    'at once',
    'when the call comes home',
    'when its Return says where to take it',
    'at its end',
  ] as const) {
    for (const pipeline of [false, true]) {
      it(`${stop}${pipeline ? ', while something is pipelined on it' : ''}, leaves nothing`, async () => {
        const mine = new TestObject(hold);
        const inner = new TestObject();
        const pair = new Pair({ right: passingOn().capability(), peerTakesTailCalls: true });
        const target = pair.left.bootstrap();
        await quiet();
        pair.links.rightToLeft.block();
        const outcome = call(target, 1, [mine.capability()]);
        const pipelined: Capability[] = pipeline ? [outcome.call.pipelined([0])] : [];
        const calls = pipelined.map((capability) => call(capability, 5));
        await quiet();
        const end = () => {
          for (const held of mine.pending.splice(0)) {
            held.params.release();
            held.return_(payload(2, [inner.capability()]));
          }
        };
        if (stop === 'at once') drop(outcome);
        pair.links.rightToLeft.step();
        if (stop === 'when the call comes home') drop(outcome);
        pair.unblock();
        await quiet();
        if (stop === 'when its Return says where to take it') drop(outcome);
        await quiet();
        const cancelled = !pipeline && stop !== 'at its end';
        expect(mine.pending.every(({ canceled }) => canceled === cancelled)).toBe(true);
        end();
        await quiet();
        if (stop === 'at its end') drop(outcome);
        await quiet();
        expect(calls.map(({ value }) => value)).toEqual(calls.map(() => 5));
        drop(...calls, ...pipelined, target);
        await quiet();
        expect([mine.held, inner.held]).toEqual([0, 0]);
      });
    }
  }
});

describe('a peer', () => {
  it('that has shown nothing of it gets no tail call', async () => {
    const peer = new ScriptedPeer({ vat: passingOn().capability() });
    peer.say(
      { bootstrap: { questionId: 0 } },
      {
        call: { questionId: 1, target: { importedCap: 0 }, interfaceId: TEST_INTERFACE, params: onePassed() },
      },
    );
    const [, asked] = await peer.hears();
    expect(asked).toMatchObject({ call: { sendResultsTo: { caller: null }, target: { importedCap: 5 } } });
    const { questionId } = asked!['call'];
    peer.say({ return: { answerId: questionId, results: {} } });
    const heard = await peer.hears();
    expect(heard.find((message) => 'return' in message)).toMatchObject({
      return: { answerId: 1, results: {} },
    });
    peer.say({ finish: { questionId: 1 } }, { finish: { questionId: 0 } });
    await quiet();
  });

  it('that has made one gets them', async () => {
    const object = passingOn();
    const peer = new ScriptedPeer({ vat: object.capability() });
    peer.say(
      { bootstrap: { questionId: 0 } },
      {
        call: {
          questionId: 1,
          target: { importedCap: 0 },
          sendResultsTo: { yourself: null },
          params: { content: content(1) },
        },
      },
    );
    // Its outcome stays where it is.
    const [, returned] = await peer.hears();
    expect(returned).toMatchObject({ return: { answerId: 1, resultsSentElsewhere: null } });
    peer.say(
      { finish: { questionId: 1 } },
      {
        call: { questionId: 2, target: { importedCap: 0 }, interfaceId: TEST_INTERFACE, params: onePassed() },
      },
    );
    const heard = await peer.hears();
    expect(heard).toMatchObject([
      { call: { sendResultsTo: { yourself: null } } },
      { return: { answerId: 2 } },
      { release: { id: 5 } },
    ]);
    expect(heard[1]!['return'].takeFromOtherQuestion).toBe(heard[0]!['call'].questionId);
    peer.say({ return: { answerId: heard[0]!['call'].questionId, resultsSentElsewhere: null } });
    peer.say({ finish: { questionId: 2 } }, { finish: { questionId: 0 } });
    await quiet();
  });

  it.each([
    ['which nobody offered', { takeFromOtherQuestion: 9 }],
    ['twice', null],
  ] as const)('may not take the results of a question %s', async (_name, body) => {
    const object = new TestObject(hold);
    const peer = new ScriptedPeer({ vat: object.capability() });
    peer.mayClose = true;
    const target = peer.connection.bootstrap();
    peer.say({ return: { answerId: 0, results: { content: 0, capTable: [{ senderHosted: 0 }] } } });
    await quiet();
    const outcomes = [call(target, 1), call(target, 2)];
    const ids = (await peer.hears()).flatMap((message) =>
      'call' in message ? [message['call'].questionId] : [],
    );
    if (body !== null) {
      peer.say({ return: { answerId: ids[0], ...body } });
    } else {
      peer.say(
        { bootstrap: { questionId: 4 } },
        {
          call: {
            questionId: 5,
            target: { importedCap: 0 },
            sendResultsTo: { yourself: null },
            params: onePassed(),
          },
        },
        { return: { answerId: ids[0], takeFromOtherQuestion: 5 } },
        { return: { answerId: ids[1], takeFromOtherQuestion: 5 } },
      );
    }
    expect((await peer.hears()).at(-1)).toMatchObject({ abort: {} });
    expect(outcomes.every(({ error }) => error?.type === 'disconnected')).toBe(true);
    for (const held of object.pending) {
      held.params.release();
      held.return_(payload(0));
    }
    drop(...outcomes, target);
  });
});

/** Params with one capability of the peer's. */
function onePassed(): object {
  return { content: content(1, 0), capTable: [{ senderHosted: 5 }] };
}
