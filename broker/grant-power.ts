/** Power over one grant, for whoever minted it: the interface Grant of the public protocol. */
import type { DelegationParams } from '../client/protocol.js';
import { type CallContext, RpcError, type Stub, serve } from '../rpc/index.js';
import { sturdySchema } from '../schema/index.js';
import type { Grants } from './grants.js';
import type { Home } from './home.js';
import { ownerFromWire, ownerToWire } from './owner.js';
import { policyFromWire, policyToWire } from './policy.js';
import type { GrantRow } from './store/store.js';

type HomeOf = (domainId: string) => Home | undefined;

/** Power over the grant of this row, which may be one to a domain that is configured no more: it can still be revoked. */
export function grantPower(row: GrantRow, grants: Grants, homeOf: HomeOf): Stub {
  return serve(sturdySchema().interface('Grant'), new GrantServer(row, grants, homeOf));
}

/** GrantInfo of the public protocol. */
export function grantInfo(row: GrantRow, grants: Grants): object {
  return {
    id: row.id,
    parent: row.parent ?? '',
    label: row.label,
    domain: row.domain,
    object: row.object,
    policy: policyToWire(row.policy),
    owner: ownerToWire(row.owner),
    created: BigInt(row.created),
    state: row.revoked !== null ? 'revoked' : hasExpired(row, grants) ? 'expired' : 'live',
    children: grants.livingChildren(row.id),
  };
}

/** By its own policy or that of a grant above it. */
function hasExpired(row: GrantRow, grants: Grants): boolean {
  const { expires } = row.policy;
  if (expires !== 0 && expires <= grants.clock.now()) return true;
  const parent = row.parent === null ? null : grants.row(row.parent);
  return parent !== null && hasExpired(parent, grants);
}

class GrantServer {
  constructor(
    private readonly minted: GrantRow,
    private readonly grants: Grants,
    private readonly homeOf: HomeOf,
  ) {}

  info(): object {
    // As it is now, not as it was when the power was given.
    return { info: grantInfo(this.grants.row(this.minted.id) ?? this.minted, this.grants) };
  }

  async attenuate({ policy, label, sealFor }: DelegationParams, context: CallContext): Promise<object> {
    const parent = this.grants.get(this.minted.id);
    const home = this.homeOf(this.minted.domainId);
    if (parent === null || home === undefined) {
      throw new RpcError('failed', `domain ${this.minted.domain} is not configured any more`);
    }
    const { grant, secret } = await this.grants.mint({
      parent,
      home,
      object: this.minted.object,
      policy: policyFromWire(policy),
      label: label ?? '',
      owner: ownerFromWire(sealFor),
      by: `grant ${this.minted.id}`,
    });
    return { ref: { secret }, grant: context.use(grantPower(grant.row, this.grants, this.homeOf)) };
  }

  async revoke(): Promise<object> {
    return { revoked: await this.grants.revoke(this.minted.id, `grant ${this.minted.id}`) };
  }
}
