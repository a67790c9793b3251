import { describe, expect, it } from 'vitest';
import {
  type CallContext,
  flush,
  memoryPair,
  type Pending,
  Session,
  type Stub,
  serve,
} from '../../rpc/index.js';
import { wireGraph } from '../conformance/wire.js';

interface Sink extends Stub {
  write(
    params: { bytes: Uint8Array },
    options?: { window?: number; signal?: AbortSignal },
  ): Promise<void> & Disposable;
  end(params?: object): Pending<{ bytes: bigint }>;
}

/** A sink that carries a write out when the test says so. */
class SlowSink {
  readonly written: number[] = [];
  readonly running: { finish(): void; fail(error: Error): void; context: CallContext }[] = [];
  most = 0;

  async write({ bytes }: { bytes: Uint8Array }, context: CallContext): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const running = { finish: resolve, fail: reject, context };
      this.running.push(running);
      this.most = Math.max(this.most, this.running.length);
    }).finally(() => this.running.shift());
    this.written.push(bytes.length);
  }

  end(): { bytes: bigint } {
    return { bytes: BigInt(this.written.reduce((sum, each) => sum + each, 0)) };
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

function connected() {
  const object = new SlowSink();
  const links = memoryPair();
  const sink = serve(wireGraph.interface('Sink'), object);
  const server = new Session(links.left, { bootstrap: sink });
  const client = new Session(links.right);
  const stub = client.bootstrap<Sink>(wireGraph.interface('Sink'));
  const settled: number[] = [];
  /** Writes `count` pieces of 1000 bytes, and notes which have settled. */
  const write = (count: number, options?: { window?: number; signal?: AbortSignal }) =>
    Array.from({ length: count }, (_, i) => {
      const call = stub.write({ bytes: new Uint8Array(1000) }, options);
      void call.then(
        () => settled.push(i),
        () => {},
      );
      return call;
    });
  return {
    object,
    stub,
    write,
    settled,
    client,
    /** Nothing is left of the calls. */
    async leavesNothing() {
      await turns();
      stub[Symbol.dispose]();
      sink[Symbol.dispose]();
      await turns();
      const empty = { questions: 0, answers: 0, exports: 0, imports: 0, embargoes: 0 };
      expect(client.connection.tables).toEqual(empty);
      expect(server.connection.tables).toEqual(empty);
      client.close();
    },
  };
}

describe('a streaming method', () => {
  it('settles while there is room in the window, and then as calls return', async () => {
    const { object, write, settled, stub, leavesNothing } = connected();
    write(6, { window: 3000 });
    await turns();
    // The third is the one that fills it.
    expect(settled).toEqual([0, 1]);
    object.running[0]!.finish();
    await turns();
    expect(object.written.length).toBe(1);
    while (object.running.length > 0) {
      object.running[0]!.finish();
      await turns();
    }
    expect(settled.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
    await flush(stub);
    expect(await stub.end()).toEqual({ bytes: 6000n });
    await leavesNothing();
  });

  it('is carried out one call at a time, in order, and other methods wait for it', async () => {
    const { object, write, stub, leavesNothing } = connected();
    write(4);
    const end = stub.end();
    let ended = false;
    void end.then(() => {
      ended = true;
    });
    for (let i = 0; i < 4; i++) {
      await turns();
      expect(object.running.length).toBe(1);
      expect(ended).toBe(false);
      object.running[0]!.finish();
    }
    expect(await end).toEqual({ bytes: 4000n });
    expect(object.most).toBe(1);
    await leavesNothing();
  });

  it('that fails fails every later call with its error, on both sides, and flush too', async () => {
    const { object, write, stub, leavesNothing } = connected();
    const calls = write(3);
    await turns();
    object.running[0]!.fail(new Error('the disk is full'));
    await turns();
    // What was under way is not carried out, and had settled: the error is in everything that comes after.
    expect(object.running.length).toBe(0);
    expect(object.written).toEqual([]);
    await Promise.all(calls);
    await expect(flush(stub)).rejects.toThrow('the disk is full');
    await expect(stub.write({ bytes: new Uint8Array(1) })).rejects.toThrow('the disk is full');
    await expect(stub.end()).rejects.toThrow('the disk is full');
    await leavesNothing();
  });

  it('waits in flush for everything that is under way', async () => {
    const { object, write, stub, leavesNothing } = connected();
    write(2);
    let flushed = false;
    const flushing = flush(stub).then(() => {
      flushed = true;
    });
    await turns();
    object.running[0]!.finish();
    await turns();
    expect(flushed).toBe(false);
    object.running[0]!.finish();
    await flushing;
    await leavesNothing();
  });

  it('that is cancelled while it waits for room reaches the method, and breaks the stream', async () => {
    const { object, write, stub, leavesNothing } = connected();
    const [first, second] = write(2, { window: 500 });
    await turns();
    const signal = object.running[0]!.context.signal;
    void second!.catch(() => {});
    first![Symbol.dispose]();
    await expect(first).rejects.toMatchObject({ code: 'ERR_RPC_CANCELED' });
    await expect(second).rejects.toMatchObject({ code: 'ERR_RPC_CANCELED' });
    await turns();
    expect(signal.aborted).toBe(true);
    await expect(flush(stub)).rejects.toMatchObject({ code: 'ERR_RPC_CANCELED' });
    while (object.running.length > 0) {
      object.running[0]!.finish();
      await turns();
    }
    await leavesNothing();
  });

  it('breaks with its connection', async () => {
    const { write, stub, client } = connected();
    const [call] = write(1, { window: 1 });
    await turns();
    client.close();
    await expect(call).rejects.toMatchObject({ type: 'disconnected' });
    await expect(flush(stub)).rejects.toMatchObject({ type: 'disconnected' });
    stub[Symbol.dispose]();
  });
});
