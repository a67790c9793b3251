/**
 * The grants: minting, finding, and revoking them. Rows are in the store; what is in use is here, once for each grant, so
 * that a revocation reaches everything that came through it.
 *
 * Durable first: nothing is acknowledged, and nothing is cut, before it is on disk.
 */
import { RpcError } from '../rpc/index.js';
import { type Clock, SYSTEM_CLOCK } from './clock.js';
import type { Home } from './home.js';
import { LiveGrant } from './live-grant.js';
import { MintRate } from './mint-rate.js';
import { checkedPolicy, EVERYTHING } from './policy.js';
import { digestOf, mintSecret } from './store/secret.js';
import {
  type GrantOwner,
  type GrantRow,
  MAX_GRANT_DEPTH,
  type Store,
  type StoredPolicy,
} from './store/store.js';

/** The longest label, in characters. */
export const MAX_LABEL = 200;

/** The longest object id, in bytes. */
export const MAX_OBJECT_ID = 1024;

/** Of a grant's children, so many are looked at to count the living. */
export const MAX_CHILDREN_COUNTED = 100;

export interface MintRequest {
  readonly parent: LiveGrant | null;
  readonly home: Home;
  readonly object: string;
  readonly policy?: StoredPolicy;
  readonly label: string;
  readonly owner?: GrantOwner;
  /** False: a grant that the broker itself holds for somebody, to which there is no reference. */
  readonly withSecret?: boolean;
  /** Who mints, for the audit. */
  readonly by: string;
}

export class Grants {
  readonly #rate = new MintRate();
  readonly #live = new Map<string, WeakRef<LiveGrant>>();
  readonly #forgotten = new FinalizationRegistry<string>((id) => {
    if (this.#live.get(id)?.deref() === undefined) this.#live.delete(id);
  });

  constructor(
    private readonly store: Store,
    /** The home of this id; undefined where it is configured no more. */
    private readonly homeOf: (domainId: string) => Home | undefined,
    readonly clock: Clock = SYSTEM_CLOCK,
  ) {}

  /** Mints a grant. On disk when this resolves. `secret` is null where none was asked for. */
  async mint(request: MintRequest): Promise<{ grant: LiveGrant; secret: Uint8Array | null }> {
    const { parent, home, object, label } = request;
    if (label.length > MAX_LABEL) {
      throw new RpcError('failed', `label: ${label.length} characters; at most ${MAX_LABEL} are allowed`, {
        code: 'ERR_GRANT_LABEL',
      });
    }
    if (parent !== null) {
      const dead = parent.dead();
      if (dead !== null) throw dead;
      if (!parent.delegable)
        throw new RpcError('failed', 'the grant is not delegable', { code: 'ERR_GRANT_NOT_DELEGABLE' });
      if (depth(parent) >= MAX_GRANT_DEPTH) {
        throw new RpcError('failed', `the grant is ${MAX_GRANT_DEPTH} levels deep already`, {
          code: 'ERR_GRANT_DEPTH',
        });
      }
    }
    const policy = checkedPolicy(request.policy ?? EVERYTHING, home.graph);
    if (Buffer.byteLength(object) > MAX_OBJECT_ID) {
      throw new RpcError('failed', `the object id has more than ${MAX_OBJECT_ID} bytes`, {
        code: 'ERR_GRANT_OBJECT',
      });
    }
    if (parent !== null) this.#rate.take(parent.root.row.id, this.clock.now());
    const secret = request.withSecret === false ? null : mintSecret();
    const row = await this.store.mintGrant(
      {
        parent: parent?.row.id ?? null,
        digest: secret === null ? null : digestOf(secret),
        domainId: home.id,
        domain: home.name,
        object,
        policy,
        owner: request.owner ?? { kind: 'anyone' },
        label,
      },
      { by: request.by },
    );
    return { grant: this.#bind(row, home), secret };
  }

  /** The grant that `secret` stands for, alive and for `holder`; null otherwise, whatever the reason. */
  find(secret: Uint8Array, holder: GrantOwner): LiveGrant | null {
    const row = this.store.findByDigest(digestOf(secret));
    if (row === null) return null;
    const grant = this.get(row.id);
    if (grant === null || grant.dead() !== null || !ownedBy(row.owner, holder)) return null;
    return grant;
  }

  /** The grant of this id, dead or alive; null where there is none or its home is configured no more. */
  get(id: string): LiveGrant | null {
    const known = this.#live.get(id)?.deref();
    if (known !== undefined) return known;
    const row = this.store.grant(id);
    const home = row === null ? undefined : this.homeOf(row.domainId);
    return row === null || home === undefined ? null : this.#bind(row, home);
  }

  #bind(row: GrantRow, home: Home): LiveGrant {
    const parent = row.parent === null ? null : this.get(row.parent);
    if (row.parent !== null && parent === null)
      throw new Error(`grant ${row.id} has no parent ${row.parent}`);
    const grant = new LiveGrant(row, parent, home.graph, this.clock);
    this.#live.set(row.id, new WeakRef(grant));
    this.#forgotten.register(grant, row.id);
    return grant;
  }

  /** Kills the grant and all below it: on disk, then in use. Returns how many died. */
  async revoke(id: string, by: string): Promise<number> {
    // The cut comes right behind the commit: how long it takes to count what died is up to whoever minted it.
    const revoked = await this.store.revokeSubtree(id, { by }, () => this.#cut(id));
    // Where somebody else's revocation came first, its commit was before ours, and so was its cut.
    return revoked.length;
  }

  #cut(id: string): void {
    for (const grant of [...this.#live.values()]) {
      const live = grant.deref();
      if (live?.isUnder(id)) live.revoke();
    }
  }

  row(id: string): GrantRow | null {
    return this.store.grant(id);
  }

  rows(after: string, limit: number): GrantRow[] {
    return this.store.grants(after, limit);
  }

  livingChildren(id: string): number {
    return this.store.livingChildren(id, MAX_CHILDREN_COUNTED);
  }
}

function depth(grant: LiveGrant): number {
  let levels = 1;
  for (let parent = grant.parent; parent !== null; parent = parent.parent) levels++;
  return levels;
}

function ownedBy(owner: GrantOwner, holder: GrantOwner): boolean {
  switch (owner.kind) {
    case 'anyone':
      return true;
    case 'domain':
      return holder.kind === 'domain' && holder.id === owner.id;
    case 'unixUser':
      return holder.kind === 'unixUser' && holder.uid === owner.uid;
    case 'certificate':
      return holder.kind === 'certificate' && Buffer.from(owner.fingerprint).equals(holder.fingerprint);
  }
}
