/**
 * A call that is relayed (see rpc/relay.ts) is to differ from any other in nothing but the time that it takes. So the same things happen
 * to two brokers, one of which relays nothing, and all that they send, hold and report is compared after each of them. Both ends are
 * peers that say what they like.
 *
 * RELAYED_SEED and RELAYED_ROUNDS choose other scripts and more of them.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LiveGrant } from '../../broker/live-grant.js';
import { Membrane, MembranedCapability, type MembraneServices } from '../../broker/membrane.js';
import { ClientPace, DomainPace, Lane } from '../../broker/pace.js';
import { EVERYTHING } from '../../broker/policy/conjunction.js';
import { writtenConstraint } from '../../broker/policy/constraint.js';
import { isMetered, Meters } from '../../broker/policy/meter.js';
import type { GrantRow, StoredPolicy } from '../../broker/store/store.js';
import { type Account, Budgets } from '../../rpc/budget.js';
import { type Capability, settled } from '../../rpc/capability.js';
import { Connection, type ConnectionOptions } from '../../rpc/connection.js';
import { type Borrower, LentFrame } from '../../rpc/loan.js';
import { Relay } from '../../rpc/relay.js';
import { Memory } from '../../schema/index.js';
import { content, decodeMessage, encodeMessage, type WireMessage, wireGraph } from '../conformance/wire.js';
import { receiveLent } from '../lending.js';
import { SettableClock } from '../model/settable-clock.js';
import { type Choose, chooser } from '../mulberry32.js';
import { grantRow } from './grant-row.js';

const SEED = Number(process.env['RELAYED_SEED'] ?? 20_041_201);
const ROUNDS = Number(process.env['RELAYED_ROUNDS'] ?? 400);
const STEPS = 60;

const CALLER = wireGraph.interface('Caller');
const [ECHO, WAIT, CHILD] = ['echo', 'wait', 'child'].map((name) => CALLER.method(name)!.id) as [
  number,
  number,
  number,
];

/** The question of the client's by which it has its capability, the export that this is, and what the domain calls the object. */
const BOOTSTRAP = 9_999;
const OBJECT = 7;

type Side = 'client' | 'domain';

interface World {
  readonly policy: Partial<StoredPolicy>;
  readonly limits: Partial<Record<Side, ConnectionOptions['limits']>>;
  readonly hasLane: boolean;
  /** Whether the client is the domain itself. */
  readonly alone: boolean;
  /** Whether messages come in frames, and go on as such. */
  readonly framed: boolean;
  /** How many bytes that say nothing are behind each message of the peers'. */
  readonly padding: number;
}

const PLAIN: World = { policy: {}, limits: {}, hasLane: false, alone: false, framed: false, padding: 0 };

/** What one connection has sent: each message as it was, in its order. */
class Said implements Borrower {
  readonly messages: (readonly Uint8Array[])[] = [];
  #borrowed: { readonly frame: LentFrame; readonly at: number; readonly asSent: Uint8Array }[] = [];

  send(segments: readonly Uint8Array[]): void {
    this.copyBorrowed();
    this.messages.push(segments.map((each) => Uint8Array.from(each)));
  }

  sendFrame(frame: LentFrame): void {
    frame.borrow(this);
    this.#borrowed.push({
      frame,
      at: frame.at,
      asSent: Uint8Array.from(frame.memory.part(frame.at, frame.bytes)),
    });
  }

  copyBorrowed(): void {
    for (const { frame, at, asSent } of this.#borrowed.splice(0)) {
      const now = Uint8Array.from(frame.memory.part(at, asSent.length));
      expect(now).toEqual(asSent);
      this.messages.push([now]);
    }
  }

  /** What was said from message `from` on. */
  since(from: number): WireMessage[] {
    return this.messages.slice(from).map(decodeMessage);
  }
}

/** The membranes whose calls are relayed. */
const relaying = new WeakSet<Membrane>();

/** A broker between a client and a domain, as far as calls are concerned. */
class Middle {
  readonly said: Readonly<Record<Side, Said>>;
  readonly reports: string[] = [];
  readonly clock = new SettableClock(0);
  readonly grant: LiveGrant;
  readonly connections: Record<Side, Connection>;
  readonly #meters: Meters;
  readonly #pace = new ClientPace();
  readonly #inLane: Account = new Budgets({ calls: { share: 4, pool: 0 } }).accounts().calls;

  constructor(relays: boolean, { policy, limits, hasLane, alone, framed }: World) {
    const domainSaid = new Said();
    this.said = { client: alone ? domainSaid : new Said(), domain: domainSaid };
    const store = {
      reserve: () => Promise.reject(new Error('nothing is reserved')),
      reserved: () => ({ calls: 0, bytes: 0 }),
    };
    this.#meters = new Meters({ store, now: () => this.clock.now() });
    const row = grantRow('grant', { policy });
    this.grant = new LiveGrant(row, null, wireGraph, this.#meter(row), this.clock);
    const services: MembraneServices = {
      answers: () => false,
      conceals: () => false,
      serviceFor: () => {
        throw new Error('not asked for');
      },
      refused: (_membrane, { code }) => void this.reports.push(`refused: ${code}`),
      crossing: () => null,
      flowRefused: () => {},
    };
    const lane = hasLane ? new Lane(this.#inLane, new DomainPace(), this.#pace) : null;
    const membrane = new Membrane(this.grant, services, () => this.reports.push('idle'), lane);
    if (relays) relaying.add(membrane);

    const end = (side: Side): ConnectionOptions => ({
      send: (segments) => this.said[side].send(segments),
      ...(framed && { sendFrame: (frame: LentFrame) => this.said[side].sendFrame(frame) }),
      closed: ({ message }) => void this.reports.push(`${side} closed: ${message}`),
      idle: () => void this.reports.push(`${side} idle`),
      limits: limits[side] ?? {},
    });
    let facet: Capability;
    const domain = new Connection({ ...end('domain'), restore: () => facet.retain() });
    const object = domain.bootstrap();
    receiveLent(domain, [
      encodeMessage({
        return: { answerId: 0, results: { content: 0, capTable: [{ senderHosted: OBJECT }] } },
      }),
    ]);
    facet = membrane.outward(settled(object).retain());
    object.release();
    const client = alone ? domain : new Connection({ ...end('client'), restore: () => facet.retain() });
    this.connections = { client, domain };
    receiveLent(client, [
      encodeMessage({ bootstrap: { questionId: BOOTSTRAP, deprecatedObjectId: content(0) } }),
    ]);
    facet.release();
  }

  #meter(row: GrantRow) {
    return isMetered(row.policy) ? this.#meters.of(row) : null;
  }

  amend(policy: Partial<StoredPolicy>): void {
    const row = { ...this.grant.row, policy: { ...EVERYTHING, ...policy } };
    this.grant.amend(row, this.#meter(row));
  }

  /** Has messages come at once, in memory that is somebody else's afterwards. */
  hear(side: Side, messages: readonly Uint8Array[], framed: boolean): void {
    const connection = this.connections[side];
    if (!framed) {
      for (const message of messages) receiveLent(connection, [message]);
      return;
    }
    const memory = new Memory(new Uint8Array(messages.reduce((sum, { length }) => sum + 8 + length, 0)));
    const frame = new LentFrame(memory);
    let at = 8;
    for (const message of messages) {
      memory.view.setUint32(at - 4, message.length / 8, true);
      memory.bytes.set(message, at);
      at += message.length + 8;
    }
    at = 8;
    for (const { length } of messages) {
      frame.at = at;
      frame.bytes = length;
      connection.receiveFrame(frame);
      at += length + 8;
    }
    frame.over();
    memory.bytes.fill(0xfe);
  }

  /** All that there is to be seen of it. */
  get state(): object {
    const of = (side: Side) => {
      const connection = this.connections[side];
      return {
        tables: connection.tables,
        running: connection.callsRunning,
        awaited: connection.callsAwaited,
        dump: connection.dump(),
        said: this.said[side].messages.map((segments) =>
          segments.map((each) => Buffer.from(each).toString('hex')).join(' '),
        ),
      };
    };
    return {
      client: of('client'),
      domain: of('domain'),
      underway: this.grant.underway,
      reports: this.reports,
      isHeldUp: this.#pace.isFull,
    };
  }

  /** How many more calls may be in the lane. */
  get room(): number {
    let room = 0;
    while (this.#inLane.take(1)) room++;
    this.#inLane.give(room);
    return room;
  }
}

let relayed = 0;
let unfolded = 0;

beforeEach(() => {
  relayed = 0;
  unfolded = 0;
  const { relay } = MembranedCapability.prototype;
  vi.spyOn(MembranedCapability.prototype, 'relay').mockImplementation(function (
    this: MembranedCapability,
    call,
    target,
  ) {
    const made = relaying.has(this.membrane) ? relay.call(this, call, target) : null;
    if (made !== null) relayed++;
    return made;
  });
  const { unfold } = Relay.prototype;
  vi.spyOn(Relay.prototype, 'unfold').mockImplementation(function (this: Relay) {
    unfolded++;
    return unfold.call(this);
  });
});
afterEach(() => void vi.restoreAllMocks());

/** Two brokers, to which the same happens. */
class Both {
  readonly relays: Middle;
  readonly #other: Middle;

  constructor(readonly world: World = PLAIN) {
    this.relays = new Middle(true, world);
    this.#other = new Middle(false, world);
    this.#compare();
  }

  client(...messages: readonly WireMessage[]): void {
    this.#hear('client', messages);
  }

  domain(...messages: readonly WireMessage[]): void {
    this.#hear('domain', messages);
  }

  #hear(side: Side, messages: readonly WireMessage[]): void {
    const { padding } = this.world;
    const encoded = messages.map((message) => {
      const bytes = encodeMessage(message);
      const padded = new Uint8Array(bytes.length + padding);
      padded.set(bytes);
      return padded;
    });
    this.do((middle) => middle.hear(side, encoded, this.world.framed));
  }

  do(action: (middle: Middle) => void): void {
    action(this.relays);
    action(this.#other);
    this.#compare();
  }

  #compare(): void {
    expect(this.relays.state).toEqual(this.#other.state);
    expect(this.relays.room).toBe(this.#other.room);
  }

  /** What the domain, or the client, has been told since it was last asked. */
  readonly #read: Record<Side, number> = { client: 0, domain: 0 };
  hears(side: Side): WireMessage[] {
    const told = this.relays.said[side].since(this.#read[side]);
    this.#read[side] = this.relays.said[side].messages.length;
    return told;
  }

  /** Everything is over. */
  end(): void {
    this.do(({ connections }) => connections.client.close());
    this.do(({ connections }) => connections.domain.close());
    const { connections, grant, room } = this.relays;
    const empty = { questions: 0, answers: 0, exports: 0, imports: 0, embargoes: 0 };
    expect(connections.client.tables).toEqual(empty);
    expect(connections.domain.tables).toEqual(empty);
    expect(grant.underway).toEqual({ capabilities: 0, calls: 0 });
    expect(room).toBe(4);
  }
}

/** A Call of the client's, to what it has from the beginning. */
function call(questionId: number, more: WireMessage = {}): WireMessage {
  return {
    call: {
      questionId,
      target: { importedCap: 0 },
      interfaceId: CALLER.id,
      methodId: ECHO,
      params: { content: content(questionId) },
      ...more,
    },
  };
}

const pipelinedOn = (questionId: number): WireMessage => ({
  target: { promisedAnswer: { questionId, transform: [{ getPointerField: 0 }] } },
});

describe.each([false, true])('a call that only passes through (in frames: %s)', (framed) => {
  const world = { ...PLAIN, framed };

  /** A relayed call, and the question that it is to the domain. */
  function running(more: WireMessage = {}, within: World = world): { both: Both; asked: number } {
    const both = new Both(within);
    both.hears('domain');
    both.client(call(1, more));
    expect(relayed).toBe(1);
    const [onward] = both.hears('domain');
    expect(onward!['call']).toMatchObject({
      target: { importedCap: OBJECT },
      interfaceId: CALLER.id,
      methodId: ECHO,
      params: { capTable: [] },
    });
    return { both, asked: onward!['call'].questionId };
  }

  it('goes there with another id, and its results back, until it is finished', () => {
    const { both, asked } = running();
    both.hears('client');
    both.domain({ return: { answerId: asked, results: { content: content(5) } } });
    expect(both.hears('client')).toMatchObject([{ return: { answerId: 1, noFinishNeeded: false } }]);
    // The domain is not to keep it for as long as the client likes.
    expect(both.hears('domain')).toMatchObject([{ finish: { questionId: asked } }]);
    expect(both.relays.connections.client.tables.answers).toBe(2);
    both.client({ finish: { questionId: 1 } });
    expect(both.hears('domain')).toEqual([]);
    expect(both.relays.connections.client.tables.answers).toBe(1); // The Bootstrap.
    expect(unfolded).toBe(0);
    both.end();
  });

  it.each([
    ['an error', { exception: { reason: 'no' } }],
    ['a capability', { results: { content: content(1, 0), capTable: [{ senderHosted: 8 }] } }],
  ])('is over for the domain when it has returned %s, whenever the client finishes it', (_what, outcome) => {
    const { both, asked } = running();
    both.domain({ return: { answerId: asked, ...outcome } });
    expect(both.hears('domain')).toMatchObject([{ finish: { questionId: asked } }]);
    expect(both.relays.connections.domain.tables.questions).toBe(0);
    both.client({ finish: { questionId: 1 } });
    both.end();
  });

  it('needs no Finish where its caller has said that it pipelines nothing', () => {
    const { both, asked } = running({ noPromisePipelining: true });
    both.hears('client');
    both.domain({ return: { answerId: asked, results: { content: content(5) }, noFinishNeeded: true } });
    expect(both.hears('client')).toMatchObject([{ return: { answerId: 1, noFinishNeeded: true } }]);
    expect(both.hears('domain')).toEqual([]);
    expect(both.relays.connections.client.tables.answers).toBe(1); // The Bootstrap.
    expect(both.relays.connections.domain.tables.questions).toBe(0);
    expect(unfolded).toBe(0);
    both.end();
  });

  it.each([
    ['cancelled', (both: Both) => both.client({ finish: { questionId: 1 } })],
    ['pipelined on', (both: Both) => both.client(call(2, pipelinedOn(1)))],
    ['cut, as its grant is revoked', (both: Both) => both.do(({ grant }) => grant.revoke())],
    ['without a client', (both: Both) => both.do(({ connections }) => connections.client.close())],
    ['without a domain', (both: Both) => both.do(({ connections }) => connections.domain.close())],
    ['not implemented', (both: Both, asked: number) => both.domain({ unimplemented: call(asked) })],
    [
      'failed',
      (both: Both, asked: number) =>
        both.domain({ return: { answerId: asked, exception: { reason: 'no' } } }),
    ],
    [
      'canceled by the domain',
      (both: Both, asked: number) => both.domain({ return: { answerId: asked, canceled: null } }),
    ],
    [
      'returned with a capability',
      (both: Both, asked: number) =>
        both.domain({
          return: { answerId: asked, results: { content: content(1, 0), capTable: [{ senderHosted: 8 }] } },
        }),
    ],
    [
      'returned twice',
      (both: Both, asked: number) => {
        const return_ = { return: { answerId: asked, results: { content: content(5) } } };
        both.domain(return_, return_);
      },
    ],
  ])('may be %s', (how, happens) => {
    const { both, asked } = running();
    happens(both, asked);
    expect(unfolded).toBe(how === 'returned twice' ? 0 : 1);
    both.end();
  });

  it('may be pipelined on when it has returned, though there is nothing in its results', () => {
    const { both, asked } = running();
    both.domain({ return: { answerId: asked, results: { content: content(5) } } });
    both.hears('client');
    both.client(call(2, pipelinedOn(1)));
    expect(both.hears('client')).toMatchObject([
      { return: { exception: { reason: expect.stringMatching(/null/) } } },
    ]);
    both.client({ finish: { questionId: 1 } }, { finish: { questionId: 2 } });
    expect(both.hears('domain')).toMatchObject([{ finish: { questionId: asked } }]);
    both.end();
  });

  it('ends in peace where its grant is drained', () => {
    const { both, asked } = running();
    both.do(({ grant }) => grant.revoke({ draining: true }));
    both.hears('client');
    both.domain({ return: { answerId: asked, results: { content: content(5) } } });
    expect(both.hears('client')).toMatchObject([{ return: { answerId: 1, results: expect.anything() } }]);
    both.client(call(2));
    expect(both.hears('client')).toMatchObject([{ return: { answerId: 2, exception: expect.anything() } }]);
    both.end();
  });

  it('has its Return sent before a connection that drains is closed by it', () => {
    const { both, asked } = running({ noPromisePipelining: true });
    both.do(({ connections }) => connections.domain.drain(() => connections.domain.close()));
    both.hears('client');
    both.domain({ return: { answerId: asked, results: { content: content(5) } } });
    expect(both.hears('client')).toMatchObject([{ return: { answerId: 1, results: expect.anything() } }]);
    both.end();
  });

  it('is judged by the params that go on', () => {
    const policy = { constraints: [writtenConstraint('Caller.echo.number<=100', wireGraph)] };
    const { both } = running({}, { ...world, policy });
    both.hears('client');
    both.client(call(101));
    expect(both.hears('client')).toMatchObject([{ return: { answerId: 101, exception: expect.anything() } }]);
    expect(both.hears('domain')).toEqual([]);
    expect(both.relays.reports).toContain('refused: ERR_GRANT_CONSTRAINT');
    both.end();
  });
});

// ---- whatever may happen ------------------------------------------------------------------------------------------

const POLICIES: readonly Partial<StoredPolicy>[] = [
  {},
  {},
  { methods: [{ interface: CALLER.id, methods: ['echo', 'wait'] }] },
  { constraints: [writtenConstraint('Caller.echo.number<=100', wireGraph)] },
  { rates: [{ calls: 20, perMillis: 1000, burst: 5 }] },
  { expires: 1000 },
];

function someWorld(choose: Choose): World {
  const few = choose(3) === 0;
  return {
    policy: POLICIES[choose(POLICIES.length)]!,
    limits: few
      ? {
          client: {
            answers: 3 + choose(4),
            bytesInFlight: 300 + choose(1600),
            messageBytes: choose(2) ? 512 : 4096,
          },
          domain: { questions: 2 + choose(4), messageBytes: choose(2) ? 528 : 4096 },
        }
      : {},
    hasLane: choose(2) === 0,
    alone: choose(8) === 0,
    framed: choose(2) === 0,
    padding: 8 * choose(50),
  };
}

/** Peers on both sides, who do what they like, mostly something that they may. */
class Script {
  readonly both: Both;
  /** Ids of the client's questions that it has not finished, and of the domain's that it has not returned. */
  readonly #open: number[] = [];
  readonly #asked: number[] = [];
  /** What the client has to return, and what each has of the other. */
  readonly #askedOfClient: number[] = [];
  readonly #ofClient: number[] = [];
  readonly #ofDomain: number[] = [0];
  #ids = 0;
  #hosted = 100;

  constructor(private readonly choose: Choose) {
    this.both = new Both(someWorld(choose));
    this.#listen();
  }

  #one<T>(of: readonly T[]): T {
    return of[this.choose(of.length)]!;
  }

  #take(from: number[]): number {
    return from.splice(this.choose(from.length), 1)[0]!;
  }

  /** What peers learn of what they are told. */
  #listen(): void {
    for (const message of this.both.hears('domain')) {
      const asked = message['call'];
      if (asked === undefined) continue;
      this.#asked.push(asked.questionId);
      for (const { senderHosted, senderPromise } of asked.params.capTable)
        this.#ofClient.push(senderHosted ?? senderPromise ?? 0);
    }
    for (const message of this.both.hears('client')) {
      const table = message['return']?.results?.capTable ?? [];
      for (const { senderHosted, senderPromise } of table)
        this.#ofDomain.push(senderHosted ?? senderPromise ?? 0);
      if (message['call'] !== undefined && !this.both.world.alone)
        this.#askedOfClient.push(message['call'].questionId);
    }
  }

  #params(): WireMessage {
    if (this.choose(5) > 0) return { content: content(this.choose(150)) };
    return { content: content(this.choose(100), 0), capTable: [{ senderHosted: this.#hosted++ }] };
  }

  #call(): WireMessage {
    const target =
      this.choose(4) === 0 && this.#open.length > 0
        ? pipelinedOn(this.#one(this.#open))
        : { target: { importedCap: this.choose(4) > 0 ? 0 : this.#one(this.#ofDomain) } };
    const repeats = this.choose(400) === 0 && this.#open.length > 0;
    const id = repeats ? this.#one(this.#open) : ++this.#ids;
    if (!repeats) this.#open.push(id);
    return call(id, {
      ...target,
      methodId: this.#one([ECHO, ECHO, ECHO, WAIT, CHILD]),
      params: this.#params(),
      noPromisePipelining: this.choose(3) === 0,
      onlyPromisePipeline: this.choose(25) === 0,
      ...(this.choose(25) === 0 && { sendResultsTo: { yourself: null } }),
    });
  }

  #outcome(): WireMessage {
    switch (this.choose(8)) {
      case 0:
        return { exception: { reason: 'no', type: this.#one(['failed', 'overloaded', 'disconnected']) } };
      case 1:
        return { canceled: null };
      case 2:
        return { results: { content: content(1, 0), capTable: [{ senderHosted: this.#hosted++ }] } };
      case 3:
        return this.#ofClient.length === 0
          ? { results: { content: null } }
          : {
              results: { content: content(1, 0), capTable: [{ receiverHosted: this.#one(this.#ofClient) }] },
            };
      default:
        return { results: { content: content(this.choose(1000)) } };
    }
  }

  #return(from: number[]): WireMessage {
    return {
      return: {
        answerId: this.#take(from),
        noFinishNeeded: this.choose(3) === 0,
        releaseParamCaps: this.choose(3) > 0,
        ...this.#outcome(),
      },
    };
  }

  #messages(most: number, make: () => WireMessage | null): WireMessage[] {
    const messages: WireMessage[] = [];
    for (let i = this.choose(most); i >= 0; i--) {
      const message = make();
      if (message !== null) messages.push(message);
    }
    return messages;
  }

  step(): void {
    const { both, choose } = this;
    switch (choose(24)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
      case 6:
      case 7:
        both.client(...this.#messages(3, () => this.#call()));
        break;
      case 8:
      case 9:
      case 10:
      case 11:
      case 12:
      case 13:
        both.domain(
          ...this.#messages(3, () => (this.#asked.length === 0 ? null : this.#return(this.#asked))),
        );
        break;
      case 14:
      case 15:
      case 16:
      case 17:
        both.client(
          ...this.#messages(2, () =>
            this.#open.length === 0
              ? null
              : { finish: { questionId: this.#take(this.#open), releaseResultCaps: choose(2) === 0 } },
          ),
        );
        break;
      case 18:
        if (this.#ofClient.length > 0)
          both.domain(
            call(++this.#ids, { target: { importedCap: this.#one(this.#ofClient) }, params: this.#params() }),
          );
        break;
      case 19:
        if (this.#askedOfClient.length > 0) both.client(this.#return(this.#askedOfClient));
        break;
      case 20:
        this.#wait(this.#one([20, 300]));
        break;
      default:
        this.#rarely();
    }
    this.#listen();
  }

  #wait(millis: number): void {
    this.both.do(({ clock }) => clock.advance(millis));
  }

  #rarely(): void {
    const { both, choose } = this;
    const side = this.#one(['client', 'domain'] as const);
    switch (choose(40)) {
      case 0:
        return both.do(({ grant }) => grant.revoke());
      case 1:
        return both.do(({ grant }) => grant.revoke({ draining: true }));
      case 2:
      case 3: {
        const policy = this.#one(POLICIES);
        return both.do((middle) => middle.amend(policy));
      }
      case 4:
        return both.do(({ connections }) => connections[side].close());
      case 5:
        return both.do(({ connections, reports }) =>
          connections[side].drain(() => void reports.push(`${side} drained`)),
        );
      case 6:
        if (this.#asked.length > 0) both.domain({ unimplemented: call(this.#take(this.#asked)) });
        return;
      case 7:
        return both.domain({ return: { answerId: choose(20), results: { content: content(1) } } });
      case 8:
        if (this.#open.length === 0) return;
        return both.client({
          disembargo: { ...pipelinedOn(this.#one(this.#open)), context: { senderLoopback: 1 } },
        });
      default: {
        const id = this.#one(this.#ofDomain);
        if (id !== 0) {
          this.#ofDomain.splice(this.#ofDomain.indexOf(id), 1);
          both.client({ release: { id, referenceCount: 1 } });
        }
      }
    }
  }
}

describe('whatever happens to calls', () => {
  it('happens alike to those that are relayed', () => {
    for (let round = 0; round < ROUNDS; round++) {
      const seed = SEED + round;
      try {
        const script = new Script(chooser(seed));
        for (let i = 0; i < STEPS; i++) script.step();
        script.both.end();
      } catch (error) {
        throw new Error(`RELAYED_SEED=${seed}`, { cause: error });
      }
    }
    console.log(
      `${ROUNDS} scripts (seed ${SEED}): ${relayed} calls were relayed, ${unfolded} of them unfolded`,
    );
    expect(relayed).toBeGreaterThan(5 * ROUNDS);
    expect(unfolded).toBeGreaterThan(ROUNDS);
    expect(relayed - unfolded).toBeGreaterThan(ROUNDS);
  });
});
