/** The RPC layer against the C++ implementation, by way of pycapnp, without a broker between them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type CallContext,
  connectSocket,
  flush,
  type Session,
  type SessionOptions,
  serve,
} from '../../rpc/index.js';
import { wireGraph } from '../conformance/wire.js';
import { type Peer, pythonPeer } from './peers.js';

const REQUIRED = process.env['CI'] === 'true';
const ROOT = new URL('../../', import.meta.url).pathname;

let peer: Peer;
const folder = mkdtempSync(join(tmpdir(), 'sturdy-wire-'));
const servers: ChildProcess[] = [];

beforeAll(async () => {
  peer = await pythonPeer(join(ROOT, 'test/interop/wire-server.py'));
});

afterAll(() => {
  for (const server of servers) server.kill();
  rmSync(folder, { recursive: true });
});

/** A session with a server of its own. */
async function connected(which: 'sink' | 'caller', options: SessionOptions = {}): Promise<Session> {
  if ('missing' in peer) throw new Error(peer.missing);
  const path = join(folder, `${which}${servers.length}`);
  const [program = '', ...args] = peer.command;
  const schema = join(ROOT, 'test/conformance/wire.capnp');
  const server = spawn(program, [...args, path, schema, join(ROOT, 'schema'), which], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  servers.push(server);
  await new Promise<void>((resolve, reject) => {
    server.stdout!.once('data', () => resolve());
    server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return connectSocket({ path }, options);
}

/** Nothing is held any more, on this side and so on the other. */
async function isEmpty(session: Session): Promise<void> {
  await expect
    .poll(() => session.connection.tables)
    .toEqual({ questions: 0, answers: 0, exports: 0, imports: 0, embargoes: 0 });
  expect(session.connection.closedBy).toBeNull();
  session.close();
}

const type = wireGraph.interface('Caller');

class Caller {
  // biome-ignore lint/suspicious/noExplicitAny: a dynamic stub
  async countdown({ from, back }: any): Promise<{ steps: number }> {
    if (from === 0) return { steps: 0 };
    const { steps } = await back.countdown({ from: from - 1, back: this });
    return { steps: steps + 1 };
  }
  echo({ number }: { number: number }) {
    return { number };
  }
  child(_params: object, context: CallContext) {
    return { caller: context.use(serve(type, new Caller())) };
  }
}

const CHECKS: Record<string, () => Promise<void>> = {
  'a stream of a megabyte, with backpressure': async () => {
    const session = await connected('sink');
    // biome-ignore lint/suspicious/noExplicitAny: a dynamic stub
    const sink = session.bootstrap<any>(wireGraph.interface('Sink'));
    for (let i = 0; i < 200; i++) await sink.write({ bytes: new Uint8Array(5000) });
    await flush(sink);
    expect(await sink.end()).toEqual({ bytes: 1_000_000n });
    sink[Symbol.dispose]();
    await isEmpty(session);
  },
  'callbacks to the depth of fifty': async () => {
    const session = await connected('caller');
    // biome-ignore lint/suspicious/noExplicitAny: a dynamic stub
    const caller = session.bootstrap<any>(type);
    expect(await caller.countdown({ from: 50, back: new Caller() })).toEqual({ steps: 50 });
    caller[Symbol.dispose]();
    await isEmpty(session);
  },
  'pipelining that wants nothing else, which it knows or does not': async () => {
    const session = await connected('caller');
    // biome-ignore lint/suspicious/noExplicitAny: a dynamic stub
    const caller = session.bootstrap<any>(type);
    for (let i = 0; i < 5; i++) {
      const pending = caller.child({}, { pipelineOnly: true });
      const child = pending.caller;
      const onward = child.child();
      const grandchild = onward.caller;
      expect(await grandchild.echo({ number: i })).toEqual({ number: i });
      for (const each of [grandchild, onward, child, pending]) each[Symbol.dispose]();
    }
    caller[Symbol.dispose]();
    await isEmpty(session);
  },
  'a tail call to it, and its results by way of ours': async () => {
    const session = await connected('caller', { peerTakesTailCalls: true });
    // biome-ignore lint/suspicious/noExplicitAny: a dynamic stub
    const caller = session.bootstrap<any>(type);
    const pending = caller.child();
    const theirs = pending.caller;
    const ours = {
      echo: ({ number }: { number: number }, context: CallContext) =>
        theirs.echo({ number: number + 5 }, { tailOf: context }),
    };
    for (let i = 0; i < 5; i++)
      expect(await caller.forward({ to: ours, number: i })).toEqual({ number: i + 5 });
    for (const each of [theirs, pending, caller]) each[Symbol.dispose]();
    await isEmpty(session);
  },
  'calls that come back to an object of ours, in their order': async () => {
    const session = await connected('caller');
    // biome-ignore lint/suspicious/noExplicitAny: a dynamic stub
    const caller = session.bootstrap<any>(type);
    const numbers: number[] = [];
    const ours = { echo: ({ number }: { number: number }) => ({ number: numbers.push(number) }) };
    await Promise.all(Array.from({ length: 20 }, (_, i) => caller.forward({ to: ours, number: i })));
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, i) => i));
    caller[Symbol.dispose]();
    await isEmpty(session);
  },
  'a deadline, which cancels': async () => {
    const session = await connected('caller');
    // biome-ignore lint/suspicious/noExplicitAny: a dynamic stub
    const caller = session.bootstrap<any>(type);
    await expect(caller.wait({}, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      type: 'overloaded',
      code: 'ERR_RPC_DEADLINE',
    });
    caller[Symbol.dispose]();
    await isEmpty(session);
  },
};

describe('with the C++ implementation (pycapnp)', () => {
  test.for(Object.keys(CHECKS))('%s', async (name, { skip }) => {
    if ('missing' in peer) {
      if (REQUIRED) throw new Error(peer.missing);
      skip(peer.missing);
    }
    await CHECKS[name]!();
  });
});
