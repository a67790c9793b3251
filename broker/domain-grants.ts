/**
 * What a domain is given to begin with: the powers and the grants of its configuration.
 *
 * Each is a grant like any other, in the store, sealed to the domain: it can be listed and revoked. Where the
 * configuration changes, a new one is minted and the old one revoked, in this order: a broker that is killed in between
 * leaves one too many, which the next one revokes, and never one that is dead for no decision of the operator's.
 */
import { RpcError, type Stub, stubFor } from '../rpc/index.js';
import { sturdySchemaBytes } from '../schema/index.js';
import type { DomainConfig } from './config.js';
import type { Domain } from './domain.js';
import type { FlowPolicy } from './flow/flow-policy.js';
import { GrantedCapability } from './granted.js';
import type { Grants } from './grants.js';
import type { Home } from './home.js';
import type { LiveGrant } from './live-grant.js';
import { Membrane, type MembraneServices } from './membrane.js';
import { ClientPace, type Lane } from './pace.js';
import { peerOf } from './peer.js';
import { samePolicy } from './policy/policy-wire.js';
import { policyWritten, type WrittenPolicy } from './policy/written-policy.js';
import type { Powers } from './powers/powers.js';
import { PowersHome } from './powers/powers-home.js';
import type { GrantRow, Store } from './store/store.js';

export interface NamedGrant {
  readonly name: string;
  readonly interfaceId: bigint;
  readonly cap: Stub;
}

export interface DomainGrantsOptions {
  readonly id: string;
  readonly name: string;
  readonly config: DomainConfig;
  /** Where the domain stands in the configuration, for errors. */
  readonly at: string;
  readonly store: Store;
  readonly grants: Grants;
  readonly domains: ReadonlyMap<string, Domain>;
  readonly services: MembraneServices;
  readonly powers: Powers;
  readonly powersHome: PowersHome;
  /** Null: there are no flow labels. */
  readonly flow: FlowPolicy | null;
}

/** A grant as the configuration has it. */
interface Wanted {
  readonly home: Home;
  readonly object: string;
  readonly interface: string;
  readonly policy: WrittenPolicy;
  /** Where its policy stands in the configuration. */
  readonly at: string;
}

export class DomainGrants {
  readonly #options: DomainGrantsOptions;

  constructor(options: DomainGrantsOptions) {
    this.#options = options;
  }

  /** Stubs for a new instance, which owns them. */
  async forInstance(): Promise<NamedGrant[]> {
    const given: NamedGrant[] = [];
    const lanes = new Map<Home, Lane | null>();
    for (const [name, wanted] of this.#wanted()) given.push(await this.#grant(name, wanted, lanes));
    return given;
  }

  /** The domain's own schema, and those that it needs to call what it is given. */
  schemas(own: Uint8Array): Uint8Array[] {
    const { config, domains } = this.#options;
    const others = new Set(
      Object.values(config.grants).flatMap(({ domain }) => domains.get(domain)?.schema ?? []),
    );
    others.delete(own);
    return [own, sturdySchemaBytes(), ...others];
  }

  /** What the domain is granted, by name: the powers first. */
  #wanted(): [name: string, wanted: Wanted][] {
    const { config, domains, at, name: domain, powers, powersHome } = this.#options;
    const ofPowers = [...powers].map(([name, power]): [string, Wanted] => [
      name,
      {
        home: powersHome,
        object: PowersHome.objectOf(domain, name),
        interface: power.interface,
        policy: power.policy ?? { methods: 'all' },
        at: `${at}.${power.at}.policy`,
      },
    ]);
    const ofObjects = Object.entries(config.grants).map(([name, grant]): [string, Wanted] => {
      const home = domains.get(grant.domain);
      if (home === undefined)
        throw new RpcError('failed', `${at}.grants.${name}.domain: there is no domain ${grant.domain}`);
      return [
        name,
        { home, object: grant.object, interface: grant.interface, policy: grant, at: `${at}.grants.${name}` },
      ];
    });
    return [...ofPowers, ...ofObjects];
  }

  /** `lanes`: what this instance has in flight at each home. */
  async #grant(name: string, wanted: Wanted, lanes: Map<Home, Lane | null>): Promise<NamedGrant> {
    const { services } = this.#options;
    const { home } = wanted;
    const type = home.graph.interface(wanted.interface);
    const grant = await this.#minted(name, wanted);
    const object = new GrantedCapability(home, wanted.object);
    // How far it is ahead holds up nobody's connection: it has one for all that it calls.
    const lane = lanes.get(home) ?? home.lane(new ClientPace());
    lanes.set(home, lane);
    const { id, flow } = this.#options;
    const peer = peerOf({ kind: 'domain', id }, undefined, null, flow?.ofDomain(this.#options.name) ?? null);
    const membrane = new Membrane(grant, services, undefined, lane, peer);
    return { name, interfaceId: type.id, cap: stubFor(membrane.outward(object), type) };
  }

  async #minted(name: string, wanted: Wanted): Promise<LiveGrant> {
    const { id, grants, store } = this.#options;
    const { home, object } = wanted;
    const policy = policyWritten(wanted.policy, home.graph, wanted.at);
    const known = store.configuredGrant(id, name);
    // The row, and not the grant in use: its policy may name what the schema has no more.
    const row = known === null ? null : store.grant(known);
    const same =
      row !== null &&
      row.domainId === home.id &&
      row.object === object &&
      samePolicy(row.amended?.minted ?? row.policy, policy);
    // One that was revoked stays revoked, and one that was narrowed, narrow: the configuration does not overrule the operator.
    const kept = same ? grants.get(row.id) : null;
    if (kept !== null) return kept;
    const { grant } = await grants.mint({
      parent: null,
      home,
      object,
      policy,
      label: this.#label(name),
      owner: { kind: 'domain', id },
      withSecret: false,
      by: 'the configuration',
    });
    await store.setConfiguredGrant(id, name, grant.row.id);
    if (row !== null) await grants.revoke(row.id, 'the configuration changed');
    return grant;
  }

  #label(name: string): string {
    return `configured: ${this.#options.name}.${name}`;
  }

  /** Whether this row was minted here, and another is in its place. */
  #isLeftOver({ id, parent, digest, owner, label, revoked }: GrantRow): boolean {
    const { config, powers, store } = this.#options;
    if (parent !== null || digest !== null || revoked !== null) return false;
    if (owner.kind !== 'domain' || owner.id !== this.#options.id) return false;
    const names = [...powers.keys(), ...Object.keys(config.grants)];
    const name = names.find((each) => this.#label(each) === label);
    return name !== undefined && store.configuredGrant(owner.id, name) !== id;
  }

  /** Before any of them is used: revokes what a broker that was killed while it minted has left. */
  static async revokeLeftOver(all: readonly DomainGrants[], grants: Grants): Promise<void> {
    const leftOver: string[] = [];
    for (let after = ''; ; ) {
      const rows = grants.rows(after, 1000);
      if (rows.length === 0) break;
      after = rows.at(-1)!.id;
      for (const row of rows) if (all.some((each) => each.#isLeftOver(row))) leftOver.push(row.id);
    }
    for (const id of leftOver) await grants.revoke(id, 'left over by a broker that was killed');
  }
}
