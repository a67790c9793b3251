/**
 * A Node program that is a peer of others: it serves the `Peer` of peer.capnp over rpc/, or runs the list of checks.ts
 * against whoever serves one.
 *
 * usage: peer serve SOCKET       serves on a unix socket, and prints `ready`
 *        peer join REFS NAME     serves through a broker: plugs itself in at its switchboard, and prints `ready`
 *        peer check REFS [NAME]  runs the list against the reference `peer`, or who is at the switchboard as NAME
 *
 * REFS has lines of a name and a printed reference. No reference is ever printed.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { ROOT } from '../../examples/ledger/place.js';
import {
  type ConnectionLimits,
  connectSocket,
  listenSocket,
  RpcError,
  Session,
  StreamTransport,
  type Stub,
  serve,
} from '../../rpc/index.js';
import { AnyPointer, SchemaGraph, sturdySchema } from '../../schema/index.js';
import { CHECKS } from './checks.js';
import { type ErrorType, peerObject } from './peer-object.js';
import { ANYTHING, difference, isPattern, pattern, sample } from './sample.js';

const sturdy = sturdySchema();
const graph = SchemaGraph.load(readFileSync(join(ROOT, 'test/interop/peer.cgr')));
const [Gate, Peer, Callback, Switchboard] = [
  sturdy.interface('Gate'),
  ...(['Peer', 'Callback', 'Switchboard'] as const).map((name) => graph.interface(name)),
] as const;

const MEBIBYTE = 1024 * 1024;
const LARGE = 64 * MEBIBYTE;
/** More than any side takes. */
const TOO_LARGE = 96 * MEBIBYTE;
const PATIENCE = 20_000;
/** One segment of 4 words is announced, and one word comes. */
const HALF_A_MESSAGE = Uint8Array.of(0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0);

// biome-ignore lint/suspicious/noExplicitAny: the stubs are those of peer.capnp
type AnyStub = Stub & Record<string, any>;

const library = `rpc/ ${JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version}`;

// ---- The server --------------------------------------------------------------------------------------------------

function savedObject(name: string): object {
  return {
    name: () => ({ name }),
    save: () => ({ sturdyRef: { secret: Buffer.from(`saved:${name}`) } }),
  };
}

const object = peerObject({
  language: `Node ${process.version.slice(1).split('.')[0]}`,
  library,
  cannot: {},
  error: (type, message) => new RpcError(type, message),
  saved: savedObject,
  exit: () => process.exit(0),
});

const gate = {
  restore({ ref }: { ref: { secret: Uint8Array } | null }) {
    const secret = Buffer.from(ref?.secret ?? []).toString();
    if (secret === 'peer') return { cap: serve(Peer!, object) };
    if (secret.startsWith('saved:'))
      return { cap: serve(graph.interface('Saved'), savedObject(secret.slice('saved:'.length))) };
    throw new RpcError('failed', 'no such reference');
  },
};

async function serveAt(path: string): Promise<void> {
  const bootstrap = serve(Gate, gate);
  await listenSocket({ path }, (socket) => {
    new Session(new StreamTransport(socket), { bootstrap });
  });
  console.log('ready');
}

async function joinAt(refs: Refs, name: string): Promise<void> {
  for (let first = true; ; first = false) {
    const connected = await Connected.to(refs);
    const switchboard = connected.restore(refs.secret('switchboard')).as<AnyStub>(Switchboard!);
    await switchboard.plug({ name, peer: object });
    if (first) console.log('ready');
    await connected.session.closed;
  }
}

// ---- The client --------------------------------------------------------------------------------------------------

class Refs {
  readonly path: string;
  readonly #secrets = new Map<string, Uint8Array>();

  constructor(file: string) {
    let address = '';
    for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
      const [name = '', printed = ''] = line.split(' ');
      const [place = '', secret = ''] = printed.split('#');
      this.#secrets.set(name, Buffer.from(secret, 'base64url'));
      address = place;
    }
    this.path = decodeURIComponent(new URL(address).pathname);
  }

  has(name: string): boolean {
    return this.#secrets.has(name);
  }

  secret(name: string): Uint8Array {
    const secret = this.#secrets.get(name);
    if (secret === undefined) throw new Error(`the file of references has no ${name}`);
    return secret;
  }
}

class Connected {
  private constructor(
    readonly session: Session,
    readonly gate: AnyStub,
  ) {}

  static async to(refs: Refs, limits: Partial<ConnectionLimits> = {}): Promise<Connected> {
    const session = await connectSocket({ path: refs.path }, { limits });
    return new Connected(session, session.bootstrap<AnyStub>(Gate));
  }

  /** What the reference restores to: a promise of it. */
  restore(secret: Uint8Array): AnyStub {
    return this.gate.restore({ ref: { secret } }).cap as AnyStub;
  }
}

/** An object of this side: it remembers the numbers, and whether it was let go. */
class Own {
  readonly numbers: number[] = [];
  released = false;

  call({ number }: { number: number }) {
    this.numbers.push(number);
    return { answer: number + 1000 };
  }

  [Symbol.dispose]() {
    this.released = true;
  }
}

function equal(found: unknown, wanted: unknown, what = 'it'): void {
  const differs = difference(found, wanted, what);
  if (differs !== null) throw new Error(differs);
}

async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`${what}: not in ${PATIENCE / 1000} s`);
    await pause(10);
  }
}

/** The call ends with an error. */
async function failure(call: Promise<unknown>): Promise<RpcError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof RpcError) return error;
    throw error;
  }
  throw new Error('it returned; must fail');
}

async function fails(call: Promise<unknown>, type: ErrorType, text = ''): Promise<void> {
  const error = await failure(call);
  if (error.type !== type || !error.message.includes(text)) {
    throw new Error(`found ${error.type}: ${error.message}; must be ${type}: …${text}…`);
  }
}

const range = (length: number) => Array.from({ length }, (_, i) => i);

class Client {
  constructor(
    readonly refs: Refs,
    readonly name: string,
    readonly main: Connected,
  ) {}

  /** The peer, on this connection: a promise of it. */
  on(connected: Connected): AnyStub {
    if (this.refs.has('peer')) return connected.restore(this.refs.secret('peer')).as<AnyStub>(Peer!);
    const switchboard = connected.restore(this.refs.secret('switchboard')).as<AnyStub>(Switchboard!);
    return switchboard.find({ name: this.name }).peer as AnyStub;
  }

  async counts() {
    return (await this.on(this.main).counts({})).counts as Record<
      'hanging' | 'cancelled' | 'live' | 'waiting',
      number
    >;
  }

  /** On a new connection it can be reached, if need be after a while: who was cut off has to come back first. */
  async reachedAnew(): Promise<void> {
    const connected = await Connected.to(this.refs);
    await eventually('a new connection reaches it', async () => {
      try {
        await this.on(connected).describe({});
        return true;
      } catch {
        return false;
      }
    });
    connected.session.close();
  }

  async throws(type: ErrorType): Promise<void> {
    await fails(this.on(this.main).fail({ type, message: `Größe: ${type} 😀` }), type, `Größe: ${type} 😀`);
    await this.counts();
  }

  // biome-ignore lint/suspicious/noExplicitAny: one function a check
  readonly checks: Record<string, (peer: any) => Promise<void>> = {
    bootstrap: async () => {
      const connected = await Connected.to(this.refs);
      const { language } = await this.on(connected).describe({});
      if (language === '') throw new Error('it does not say what it is');
      connected.session.close();
    },

    'every type': async (peer) => {
      const own = range(3).map(() => new Own());
      const { value } = await peer.echo({
        value: {
          ...sample(),
          callback: own[0],
          callbacks: [own[1], own[2]],
          anything: AnyPointer.of(graph.struct('Inner'), ANYTHING),
          anyCapability: serve(Callback!, own[0]!),
        },
      });
      equal(value, sample());
      equal(value.anything.as(graph.struct('Inner')), ANYTHING);
      const returned = [value.callback, ...value.callbacks, value.anyCapability.as(Callback!)];
      for (const [i, stub] of returned.entries()) await stub.call({ number: i });
      equal(
        own.map(({ numbers }) => numbers),
        [[0, 3], [1], [2]],
      );
    },

    'nested pipelining': async (peer) => {
      let link = peer.link({}).link;
      for (let i = 0; i < 16; i++) link = link.next({}).nested.deeper.link.next({}).link;
      equal(await link.depth({}), { depth: 32 });
    },

    callback: async (peer) => {
      const own = new Own();
      equal(await peer.callBack({ callback: own, times: 5 }), { answers: [1000, 1001, 1002, 1003, 1004] });
      equal(own.numbers, range(5));
    },

    'callback kept past the call': async (peer) => {
      const own = new Own();
      await peer.keep({ callback: own });
      for (const number of [3, 1, 2]) equal(await peer.tell({ number }), { answer: number + 1000 });
      equal(own.numbers, [3, 1, 2]);
      await peer.drop({});
      await failure(peer.tell({ number: 4 }));
    },

    'calls back and forth': async (peer) => {
      const bouncer = {
        async bounce({ peer: back, left }: { peer: AnyStub; left: number }) {
          if (left === 0) return { bounces: 0 };
          return { bounces: (await back.bounce({ bouncer, left: left - 1 })).bounces + 1 };
        },
      };
      equal(await peer.bounce({ bouncer, left: 20 }), { bounces: 20 });
    },

    'order: an answer becomes an object of the caller': async (peer) => {
      const own = new Own();
      const answer = peer.reflect({ callback: own });
      const early = answer.callback;
      const calls = range(5).map((number) => early.call({ number }));
      await answer;
      for (let number = 5; number < 30; number++) {
        calls.push(early.call({ number }));
        if (number % 5 === 0) await turn();
      }
      await Promise.all(calls);
      equal(own.numbers, range(30));
    },

    'order: a promise becomes an object of the caller': async (peer) => {
      const own = new Own();
      let give = () => {};
      const given = new Promise<void>((resolve) => {
        give = resolve;
      });
      const source = { give: () => given.then(() => ({ callback: own })) };
      const { callback } = await peer.later({ source });
      const calls = range(5).map((number) => callback.call({ number }));
      // What was called arrives there before the promise resolves.
      await this.counts();
      give();
      for (let number = 5; number < 60; number++) {
        calls.push(callback.call({ number }));
        if (number % 3 === 0) await pause(1);
      }
      await Promise.all(calls);
      equal(own.numbers, range(60));
    },

    'exception: failed': () => this.throws('failed'),
    'exception: overloaded': () => this.throws('overloaded'),
    'exception: disconnected': () => this.throws('disconnected'),
    'exception: unimplemented': () => this.throws('unimplemented'),

    'exception of a callback, passed on': async (peer) => {
      const thrower = {
        fail({ type, message }: { type: ErrorType; message: string }) {
          throw new RpcError(type, message);
        },
      };
      await fails(
        peer.relay({ thrower, type: 'overloaded', message: 'too much at once' }),
        'overloaded',
        'too much at once',
      );
    },

    'method that nobody implements': async (peer) => {
      await fails(peer.as(graph.interface('Unheard')).of({}), 'unimplemented');
      await this.counts();
    },

    cancellation: async (peer) => {
      const before = await this.counts();
      const hanging = peer.hang({});
      await eventually('the call runs', async () => (await this.counts()).hanging === before.hanging + 1);
      hanging[Symbol.dispose]();
      await eventually('it was cancelled', async () => {
        const now = await this.counts();
        return now.cancelled === before.cancelled + 1 && now.hanging === before.hanging;
      });
    },

    'release of what it made': async (peer) => {
      const { live } = await this.counts();
      const { made } = await peer.make({ count: 10 });
      equal((await this.counts()).live, live + 10);
      for (const stub of made.slice(0, 6)) stub[Symbol.dispose]();
      await eventually('six are released', async () => (await this.counts()).live === live + 4);
      equal(await made[9].call({ number: 5 }), { answer: 5 });
      for (const stub of made.slice(6)) stub[Symbol.dispose]();
      await eventually('all are released', async () => (await this.counts()).live === live);
    },

    'release of what it was given': async (peer) => {
      const own = new Own();
      await peer.keep({ callback: own });
      await peer.tell({ number: 1 });
      equal(own.released, false);
      await peer.drop({});
      await eventually('it is released', () => own.released);
    },

    'one capability, many times in a message': async (peer) => {
      const { live } = await this.counts();
      const { made } = await peer.same({ count: 5 });
      for (const stub of made.slice(0, 4)) stub[Symbol.dispose]();
      equal(await made[4].call({ number: 7 }), { answer: 7 });
      equal((await this.counts()).live, live + 1);
      made[4][Symbol.dispose]();
      await eventually('it is released', async () => (await this.counts()).live === live);
    },

    'tail call': async (peer) => {
      const link = (depth: number): object => ({
        next: () => ({ link: link(depth + 1) }),
        depth: () => ({ depth }),
      });
      const forwarded = peer.forward({ link: link(41) });
      const early = forwarded.link.depth({});
      equal(await early, { depth: 42 });
      equal(await (await forwarded).link.depth({}), { depth: 42 });
    },

    '10,000 calls in flight': async (peer) => {
      const count = 10_000;
      const calls = range(count).map(() => peer.wait({}));
      await eventually('all wait', async () => (await this.counts()).waiting === count);
      equal(await peer.open({}), { opened: count });
      const places = (await Promise.all(calls)).map(({ place }) => place as number);
      equal(places, range(count));
    },

    streaming: async (peer) => {
      const { sink } = await peer.sink({});
      const data = pattern(10_000);
      for (const number of range(200)) await sink.write({ number, data });
      equal(await sink.done({}), { writes: 200, bytes: 2_000_000n, inOrder: true });
    },

    'save and restore': async (peer) => {
      const { saved } = await peer.save({ name: 'keepsake' });
      const { sturdyRef } = await saved.as(sturdy.interface('Delegable')).save({ sealFor: { anyone: null } });
      const connected = await Connected.to(this.refs);
      const again = connected.restore(sturdyRef.secret).as<AnyStub>(graph.interface('Saved'));
      equal(await again.name({}), { name: 'keepsake' });
      connected.session.close();
    },

    '64 MiB to it': async (peer) => {
      equal(await peer.take({ data: pattern(LARGE) }), { size: LARGE, intact: true });
    },

    '64 MiB from it': async (peer) => {
      const { data } = await peer.blob({ size: LARGE });
      equal(data.length, LARGE);
      equal(isPattern(data), true);
    },

    'over the limit, to it': async () => {
      const { link } = await this.on(this.main).link({});
      // This side would refuse to send it, but for this.
      const connected = await Connected.to(this.refs, { messageBytes: 2 * TOO_LARGE });
      await failure(this.on(connected).take({ data: pattern(TOO_LARGE) }));
      connected.session.close();
      await this.reachedAnew();
      equal(await link.depth({}), { depth: 0 });
    },

    'over the limit, from it': async () => {
      const connected = await Connected.to(this.refs);
      await failure(this.on(connected).blob({ size: TOO_LARGE }));
      connected.session.close();
      await this.reachedAnew();
    },

    'the client goes away in the middle of a message': async (peer) => {
      const { link } = await peer.link({});
      const socket = createConnection({ path: this.refs.path });
      await once(socket, 'connect');
      await new Promise((resolve) => socket.end(HALF_A_MESSAGE, () => resolve(undefined)));
      await this.reachedAnew();
      equal(await link.depth({}), { depth: 0 });
    },

    'the client goes away': async () => {
      const before = await this.counts();
      const connected = await Connected.to(this.refs);
      const peer = this.on(connected);
      await peer.make({ count: 2 });
      const hanging = range(3).map(() => failure(peer.hang({})));
      await eventually('the calls run', async () => {
        const now = await this.counts();
        return now.hanging === before.hanging + 3 && now.live === before.live + 2;
      });
      connected.session.close();
      await Promise.all(hanging);
      await eventually('all is let go', async () => {
        const now = await this.counts();
        return now.cancelled === before.cancelled + 3 && now.live === before.live;
      });
    },

    'the server goes away': async (peer) => {
      const { link } = await peer.link({});
      const calls = [peer.hang({}), peer.wait({}), link.next({}).link.depth({}), peer.hang({})];
      await calls[2];
      const { hanging } = await this.counts();
      equal(hanging >= 2, true);
      const outcomes = [...calls.filter((_, i) => i !== 2), peer.exit({})].map((call) =>
        fails(call, 'disconnected'),
      );
      await Promise.all(outcomes);
      await fails(link.depth({}), 'disconnected');
    },
  };
}

const OWN_OBJECTS = 'what is saved through a broker must be an object of its domain';

function withPatience(check: Promise<void>): Promise<void> {
  const late = pause(2 * PATIENCE, undefined, { ref: false }).then(() => {
    throw new Error(`it did not end in ${(2 * PATIENCE) / 1000} s`);
  });
  return Promise.race([check, late]);
}

async function check(refs: Refs, name: string): Promise<boolean> {
  // Where a check fails, calls of it may fail later that nobody waits for any more.
  process.on('unhandledRejection', () => {});
  const client = new Client(refs, name, await Connected.to(refs));
  const described = await client.on(client.main).describe({});
  console.log(`client: Node ${process.version.slice(1).split('.')[0]}, ${library}`);
  console.log(`server: ${described.language}, ${described.library}`);
  const cannot = new Map<string, string>(
    described.cannot.map(({ check, why }: { check: string; why: string }) => [check, why]),
  );
  let good = true;
  for (const name of Object.keys(CHECKS)) {
    const why = cannot.get(name);
    let failed: string | null = null;
    try {
      await withPatience(client.checks[name]!(client.on(client.main)));
    } catch (error) {
      failed = (error as Error).message;
    }
    let line: string;
    if (why !== undefined) {
      // Nothing worse has happened than what was said.
      if (failed !== null) await client.counts();
      line = failed === null ? `not ok ${name}: passed, though ${why}` : `cannot ${name}: ${why}`;
    } else if (failed === null) line = `ok ${name}`;
    else if (failed.includes('cannot be saved')) line = `cannot ${name}: ${OWN_OBJECTS}`;
    else line = `not ok ${name}: ${failed}`;
    good &&= !line.startsWith('not ok');
    console.log(line);
  }
  return good;
}

const [, , mode, place = '', name = ''] = process.argv;
if (mode === 'serve') await serveAt(place);
else if (mode === 'join') await joinAt(new Refs(place), name);
else if (mode === 'check') process.exit((await check(new Refs(place), name)) ? 0 : 1);
else {
  console.error('usage: peer serve SOCKET | join REFS NAME | check REFS [NAME]');
  process.exit(2);
}
