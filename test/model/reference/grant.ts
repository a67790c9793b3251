/**
 * A grant in the reference model: what it allows now, how far its holder may move that, and which secrets stand for it. What binds
 * is its own policy and those of all that is above it.
 */
import { allows, both, type Method, type Policy } from './policy.js';

/** The most secrets that were replaced and are good still. */
const MOST_REPLACED = 8;

/** In what right somebody amends a grant: as its holder, within its bound; or from above, which sets the bound. */
export type Standing = 'holder' | 'above';

export interface Minted {
  readonly id: string;
  readonly parent: Grant | null;
  readonly domain: string;
  /** Empty: the domain's main object. */
  readonly object: string;
  readonly policy: Policy;
  /** Null: nobody was told. */
  readonly secret: Uint8Array | null;
  readonly once?: boolean;
}

export class Grant {
  readonly id: string;
  readonly parent: Grant | null;
  readonly domain: string;
  readonly object: string;
  readonly once: boolean;
  policy: Policy;
  bound: Policy;
  revoked = false;
  /** Of one that restores once. */
  used = false;
  /** Null: nobody was told. */
  secret: Uint8Array | null;
  /** Those that were replaced, and until when each is good. */
  replaced: readonly { readonly secret: Uint8Array; readonly until: number }[] = [];

  constructor({ id, parent, domain, object, policy, secret, once = false }: Minted) {
    this.id = id;
    this.parent = parent;
    this.domain = domain;
    this.object = object;
    this.once = once;
    this.policy = policy;
    this.bound = policy;
    this.secret = secret;
  }

  /** It and those above it. */
  get lineage(): Grant[] {
    return this.parent === null ? [this] : [this, ...this.parent.lineage];
  }

  dead(now: number): 'revoked' | 'expired' | null {
    if (this.lineage.some(({ revoked }) => revoked)) return 'revoked';
    const expired = this.lineage.some(({ policy }) => policy.expires !== 0 && now >= policy.expires);
    return expired ? 'expired' : null;
  }

  allows(method: Method): boolean {
    return this.lineage.every(({ policy }) => allows(policy, method));
  }

  get delegable(): boolean {
    return this.lineage.every(({ policy }) => policy.delegable);
  }

  narrow(asked: Policy, standing: Standing): void {
    this.policy = both(this.policy, asked);
    if (standing === 'above') this.bound = both(this.bound, asked);
  }

  extend(asked: Policy, standing: Standing): void {
    if (standing === 'above') this.bound = asked;
    this.policy = standing === 'above' ? asked : both(this.bound, asked);
  }

  /** Whether another secret may take the place of the present one. */
  mayRotate(overlap: number, now: number): boolean {
    if (this.secret === null || this.used || this.revokedAbove) return false;
    return overlap === 0 || this.replaced.filter(({ until }) => now < until).length < MOST_REPLACED;
  }

  rotate(secret: Uint8Array, overlap: number, now: number): void {
    const last = now + overlap;
    this.replaced = [...this.replaced, { secret: this.secret!, until: last }].map((old) => ({
      ...old,
      until: Math.min(old.until, last),
    }));
    this.secret = secret;
  }

  /** Every secret that it has or had. */
  get secrets(): Uint8Array[] {
    return [...(this.secret === null ? [] : [this.secret]), ...this.replaced.map(({ secret }) => secret)];
  }

  /** Whether whoever shows this secret of it gets its object. */
  restores(secret: Uint8Array, now: number): boolean {
    if (this.dead(now) !== null || this.used) return false;
    if (secret === this.secret) return true;
    return this.replaced.some((old) => old.secret === secret && now < old.until);
  }

  get revokedAbove(): boolean {
    return this.lineage.some(({ revoked }) => revoked);
  }
}
