/** Power over one grant, for whoever minted it: the interface Grant of the public protocol. */
import { type CallContext, RpcError, serve, type Stub } from '../rpc/index.js';
import { sturdySchema } from '../schema/index.js';
import type { DelegableParams } from './delegable.js';
import type { Grants } from './grants.js';
import type { Home } from './home.js';
import type { LiveGrant } from './live-grant.js';
import { ownerFromWire, ownerToWire } from './owner.js';
import { policyFromWire, policyToWire } from './policy.js';
import type { GrantRow } from './store/store.js';

type HomeOf = (domainId: string) => Home | undefined;

export function grantPower(grant: LiveGrant, grants: Grants, homeOf: HomeOf): Stub {
  return serve(sturdySchema().interface('Grant'), new GrantServer(grant, grants, homeOf));
}

/** GrantInfo of the public protocol. */
export function grantInfo(row: GrantRow, grants: Grants): object {
  const expired = row.policy.expires !== 0 && row.policy.expires <= Date.now();
  return {
    id: row.id,
    parent: row.parent ?? '',
    label: row.label,
    domain: row.domain,
    object: row.object,
    policy: policyToWire(row.policy),
    owner: ownerToWire(row.owner),
    created: BigInt(row.created),
    state: row.revoked !== null ? 'revoked' : expired ? 'expired' : 'live',
    children: grants.livingChildren(row.id),
  };
}

class GrantServer {
  constructor(
    private readonly grant: LiveGrant,
    private readonly grants: Grants,
    private readonly homeOf: HomeOf,
  ) {}

  info(): object {
    // The row as it is now, not as it was when the power was given.
    const row = this.grants.row(this.grant.row.id) ?? this.grant.row;
    return { info: grantInfo(row, this.grants) };
  }

  async attenuate({ policy, label, sealFor }: DelegableParams, context: CallContext): Promise<object> {
    const { row } = this.grant;
    const home = this.homeOf(row.domainId);
    if (home === undefined) throw new RpcError('failed', `domain ${row.domain} is not configured any more`);
    const { grant, secret } = await this.grants.mint({
      parent: this.grant,
      home,
      object: row.object,
      policy: policyFromWire(policy),
      label: label ?? '',
      owner: ownerFromWire(sealFor),
      by: `grant ${row.id}`,
    });
    return { ref: { secret }, grant: context.use(grantPower(grant, this.grants, this.homeOf)) };
  }

  async revoke(): Promise<object> {
    return { revoked: await this.grants.revoke(this.grant.row.id, `grant ${this.grant.row.id}`) };
  }
}
