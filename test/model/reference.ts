/**
 * The reference model of the grants, in plain data: what DESIGN.md and docs/grants.md promise of a capability, computed from
 * how its holder came by it. It knows nothing of the broker's code.
 *
 * A capability is what stands between its holder and an object, from the outside in: the grants that it passed out through,
 * which bind it by their lists and their lives, and those that it passed in through, which bind it by their lives.
 */

export type Method =
  | 'read'
  | 'write'
  | 'hold'
  | 'open'
  | 'keep'
  | 'kept'
  | 'ask'
  | 'askKept'
  | 'echo'
  | 'peer';

export type Methods = 'all' | ReadonlySet<Method>;

export interface Grant {
  readonly id: string;
  readonly parent: Grant | null;
  readonly domain: string;
  /** Empty: the domain's main object. */
  readonly object: string;
  readonly methods: Methods;
  /** 0: never. */
  readonly expires: number;
  readonly delegable: boolean;
  /** Null: nobody was told. */
  readonly secret: Uint8Array | null;
  revoked: boolean;
}

/** What stands between one holder of a grant and the domain. What passes it in and comes back is the holder's own again. */
export interface Membrane {
  readonly grant: Grant;
}

export type Cap =
  | {
      readonly is: 'object';
      readonly domain: string;
      /** Null: it has none, and cannot be saved. */
      readonly id: string | null;
      /** Of the domain: a live capability does not outlive it. */
      readonly life: number;
      /** How often the domain was told to stop before. */
      readonly stops: number;
    }
  /** What the broker holds for a domain: found again whenever it is called. */
  | { readonly is: 'granted'; readonly domain: string; readonly id: string }
  | { readonly is: 'callback'; readonly client: number }
  | {
      readonly is: 'passed';
      readonly through: Membrane;
      readonly direction: 'out' | 'in';
      readonly inner: Cap;
    };

export type Refusal = 'revoked' | 'expired' | 'method' | 'disconnected';

/** What is to be expected of a call: every reason to refuse it, and those for which it may be refused or not. */
export interface Expectation {
  readonly refusals: ReadonlySet<Refusal>;
  readonly maybe: ReadonlySet<Refusal>;
}

interface DomainState {
  /** Whether it is put to sleep when it is idle. */
  readonly sleeps: boolean;
  life: number;
  stops: number;
  readonly kept: Map<number, Cap>;
}

export class Reference {
  readonly grants = new Map<string, Grant>();
  readonly domains = new Map<string, DomainState>();
  readonly clients = new Set<number>();

  constructor(
    public now: number,
    domains: Readonly<Record<string, { readonly sleeps: boolean }>>,
  ) {
    for (const [name, { sleeps }] of Object.entries(domains)) {
      this.domains.set(name, { sleeps, life: 0, stops: 0, kept: new Map() });
    }
  }

  // ---- grants ---------------------------------------------------------------------------------------------------

  dead(grant: Grant): 'revoked' | 'expired' | null {
    for (const each of lineage(grant)) if (each.revoked) return 'revoked';
    for (const each of lineage(grant)) if (each.expires !== 0 && this.now >= each.expires) return 'expired';
    return null;
  }

  allows(grant: Grant, method: Method): boolean {
    return lineage(grant).every(({ methods }) => methods === 'all' || methods.has(method));
  }

  delegable(grant: Grant): boolean {
    return lineage(grant).every(({ delegable }) => delegable);
  }

  /** Gives those that were not revoked before. */
  revoke(grant: Grant): Grant[] {
    const dying = [...this.grants.values()].filter(
      (each) => !each.revoked && lineage(each).some(({ id }) => id === grant.id),
    );
    for (const each of dying) each.revoked = true;
    return dying;
  }

  // ---- capabilities ---------------------------------------------------------------------------------------------

  object(domain: string, id: string | null): Cap {
    const { life, stops } = this.domains.get(domain)!;
    return { is: 'object', domain, id, life, stops };
  }

  /** What a call of `method` on `cap` is to come to. */
  expects(cap: Cap, method: Method): Expectation {
    const refusals = new Set<Refusal>();
    let current = cap;
    for (; current.is === 'passed'; current = current.inner) {
      const { grant } = current.through;
      const dead = this.dead(grant);
      if (dead !== null) refusals.add(dead);
      if (current.direction === 'out' && !this.allows(grant, method)) refusals.add('method');
    }
    const maybe = new Set<Refusal>();
    if (current.is === 'callback' && !this.clients.has(current.client)) refusals.add('disconnected');
    if (current.is === 'object') {
      const { life, stops, sleeps } = this.domains.get(current.domain)!;
      if (current.life !== life) {
        // What slept when its domain was woken for another, and crashed, was not there to be lost.
        if (sleeps && current.id !== null && current.stops === stops) maybe.add('disconnected');
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

  /** `value`, as whoever is called on `target` gets it when the caller passes it. */
  passed(target: Cap, value: Cap): Cap {
    if (target.is !== 'passed') return value;
    const { through, direction, inner } = target;
    return this.passed(inner, direction === 'out' ? inward(through, value) : outward(through, value));
  }

  /** `value`, as the caller gets it when whoever is called on `target` returns it. */
  returned(target: Cap, value: Cap): Cap {
    if (target.is !== 'passed') return value;
    const { through, direction, inner } = target;
    const passed = this.returned(inner, value);
    return direction === 'out' ? outward(through, passed) : inward(through, passed);
  }

  /** What `domain` is to be told of `cap`, which it holds: as Cell.keep says it. Null where it is to be refused. */
  own(cap: Cap, domain: string): string | null {
    const end = endOf(cap);
    if (layers(cap).some(({ through }) => this.dead(through.grant) !== null)) return null;
    if (end.is === 'callback' && !this.clients.has(end.client)) return null;
    if (end.is === 'callback' || end.domain !== domain || end.id === null) return 'foreign';
    if (this.expects(end, 'read').refusals.size > 0) return 'foreign';
    const allowed = (method: Method) =>
      layers(cap).every(({ direction, through }) => direction === 'in' || this.allows(through.grant, method));
    return `${end.id} ${allowed('read')} ${allowed('write')}`;
  }

  /** Whether a reference can be minted from `cap`; null: for all that is known, it may. */
  savable(cap: Cap): boolean | null {
    if (cap.is !== 'passed' || cap.direction !== 'out') return false;
    const { grant } = cap.through;
    if (this.dead(grant) !== null || !this.delegable(grant)) return false;
    const { inner } = cap;
    if (inner.is !== 'object' || inner.domain !== grant.domain || inner.id === null) return false;
    const { refusals, maybe } = this.expects(inner, 'read');
    return refusals.size > 0 ? false : maybe.size > 0 ? null : true;
  }

  // ---- what happens ---------------------------------------------------------------------------------------------

  ended(domain: string, { stopped = false } = {}): void {
    const state = this.domains.get(domain)!;
    state.life++;
    if (stopped) state.stops++;
    state.kept.clear();
  }

  restarted(): void {
    for (const domain of this.domains.keys()) this.ended(domain, { stopped: true });
    this.clients.clear();
  }
}

/** A grant and those above it. */
export function lineage(grant: Grant): Grant[] {
  return grant.parent === null ? [grant] : [grant, ...lineage(grant.parent)];
}

export function layers(cap: Cap): (Cap & { is: 'passed' })[] {
  return cap.is === 'passed' ? [cap, ...layers(cap.inner)] : [];
}

export function endOf(cap: Cap): Exclude<Cap, { is: 'passed' }> {
  return cap.is === 'passed' ? endOf(cap.inner) : cap;
}

/** Which object a call on `cap` reaches: as Cell.read says it. */
export function placeOf(cap: Cap): string {
  const end = endOf(cap);
  return end.is === 'callback' ? `client ${end.client}` : `${end.domain}/${end.id ?? '?'}`;
}

/** What passes out is under the grant; what its holder passed in is the holder's own again, and what is out already is out. */
export function outward(through: Membrane, cap: Cap): Cap {
  if (cap.is === 'passed' && cap.through === through) return cap.direction === 'in' ? cap.inner : cap;
  return { is: 'passed', through, direction: 'out', inner: cap };
}

/** What passes in dies with the grant; what passed out through it comes home under it. */
function inward(through: Membrane, cap: Cap): Cap {
  if (cap.is === 'passed' && cap.through === through) return cap;
  return { is: 'passed', through, direction: 'in', inner: cap };
}
