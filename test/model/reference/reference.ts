/**
 * The reference model of the grants, in plain data: what DESIGN.md and docs/grants.md promise of a capability, computed from how
 * its holder came by it. It knows nothing of the broker's code.
 */
import { type Cap, endOf, layers, type Membrane, outward } from './capability.js';
import type { Flow } from './flow.js';
import { Grant, type Minted } from './grant.js';
import type { Method } from './policy.js';

export type Refusal = 'revoked' | 'expired' | 'method' | 'disconnected' | 'flow';

/** What is to be expected of a call: every reason to refuse it, and those for which it may be refused or not. */
export interface Expectation {
  readonly refusals: ReadonlySet<Refusal>;
  readonly maybe: ReadonlySet<Refusal>;
}

/** Who gets capabilities by grants: of each grant, what stands between it and the domain that the grant is to. */
interface Holder {
  /** Whose flow label it has. */
  readonly party: string;
  readonly membranes: Map<Grant, Membrane>;
}

export interface DomainState extends Holder {
  /** Whether it is put to sleep when it is idle. */
  readonly sleeps: boolean;
  life: number;
  stops: number;
  readonly kept: Map<number, Cap>;
}

/** A client, as long as its connection. */
export interface ClientState extends Holder {
  readonly serial: number;
}

/** A capability in the hands of a client. */
export interface Held {
  readonly client: ClientState;
  readonly cap: Cap;
}

export class Reference {
  readonly grants = new Map<string, Grant>();
  /** Not for revoking or amending: what the run itself goes by. */
  readonly spared = new Set<Grant>();
  readonly domains = new Map<string, DomainState>();
  readonly clients = new Map<number, ClientState>();
  held: Held[] = [];
  readonly #membranes = new Set<Membrane>();
  #serial = 0;

  constructor(
    public now: number,
    domains: Readonly<Record<string, { readonly sleeps: boolean }>>,
    /** Null: there are no flow labels. */
    readonly flow: Flow | null,
  ) {
    for (const [name, { sleeps }] of Object.entries(domains)) {
      this.domains.set(name, {
        party: name,
        sleeps,
        life: 0,
        stops: 0,
        kept: new Map(),
        membranes: new Map(),
      });
    }
  }

  // ---- grants ---------------------------------------------------------------------------------------------------

  mint(minted: Minted): Grant {
    const grant = new Grant(minted);
    this.grants.set(grant.id, grant);
    return grant;
  }

  dead(grant: Grant): 'revoked' | 'expired' | null {
    return grant.dead(this.now);
  }

  /** Those that are not revoked, of it and those below it. */
  living(grant: Grant): Grant[] {
    return [...this.grants.values()].filter((each) => !each.revoked && each.lineage.includes(grant));
  }

  /** Gives those that were not revoked before. */
  revoke(grant: Grant): Grant[] {
    const dying = this.living(grant);
    for (const each of dying) each.revoked = true;
    return dying;
  }

  /** Those that nobody needs for the run, and that are alive. */
  get revocable(): Grant[] {
    return [...this.grants.values()].filter((each) => !this.spared.has(each) && this.dead(each) === null);
  }

  /** Of the grants between `cap` and its holder, and those above them, those that can be revoked. */
  revocableOf(cap: Cap): Grant[] {
    return layers(cap)
      .flatMap(({ through }) => through.grant.lineage)
      .filter((grant) => !this.spared.has(grant) && this.dead(grant) === null);
  }

  /** What came through a grant that has expired is dead from then on, even if the grant is extended. */
  endExpired(): void {
    for (const membrane of this.#membranes) {
      if (this.dead(membrane.grant) !== 'expired') continue;
      membrane.expired = true;
      this.#membranes.delete(membrane);
      for (const { membranes } of this.clients.values()) {
        if (membranes.get(membrane.grant) === membrane) membranes.delete(membrane.grant);
      }
    }
  }

  // ---- clients --------------------------------------------------------------------------------------------------

  connect(party: string): ClientState {
    const client = { party, serial: ++this.#serial, membranes: new Map() };
    this.clients.set(client.serial, client);
    return client;
  }

  disconnect(client: ClientState): void {
    this.clients.delete(client.serial);
    this.held = this.held.filter((held) => held.client !== client);
  }

  /** One of its own. */
  membrane({ party }: Holder, grant: Grant): Membrane {
    const membrane = { grant, holder: party, expired: false };
    this.#membranes.add(membrane);
    return membrane;
  }

  /** The one of this holder. */
  membraneOf(holder: Holder, grant: Grant): Membrane {
    const { membranes } = holder;
    const membrane = membranes.get(grant) ?? this.membrane(holder, grant);
    membranes.set(grant, membrane);
    return membrane;
  }

  /** Whether a client who shows this secret of `grant` gets its object. */
  restores({ party }: ClientState, grant: Grant, secret: Uint8Array): boolean {
    return grant.restores(secret, this.now) && (this.flow?.permits(grant.domain, party) ?? true);
  }

  /** What `client` gets for a reference of `grant`. */
  restored(client: ClientState, grant: Grant): Cap {
    if (grant.once) grant.used = true;
    return outward(this.membraneOf(client, grant), this.object(grant.domain, grant.object));
  }

  // ---- capabilities ---------------------------------------------------------------------------------------------

  object(domain: string, id: string | null): Cap {
    const { life, stops } = this.domains.get(domain)!;
    return { is: 'object', domain, id, life, stops };
  }

  /** What a call of `method` on `cap` is to come to. */
  expects(cap: Cap, method: Method): Expectation {
    const { refusals, maybe } = this.ends(cap);
    const binding = layers(cap).filter(({ direction }) => direction === 'out');
    const allowed = binding.every(({ through }) => through.grant.allows(method));
    return allowed ? { refusals, maybe } : { refusals: new Set([...refusals, 'method']), maybe };
  }

  /** The same of a call with `value` in its params. */
  expectsPassing(target: Cap, value: Cap, method: Method): Expectation {
    return this.#unless(this.flow?.mayPass(target, value), value, this.expects(target, method));
  }

  /** The same of a call that is to return `value`. */
  expectsReturning(target: Cap, value: Cap, method: Method): Expectation {
    return this.#unless(this.flow?.mayReturn(target, value), value, this.expects(target, method));
  }

  /** What is dead already may have come as broken, which may be anywhere. */
  #unless(lawful: boolean | undefined, value: Cap, { refusals, maybe }: Expectation): Expectation {
    if (lawful !== false) return { refusals, maybe };
    const ends = this.ends(value);
    if (ends.refusals.size + ends.maybe.size > 0) return { refusals, maybe: new Set([...maybe, 'flow']) };
    return { refusals: new Set([...refusals, 'flow']), maybe };
  }

  /** Why nothing can be done with `cap` any more, and nothing through it goes on. */
  ends(cap: Cap): Expectation {
    const refusals = new Set<Refusal>();
    const maybe = new Set<Refusal>();
    for (const { through } of layers(cap)) {
      const dead = this.dead(through.grant);
      if (dead !== null) refusals.add(dead);
      if (through.expired) refusals.add('expired');
    }
    if (this.flow?.lawful(cap) === false) maybe.add('flow');
    const end = endOf(cap);
    if (end.is === 'callback' && !this.clients.has(end.client)) refusals.add('disconnected');
    if (end.is === 'object') {
      const { life, stops, sleeps } = this.domains.get(end.domain)!;
      if (end.life !== life) {
        // What slept when its domain was woken for another, and crashed, was not there to be lost.
        if (sleeps && end.id !== null && end.stops === stops) maybe.add('disconnected');
        else refusals.add('disconnected');
      }
    }
    return { refusals, maybe };
  }

  /**
   * Of a call on what a call on `target` will return, before it has: `cap` by then. Nobody knows yet that it is the holder's
   * own, if it is: it may be held to the list of the grant.
   */
  expectsEarly(target: Cap, cap: Cap, method: Method): Expectation {
    const { refusals, maybe } = this.expects(cap, method);
    return { refusals, maybe: new Set([...maybe, ...this.expects(target, method).refusals]) };
  }

  /** What `domain` is to be told of `cap`, which it holds: as Cell.keep says it. Null where it is to be refused. */
  own(cap: Cap, domain: string): string | null {
    const end = endOf(cap);
    const through = layers(cap);
    if (through.some((each) => each.through.expired || this.dead(each.through.grant) !== null)) return null;
    if (end.is === 'callback' && !this.clients.has(end.client)) return null;
    if (end.is === 'callback' || end.domain !== domain || end.id === null) return 'foreign';
    if (this.ends(end).refusals.size > 0) return 'foreign';
    const allowed = (method: Method) => !this.expects(cap, method).refusals.has('method');
    return `${end.id} ${allowed('read')} ${allowed('write')}`;
  }

  /** Whether a reference can be minted from `cap`; null: for all that is known, it may. */
  savable(cap: Cap): boolean | null {
    if (cap.is !== 'passed' || cap.direction !== 'out') return false;
    const { grant, expired } = cap.through;
    if (expired || this.dead(grant) !== null || !grant.delegable) return false;
    const { inner } = cap;
    if (inner.is !== 'object' || inner.domain !== grant.domain || inner.id === null) return false;
    const { refusals, maybe } = this.ends(inner);
    return refusals.size > 0 ? false : maybe.size > 0 ? null : true;
  }

  // ---- what happens ---------------------------------------------------------------------------------------------

  ended(domain: string, { stopped = false } = {}): void {
    const state = this.domains.get(domain)!;
    state.life++;
    if (stopped) state.stops++;
    state.kept.clear();
    state.membranes.clear();
  }

  restarted(): void {
    for (const domain of this.domains.keys()) this.ended(domain, { stopped: true });
    for (const client of this.clients.values()) this.disconnect(client);
    this.#membranes.clear();
  }
}
