/** What a peer may say that is not the usual: level 3 and 4, what is not implemented, hints, vines, objects by name. */
import { describe, expect, it } from 'vitest';
import { contentBuilder } from '../../rpc/body.js';
import { BrokenCapability } from '../../rpc/capability.js';
import { RpcError } from '../../rpc/error.js';
import { MAX_CLOSED_EARLY } from '../../rpc/limits.js';
import { Payload } from '../../rpc/payload.js';
import { MessageBuilder } from '../../schema/index.js';
import { receiveLent } from '../lending.js';
import {
  call,
  drop,
  hold,
  numberOf,
  Outcome,
  Pair,
  payload,
  quiet,
  ScriptedPeer,
  TEST_INTERFACE,
  TestObject,
  TRANSPORTS,
} from './vats.js';
import { decodeMessage } from './wire.js';

const results = (answerId: number, ...capTable: object[]) => ({
  return: {
    answerId,
    releaseParamCaps: false,
    results: { content: capTable.length > 0 ? 0 : null, capTable },
  },
});

describe('a message of level 3 or 4', () => {
  const provide = { provide: { questionId: 1, target: { importedCap: 0 } } };
  const accept = { accept: { questionId: 1, embargo: true } };
  const join = { join: { questionId: 1, target: { importedCap: 0 } } };
  const thirdParty = {
    call: { questionId: 1, target: { importedCap: 0 }, sendResultsTo: { thirdParty: null } },
  };
  const disembargoAccept = { disembargo: { target: { importedCap: 0 }, context: { accept: null } } };
  const disembargoProvide = { disembargo: { target: { importedCap: 0 }, context: { provide: 1 } } };

  it.each(Object.entries({ provide, accept, join, thirdParty, disembargoAccept, disembargoProvide }))(
    'is sent back, and the connection lives (%s)',
    async (_name, message) => {
      const peer = new ScriptedPeer({ vat: new TestObject().capability() });
      peer.say({ bootstrap: { questionId: 0 } }, message);
      const heard = await peer.hears();
      expect(heard[1]).toMatchObject({ unimplemented: message });
      peer.say({ finish: { questionId: 0 } });
      expect(peer.vat.closed).toBeNull();
    },
  );

  it.each(Object.entries({ provide, accept, join, thirdParty }))(
    'may have been pipelined on before that, and may be finished (%s)',
    async (_name, message) => {
      const peer = new ScriptedPeer({ vat: new TestObject().capability() });
      peer.say(
        { bootstrap: { questionId: 0 } },
        message,
        { call: { questionId: 2, target: { promisedAnswer: { questionId: 1, transform: [] } } } },
        { finish: { questionId: 1 } },
      );
      const heard = await peer.hears();
      expect(heard[2]).toMatchObject({ return: { answerId: 2, exception: { type: 'failed' } } });
      // The id may be used again.
      peer.say(
        { finish: { questionId: 2 } },
        { bootstrap: { questionId: 1 } },
        { finish: { questionId: 1 } },
      );
      peer.say({ finish: { questionId: 0 } });
      await quiet();
      expect(peer.vat.closed).toBeNull();
    },
  );

  it('a capability of a third party is called by its vine, and released', async () => {
    const peer = new ScriptedPeer();
    const target = peer.connection.bootstrap();
    peer.say(results(0, { thirdPartyHosted: { vineId: 3 } }));
    await quiet();
    const outcome = call(target, 1);
    const asked = (await peer.hears()).at(-1)!;
    expect(asked).toMatchObject({ call: { target: { importedCap: 3 } } });
    peer.say(results(asked['call'].questionId));
    drop(outcome, target);
    expect((await peer.hears()).at(-1)).toMatchObject({ release: { id: 3, referenceCount: 1 } });
  });

  it('a message of a kind that does not exist is sent back as it came', async () => {
    const peer = new ScriptedPeer();
    const message = new MessageBuilder();
    message.root.struct(1, 1).setU16(0, 77);
    receiveLent(peer.connection, [message.segment()]);
    expect(peer.vat.trace.length).toBe(1);
    expect(peer.vat.closed).toBeNull();
    peer.vat.trace.length = 0;
  });
});

describe('what the peer sends back as not implemented', () => {
  it('a Call fails as unimplemented, and its params are let go', async () => {
    const peer = new ScriptedPeer();
    const target = peer.connection.bootstrap();
    peer.say(results(0, { senderHosted: 0 }));
    await quiet();
    const argument = new TestObject();
    const outcome = call(target, 1, [argument.capability()]);
    const pipelined = outcome.call.pipelined([0]);
    const asked = (await peer.hears()).at(-1)!;
    peer.say({ unimplemented: { call: { ...asked['call'], params: {} } } });
    expect(outcome.error).toMatchObject({ type: 'unimplemented' });
    expect(argument.held).toBe(0);
    drop(outcome, pipelined, target);
    // There is nothing to finish.
    expect((await peer.hears()).every((message) => 'release' in message)).toBe(true);
  });

  it('a Bootstrap fails as unimplemented', async () => {
    const peer = new ScriptedPeer();
    const target = peer.connection.bootstrap();
    const outcome = call(target, 1);
    peer.say({ unimplemented: { bootstrap: { questionId: 0 } } });
    const asked = (await peer.hears()).at(-1)!;
    peer.say({ return: { answerId: asked['call'].questionId, exception: { reason: 'no such question' } } });
    drop(outcome, target);
    await quiet();
    expect(peer.connection.isIdle).toBe(true);
  });

  it('a Resolve: what the promise became is released', async () => {
    const became = new TestObject();
    const { QueuedCapability } = await import('../../rpc/promised.js');
    const promise = new QueuedCapability();
    const peer = new ScriptedPeer({ vat: promise.retain() });
    peer.say({ bootstrap: { questionId: 0 } });
    promise.resolve(became.capability());
    drop(promise);
    const heard = await peer.hears();
    expect(heard[1]).toMatchObject({ resolve: { promiseId: 0, cap: { senderHosted: 1 } } });
    peer.say({ unimplemented: heard[1]! });
    peer.say({ finish: { questionId: 0, releaseResultCaps: true } });
    await quiet();
    expect(peer.connection.tables.exports).toBe(0);
  });

  it('a Release is nothing to us', async () => {
    const peer = new ScriptedPeer();
    peer.say({ unimplemented: { release: { id: 0, referenceCount: 1 } } });
    expect(peer.vat.closed).toBeNull();
  });

  it.each(['return', 'finish', 'disembargo'])(
    'a %s cannot be done without: the connection ends',
    async (kind) => {
      const peer = new ScriptedPeer();
      peer.mayClose = true;
      peer.say({ unimplemented: { [kind]: {} } });
      expect(await peer.hears()).toMatchObject(
        [{ abort: { reason: /does not implement/ } }].map(() => ({ abort: {} })),
      );
    },
  );
});

describe('noPromisePipelining', () => {
  it.each(TRANSPORTS)(
    'spares the Finish, where the results have no capabilities (over $name)',
    async (transport) => {
      const object = new TestObject();
      const pair = await transport.pair({ right: object.capability() });
      const target = pair.left.bootstrap();
      await quiet();
      for (let i = 0; i < 3; i++) {
        const outcome = new Outcome();
        outcome.call = target.call(
          {
            interfaceId: TEST_INTERFACE,
            methodId: 0,
            params: payload(i),
            hints: { noPromisePipelining: true },
          },
          outcome,
        );
        await quiet();
        expect(outcome.value).toBe(i);
        expect(pair.right.tables.answers).toBe(0);
        drop(outcome);
      }
      const finishes = pair.ends.left.trace.filter(
        ({ direction, segments }) => direction === 'sent' && 'finish' in decodeMessage(segments),
      );
      // The bootstrap's alone.
      expect(finishes.length).toBe(1);
      drop(target);
    },
  );

  it('leaves results with capabilities until they are finished', async () => {
    const object = new TestObject((incoming) => {
      incoming.params.release();
      incoming.return_(payload(1, [new TestObject().capability()]));
    });
    const peer = new ScriptedPeer({ vat: object.capability() });
    peer.say(
      { bootstrap: { questionId: 0 } },
      { call: { questionId: 1, target: { importedCap: 0 }, noPromisePipelining: true } },
    );
    expect(await peer.hears()).toMatchObject([{}, { return: { answerId: 1, noFinishNeeded: false } }]);
    expect(peer.connection.tables.answers).toBe(2);
    peer.say({ finish: { questionId: 1 } }, { finish: { questionId: 0 } });
    expect(peer.connection.tables.answers).toBe(0);
  });

  it('is the promise of the caller, who is not let pipeline on it', async () => {
    const pair = new Pair({ right: new TestObject().capability() });
    const target = pair.left.bootstrap();
    const outcome = new Outcome();
    outcome.call = target.call(
      { interfaceId: TEST_INTERFACE, methodId: 0, params: payload(1), hints: { noPromisePipelining: true } },
      outcome,
    );
    const pipelined = call(outcome.call.pipelined([0]), 1);
    expect(pipelined.error).toMatchObject({ code: 'ERR_RPC_NO_PIPELINING' });
    await quiet();
    drop(outcome, target);
  });

  it('a peer may finish all the same, and pipelining on it fails', async () => {
    const peer = new ScriptedPeer({ vat: new TestObject().capability() });
    peer.say(
      { bootstrap: { questionId: 0 } },
      { call: { questionId: 1, target: { importedCap: 0 }, noPromisePipelining: true } },
      { call: { questionId: 2, target: { promisedAnswer: { questionId: 1, transform: [] } } } },
      { finish: { questionId: 1 } },
      { finish: { questionId: 2 } },
      { finish: { questionId: 0 } },
    );
    const heard = await peer.hears();
    expect(heard).toMatchObject([
      {},
      { return: { answerId: 1, noFinishNeeded: true } },
      { return: { answerId: 2, exception: { type: 'failed' } } },
    ]);
    expect(peer.vat.closed).toBeNull();
  });
});

describe('of answers that need no Finish', () => {
  it('so many ids are remembered, and all that may be said of others is borne from then on', async () => {
    const peer = new ScriptedPeer({ vat: new TestObject().capability() });
    peer.say({ bootstrap: { questionId: 0 } });
    const calls = (from: number, count: number) => {
      for (let questionId = from; questionId < from + count; questionId++)
        peer.say({ call: { questionId, target: { importedCap: 0 }, noPromisePipelining: true } });
    };
    calls(1, MAX_CLOSED_EARLY + 1);
    await peer.hears();
    peer.say(
      { finish: { questionId: 1 } },
      { call: { questionId: 5000, target: { promisedAnswer: { questionId: 2, transform: [] } } } },
      { finish: { questionId: 5000 } },
      { finish: { questionId: 0 } },
    );
    expect(await peer.hears()).toMatchObject([{ return: { answerId: 5000, exception: { type: 'failed' } } }]);
    expect(peer.vat.closed).toBeNull();
    expect(peer.connection.tables.answers).toBe(0);
  });
});

describe('onlyPromisePipeline', () => {
  const hints = { onlyPromisePipeline: true };
  it('gives no Return, and what is pipelined goes through', async () => {
    const inner = new TestObject();
    const object = new TestObject((incoming) => {
      incoming.params.release();
      incoming.return_(payload(1, [inner.capability()]));
    });
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    await quiet();
    for (let i = 0; i < 3; i++) {
      const outcome = new Outcome();
      outcome.call = target.call(
        { interfaceId: TEST_INTERFACE, methodId: 0, params: payload(i), hints },
        outcome,
      );
      const pipelined = outcome.call.pipelined([0]);
      drop(outcome);
      const through = call(pipelined, i);
      await quiet();
      expect(through.value).toBe(i);
      expect(outcome.done).toBe(false);
      drop(through, pipelined);
      await quiet();
    }
    const returns = pair.ends.right.trace
      .filter(({ direction }) => direction === 'sent')
      .map(({ segments }) => decodeMessage(segments))
      .flatMap((message) => ('return' in message ? [message['return'].answerId] : []));
    expect(returns.every((id) => id < 0x8000_0000)).toBe(true);
    expect(inner.received).toEqual([0, 1, 2]);
    drop(target);
  });

  it('is not used any more with a peer that returns all the same, before or after the Finish', async () => {
    for (const after of [false, true]) {
      const peer = new ScriptedPeer();
      const target = peer.connection.bootstrap();
      peer.say(results(0, { senderHosted: 0 }));
      await quiet();
      const outcome = new Outcome();
      outcome.call = target.call(
        { interfaceId: TEST_INTERFACE, methodId: 0, params: payload(0), hints },
        outcome,
      );
      if (after) drop(outcome);
      const asked = (await peer.hears()).find((message) => 'call' in message)!['call'];
      expect(asked).toMatchObject({ onlyPromisePipeline: true, questionId: 0x8000_0000 });
      peer.say(results(asked.questionId));
      if (!after) drop(outcome);
      const again = new Outcome();
      again.call = target.call(
        { interfaceId: TEST_INTERFACE, methodId: 0, params: payload(0), hints },
        again,
      );
      const second = (await peer.hears()).find((message) => 'call' in message)!['call'];
      expect(second.onlyPromisePipeline).toBe(false);
      peer.say(results(second.questionId));
      drop(again, target);
      await quiet();
    }
  });

  it('is not used where the params have capabilities', async () => {
    const object = new TestObject(hold);
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const outcome = new Outcome();
    const params = payload(0, [new TestObject().capability()]);
    outcome.call = target.call({ interfaceId: TEST_INTERFACE, methodId: 0, params, hints }, outcome);
    await quiet();
    for (const held of object.pending) {
      held.params.release();
      held.return_(payload(4));
    }
    await quiet();
    expect(outcome.value).toBe(4);
    drop(outcome, target);
  });
});

describe('a Bootstrap that names an object', () => {
  const named = (name: string) => {
    const message = new MessageBuilder();
    message.root.setText(name);
    return message.asReader().root;
  };

  it('restores it, where the vat does so, and fails where it does not', async () => {
    const objects = new Map([['ledger', new TestObject()]]);
    const asked: string[] = [];
    const pair = new Pair({
      right: new TestObject().capability(),
      restore: (objectId) => {
        asked.push(objectId.text());
        return (
          objects.get(objectId.text())?.capability() ??
          new BrokenCapability(new RpcError('failed', 'no such object'))
        );
      },
    });
    const ledger = pair.left.bootstrap(named('ledger'));
    const other = pair.left.bootstrap(named('other'));
    const outcomes = [call(ledger, 5), call(other, 6)];
    await quiet();
    expect(objects.get('ledger')!.received).toEqual([5]);
    expect(outcomes[1]!.error).toMatchObject({ message: 'no such object' });
    expect(asked).toEqual(['ledger', 'other']);
    drop(...outcomes, ledger, other);
    await quiet();

    const without = new Pair({ right: new TestObject().capability() });
    const refused = without.left.bootstrap(named('ledger'));
    const outcome = call(refused, 1);
    await quiet();
    expect(outcome.error).toMatchObject({ type: 'unimplemented' });
    drop(outcome, refused);
  });
});

describe('a vat that is idle, or shutting down', () => {
  it('is told when nothing is held and nothing is under way, each time', async () => {
    let idle = 0;
    const pair = new Pair({ right: new TestObject().capability(), idle: () => idle++ });
    for (let i = 1; i <= 3; i++) {
      const target = pair.left.bootstrap();
      await quiet();
      expect(pair.left.isIdle).toBe(false);
      const outcome = call(target, i);
      await quiet();
      drop(outcome, target);
      await quiet();
      expect(pair.left.isIdle && pair.right.isIdle).toBe(true);
      // Both ends have this listener.
      expect(idle).toBe(2 * i);
    }
  });

  it('lets what runs end, and takes no new calls', async () => {
    const object = new TestObject(hold);
    const pair = new Pair({ right: object.capability() });
    const target = pair.left.bootstrap();
    const running = call(target, 1);
    await quiet();
    let drained = false;
    pair.right.drain(() => {
      drained = true;
    });
    const refused = call(target, 2);
    await quiet();
    expect(refused.error).toMatchObject({ type: 'disconnected' });
    expect(drained).toBe(false);
    object.pending[0]!.params.release();
    object.pending[0]!.return_(payload(3));
    await quiet();
    expect(running.value).toBe(3);
    expect(drained).toBe(true);
    drop(running, refused, target);
  });
});

describe('an inbound limit', () => {
  it('on bytes in flight answers overloaded, and lifts when calls return', async () => {
    const object = new TestObject(hold);
    const pair = new Pair({ right: object.capability(), limits: { bytesInFlight: 1000 } });
    const target = pair.left.bootstrap();
    await quiet();
    const big = () => {
      const message = contentBuilder();
      message.root.struct(100, 0).setU32(0, 9);
      const outcome = new Outcome();
      outcome.call = target.call(
        { interfaceId: TEST_INTERFACE, methodId: 0, params: Payload.built(message) },
        outcome,
      );
      return outcome;
    };
    const outcomes = [big(), big()];
    await quiet();
    expect(outcomes.map(({ error }) => error?.message)).toEqual([
      undefined,
      'more than 1000 bytes of calls are in flight (limit bytesInFlight)',
    ]);
    const held = object.pending.pop()!;
    expect(numberOf(held.params)).toBe(9);
    held.params.release();
    held.return_(payload(1));
    await quiet();
    outcomes.push(big());
    await quiet();
    expect(object.pending.length).toBe(1);
    const last = object.pending.pop()!;
    last.params.release();
    last.return_(payload(1));
    drop(...outcomes, target);
  });
});
