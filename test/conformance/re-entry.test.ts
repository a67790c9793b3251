/** Calls back into a caller that is itself in a call: no depth of them is a deadlock. */
import { describe, expect, it } from 'vitest';
import { type CallContext, type Pending, RpcError, Session, type Stub, serve } from '../../rpc/index.js';
import { memoryPair } from '../../rpc/transport/memory.js';
import { call, drop, numberOf, type Outcome, payload, quiet, TestObject, TRANSPORTS } from './vats.js';
import { wireGraph } from './wire.js';

const DEPTH = 100;

/** Calls the capability that it is passed with one less, passing itself, and answers when that has answered. */
function pingPong(): TestObject {
  const object: TestObject = new TestObject((incoming) => {
    const number = numberOf(incoming.params);
    const other = incoming.params.capabilities[0]!.retain();
    incoming.params.release();
    if (number === 0) {
      other.release();
      return incoming.return_(payload(0));
    }
    const inner = call(other, number - 1, [object.capability()]);
    other.release();
    inner.whenDone(() => {
      const { value, error } = inner;
      if (value === null) incoming.fail(error!);
      else incoming.return_(payload(value + 1));
      inner.call.finish();
    });
  });
  return object;
}

describe.each(TRANSPORTS)('over $name', (transport) => {
  it(`a callback into the caller, to the depth of ${DEPTH}`, async () => {
    const right = pingPong();
    const left = pingPong();
    const pair = await transport.pair({ right: right.capability() });
    const target = pair.left.bootstrap();
    const outcome = call(target, DEPTH, [left.capability()]);
    await quiet();
    expect(outcome.value).toBe(DEPTH);
    expect(left.received.length + right.received.length).toBe(DEPTH + 1);
    drop(outcome, target);
  });

  it('a hundred of them at once', async () => {
    const right = pingPong();
    const pair = await transport.pair({ right: right.capability() });
    const target = pair.left.bootstrap();
    const outcomes: Outcome[] = Array.from({ length: 100 }, () =>
      call(target, 10, [pingPong().capability()]),
    );
    await quiet();
    expect(outcomes.map(({ value }) => value)).toEqual(Array(100).fill(10));
    drop(...outcomes, target);
  });
});

interface Caller extends Stub {
  echo(params: { number: number }, options?: { tailOf?: CallContext }): Pending<{ number: number }>;
  countdown(params: { from: number; back: Caller | object }): Pending<{ steps: number }>;
  wait(params?: object, options?: { signal?: AbortSignal }): Pending<object>;
  child(params?: object, options?: { pipelineOnly?: boolean }): Pending<{ caller: Caller }>;
  forward(params: { to: Caller | object; number: number }): Pending<{ number: number }>;
}

/** The same in JavaScript, and what else a program does with a call. */
describe('a JavaScript object', () => {
  const type = wireGraph.interface('Caller');

  class Counting {
    readonly signals: CallContext['signal'][] = [];
    async countdown({ from, back }: { from: number; back: Caller }): Promise<{ steps: number }> {
      if (from === 0) return { steps: 0 };
      const { steps } = await back.countdown({ from: from - 1, back: this });
      return { steps: steps + 1 };
    }
    echo({ number }: { number: number }) {
      return { number };
    }
    wait(_params: object, { signal }: CallContext): Promise<object> {
      this.signals.push(signal);
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve({})));
    }
    child(_params: object, context: CallContext) {
      return { caller: context.use(serve<Caller>(type, new Counting())) };
    }
    forward({ to, number }: { to: Caller; number: number }, context: CallContext) {
      return to.echo({ number: number + 1 }, { tailOf: context });
    }
  }

  function sessions() {
    const links = memoryPair();
    const object = new Counting();
    const server = new Session(links.left, { bootstrap: serve(type, object) });
    const client = new Session(links.right);
    return { object, server, client, caller: client.bootstrap<Caller>(type) };
  }

  async function leavesNothing({ client, server, caller }: ReturnType<typeof sessions>): Promise<void> {
    caller[Symbol.dispose]();
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(client.connection.isIdle && server.connection.isIdle).toBe(true);
    client.close();
    await server.closed;
  }

  it('is called back to any depth', async () => {
    const both = sessions();
    expect(await both.caller.countdown({ from: DEPTH, back: new Counting() })).toEqual({ steps: DEPTH });
    await leavesNothing(both);
  });

  it('hears of a cancellation by its signal, of every kind', async () => {
    const both = sessions();
    const { object, caller } = both;
    const controller = new AbortController();
    const disposed = caller.wait();
    const aborted = caller.wait({}, { signal: controller.signal });
    const late = caller.wait({}, { signal: AbortSignal.timeout(20) });
    const outcomes = Promise.allSettled([disposed, aborted, late]);
    await quiet();
    disposed[Symbol.dispose]();
    controller.abort();
    const reasons = (await outcomes).map((outcome) => ('reason' in outcome ? outcome.reason : null));
    expect(reasons).toMatchObject([
      { type: 'failed', code: 'ERR_RPC_CANCELED' },
      { type: 'failed', code: 'ERR_RPC_CANCELED' },
      { type: 'overloaded', code: 'ERR_RPC_DEADLINE' },
    ]);
    await quiet();
    expect(object.signals.map(({ aborted: is }) => is)).toEqual([true, true, true]);
    await leavesNothing(both);
  });

  it('is done with a call that nobody waits for when that returns, where it gives no capabilities', async () => {
    const both = sessions();
    const pending = both.caller.echo({ number: 6 });
    await quiet();
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(both.client.connection.tables.questions).toBe(0);
    expect(await pending).toEqual({ number: 6 });
    await leavesNothing(both);
  });

  it('leaves no listener on a signal that outlives the call', async () => {
    const both = sessions();
    const listeners = new Set<unknown>();
    const signal = {
      aborted: false,
      reason: undefined,
      throwIfAborted() {},
      addEventListener: (_type: 'abort', listener: () => void) => void listeners.add(listener),
      removeEventListener: (_type: 'abort', listener: () => void) => void listeners.delete(listener),
    };
    const pending = both.caller.echo({ number: 1 }, { signal } as never);
    expect(listeners.size).toBe(1);
    await pending;
    expect(listeners.size).toBe(0);
    await leavesNothing(both);
  });

  it('hands a call on, and what it returns after that does not count', async () => {
    const both = sessions();
    expect(await both.caller.forward({ to: new Counting(), number: 4 })).toEqual({ number: 5 });
    const failing = { echo: () => Promise.reject(new RpcError('overloaded', 'not now')) };
    await expect(both.caller.forward({ to: failing, number: 4 })).rejects.toMatchObject({
      type: 'overloaded',
      message: 'not now',
    });
    await leavesNothing(both);
  });

  it('is pipelined on without a Return where that is all that is wanted', async () => {
    const both = sessions();
    const pending = both.caller.child({}, { pipelineOnly: true });
    const child = pending.caller;
    expect(await child.echo({ number: 8 })).toEqual({ number: 8 });
    await expect(pending).rejects.toMatchObject({ code: 'ERR_RPC_PIPELINE_ONLY' });
    pending[Symbol.dispose]();
    child[Symbol.dispose]();
    await leavesNothing(both);
  });

  it('is shut down when what runs has ended, or after the grace', async () => {
    const first = sessions();
    const running = first.caller.wait();
    const outcome = running.catch((error: RpcError) => error);
    await quiet();
    let closed = false;
    const closing = first.server.shutdown().then(() => {
      closed = true;
    });
    await expect(first.caller.echo({ number: 1 })).rejects.toMatchObject({ type: 'disconnected' });
    expect(closed).toBe(false);
    running[Symbol.dispose]();
    await closing;
    await outcome;

    const second = sessions();
    const never = second.caller.wait();
    const failed = expect(never).rejects.toMatchObject({ type: 'disconnected' });
    await quiet();
    await second.server.shutdown({ graceMillis: 10 });
    await failed;
  });
});
