/** The operator's capability, and the broker as a home: for the objects that are its own. */
import { isAbsolute } from 'node:path';
import type { DelegationParams } from '../client/protocol.js';
import {
  type CallContext,
  type CallSignal,
  type Capability,
  capabilityOf,
  RpcError,
  type Stub,
  served,
  settled,
} from '../rpc/index.js';
import { type SchemaGraph, sturdySchema, sturdySchemaBytes } from '../schema/index.js';
import { BROKER_HOME } from './broker-name.js';
import type { Domain } from './domain.js';
import { grantInfo, grantPower, powerNamed, powerOf } from './grant-power.js';
import type { Grants } from './grants.js';
import type { Home, Identity } from './home.js';
import { ownerFromWire } from './owner.js';
import type { Peer } from './peer.js';
import { policyFromWire } from './policy/policy-wire.js';
import { type GrantRow, MAX_LISTING, type Store } from './store/store.js';

export const OPERATOR_OBJECT = 'operator';

/** Files that are empty are those of the configuration. */
export interface DomainUpgrade {
  readonly module: string;
  readonly schema: string;
  /** In milliseconds; 0: the default. */
  readonly drain: number;
  readonly peer: Peer | null;
}

/** What the operator may ask of the broker. */
export interface OperatorPowers {
  readonly grants: Grants;
  readonly domains: ReadonlyMap<string, Domain>;
  readonly store: Pick<Store, 'audit' | 'lastAudit'>;
  homeOf(domainId: string): Home | undefined;
  /** Has a domain run another version. */
  upgrade(domain: Domain, request: DomainUpgrade): Promise<{ cut: number }>;
  health(): { ready: boolean; uptimeMillis: bigint; connections: number; detail: string };
}

export class BrokerHome implements Home {
  readonly id = BROKER_HOME;
  readonly name = BROKER_HOME;
  readonly graph: SchemaGraph = sturdySchema();
  readonly schema: Uint8Array = sturdySchemaBytes();
  readonly #powers: OperatorPowers;
  /** Those that were given out: one for each peer that restores it, so that what it does is known to be that peer's. */
  readonly #operators = new WeakSet<Capability>();

  constructor(powers: OperatorPowers) {
    this.#powers = powers;
  }

  lane(): null {
    return null;
  }

  async restore(object: string, _signal?: CallSignal, peer: Peer | null = null): Promise<Capability> {
    if (object === OPERATOR_OBJECT) {
      const operator = served(this.graph.interface('Operator'), new OperatorServer(this.#powers, peer));
      this.#operators.add(operator);
      return operator;
    }
    const { grants, homeOf } = this.#powers;
    const named = powerNamed(object);
    const row = named === null ? null : grants.row(named.grant);
    if (named === null || row === null) {
      throw new RpcError(
        'failed',
        `the broker has no object ${JSON.stringify(object)}; it has ${OPERATOR_OBJECT}, and powers over grants`,
      );
    }
    using power = grantPower(row, grants, homeOf, peer, named.standing);
    return capabilityOf(power).retain();
  }

  async identify(capability: Capability): Promise<Identity | null> {
    const end = settled(capability);
    const power = powerOf(end);
    if (power !== null) {
      return { object: power, interfaceId: this.graph.interface('Grant').id, persistent: true };
    }
    if (!this.#operators.has(end)) return null;
    return { object: OPERATOR_OBJECT, interfaceId: this.graph.interface('Operator').id, persistent: true };
  }
}

const GRANTS_PAGE = 1000;
/** Each grant is read with all that is above it. */
const TREE_PAGE = 256;

/** By what authority, for the audit log. */
const BY = 'operator';

class OperatorServer {
  readonly #powers: OperatorPowers;
  readonly #peer: Peer | null;

  constructor(powers: OperatorPowers, peer: Peer | null) {
    this.#powers = powers;
    this.#peer = peer;
  }

  domains(): object {
    return { domains: [...this.#powers.domains.values()].map(({ info }) => info) };
  }

  async start({ domain }: { domain: string }): Promise<void> {
    await this.#domain(domain).running();
  }

  async stop({ domain }: { domain: string }): Promise<void> {
    await this.#domain(domain).stop('stopped by the operator');
  }

  upgrade(params: { domain: string; module: string; schema: string; drain: number }): Promise<object> {
    const { module, schema, drain } = params;
    for (const [name, file] of Object.entries({ module, schema })) {
      if (file === '' || isAbsolute(file)) continue;
      throw new RpcError('failed', `${name}: ${JSON.stringify(file)} is not an absolute path`, {
        code: 'ERR_UPGRADE',
      });
    }
    return this.#powers.upgrade(this.#domain(params.domain), { module, schema, drain, peer: this.#peer });
  }

  async mint(
    params: DelegationParams & { domain: string; object: string },
    context: CallContext,
  ): Promise<object> {
    const { grants, homeOf } = this.#powers;
    const home = this.#domain(params.domain);
    // The object has to exist: a reference to nothing would only be found out by whoever it is given to.
    (await home.restore(params.object)).release();
    const { grant, secret } = await grants.mint({
      parent: null,
      home,
      object: params.object,
      policy: policyFromWire(params.policy),
      label: params.label ?? '',
      owner: ownerFromWire(params.sealFor, grants.knowsCertificates),
      once: params.once ?? false,
      by: BY,
      peer: this.#peer,
    });
    return { ref: { secret }, grant: context.use(grantPower(grant.row, grants, homeOf, this.#peer)) };
  }

  grants({ after, limit }: { after: string; limit: number }): object {
    const { grants } = this.#powers;
    const rows = grants.rows(after, limit === 0 ? GRANTS_PAGE : Math.min(limit, GRANTS_PAGE));
    return { grants: rows.map(({ id }) => grantInfo(grants.lineage(id), grants)) };
  }

  grant({ id }: { id: string }, context: CallContext): { grant: Stub } {
    const { grants, homeOf } = this.#powers;
    return { grant: context.use(grantPower(this.#row(id), grants, homeOf, this.#peer, 'operator')) };
  }

  tree({ id, after, limit }: { id: string; after: string; limit: number }): object {
    const { grants } = this.#powers;
    const top = grants.lineage(this.#row(id).id).length;
    const page = grants.subtree(id, { after, limit: limit === 0 ? TREE_PAGE : Math.min(limit, TREE_PAGE) });
    return {
      nodes: page.map((lineage) => ({ depth: lineage.length - top, info: grantInfo(lineage, grants) })),
    };
  }

  #row(id: string): GrantRow {
    const row = this.#powers.grants.row(id);
    if (row !== null) return row;
    throw new RpcError('failed', `there is no grant ${JSON.stringify(id)}; \`sturdy grants\` lists them`, {
      code: 'ERR_NO_SUCH_GRANT',
    });
  }

  health(): object {
    return this.#powers.health();
  }

  audit({ after, limit }: { after: bigint; limit: number }): object {
    const { store } = this.#powers;
    const entries = store.audit(Number(after), limit === 0 ? MAX_LISTING : limit);
    return {
      entries: entries.map(({ sequence, at, previous, hash, ...event }) => ({
        ...event,
        sequence: BigInt(sequence),
        at: BigInt(at),
        previous: Buffer.from(previous, 'hex'),
        hash: Buffer.from(hash, 'hex'),
      })),
      last: BigInt(store.lastAudit()),
    };
  }

  schema({ domain }: { domain: string }): object {
    const { mainInterface, schema } = this.#domain(domain);
    return { interfaceId: mainInterface.id, schema };
  }

  #domain(name: string): Domain {
    const domain = this.#powers.domains.get(name);
    if (domain === undefined) {
      const known = [...this.#powers.domains.keys()].join(', ');
      throw new RpcError(
        'failed',
        `there is no domain ${JSON.stringify(name)}; there are ${known === '' ? 'none' : known}`,
        {
          code: 'ERR_NO_SUCH_DOMAIN',
        },
      );
    }
    return domain;
  }
}
