/**
 * What the broker answers on behalf of every capability that it hands out: Delegable and Persistent of the public
 * protocol. By these a holder mints references no stronger than what it holds.
 */
import type { DelegationParams, Owner } from '../client/protocol.js';
import {
  type CallContext,
  type CallSignal,
  type Capability,
  RpcError,
  served,
  stubFor,
  untilSettled,
} from '../rpc/index.js';
import { type InterfaceType, sturdySchema } from '../schema/index.js';
import type { Audit } from './audit.js';
import { Crossing, type Forbidden } from './flow/crossing.js';
import type { FlowPolicy } from './flow/flow-policy.js';
import { grantPower } from './grant-power.js';
import { GrantedCapability } from './granted.js';
import type { Grants } from './grants.js';
import type { Home, Identity } from './home.js';
import type { LiveGrant } from './live-grant.js';
import { Membrane, type MembranedCapability, type MembraneServices } from './membrane.js';
import { ownerFromWire } from './owner.js';
import type { Peer } from './peer.js';
import { conjunction } from './policy/conjunction.js';
import { policyFromWire, policyToWire } from './policy/policy-wire.js';

export class Delegation implements MembraneServices {
  readonly #delegable: InterfaceType = sturdySchema().interface('Delegable');
  readonly #identified = sturdySchema().interface('Identified').id;
  /** The interface that was asked for last, and what was said of it. */
  #asked = 0n;
  #answered = false;

  constructor(
    private readonly grants: Grants,
    private readonly homeOf: (domainId: string) => Home | undefined,
    private readonly audit: Pick<Audit, 'callRefused' | 'flowRefused'>,
    /** Null: there are no flow labels. */
    private readonly flow: FlowPolicy | null = null,
  ) {}

  refused({ grant, peer }: Membrane, { code }: RpcError): void {
    this.audit.callRefused(grant.row.id, peer, code);
  }

  crossing({ row }: LiveGrant, peer: Peer | null): Crossing | null {
    const inside = this.flow?.ofDomain(row.domain) ?? null;
    const outside = peer?.label ?? null;
    return this.flow === null || inside === null || outside === null
      ? null
      : new Crossing(this.flow, inside, outside);
  }

  flowRefused({ grant, peer }: Membrane, { from, to }: Forbidden): void {
    this.audit.flowRefused(grant.row.id, peer, from.text, to.text);
  }

  answers(interfaceId: bigint): boolean {
    // Nearly every call is of the interface that the one before was of.
    if (interfaceId !== this.#asked) {
      this.#asked = interfaceId;
      this.#answered = this.#delegable.extends(interfaceId);
    }
    return this.#answered;
  }

  conceals(interfaceId: bigint): boolean {
    return interfaceId === this.#identified;
  }

  serviceFor(capability: MembranedCapability): Capability {
    // Alive as long as the call on it is.
    const held = capability.retain();
    return served(this.#delegable, new DelegableServer(held, this.grants, this.homeOf));
  }
}

class DelegableServer {
  readonly #held: MembranedCapability;

  constructor(
    held: MembranedCapability,
    private readonly grants: Grants,
    private readonly homeOf: (domainId: string) => Home | undefined,
  ) {
    this.#held = held;
  }

  get #membrane(): Membrane {
    return this.#held.membrane;
  }

  save(params: { sealFor?: Owner }, { signal }: CallContext): Promise<object> {
    return this.#save(params, false, signal);
  }

  saveOnce(params: { sealFor?: Owner }, { signal }: CallContext): Promise<object> {
    return this.#save(params, true, signal);
  }

  async #save({ sealFor }: { sealFor?: Owner }, once: boolean, signal: CallSignal): Promise<object> {
    const { label } = this.#membrane.grant.row;
    const { secret } = await this.#mint({ ...(sealFor && { sealFor }), label, once }, signal);
    return { sturdyRef: { secret } };
  }

  async attenuate(params: DelegationParams, context: CallContext): Promise<object> {
    const { grant, secret } = await this.#mint(params, context.signal);
    const { services, lane, peer } = this.#membrane;
    const narrowed = new Membrane(grant, services, undefined, lane, peer).outward(this.#held.inner.retain());
    return {
      ref: { secret },
      grant: context.use(grantPower(grant.row, this.grants, this.homeOf, peer)),
      cap: context.use(stubFor(narrowed, null)),
    };
  }

  async describe(_params: object, { signal }: CallContext): Promise<object> {
    const { home, identity } = await this.#target(signal);
    return {
      interfaceId: identity.interfaceId,
      schema: home.schema,
      policy: policyToWire(conjunction(this.#membrane.grant.policies)),
      grant: this.#membrane.grant.row.id,
    };
  }

  async #mint({ policy, label, sealFor, once }: DelegationParams, signal: CallSignal) {
    const { home, identity } = await this.#target(signal);
    if (!identity.persistent) {
      throw new RpcError(
        'failed',
        `this object of domain ${home.name} has no object id and cannot be saved`,
        {
          code: 'ERR_NOT_PERSISTENT',
        },
      );
    }
    try {
      return await this.grants.mint({
        parent: this.#membrane.grant,
        home,
        object: identity.object,
        policy: policyFromWire(policy),
        label: label ?? '',
        owner: ownerFromWire(sealFor, this.grants.knowsCertificates),
        once: once ?? false,
        by: `grant ${this.#membrane.grant.row.id}`,
        peer: this.#membrane.peer,
      });
    } catch (error) {
      if (error instanceof RpcError && error.code === 'ERR_GRANT_NOT_DELEGABLE')
        this.#membrane.services.refused(this.#membrane, error);
      throw error;
    }
  }

  /** The object itself: it has to be one of the domain that the grant is to, for only that can be asked for it again. */
  async #target(signal: CallSignal): Promise<{ home: Home; identity: Identity }> {
    const { row } = this.#membrane.grant;
    // A promise says nothing yet of whose object it is.
    const inner = await untilSettled(this.#held.inner, signal);
    const dead = this.#membrane.grant.dead();
    if (dead !== null) throw dead;
    const home = this.homeOf(row.domainId);
    if (home === undefined) throw new RpcError('failed', `domain ${row.domain} is not configured any more`);
    const identity = await home.identify(inner instanceof GrantedCapability ? await inner.target() : inner);
    if (identity === null) {
      throw new RpcError(
        'failed',
        `this object is not one of domain ${home.name}'s own and cannot be saved through it`,
        {
          code: 'ERR_NOT_PERSISTENT',
        },
      );
    }
    return { home, identity };
  }

  [Symbol.dispose](): void {
    this.#held.release();
  }
}
