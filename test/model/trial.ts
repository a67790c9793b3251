/**
 * The real side of a run: a broker, its clients, and the stubs in their hands, each for something that the reference model has; and
 * how what a call came to is held against what the model says.
 */
import { inspect } from 'node:util';
import { SturdyRef } from 'sturdy/client';
import { serve } from 'sturdy/rpc';
import type { AnyStub, Client } from '../broker/running.js';
import { Diary } from './diary.js';
import { CELL, MODEL_DOMAINS, PAIRS, PARTIES, PEER, SLEEPER } from './domains.js';
import { type Failure, policyToWire, refusalOf, type WirePolicy } from './outcomes.js';
import { type Cap, endOf, placeOf, shown } from './reference/capability.js';
import { Flow } from './reference/flow.js';
import type { Grant, Minted } from './reference/grant.js';
import { EVERYTHING, type Method } from './reference/policy.js';
import { type ClientState, type Expectation, type Held, Reference } from './reference/reference.js';
import type { System } from './system.js';
import type { Tally } from './tally.js';

export const DOMAINS = Object.keys(MODEL_DOMAINS);
const CLIENTS = 3;
const MOST_HELD = 40;
const IN_FLIGHT = 'a call in flight';
/** GrantInfo of sturdy.capnp, as far as the model speaks it. */
export interface Listed {
  readonly id: string;
  readonly parent: string;
  readonly label: string;
  readonly state: string;
  readonly reference: string;
  readonly policy: WirePolicy;
  readonly bound: WirePolicy;
}

/** The real side of a client. */
interface Connection {
  readonly client: Client;
  /** What it passes of its own. */
  readonly callback: AnyStub;
}

/** Power over a grant, in the hands of whoever minted it. */
interface Power {
  /** Null: of the operator. */
  readonly client: ClientState | null;
  readonly stub: AnyStub;
}

/** A call that does not return. */
export interface CallInFlight {
  readonly held: Held;
  readonly given: AbortController;
  readonly outcome: Promise<unknown>;
  error: Failure | null;
}

export class Trial extends Diary {
  readonly connections = new Map<ClientState, Connection>();
  readonly #stubs = new Map<Held, AnyStub>();
  readonly powers = new Map<Grant, Power>();
  inFlight: CallInFlight[] = [];
  readonly #mains = new Map<string, Grant>();
  /** What alpha is granted of beta. */
  peerGrant!: Grant;
  control!: Client;
  operator!: AnyStub;

  /** With what every label of this run begins. */
  readonly labels: string;
  #labels = 0;

  private constructor(
    readonly system: System,
    readonly reference: Reference,
    tally: Tally,
  ) {
    super(tally);
    this.labels = `run ${++tally.runs}: `;
  }

  /** On a broker that runs and that nobody else uses: clients of it, and something to call and to revoke. */
  static async begin(system: System, tally: Tally): Promise<Trial> {
    const domains = Object.fromEntries(DOMAINS.map((name) => [name, { sleeps: name === SLEEPER }]));
    const trial = new Trial(
      system,
      new Reference(system.now, domains, system.labelled ? new Flow(PAIRS) : null),
      tally,
    );
    const { reference } = trial;
    await trial.connectAll();
    await Promise.all(
      DOMAINS.map(async (domain) => {
        const main = await trial.mintRoot(domain, '');
        reference.spared.add(main);
        trial.#mains.set(domain, main);
      }),
    );
    await trial.#adoptConfigured();
    for (const domain of DOMAINS) await trial.mintRoot(domain, 'a');
    return trial;
  }

  async connectAll(): Promise<void> {
    this.control = await this.system.connect();
    this.operator = await this.system.operator(this.control);
    for (let i = 0; i < CLIENTS; i++) await this.connect();
  }

  async #adoptConfigured(): Promise<void> {
    const row = (await this.listed()).find(({ label }) => label === 'configured: alpha.peer');
    if (row === undefined) this.fault('what is configured for alpha is not listed');
    this.peerGrant = this.reference.mint({
      id: row.id,
      parent: null,
      domain: PEER.domain,
      object: PEER.object,
      policy: { methods: new Set(PEER.methods), expires: 0, delegable: false },
      secret: null,
    });
    this.reference.spared.add(this.peerGrant);
  }

  /** Has the operator mint. Without a policy: what restricts nothing. */
  async mintRoot(domain: string, object: string, { policy = EVERYTHING, once = false } = {}): Promise<Grant> {
    const params = { domain, object, label: this.label(), policy: policyToWire(policy), once };
    const { ref, grant: power } = await this.operator.mint!(params);
    return this.mintedFor(null, { parent: null, domain, object, policy, once, secret: ref.secret }, power);
  }

  /** Notes what was minted, for `client` (null: the operator), who got `power` over it. */
  async mintedFor(client: ClientState | null, what: Omit<Minted, 'id'>, power: AnyStub): Promise<Grant> {
    const { info } = await power.info!({});
    const grant = this.minted({ ...what, id: info.id });
    this.powers.set(grant, { client, stub: power });
    return grant;
  }

  minted(what: Minted): Grant {
    const grant = this.reference.mint(what);
    if (grant.secret !== null) this.tally.secrets.push(grant.secret);
    this.tally.grants++;
    this.note(`minted ${grant.id} of ${grant.parent?.id ?? 'the operator'}`);
    return grant;
  }

  /** Another one for every grant, whatever the run. */
  label(): string {
    return `${this.labels}${++this.#labels}`;
  }

  /** Another one for every call, whatever the run. */
  token(): number {
    return ++this.tally.tokens;
  }

  // ---- judging --------------------------------------------------------------------------------------------------

  /** Holds what a call on `cap` came to against what the model says. Gives whether it went through. */
  judge(what: string, cap: Cap, { refusals, maybe }: Expectation, failure: Failure | null): boolean {
    const told = failure === null ? null : refusalOf(failure);
    this.note(`${what} on ${shown(cap)}: ${failure === null ? 'went through' : failure.message}`);
    this.tally.call(
      `${what === IN_FLIGHT ? 'in flight, ' : ''}${told ?? (failure === null ? 'through' : 'failed')}`,
    );
    if (failure === null) {
      if (refusals.size > 0) this.fault(`${what} on ${shown(cap)} went through, and is ${[...refusals]}`);
      return true;
    }
    if (told === null || !(refusals.has(told) || maybe.has(told))) {
      this.fault(`${what} on ${shown(cap)} failed with ${failure.message}, and is ${[...refusals]}`);
    }
    return false;
  }

  judgeCall(what: string, cap: Cap, method: Method, failure: Failure | undefined): boolean {
    return this.judge(what, cap, this.reference.expects(cap, method), failure ?? null);
  }

  checkPlace(cap: Cap, place: string): void {
    if (place !== placeOf(cap)) this.fault(`a call on ${shown(cap)} reached ${place}`);
  }

  /** No call that was refused has arrived. */
  async checkRefused(cap: Cap, tokens: readonly number[]): Promise<void> {
    const end = endOf(cap);
    // One that sleeps forgets what arrived.
    if (end.is === 'callback' || end.domain === SLEEPER) return;
    using main = await this.main(end.domain);
    const arrived = new Set<number>((await main.audit({})).tokens);
    for (const token of tokens) {
      if (arrived.has(token)) this.fault(`call ${token} on ${shown(cap)} was refused, and arrived`);
    }
  }

  /** What came to an end with what is dead by now, and nothing else: the calls in flight. */
  async checkInFlight(): Promise<void> {
    for (const call of [...this.inFlight]) {
      const { cap } = call.held;
      const expected = this.reference.ends(cap);
      if (expected.refusals.size === 0 && (call.error === null || expected.maybe.size > 0)) {
        if (call.error !== null) this.#ended(call);
        continue;
      }
      await this.until(`a call in flight on ${shown(cap)} has ended`, async () => call.error !== null);
      this.judge(IN_FLIGHT, cap, expected, call.error);
      this.#ended(call);
    }
  }

  #ended(call: CallInFlight): void {
    this.inFlight = this.inFlight.filter((each) => each !== call);
  }

  /** Has the callers of these give them up. */
  async giveUp(calls: readonly CallInFlight[]): Promise<void> {
    this.inFlight = this.inFlight.filter((call) => !calls.includes(call));
    for (const { given } of calls) given.abort();
    for (const { outcome } of calls) await outcome;
  }

  // ---- clients --------------------------------------------------------------------------------------------------

  /** The main object of a domain, for what the run itself asks. */
  main(domain: string): Promise<AnyStub> {
    return this.control.restore(this.#mains.get(domain)!.secret!, CELL);
  }

  connection(client: ClientState): Connection {
    return this.connections.get(client)!;
  }

  stub(held: Held): AnyStub {
    return this.#stubs.get(held)!;
  }

  receive(client: ClientState, cap: Cap, stub: AnyStub): Held {
    const held = { client, cap };
    const { held: all } = this.reference;
    all.push(held);
    this.#stubs.set(held, stub);
    if (all.length > MOST_HELD) this.drop(all[0]!);
    return held;
  }

  drop(held: Held): void {
    this.reference.held = this.reference.held.filter((each) => each !== held);
    this.#stubs.get(held)?.[Symbol.dispose]();
    this.#stubs.delete(held);
  }

  async connect(): Promise<void> {
    // One of them comes from far.
    const isFar = ![...this.connections.keys()].some(({ party }) => party === 'far');
    const party = PARTIES[isFar ? 1 : 0];
    const state = this.reference.connect(party);
    let number = 0;
    const reached = () => ({ place: `client ${state.serial}`, number: ++number });
    this.connections.set(state, {
      client: await this.system.connect(party),
      callback: serve<AnyStub>(CELL, { read: reached, write: reached }),
    });
  }

  async leave(state: ClientState): Promise<void> {
    const { client, callback } = this.connection(state);
    client.session.close();
    await client.session.closed;
    for (const call of this.inFlight.filter(({ held }) => held.client === state)) {
      await call.outcome;
      this.#ended(call);
    }
    for (const held of this.reference.held.filter((each) => each.client === state)) this.drop(held);
    this.forgetPowers(state);
    this.reference.disconnect(state);
    this.connections.delete(state);
    callback[Symbol.dispose]();
    client.gate[Symbol.dispose]();
  }

  /** Those of one client, of the operator (null), or all of them. */
  forgetPowers(of?: ClientState | null): void {
    for (const [grant, { client, stub }] of [...this.powers]) {
      if (of !== undefined && client !== of) continue;
      stub[Symbol.dispose]();
      this.powers.delete(grant);
    }
  }

  /** After the broker has ended: everybody's connection has, too. */
  async leaveAll(): Promise<void> {
    for (const client of [...this.reference.clients.values()]) await this.leave(client);
    this.forgetPowers(null);
    this.control.session.close();
    this.reference.restarted();
  }

  // ---- what the operator is told --------------------------------------------------------------------------------

  async info(domain: string): Promise<{ name: string; state: string; hostPid: number; wakes: number }> {
    const { domains } = await this.operator.domains!({});
    return domains.find(({ name }: { name: string }) => name === domain);
  }

  async listed(): Promise<Listed[]> {
    const all: Listed[] = [];
    for (;;) {
      const { grants } = await this.operator.grants!({ after: all.at(-1)?.id ?? '' });
      if (grants.length === 0) return all;
      all.push(...grants);
    }
  }

  /** Power over any grant, from above. */
  async powerOver({ id }: { readonly id: string }): Promise<AnyStub> {
    const { grant } = await this.operator.grant!({ id });
    return grant;
  }

  /** Notes what could show a secret. */
  async look(): Promise<void> {
    const { secrets, seen } = this.tally;
    const infos = await Promise.all(DOMAINS.map((domain) => this.info(domain)));
    await this.system.look(infos.map(({ hostPid }) => hostPid).filter((pid) => pid !== 0));
    const refs = secrets.map((secret) =>
      SturdyRef.of(secret, { transport: 'unix', path: `${this.system.folder}/broker.sock` }),
    );
    const objects = {
      refs,
      clients: [...this.connections.values()].map(({ client }) => client),
      held: [...this.#stubs.values()],
    };
    for (const text of [inspect(objects, { depth: 8, showHidden: true }), JSON.stringify(refs), `${refs}`]) {
      seen.push({ where: 'what a client prints', bytes: Buffer.from(text) });
    }
  }
}
