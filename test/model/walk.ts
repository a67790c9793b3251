/**
 * A random walk of clients, domains and a broker, from a seed, held against the reference model at every step: what each call
 * comes to, whom it reaches, in which order, what is told of a capability, what a listing shows, and what is left in the end.
 */
import { inspect } from 'node:util';
import { SturdyRef } from 'sturdy/client';
import { ImportedCapability, serve, stubFor } from 'sturdy/rpc';
import { type AnyStub, asDelegable, type Client } from '../broker/running.js';
import { Random } from '../hostile/fuzz.js';
import { CELL, MODEL_DOMAINS, PEER, SLEEPER } from './domains.js';
import {
  type Asked,
  type Failure,
  failureIn,
  type Outcome,
  policyOf,
  refusalOf,
  shown,
  within,
} from './outcomes.js';
import {
  type Cap,
  type Expectation,
  endOf,
  type Grant,
  layers,
  lineage,
  type Membrane,
  type Method,
  type Methods,
  outward,
  placeOf,
  Reference,
} from './reference.js';
import { System } from './system.js';

const DOMAINS = Object.keys(MODEL_DOMAINS);
const OBJECTS = ['', 'a', 'b', 'c'];
const SLOTS = 4;
const MOST_HELD = 40;
const MOST_HOLDS = 6;
const CLIENTS = 3;
/** Longer than a domain has to run to have recovered from its failures. In milliseconds. */
const RECOVERY = 11_000;
/** How long the real thing may take to do what the model does at once, in milliseconds. */
const PATIENCE = 10_000;

const METHODS: readonly Method[] = [
  'read',
  'write',
  'hold',
  'open',
  'keep',
  'kept',
  'ask',
  'askKept',
  'echo',
  'peer',
];
const without = (...names: Method[]): Methods => new Set(METHODS.filter((each) => !names.includes(each)));
const POLICIES: readonly Methods[] = [
  'all',
  'all',
  'all',
  without('write'),
  without('write', 'hold'),
  without('read', 'askKept'),
  without('keep', 'ask'),
  new Set<Method>(['read', 'open', 'echo']),
  new Set<Method>(['read']),
];

interface Peer {
  readonly serial: number;
  readonly client: Client;
  readonly membranes: Map<Grant, Membrane>;
  readonly callback: AnyStub;
}

/** A capability in the hands of a client. */
interface Held {
  readonly peer: Peer;
  readonly cap: Cap;
  readonly stub: AnyStub;
}

/** A call that does not return. */
interface Hold {
  readonly held: Held;
  readonly given: AbortController;
  readonly outcome: Promise<unknown>;
  error: Failure | null;
}

/** What was under way when the broker was killed. */
interface Unacknowledged {
  /** By label; with the secret, where it was told. */
  readonly minted: ReadonlyMap<string, { readonly domain: string; readonly secret: Uint8Array | null }>;
  readonly revoking: readonly Grant[];
}

export interface WalkReport {
  readonly seed: number;
  readonly operations: Readonly<Record<string, number>>;
  /** Of calls: how many went through, and how many were refused, by the reason. */
  readonly calls: Readonly<Record<string, number>>;
  readonly grants: number;
  /** Every secret that was minted. */
  readonly secrets: readonly Uint8Array[];
  readonly seen: readonly { readonly where: string; readonly bytes: Buffer }[];
}

/** Walks for so many milliseconds. Rejects at the first difference, saying which, and how it came to that. */
export async function walk(seed: number, millis: number): Promise<WalkReport> {
  const walker = new Walk(seed, await System.make());
  try {
    return await walker.run(millis);
  } finally {
    await walker.system.remove();
  }
}

class Walk {
  readonly #random: Random;
  readonly #reference: Reference;
  readonly #operations: Record<string, number> = {};
  readonly #calls: Record<string, number> = {};
  readonly #history: string[] = [];
  readonly #secrets: Uint8Array[] = [];
  /** Not for revoking: what the walk itself goes by. */
  readonly #kept = new Set<Grant>();
  readonly #mains = new Map<string, Uint8Array>();
  /** The membranes of what alpha is granted, by its lives. */
  readonly #peerMembranes = new Map<number, Membrane>();
  #peerGrant!: Grant;
  #peers: Peer[] = [];
  #held: Held[] = [];
  #holds: Hold[] = [];
  #control!: Client;
  #operator!: AnyStub;
  #serial = 0;
  #token = 0;
  #labels = 0;

  constructor(
    readonly seed: number,
    readonly system: System,
  ) {
    this.#random = new Random(seed);
    this.#reference = new Reference(
      Date.parse('2030-01-01T00:00:00Z'),
      Object.fromEntries(DOMAINS.map((name) => [name, { sleeps: name === SLEEPER }])),
    );
  }

  async run(millis: number): Promise<WalkReport> {
    await this.#begin();
    await Promise.all(
      DOMAINS.map(async (domain) => {
        const grant = await this.#mintRoot(domain, '', 'all', 0, true);
        this.#kept.add(grant);
        this.#mains.set(domain, grant.secret!);
      }),
    );
    await this.#adoptConfigured();
    // Something that can be revoked, to begin with.
    for (const domain of DOMAINS) await this.#mintRoot(domain, 'a', 'all', 0, true);
    this.#secrets.push(await this.system.operatorSecret());
    const until = Date.now() + millis;
    while (Date.now() < until) await this.#step();
    await this.#checkNothingLeft();
    await this.#checkListing();
    await this.#look();
    await this.system.stop();
    return {
      seed: this.seed,
      operations: this.#operations,
      calls: this.#calls,
      grants: this.#reference.grants.size,
      secrets: this.#secrets,
      seen: [...this.system.seen, ...(await this.system.stored())],
    };
  }

  // ---- choosing -------------------------------------------------------------------------------------------------

  async #step(): Promise<void> {
    const random = this.#random;
    const operations: readonly (readonly [number, string, () => Promise<void>])[] = [
      [30, 'call', () => this.#call()],
      [12, 'burst', () => this.#burst()],
      [12, 'restore', () => this.#restore()],
      [10, 'attenuate', () => this.#attenuate()],
      [6, 'save', () => this.#save()],
      [5, 'describe', () => this.#describe()],
      [10, 'open', () => this.#open()],
      [14, 'ask', () => this.#ask()],
      [10, 'keep', () => this.#keep()],
      [10, 'kept', () => this.#getKept()],
      [10, 'askKept', () => this.#askKept()],
      [6, 'echo', () => this.#echo()],
      [6, 'echoOrder', () => this.#echoOrder()],
      [5, 'peer', () => this.#peer()],
      [6, 'hold', () => this.#hold()],
      [4, 'mint', () => this.#mint()],
      [6, 'revoke', () => this.#revoke()],
      [4, 'revokeRace', () => this.#revokeRace()],
      [4, 'forge', () => this.#forge()],
      [4, 'drop', () => this.#drop()],
      [3, 'listing', () => this.#checkListing()],
      [4, 'expire', () => this.#expire()],
      [2, 'disconnect', () => this.#disconnect()],
      [2, 'rest', () => new Promise((resolve) => setTimeout(resolve, 400))],
      [1, 'crash', () => this.#crash()],
      [1, 'stop', () => this.#stopDomain()],
      [1, 'restart', () => this.#restart()],
    ];
    let choice = random.below(operations.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, name, operation] of operations) {
      choice -= weight;
      if (choice >= 0) continue;
      this.#operations[name] = (this.#operations[name] ?? 0) + 1;
      this.#note(`-- ${name}`);
      await operation();
      return;
    }
  }

  #note(line: string): void {
    this.#history.push(line);
    if (this.#history.length > 60) this.#history.shift();
  }

  #fault(text: string): never {
    throw new Error(
      `MODEL_SEED=${this.seed}: ${text}\nafter ${JSON.stringify(this.#operations)}, the last of it:\n${this.#history.join('\n')}`,
    );
  }

  #any(suits: (held: Held) => boolean = () => true): Held | null {
    const suitable = this.#held.filter(suits);
    return suitable.length === 0 ? null : this.#random.pick(suitable);
  }

  /** One that leads to an object of a domain. */
  #target(suits: (held: Held) => boolean = () => true): Held | null {
    return this.#any((held) => endOf(held.cap).is !== 'callback' && suits(held));
  }

  #domainOf(cap: Cap): string {
    const end = endOf(cap);
    if (end.is === 'callback') throw new Error('a callback has no domain');
    return end.domain;
  }

  // ---- judging --------------------------------------------------------------------------------------------------

  async #try<T>(promise: PromiseLike<T>): Promise<Outcome<T>> {
    try {
      return { value: await promise };
    } catch (error) {
      this.system.seen.push({ where: 'an error', bytes: Buffer.from(inspect(error, { depth: 6 })) });
      const { type, message } = error as Failure;
      return { error: { type, message } };
    }
  }

  /** Holds what a call on `cap` came to against what the model says. Gives whether it went through. */
  #judge(what: string, cap: Cap, expected: Expectation, failure: Failure | null): boolean {
    const { refusals, maybe } = expected;
    const told = failure === null ? null : refusalOf(failure);
    this.#note(`${what} on ${shown(cap)}: ${failure === null ? 'went through' : failure.message}`);
    this.#calls[told ?? (failure === null ? 'through' : 'failed')] =
      (this.#calls[told ?? (failure === null ? 'through' : 'failed')] ?? 0) + 1;
    if (failure === null) {
      if (refusals.size > 0) this.#fault(`${what} on ${shown(cap)} went through, and is ${[...refusals]}`);
      return true;
    }
    const fits = told !== null && (refusals.has(told) || maybe.has(told));
    if (!fits) {
      this.#fault(`${what} on ${shown(cap)} failed with ${failure.message}, and is ${[...refusals]}`);
    }
    return false;
  }

  /** No call that was refused has arrived. */
  async #checkRefused(cap: Cap, tokens: readonly number[]): Promise<void> {
    const end = endOf(cap);
    if (end.is === 'callback' || end.domain === SLEEPER || this.#random.chance(2)) return;
    using main = await this.#main(end.domain);
    const arrived = new Set<number>((await main.audit({})).tokens);
    for (const token of tokens) {
      if (arrived.has(token)) this.#fault(`call ${token} on ${shown(cap)} was refused, and arrived`);
    }
  }

  #main(domain: string): Promise<AnyStub> {
    return this.#control.restore(this.#mains.get(domain)!, CELL);
  }

  #receiveAs(peer: Peer, cap: Cap, stub: AnyStub): void {
    this.#held.push({ peer, cap, stub });
    if (this.#held.length > MOST_HELD) this.#dropAt(this.#random.below(this.#held.length));
  }

  #dropAt(index: number): void {
    const [held] = this.#held.splice(index, 1);
    held?.stub[Symbol.dispose]();
  }

  // ---- calls ------------------------------------------------------------------------------------------------------

  async #call(held = this.#any(), method: 'read' | 'write' = this.#random.pick(['read', 'write'])) {
    if (held === null) return;
    const { cap, stub } = held;
    const token = ++this.#token;
    const expected = this.#reference.expects(cap, method);
    const { value, error } = await this.#try<Asked>(stub[method]!({ token }));
    if (this.#judge(method, cap, expected, error ?? null)) this.#checkPlace(cap, value!.place);
    else await this.#checkRefused(cap, [token]);
  }

  #checkPlace(cap: Cap, place: string): void {
    if (place !== placeOf(cap)) this.#fault(`a call on ${shown(cap)} reached ${place}`);
  }

  /** Calls that do not wait for each other, on one reference: they arrive in their order. */
  async #burst() {
    const grant = this.#random.chance(3) ? this.#randomGrant(({ secret }) => secret !== null) : null;
    const held = this.#any();
    if (grant === null && held === null) return;
    const methods = Array.from({ length: 2 + this.#random.below(4) }, () =>
      this.#random.pick(['read', 'write'] as const),
    );
    if (grant === null) {
      const { cap, stub } = held!;
      const calls = methods.map((method) => this.#try<Asked>(stub[method]!({ token: ++this.#token })));
      const expected = methods.map((method) => this.#reference.expects(cap, method));
      this.#checkOrder(cap, expected, await Promise.all(calls));
      return;
    }
    // Through a promise: of what a reference will be restored to.
    const peer = this.#random.pick(this.#peers);
    const dead = this.#reference.dead(grant);
    using pending = peer.client.gate.restore!({ ref: { secret: grant.secret } });
    using promised = pending.cap;
    using stub = promised.as(CELL) as AnyStub;
    const calls = methods.map((method) => this.#try<Asked>(stub[method]!({ token: ++this.#token })));
    const restored = await this.#try(pending as unknown as PromiseLike<{ cap: AnyStub }>);
    restored.value?.cap[Symbol.dispose]();
    calls.push(this.#try<Asked>(stub.read!({ token: ++this.#token })));
    const outcomes = await Promise.all(calls);
    if (dead !== null) {
      for (const { error } of [...outcomes, restored]) this.#checkNoSuch(grant, error);
      return;
    }
    const cap = outward(this.#membrane(peer, grant), this.#reference.object(grant.domain, grant.object));
    const expected = [...methods, 'read' as const].map((method) => this.#reference.expects(cap, method));
    this.#checkOrder(cap, expected, outcomes);
  }

  #checkOrder(cap: Cap, expected: readonly Expectation[], outcomes: readonly Outcome<Asked>[]): void {
    let last = 0;
    for (const [i, { value, error }] of outcomes.entries()) {
      if (!this.#judge(`call ${i} of a burst`, cap, expected[i]!, error ?? null)) continue;
      this.#checkPlace(cap, value!.place);
      if (value!.number <= last) {
        this.#fault(`call ${i} of a burst on ${shown(cap)} arrived as ${value!.number}, behind ${last}`);
      }
      last = value!.number;
    }
  }

  /** Mostly on what will expire, or else on any. */
  async #hold(on: Held | null = null) {
    const expires = ({ cap }: Held) =>
      layers(cap).some(({ through }) =>
        lineage(through.grant).some((grant) => grant.expires > this.#reference.now),
      );
    const held = on ?? (this.#random.chance(3) ? null : this.#target(expires)) ?? this.#target();
    if (held === null || this.#holds.length >= MOST_HOLDS) return;
    const expected = this.#reference.expects(held.cap, 'hold');
    if (expected.maybe.size > 0) return;
    const given = new AbortController();
    const pending = held.stub.hold!({ token: ++this.#token }, { signal: given.signal });
    if (expected.refusals.size > 0) {
      this.#judge('hold', held.cap, expected, (await this.#try(pending)).error ?? null);
      return;
    }
    const hold: Hold = {
      held,
      given,
      error: null,
      outcome: this.#try(pending).then(({ error }) => {
        hold.error = error ?? { type: 'failed', message: 'it returned' };
      }),
    };
    this.#holds.push(hold);
  }

  /** Calls in flight end with their grants, and with nothing else. */
  async #checkHolds(): Promise<void> {
    for (const hold of [...this.#holds]) {
      const { cap } = hold.held;
      const expected = this.#reference.expects(cap, 'hold');
      const { refusals, maybe } = expected;
      if (refusals.size === 0 && (hold.error === null || maybe.size > 0)) {
        if (hold.error !== null) this.#holds.splice(this.#holds.indexOf(hold), 1);
        continue;
      }
      if (!(await within(PATIENCE, hold.outcome)))
        this.#fault(`a call in flight on ${shown(cap)} did not end`);
      this.#judge('a call in flight', cap, expected, hold.error);
      this.#holds.splice(this.#holds.indexOf(hold), 1);
    }
  }

  async #giveUpHolds(): Promise<void> {
    const holds = this.#holds.splice(0);
    for (const { given } of holds) given.abort();
    for (const { outcome } of holds) await outcome;
  }

  // ---- passing ----------------------------------------------------------------------------------------------------

  /** What a client passes: something it holds, or an object of its own. */
  #argument(peer: Peer): { cap: Cap; stub: AnyStub } {
    const own = this.#random.chance(4) ? null : this.#any((held) => held.peer === peer);
    return own ?? { cap: { is: 'callback', client: peer.serial }, stub: peer.callback };
  }

  async #open() {
    const held = this.#target();
    if (held === null) return;
    const id = this.#random.pick(['a', 'b', 'c', 'd', '']);
    const domain = this.#domainOf(held.cap);
    const object = () => this.#reference.object(domain, id === '' ? null : id);
    await this.#receive(held, 'open', held.stub.open!({ id }), object);
  }

  /** A call that returns a capability: as `inner`, as its domain returns it. */
  async #receive(held: Held, method: Method, pending: PromiseLike<{ cell: AnyStub }>, inner: () => Cap) {
    const expected = this.#reference.expects(held.cap, method);
    const { value, error } = await this.#try(pending);
    if (!this.#judge(method, held.cap, expected, error ?? null)) return;
    this.#receiveAs(held.peer, this.#reference.returned(held.cap, inner()), value!.cell);
  }

  async #echo() {
    const held = this.#target();
    if (held === null) return;
    const { cap, stub } = this.#argument(held.peer);
    const passed = this.#reference.passed(held.cap, cap);
    await this.#receive(held, 'echo', held.stub.echo!({ cell: stub }), () => passed);
  }

  /** Calls on what a call will return, and on what it has returned, are calls on one reference. */
  async #echoOrder() {
    const held = this.#target();
    if (held === null) return;
    const { cap: argument, stub } = this.#argument(held.peer);
    const cap = this.#reference.returned(held.cap, this.#reference.passed(held.cap, argument));
    const expected = this.#reference.expects(held.cap, 'echo');
    using pending = held.stub.echo!({ cell: stub });
    using early = pending.cell as AnyStub;
    const calls = [1, 2].map(() => this.#try<Asked>(early.read!({ token: ++this.#token })));
    const { value, error } = await this.#try(pending as unknown as PromiseLike<{ cell: AnyStub }>);
    if (!this.#judge('echo', held.cap, expected, error ?? null)) {
      await Promise.all(calls);
      return;
    }
    using cell = value!.cell;
    calls.push(...[early, cell].map((each) => this.#try<Asked>(each.read!({ token: ++this.#token }))));
    const before = this.#reference.expectsEarly(held.cap, cap, 'read');
    const after = this.#reference.expects(cap, 'read');
    this.#checkOrder(cap, [before, before, after, after], await Promise.all(calls));
  }

  async #peer() {
    const held = this.#any(({ cap }) => endOf(cap).is !== 'callback' && this.#domainOf(cap) === 'alpha');
    if (held === null) return;
    const { life } = this.#reference.domains.get('alpha')!;
    const membrane = this.#peerMembranes.get(life) ?? { grant: this.#peerGrant };
    this.#peerMembranes.set(life, membrane);
    const granted: Cap = { is: 'granted', domain: PEER.domain, id: PEER.object };
    await this.#receive(held, 'peer', held.stub.peer!({}), () => outward(membrane, granted));
  }

  async #ask() {
    const held = this.#target();
    if (held === null) return;
    const { cap: argument, stub } = this.#argument(held.peer);
    const write = this.#random.chance(2);
    const token = ++this.#token;
    const expected = this.#reference.expects(held.cap, 'ask');
    const { value, error } = await this.#try<Asked>(held.stub.ask!({ cell: stub, write, token }));
    if (!this.#judge('ask', held.cap, expected, error ?? null)) return;
    await this.#checkAsked(this.#reference.passed(held.cap, argument), write, token, value!);
  }

  /** What a domain says of its call on `cap`, as it holds that. */
  async #checkAsked(cap: Cap, write: boolean, token: number, { place, refused }: Asked): Promise<void> {
    const method = write ? 'write' : 'read';
    const failure = refused === '' ? null : failureIn(refused);
    if (this.#judge(`by a domain, ${method}`, cap, this.#reference.expects(cap, method), failure)) {
      this.#checkPlace(cap, place);
    } else {
      await this.#checkRefused(cap, [token]);
    }
  }

  async #keep() {
    const held = this.#target();
    if (held === null) return;
    const { cap: argument, stub } = this.#argument(held.peer);
    const slot = this.#random.below(SLOTS);
    const expected = this.#reference.expects(held.cap, 'keep');
    const { value, error } = await this.#try<{ own: string }>(held.stub.keep!({ cell: stub, slot }));
    if (!this.#judge('keep', held.cap, expected, error ?? null)) return;
    const domain = this.#domainOf(held.cap);
    const cap = this.#reference.passed(held.cap, argument);
    this.#reference.domains.get(domain)!.kept.set(slot, cap);
    if (this.#reference.expects(cap, 'read').maybe.size > 0) return;
    const own = this.#reference.own(cap, domain);
    const refused = failureIn(value!.own).type !== '';
    if (own === null ? !refused : value!.own !== own) {
      this.#fault(`${domain} was told of ${shown(cap)}: ${value!.own}, and is ${own ?? 'to be refused'}`);
    }
  }

  /** Whether a domain that sleeps has let go of what it kept, because that was gone. */
  #slept(domain: string, slot: number, error: Failure | undefined): boolean {
    if (error?.message !== 'nothing is kept here') return false;
    const { kept } = this.#reference.domains.get(domain)!;
    const cap = kept.get(slot);
    if (cap === undefined) return true;
    const { refusals, maybe } = this.#reference.expects(cap, 'read');
    const gone = maybe.size > 0 || [...refusals].some((each) => each !== 'method');
    kept.delete(slot);
    return domain === SLEEPER && gone;
  }

  async #getKept() {
    const held = this.#target();
    if (held === null) return;
    const slot = this.#random.below(SLOTS);
    const domain = this.#domainOf(held.cap);
    const kept = this.#reference.domains.get(domain)!.kept.get(slot);
    const expected = this.#reference.expects(held.cap, 'kept');
    const { value, error } = await this.#try<{ cell: AnyStub }>(held.stub.kept!({ slot }));
    if (this.#slept(domain, slot, error)) return;
    if (!this.#judge('kept', held.cap, expected, error ?? null)) return;
    if (kept === undefined) this.#fault(`${domain} gave what it has not kept`);
    this.#receiveAs(held.peer, this.#reference.returned(held.cap, kept), value!.cell);
  }

  async #askKept() {
    const held = this.#target();
    if (held === null) return;
    const slot = this.#random.below(SLOTS);
    const write = this.#random.chance(2);
    const token = ++this.#token;
    const domain = this.#domainOf(held.cap);
    const kept = this.#reference.domains.get(domain)!.kept.get(slot);
    const expected = this.#reference.expects(held.cap, 'askKept');
    const { value, error } = await this.#try<Asked>(held.stub.askKept!({ slot, write, token }));
    if (this.#slept(domain, slot, error)) return;
    if (!this.#judge('askKept', held.cap, expected, error ?? null)) return;
    if (kept === undefined) this.#fault(`${domain} asked what it has not kept`);
    await this.#checkAsked(kept, write, token, value!);
  }

  async #drop() {
    if (this.#held.length > 0) this.#dropAt(this.#random.below(this.#held.length));
  }

  // ---- grants -----------------------------------------------------------------------------------------------------

  #randomGrant(suits: (grant: Grant) => boolean): Grant | null {
    const suitable = [...this.#reference.grants.values()].filter(suits);
    // Mostly those that are alive.
    const alive = suitable.filter((each) => this.#reference.dead(each) === null && !this.#kept.has(each));
    const from = alive.length > 0 && !this.#random.chance(6) ? alive : suitable;
    return from.length === 0 ? null : this.#random.pick(from);
  }

  #membrane(peer: Peer, grant: Grant): Membrane {
    const known = peer.membranes.get(grant) ?? { grant };
    peer.membranes.set(grant, known);
    return known;
  }

  #policy(): { methods: Methods; expires: number; delegable: boolean } {
    const random = this.#random;
    return {
      methods: random.pick(POLICIES),
      expires: random.chance(3) ? this.#reference.now + 1000 * (1 + random.below(90)) : 0,
      delegable: !random.chance(7),
    };
  }

  async #mint() {
    const { methods, expires, delegable } = this.#policy();
    await this.#mintRoot(this.#random.pick(DOMAINS), this.#random.pick(OBJECTS), methods, expires, delegable);
  }

  async #mintRoot(domain: string, object: string, methods: Methods, expires: number, delegable: boolean) {
    const policy = policyOf(methods, expires, delegable);
    const { ref, grant } = await this.#operator.mint!({ domain, object, policy, label: this.#label() });
    return this.#minted({ parent: null, domain, object, methods, expires, delegable }, ref, grant);
  }

  #label(): string {
    return `m${++this.#labels}`;
  }

  async #minted(
    what: Omit<Grant, 'id' | 'secret' | 'revoked'>,
    { secret }: { secret: Uint8Array },
    power: AnyStub,
  ): Promise<Grant> {
    const { info } = await power.info!({});
    power[Symbol.dispose]();
    const grant: Grant = { ...what, id: info.id, secret, revoked: false };
    this.#reference.grants.set(grant.id, grant);
    this.#secrets.push(secret);
    this.#note(`minted ${grant.id} of ${grant.parent?.id ?? 'the operator'}`);
    return grant;
  }

  async #restore() {
    const grant = this.#randomGrant(({ secret }) => secret !== null);
    if (grant !== null) await this.#restoreOf(grant);
  }

  async #restoreOf(grant: Grant): Promise<void> {
    const peer = this.#random.pick(this.#peers);
    const { value, error } = await this.#try(peer.client.restore(grant.secret!, CELL));
    if (this.#reference.dead(grant) !== null) {
      this.#checkNoSuch(grant, error);
      return;
    }
    if (error !== undefined) this.#fault(`grant ${grant.id} could not be restored: ${error.message}`);
    const object = this.#reference.object(grant.domain, grant.object);
    this.#receiveAs(peer, outward(this.#membrane(peer, grant), object), value!);
  }

  #checkNoSuch(grant: Grant, error: Failure | undefined): void {
    if (error?.message === 'no such reference') return;
    this.#fault(`grant ${grant.id} is dead, and restoring it came to: ${error?.message ?? 'an object'}`);
  }

  async #attenuate() {
    const held = this.#any(({ cap }) => cap.is === 'passed');
    if (held?.cap.is !== 'passed') return;
    const { methods, expires, delegable } = this.#policy();
    const params = { policy: policyOf(methods, expires, delegable), label: this.#label() };
    using service = asDelegable(held.stub);
    const { value, error } = await this.#try(
      service.attenuate!(params) as PromiseLike<{
        ref: { secret: Uint8Array };
        grant: AnyStub;
        cap: AnyStub;
      }>,
    );
    if (!this.#checkMinted('attenuate', held.cap, error)) return;
    const { inner, through } = held.cap;
    const end = endOf(inner) as Cap & { is: 'object' };
    const grant = await this.#minted(
      { parent: through.grant, domain: end.domain, object: end.id!, methods, expires, delegable },
      value!.ref,
      value!.grant,
    );
    using untyped = value!.cap;
    this.#receiveAs(held.peer, outward({ grant }, inner), untyped.as<AnyStub>(CELL));
  }

  /** Whether something was minted from `cap`, as it was to be or not. */
  #checkMinted(what: string, cap: Cap, error: Failure | undefined): boolean {
    const savable = this.#reference.savable(cap);
    this.#note(`${what} of ${shown(cap)}: ${error?.message ?? 'minted'}`);
    if (savable === null || savable === (error === undefined)) return error === undefined;
    this.#fault(
      `${what} of ${shown(cap)} is ${savable ? '' : 'not '}to be, and came to: ${error?.message ?? 'a reference'}`,
    );
  }

  async #save() {
    const held = this.#any(({ cap }) => cap.is === 'passed');
    if (held?.cap.is !== 'passed') return;
    const before = new Set(this.#reference.grants.keys());
    using service = asDelegable(held.stub);
    const { value, error } = await this.#try(
      service.save!({}) as PromiseLike<{ sturdyRef: { secret: Uint8Array } }>,
    );
    if (!this.#checkMinted('save', held.cap, error)) return;
    const { secret } = value!.sturdyRef;
    this.#secrets.push(secret);
    // Its id is told to whoever lists grants.
    const parent = held.cap.through.grant;
    const row = (await this.#listed()).find(
      ({ id, parent: above }) => above === parent.id && !before.has(id),
    );
    if (row === undefined) this.#fault(`what was saved of ${shown(held.cap)} is not listed below its grant`);
    const end = endOf(held.cap) as Cap & { is: 'object' };
    const grant: Grant = {
      id: row.id,
      parent,
      domain: end.domain,
      object: end.id!,
      methods: 'all',
      expires: 0,
      delegable: true,
      secret,
      revoked: false,
    };
    this.#reference.grants.set(grant.id, grant);
  }

  /** The effective policy that a holder is told. */
  async #describe() {
    const held = this.#any(({ cap }) => cap.is === 'passed' && this.#reference.savable(cap) === true);
    if (held?.cap.is !== 'passed') return;
    const { grant } = held.cap.through;
    using service = asDelegable(held.stub);
    const { value, error } = await this.#try(
      service.describe!({}) as PromiseLike<{
        grant: string;
        policy: {
          methods: { all?: null; only?: { interface: bigint; all?: null; methods?: string[] }[] };
          expires: bigint;
          delegable: boolean;
        };
      }>,
    );
    if (error !== undefined) this.#fault(`describe of ${shown(held.cap)} failed with ${error.message}`);
    const { methods, delegable } = value!.policy;
    const told = METHODS.filter(
      (method) =>
        methods.only === undefined ||
        methods.only.some(({ all, methods: names }) => all !== undefined || names?.includes(method)),
    );
    const allowed = METHODS.filter((method) => this.#reference.allows(grant, method));
    if (value!.grant !== grant.id || told.join() !== allowed.join() || delegable !== true) {
      this.#fault(`${shown(held.cap)} is described as ${value!.grant}: ${told}; it allows ${allowed}`);
    }
  }

  /** Of the grants between `cap` and its holder, and those above them, those that can be revoked. */
  #revocables(cap: Cap): Grant[] {
    return layers(cap)
      .flatMap(({ through }) => lineage(through.grant))
      .filter((grant) => !this.#kept.has(grant) && this.#reference.dead(grant) === null);
  }

  #revocable(): Grant | null {
    return this.#randomGrant((each) => !this.#kept.has(each));
  }

  async #revoke() {
    // Mostly one through which something is held, and a call in flight.
    const held = this.#random.chance(4) ? null : this.#target(({ cap }) => this.#revocables(cap).length > 0);
    const grant = held === null ? this.#revocable() : this.#random.pick(this.#revocables(held.cap));
    if (grant === null) return;
    if (held !== null) await this.#hold(held);
    const { revoked } = await this.#revokeById(grant.id);
    const dying = this.#reference.revoke(grant);
    this.#note(`revoked ${grant.id}, and ${dying.length} died`);
    if (revoked !== dying.length) {
      this.#fault(`revoking ${grant.id} killed ${revoked} grants, and ${dying.length} were alive`);
    }
    await this.#checkHolds();
    for (let i = 0; i < 2; i++) {
      const held = this.#any(({ cap }) => layers(cap).some(({ through }) => dying.includes(through.grant)));
      if (held !== null) await this.#call(held);
    }
    if (grant.secret !== null) await this.#restoreOf(grant);
  }

  async #revokeById(id: string): Promise<{ revoked: number }> {
    const { grant } = await this.#operator.grant!({ id });
    using power = grant as AnyStub;
    return power.revoke!({});
  }

  /** Calls while it is revoked: none begins behind the acknowledgement. */
  async #revokeRace() {
    const held = this.#any(({ cap }) => layers(cap).some(({ through }) => !this.#kept.has(through.grant)));
    if (held === null) return;
    const { grant } = this.#random.pick(
      layers(held.cap)
        .map(({ through }) => through)
        .filter((through) => !this.#kept.has(through.grant)),
    );
    const before = this.#reference.expects(held.cap, 'read');
    const calls: Promise<Outcome<Asked>>[] = [];
    const call = () => calls.push(this.#try<Asked>(held.stub.read!({ token: ++this.#token })));
    call();
    call();
    const revoking = this.#revokeById(grant.id);
    call();
    await Promise.resolve();
    call();
    await revoking;
    const late = [this.#token + 1, this.#token + 2];
    this.#reference.revoke(grant);
    await Promise.all([this.#call(held, 'read'), this.#call(held, 'read')]);
    const either = { ...before, refusals: new Set([...before.refusals, 'revoked' as const]) };
    for (const { error } of await Promise.all(calls)) {
      // Those in the middle may have been before it or behind it.
      if (error !== undefined) this.#judge('a call in a race', held.cap, either, error);
      else if (before.refusals.size > 0) this.#fault(`a call on ${shown(held.cap)} went through`);
    }
    await this.#checkRefused(held.cap, late);
    await this.#checkHolds();
  }

  /** What was never minted, or never given to this connection, is nothing. */
  async #forge() {
    const random = this.#random;
    const client = await this.system.connect();
    try {
      const known = this.#randomGrant(({ secret }) => secret !== null)!;
      const secret = Uint8Array.from(known.secret!);
      const kind = random.below(3);
      if (kind === 0) secret[random.below(secret.length)]! ^= 1 << random.below(8);
      const shownSecret = kind === 1 ? secret.subarray(0, random.below(secret.length)) : secret;
      if (kind < 2) {
        const { error } = await this.#try(client.restore(shownSecret, CELL));
        this.#checkNoSuch(known, error);
        return;
      }
      // An import of others' is not in this connection's table.
      using forged = stubFor(new ImportedCapability(client.session.connection, 8 + random.below(64)), CELL);
      const { error } = await this.#try((forged as AnyStub).read!({ token: ++this.#token }));
      if (error?.type !== 'disconnected') this.#fault(`a forged import came to: ${error?.message}`);
    } finally {
      client.session.close();
    }
  }

  // ---- listings ---------------------------------------------------------------------------------------------------

  async #listed(): Promise<{ id: string; parent: string; label: string; state: string }[]> {
    const all: { id: string; parent: string; label: string; state: string }[] = [];
    for (;;) {
      const { grants } = await this.#operator.grants!({ after: all.at(-1)?.id ?? '' });
      if (grants.length === 0) return all;
      all.push(...grants);
    }
  }

  async #checkListing() {
    const listed = new Map((await this.#listed()).map((row) => [row.id, row]));
    for (const grant of this.#reference.grants.values()) {
      const row = listed.get(grant.id);
      if (row === undefined) this.#fault(`grant ${grant.id} was acknowledged, and is lost`);
      const state = this.#reference.dead(grant) ?? 'live';
      if (row.state !== state) this.#fault(`grant ${grant.id} is listed as ${row.state}, and is ${state}`);
      if (row.parent !== (grant.parent?.id ?? '')) this.#fault(`grant ${grant.id} is below ${row.parent}`);
      listed.delete(grant.id);
    }
    // The operator's own reference is not the walk's.
    const others = [...listed.values()].filter(({ label }) => /^m[0-9]+$/.test(label));
    if (others.length > 0) this.#fault(`${others.map(({ id }) => id)} were minted by nobody`);
  }

  async #adoptConfigured() {
    const row = (await this.#listed()).find(({ label }) => label === 'configured: alpha.peer');
    if (row === undefined) this.#fault('what is configured for alpha is not listed');
    this.#peerGrant = {
      id: row.id,
      parent: null,
      domain: PEER.domain,
      object: PEER.object,
      methods: new Set(PEER.methods),
      expires: 0,
      delegable: false,
      secret: null,
      revoked: false,
    };
    this.#reference.grants.set(row.id, this.#peerGrant);
    this.#kept.add(this.#peerGrant);
  }

  // ---- time, crashes, restarts --------------------------------------------------------------------------------

  /** To the moment at which a call in flight is to end, if there is one; or on by some seconds. */
  async #expire() {
    const ends = this.#holds
      .flatMap(({ held }) => layers(held.cap).flatMap(({ through }) => lineage(through.grant)))
      .map(({ expires }) => expires - this.#reference.now)
      .filter((millis) => millis > 0);
    await this.#advance(ends.length > 0 ? Math.min(...ends) : 1000 * (1 + this.#random.below(20)));
  }

  async #advance(millis: number) {
    await this.system.advance(millis);
    this.#reference.now += millis;
    await this.#checkHolds();
  }

  async #begin() {
    await this.system.start(this.#reference.now);
    this.#control = await this.system.connect();
    this.#operator = await this.system.operator(this.#control);
    for (let i = 0; i < CLIENTS; i++) await this.#connect();
  }

  async #connect() {
    const serial = ++this.#serial;
    let number = 0;
    const reached = () => ({ place: `client ${serial}`, number: ++number });
    this.#reference.clients.add(serial);
    this.#peers.push({
      serial,
      client: await this.system.connect(),
      membranes: new Map(),
      callback: serve<AnyStub>(CELL, { read: reached, write: reached }),
    });
  }

  async #disconnect() {
    const [peer] = this.#peers.splice(this.#random.below(this.#peers.length), 1);
    await this.#leave(peer!);
    await this.#connect();
  }

  async #leave(peer: Peer): Promise<void> {
    peer.client.session.close();
    await peer.client.session.closed;
    this.#reference.clients.delete(peer.serial);
    for (const hold of this.#holds.filter(({ held }) => held.peer === peer)) await hold.outcome;
    this.#holds = this.#holds.filter(({ held }) => held.peer !== peer);
    for (const held of this.#held) if (held.peer === peer) held.stub[Symbol.dispose]();
    this.#held = this.#held.filter((held) => held.peer !== peer);
    peer.callback[Symbol.dispose]();
    peer.client.gate[Symbol.dispose]();
  }

  async #info(domain: string): Promise<{ name: string; state: string; hostPid: number }> {
    const { domains } = await this.#operator.domains!({});
    return domains.find(({ name }: { name: string }) => name === domain);
  }

  /** The host of a domain is killed. */
  async #crash() {
    const domain = this.#random.pick(DOMAINS);
    await this.#advance(RECOVERY);
    const { hostPid } = await this.#info(domain);
    if (hostPid === 0) return;
    await this.#look();
    try {
      process.kill(hostPid, 'SIGKILL');
    } catch {
      // It went to sleep just now.
    }
    await this.#until(`${domain} has crashed`, async () => (await this.#info(domain)).hostPid !== hostPid);
    this.#note(`${domain} crashed`);
    this.#reference.ended(domain);
    await this.#checkHolds();
  }

  async #stopDomain() {
    const domain = this.#random.pick(DOMAINS);
    await this.#operator.stop!({ domain });
    this.#reference.ended(domain, { stopped: true });
    await this.#checkHolds();
  }

  async #restart() {
    const kind = this.#random.pick(['clean', 'kill', 'killAmid'] as const);
    this.#operations[kind] = (this.#operations[kind] ?? 0) + 1;
    if (kind === 'clean') {
      await this.#checkNothingLeft();
      await this.#look();
      await this.system.stop();
    } else if (kind === 'kill') {
      await this.system.kill();
    }
    const uncertain = kind === 'killAmid' ? await this.#killAmid() : null;
    this.#note(`restarted: ${kind}`);
    for (const peer of this.#peers.splice(0)) await this.#leave(peer);
    this.#control.session.close();
    this.#reference.restarted();
    await this.#begin();
    if (uncertain !== null) await this.#settle(uncertain);
    await this.#checkListing();
  }

  /** Kills the broker while mints and revocations are under way. Gives what was not acknowledged. */
  async #killAmid(): Promise<Unacknowledged> {
    const minted = new Map<string, { domain: string; secret: Uint8Array | null }>();
    const revoking = new Set<Grant>();
    const work: Promise<unknown>[] = [];
    for (let i = 0; i < 8; i++) {
      const grant = this.#random.chance(2) ? this.#revocable() : null;
      if (grant !== null && !grant.revoked) {
        revoking.add(grant);
        work.push(
          this.#try(this.#revokeById(grant.id)).then(({ error }) => {
            if (error !== undefined) return;
            revoking.delete(grant);
            this.#reference.revoke(grant);
          }),
        );
        continue;
      }
      const label = this.#label();
      const domain = this.#random.pick(['alpha', 'beta']);
      const entry: { domain: string; secret: Uint8Array | null } = { domain, secret: null };
      minted.set(label, entry);
      const policy = policyOf('all', 0, true);
      work.push(
        this.#try(
          this.#operator.mint!({ domain, object: '', policy, label }) as PromiseLike<{
            ref: { secret: Uint8Array };
          }>,
        ).then(({ value }) => {
          entry.secret = value?.ref.secret ?? null;
        }),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, this.#random.below(8)));
    await this.system.kill();
    await Promise.all(work);
    return { minted, revoking: [...revoking] };
  }

  /** What was acknowledged is there; what was not may be, and is from now on what it is. */
  async #settle({ minted, revoking }: Unacknowledged): Promise<void> {
    const listed = await this.#listed();
    for (const [label, { domain, secret }] of minted) {
      const row = listed.find((each) => each.label === label);
      if (row === undefined) {
        if (secret !== null) this.#fault(`the mint of ${label} was acknowledged, and is lost`);
        continue;
      }
      if (secret !== null) this.#secrets.push(secret);
      const grant: Grant = {
        id: row.id,
        parent: null,
        domain,
        object: '',
        methods: 'all',
        expires: 0,
        delegable: true,
        secret,
        revoked: false,
      };
      this.#reference.grants.set(grant.id, grant);
      if (secret !== null) await this.#restoreOf(grant);
    }
    for (const grant of revoking) {
      const row = listed.find(({ id }) => id === grant.id);
      if (row?.state === 'revoked') this.#reference.revoke(grant);
    }
  }

  // ---- the end ----------------------------------------------------------------------------------------------------

  /** When the last reference goes, every table on every hop is empty. */
  async #checkNothingLeft() {
    await this.#giveUpHolds();
    for (const { stub } of this.#held.splice(0)) stub[Symbol.dispose]();
    // One that does not run holds nothing.
    const running: string[] = [];
    for (const domain of DOMAINS) {
      this.#reference.domains.get(domain)!.kept.clear();
      if ((await this.#info(domain)).hostPid === 0) continue;
      using main = await this.#main(domain);
      await main.forget({});
      running.push(domain);
    }
    let left = '';
    await this.#until(
      () => `nothing is left: ${left}`,
      async () => {
        const tables = this.#peers.map(({ client }) => client.session.connection.tables);
        const alive = await Promise.all(
          running.map(async (domain) => {
            using main = await this.#main(domain);
            const alive = (await main.audit({})).alive as string[];
            // What the configuration grants is held by the broker, for alpha.
            return alive.filter((id) => domain !== PEER.domain || id !== PEER.object);
          }),
        );
        left = JSON.stringify({ tables, alive });
        return (
          tables.every(
            ({ questions, answers, exports, imports, embargoes }) =>
              // The gate is theirs as long as the connection is.
              questions + answers + exports + embargoes === 0 && imports <= 1,
          ) && alive.flat().length === 0
        );
      },
    );
  }

  async #until(what: string | (() => string), holds: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + PATIENCE;
    while (!(await holds())) {
      if (Date.now() > deadline) this.#fault(`not so in time: ${typeof what === 'string' ? what : what()}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Notes what could show a secret. */
  async #look() {
    const pids = (await Promise.all(DOMAINS.map((domain) => this.#info(domain)))).map(
      ({ hostPid }) => hostPid,
    );
    await this.system.look(pids.filter((pid) => pid !== 0));
    const refs = this.#secrets.map((secret) =>
      SturdyRef.of(secret, { transport: 'unix', path: `${this.system.folder}/broker.sock` }),
    );
    const objects = {
      refs,
      clients: this.#peers.map(({ client }) => client),
      held: this.#held.map(({ stub }) => stub),
    };
    for (const text of [inspect(objects, { depth: 8, showHidden: true }), JSON.stringify(refs), `${refs}`]) {
      this.system.seen.push({ where: 'what a client prints', bytes: Buffer.from(text) });
    }
  }
}
