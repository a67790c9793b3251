/**
 * What a domain is given to begin with: the powers and the grants of its configuration.
 *
 * A configured grant is a grant like any other, in the store, sealed to the domain: it can be listed and revoked. Where the
 * configuration changes, a new one is minted and the old one revoked, in this order: a broker that is killed in between
 * leaves one too many, which the next one revokes, and never one that is dead for no decision of the operator's.
 */
import type { Logger } from 'pino';
import { RpcError, type Stub, serve, stubFor } from '../rpc/index.js';
import { sturdySchema, sturdySchemaBytes } from '../schema/index.js';
import type { DomainConfig } from './config.js';
import type { Domain } from './domain.js';
import type { FlowPolicy } from './flow/flow-policy.js';
import { GrantedCapability } from './granted.js';
import type { Grants } from './grants.js';
import type { LineRate } from './line-rate.js';
import type { LiveGrant } from './live-grant.js';
import { Membrane, type MembraneServices } from './membrane.js';
import { ClientPace, type Lane } from './pace.js';
import { peerOf } from './peer.js';
import { writtenConstraint } from './policy/constraint.js';
import { ConstraintTextError } from './policy/constraint-text.js';
import { methodsNamed } from './policy/methods.js';
import { samePolicy } from './policy/policy-wire.js';
import { parseRate } from './policy/rate.js';
import { parseBytes } from './policy/size.js';
import { powers } from './powers.js';
import type { GrantRow, Store, StoredPolicy } from './store/store.js';

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
  /** Null: there are no flow labels. */
  readonly flow: FlowPolicy | null;
  /** Of the lines that it logs. */
  readonly lines: LineRate;
  readonly log: Logger;
}

export class DomainGrants {
  readonly #options: DomainGrantsOptions;

  constructor(options: DomainGrantsOptions) {
    this.#options = options;
  }

  /** Stubs for a new instance, which owns them. */
  async forInstance(): Promise<NamedGrant[]> {
    const { config } = this.#options;
    const given: NamedGrant[] = this.#powers();
    const lanes = new Map<Domain, Lane>();
    for (const name of Object.keys(config.grants)) given.push(await this.#grant(name, lanes));
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

  #powers(): NamedGrant[] {
    const { id, name, config, store, log, grants, lines } = this.#options;
    const all = powers({ domainId: id, domain: name, store, log, now: () => grants.clock.now(), lines });
    return Object.entries(config.powers)
      .filter(([, granted]) => granted)
      .map(([power]) => {
        const type = sturdySchema().interface(`${power[0]!.toUpperCase()}${power.slice(1)}`);
        return { name: power, interfaceId: type.id, cap: serve(type, all[power as keyof typeof all]) };
      });
  }

  /** `lanes`: what this instance has in flight at each domain. */
  async #grant(name: string, lanes: Map<Domain, Lane>): Promise<NamedGrant> {
    const { config, domains, services, at } = this.#options;
    const wanted = config.grants[name]!;
    const home = domains.get(wanted.domain);
    if (home === undefined)
      throw new RpcError('failed', `${at}.grants.${name}.domain: there is no domain ${wanted.domain}`);
    const type = home.graph.interface(wanted.interface);
    const grant = await this.#minted(name, home, wanted);
    const object = new GrantedCapability(home, wanted.object);
    // How far it is ahead holds up nobody's connection: it has one for all that it calls.
    const lane = lanes.get(home) ?? home.lane(new ClientPace());
    lanes.set(home, lane);
    const { id, flow } = this.#options;
    const peer = peerOf({ kind: 'domain', id }, undefined, null, flow?.ofDomain(this.#options.name) ?? null);
    const membrane = new Membrane(grant, services, undefined, lane, peer);
    return { name, interfaceId: type.id, cap: stubFor(membrane.outward(object), type) };
  }

  async #minted(name: string, home: Domain, wanted: DomainConfig['grants'][string]): Promise<LiveGrant> {
    const { id, grants, store } = this.#options;
    const policy = this.#policy(name, home, wanted);
    const known = store.configuredGrant(id, name);
    // The row, and not the grant in use: its policy may name what the schema has no more.
    const row = known === null ? null : store.grant(known);
    const same =
      row !== null &&
      row.domainId === home.id &&
      row.object === wanted.object &&
      samePolicy(row.amended?.minted ?? row.policy, policy);
    // One that was revoked stays revoked, and one that was narrowed, narrow: the configuration does not overrule the operator.
    const kept = same ? grants.get(row.id) : null;
    if (kept !== null) return kept;
    const { grant } = await grants.mint({
      parent: null,
      home,
      object: wanted.object,
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

  #policy(name: string, home: Domain, wanted: DomainConfig['grants'][string]): StoredPolicy {
    const { maxCalls, maxBytes, rate = [] } = wanted;
    return {
      methods: wanted.methods === 'all' ? 'all' : methodsNamed(wanted.methods, home.graph),
      expires: wanted.expires === undefined ? 0 : Date.parse(wanted.expires),
      delegable: false,
      constraints: (wanted.where ?? []).map((text, i) => {
        try {
          return writtenConstraint(text, home.graph);
        } catch (cause) {
          if (!(cause instanceof ConstraintTextError)) throw cause;
          const where = `${this.#options.at}.grants.${name}.where[${i}]`;
          throw new RpcError('failed', `${where}: ${cause.message}`, {
            code: 'ERR_POLICY_CONSTRAINT',
            cause,
          });
        }
      }),
      ...(maxCalls !== undefined && { maxCalls }),
      // The configuration was checked: see config.ts.
      ...(maxBytes !== undefined && { maxBytes: parseBytes(String(maxBytes))! }),
      rates: [rate].flat().map((text) => parseRate(text)!),
    };
  }

  #label(name: string): string {
    return `configured: ${this.#options.name}.${name}`;
  }

  /** Whether this row was minted here, and another is in its place. */
  #isLeftOver({ id, parent, digest, owner, label, revoked }: GrantRow): boolean {
    const { config, store } = this.#options;
    if (parent !== null || digest !== null || revoked !== null) return false;
    if (owner.kind !== 'domain' || owner.id !== this.#options.id) return false;
    const name = Object.keys(config.grants).find((each) => this.#label(each) === label);
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
