/**
 * Power over one grant: the interface Grant of the public protocol. Whoever mints a grant has it, and can save it: then it is an
 * object of the broker's, under a grant of its own.
 */
import type { DelegationParams, Owner, Policy } from '../client/protocol.js';
import { type CallContext, type Capability, capabilityOf, RpcError, type Stub, serve } from '../rpc/index.js';
import { sturdySchema } from '../schema/index.js';
import { type AmendmentKind, amendedPolicy } from './amendments.js';
import { BROKER_HOME } from './broker-name.js';
import type { Grants } from './grants.js';
import type { Home } from './home.js';
import { startsPowers } from './live-grant.js';
import { ownerFromWire, ownerToWire } from './owner.js';
import type { Peer } from './peer.js';
import { checkedPolicy } from './policy/checked-policy.js';
import type { Left } from './policy/meter.js';
import { policyFromWire, policyToWire } from './policy/policy-wire.js';
import { isId } from './store/id.js';
import type { GrantRow } from './store/store.js';

type HomeOf = (domainId: string) => Home | undefined;

/**
 * In what right somebody has power over a grant: as its holder; as the holder of its parent, who may set its bound (see
 * amendments.ts); or as the operator, who may end the domain besides.
 */
export type Standing = 'holder' | 'above' | 'operator';

/** How long a revocation may wait for calls, in milliseconds. */
export const LONGEST_DRAIN = 600_000;

/** Which power a capability is, for those that are made here. */
const powers = new WeakMap<Capability, string>();

/**
 * Power over the grant of this row, which may be one to a domain that is configured no more: it can still be revoked. `peer`, to
 * whom it is given, is who does what is done by it.
 */
export function grantPower(
  row: GrantRow,
  grants: Grants,
  homeOf: HomeOf,
  peer: Peer | null,
  standing: Standing = 'holder',
): Stub {
  const power = serve(
    sturdySchema().interface('Grant'),
    new GrantServer(row, grants, homeOf, peer, standing),
  ) as Stub;
  powers.set(capabilityOf(power), powerObject(row.id, standing));
  return power;
}

/** The object id of a power, as the broker's own object. */
function powerObject(grant: string, standing: Standing): string {
  return standing === 'holder' ? `grant:${grant}` : `grant:${grant}:${standing}`;
}

/** Which grant it is over, and in what right. Null: it is not the object id of a power. */
export function powerNamed(object: string): { grant: string; standing: Standing } | null {
  const [kind, grant = '', standing = 'holder', ...rest] = object.split(':');
  if (kind !== 'grant' || !isId(grant) || rest.length > 0) return null;
  if (standing !== 'holder' && standing !== 'above' && standing !== 'operator') return null;
  return powerObject(grant, standing) === object ? { grant, standing } : null;
}

/** The object id of the power that `capability` is; null if it is none. */
export function powerOf(capability: Capability): string | null {
  return powers.get(capability) ?? null;
}

/** GrantInfo of the public protocol. */
export function grantInfo(lineage: readonly GrantRow[], grants: Grants): object {
  const row = lineage[0]!;
  const { amended } = row;
  const now = grants.clock.now();
  return {
    id: row.id,
    parent: row.parent ?? '',
    label: row.label,
    domain: row.domain,
    object: row.object,
    policy: policyToWire(row.policy),
    owner: ownerToWire(row.owner),
    created: BigInt(row.created),
    state: row.revoked !== null ? 'revoked' : hasExpired(lineage, now) ? 'expired' : 'live',
    children: grants.livingChildren(row.id),
    kind: row.kind ?? 'object',
    reference:
      row.digest === null
        ? 'none'
        : row.once !== true
          ? 'lasting'
          : amended !== undefined && amended.used !== null
            ? 'used'
            : 'once',
    bound: policyToWire(amended?.bound ?? row.policy),
    overlap: BigInt(
      Math.max(0, ...(amended?.replaced ?? []).map(({ until }) => until).filter((until) => now < until)),
    ),
    ...grants.underway(row.id),
    ...leftToWire(grants.left(row)),
  };
}

function leftToWire({ calls, bytes }: Left): object {
  return { callsLeft: BigInt(calls ?? 0), bytesLeft: BigInt(bytes ?? 0) };
}

/** By its own policy or that of a grant above it which binds it. */
function hasExpired(lineage: readonly GrantRow[], now: number): boolean {
  for (const [i, row] of lineage.entries()) {
    const { expires } = row.policy;
    if (expires !== 0 && expires <= now) return true;
    if (startsPowers(row.kind, lineage[i + 1]?.kind)) return false;
  }
  return false;
}

class GrantServer {
  readonly #id: string;

  constructor(
    private readonly minted: GrantRow,
    private readonly grants: Grants,
    private readonly homeOf: HomeOf,
    private readonly peer: Peer | null,
    private readonly standing: Standing,
  ) {
    this.#id = minted.id;
  }

  /** By what authority. */
  get #by(): string {
    if (this.standing === 'operator') return 'operator';
    return `grant ${this.standing === 'above' ? this.minted.parent : this.#id}`;
  }

  info(): object {
    return { info: grantInfo(this.grants.lineage(this.#id), this.grants) };
  }

  async attenuate({ policy, label, sealFor, once }: DelegationParams, context: CallContext): Promise<object> {
    const home = this.#home();
    const { grant, secret } = await this.grants.mint({
      parent: this.#live(),
      home,
      object: this.minted.object,
      policy: policyFromWire(policy),
      label: label ?? '',
      owner: ownerFromWire(sealFor, this.grants.knowsCertificates),
      once: once ?? false,
      by: this.#by,
      peer: this.peer,
    });
    return {
      ref: { secret },
      grant: context.use(grantPower(grant.row, this.grants, this.homeOf, this.peer)),
    };
  }

  async revoke({ drain }: { drain: number }): Promise<object> {
    if (drain > LONGEST_DRAIN) {
      throw new RpcError('failed', `drain: ${drain} ms; at most ${LONGEST_DRAIN} are waited`, {
        code: 'ERR_GRANT_DRAIN',
      });
    }
    if (drain === 0) return { revoked: await this.grants.revoke(this.#id, this.#by, this.peer) };
    const { revoked, cut } = await this.grants.drain(this.#id, drain, this.#by, this.peer);
    // To end a domain, with everybody's calls, is the operator's decision: its clients may not do so by a call that never ends.
    const home = this.standing === 'operator' && cut > 0 ? this.homeOf(this.minted.domainId) : undefined;
    await home?.stop?.(`calls on the grant ${this.#id}, which was revoked, did not end within ${drain} ms`);
    return { revoked, cut, ended: home?.stop !== undefined };
  }

  narrow({ policy }: { policy: Policy }): Promise<object> {
    return this.#amend('narrow', policy);
  }

  extend({ policy }: { policy: Policy }): Promise<object> {
    return this.#amend('extend', policy);
  }

  async #amend(kind: AmendmentKind, policy: Policy): Promise<object> {
    const asked = checkedPolicy(policyFromWire(policy), this.#home().graph);
    const fromAbove = this.standing !== 'holder';
    const amend = (now: GrantRow) => amendedPolicy(kind, now, asked, fromAbove);
    const row = await this.grants.amend(this.#id, kind, amend, this.#by, this.peer);
    return { policy: policyToWire(row.policy) };
  }

  async rotate({ overlap }: { overlap: number }): Promise<object> {
    return { ref: { secret: await this.grants.rotate(this.#id, overlap, this.#by, this.peer) } };
  }

  child({ id }: { id: string }, context: CallContext): object {
    const row = this.grants.row(id);
    if (row === null || row.parent !== this.#id) {
      throw new RpcError('failed', `the grant ${this.#id} has no child ${JSON.stringify(id)}`, {
        code: 'ERR_NO_SUCH_GRANT',
      });
    }
    const standing = this.standing === 'operator' ? 'operator' : 'above';
    return { grant: context.use(grantPower(row, this.grants, this.homeOf, this.peer, standing)) };
  }

  /** Persistent: of this power, not of the object that the grant is to. */
  async save({ sealFor }: { sealFor?: Owner }): Promise<object> {
    const { secret } = await this.grants.mint({
      kind: 'power',
      parent: this.#live(),
      home: this.homeOf(BROKER_HOME)!,
      object: powerObject(this.#id, this.standing),
      label: this.minted.label,
      owner: ownerFromWire(sealFor, this.grants.knowsCertificates),
      by: this.#by,
      peer: this.peer,
    });
    return { sturdyRef: { secret } };
  }

  #live() {
    return this.grants.get(this.#id) ?? this.#unconfigured();
  }

  #home(): Home {
    return this.homeOf(this.minted.domainId) ?? this.#unconfigured();
  }

  #unconfigured(): never {
    throw new RpcError('failed', `domain ${this.minted.domain} is not configured any more`);
  }
}
