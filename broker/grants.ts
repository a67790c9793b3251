/**
 * The grants: minting, finding, and revoking them. Rows are in the store; what is in use is here, once for each grant, so
 * that a revocation reaches everything that came through it.
 *
 * Durable first: nothing is acknowledged, and nothing is cut, before it is on disk.
 */
import { RpcError } from '../rpc/index.js';
import type { AmendmentKind } from './amendments.js';
import { type Clock, SYSTEM_CLOCK } from './clock.js';
import type { Home } from './home.js';
import { LiveGrant, startsPowers } from './live-grant.js';
import { MintRate } from './mint-rate.js';
import { type Peer, peerNote } from './peer.js';
import { checkedPolicy } from './policy/checked-policy.js';
import { EVERYTHING } from './policy/conjunction.js';
import { type Left, Meters } from './policy/meter.js';
import { isGood } from './store/grant-secrets.js';
import { digestOf, mintSecret } from './store/secret.js';
import {
  type AmendedPolicy,
  type AuditNote,
  type GrantKind,
  type GrantOwner,
  type GrantRow,
  MAX_GRANT_DEPTH,
  type Store,
  type StoredPolicy,
  type TreeRange,
} from './store/store.js';

/** The longest label, in characters. */
export const MAX_LABEL = 200;

/** The longest object id, in bytes. */
export const MAX_OBJECT_ID = 1024;

/** Of a grant's children, so many are looked at to count the living. */
export const MAX_CHILDREN_COUNTED = 100;

export interface MintRequest {
  /** `power`: to the power over `parent`, or over what that is power over. Default: the parent's. */
  readonly kind?: GrantKind;
  readonly parent: LiveGrant | null;
  readonly home: Home;
  readonly object: string;
  readonly policy?: StoredPolicy;
  readonly label: string;
  readonly owner?: GrantOwner;
  /** False: a grant that the broker itself holds for somebody, to which there is no reference. */
  readonly withSecret?: boolean;
  /** True: the reference restores once. */
  readonly once?: boolean;
  /** By what authority, for the audit. */
  readonly by: string;
  /** Over whose connection. Null: the broker by itself. */
  readonly peer?: Peer | null;
}

export class Grants {
  readonly #rate = new MintRate();
  readonly #meters: Meters;
  readonly #live = new Map<string, WeakRef<LiveGrant>>();
  readonly #forgotten = new FinalizationRegistry<string>((id) => {
    if (this.#live.get(id)?.deref() === undefined) this.#live.delete(id);
  });

  constructor(
    private readonly store: Store,
    /** The home of this id; undefined where it is configured no more. */
    private readonly homeOf: (domainId: string) => Home | undefined,
    readonly clock: Clock = SYSTEM_CLOCK,
    /** Whether there are connections that show a certificate, so that a grant can be sealed to one. */
    readonly knowsCertificates = false,
  ) {
    this.#meters = new Meters({ store, now: () => clock.now() });
  }

  /** Mints a grant. On disk when this resolves. `secret` is null where none was asked for. */
  async mint(request: MintRequest): Promise<{ grant: LiveGrant; secret: Uint8Array | null }> {
    const { parent, home, object, label, once = false } = request;
    const kind = request.kind ?? parent?.row.kind ?? 'object';
    if (label.length > MAX_LABEL) {
      throw new RpcError('failed', `label: ${label.length} characters; at most ${MAX_LABEL} are allowed`, {
        code: 'ERR_GRANT_LABEL',
      });
    }
    if (parent !== null) {
      // Neither that the grant has expired nor that it is not delegable takes the power over it away.
      const isPower = startsPowers(kind, parent.row.kind);
      const dead = isPower ? parent.revokedBy : parent.dead();
      if (dead !== null) throw dead;
      if (!isPower && !parent.delegable)
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
        kind,
        once,
        parent: parent?.row.id ?? null,
        digest: secret === null ? null : digestOf(secret),
        domainId: home.id,
        domain: home.name,
        object,
        policy,
        owner: request.owner ?? { kind: 'anyone' },
        label,
      },
      noteOf(request.by, request.peer ?? null),
    );
    // Somebody may have found it since it is on disk: no grant is in use twice.
    return { grant: this.#live.get(row.id)?.deref() ?? this.#bind(row, home), secret };
  }

  /** The grant that `secret` stands for, alive and for `holder`; null otherwise, whatever the reason. */
  find(secret: Uint8Array, holder: GrantOwner): LiveGrant | null {
    const digest = digestOf(secret);
    const row = this.store.findByDigest(digest);
    if (row === null) return null;
    const grant = this.get(row.id);
    if (grant === null || grant.dead() !== null || !ownedBy(row.owner, holder)) return null;
    return isGood(row, digest, this.clock.now()) ? grant : null;
  }

  /**
   * Whether what was found by `secret` may be handed out. A reference that restores once is used up by it: on disk when this
   * resolves, and for one of several at once.
   */
  async mayRestore({ row }: LiveGrant, secret: Uint8Array, peer: Peer | null = null): Promise<boolean> {
    const digest = digestOf(secret);
    // Its domain may have taken its time, and another secret may have replaced this one.
    if (!isGood(row, digest, this.clock.now())) return false;
    return row.once !== true || this.store.useOnce(row.id, digest, noteOf('gate', peer));
  }

  /** Changes the policy of a grant, of all that is in use of it too. On disk when this resolves. */
  async amend(
    id: string,
    kind: AmendmentKind,
    amend: (row: GrantRow) => AmendedPolicy,
    by: string,
    peer: Peer | null = null,
  ): Promise<GrantRow> {
    this.#takeRate(id);
    const note = { action: `grant.${kind}`, ...noteOf(by, peer) } as const;
    const row = await this.store.amendPolicy(id, amend, note);
    this.#renew(id);
    return row;
  }

  /** Gives a grant another secret; those before it are good for `overlap` milliseconds more. On disk when this resolves. */
  async rotate(id: string, overlap: number, by: string, peer: Peer | null = null): Promise<Uint8Array> {
    this.#takeRate(id);
    const secret = mintSecret();
    await this.store.rotateSecret(id, digestOf(secret), overlap, noteOf(by, peer));
    this.#renew(id);
    return secret;
  }

  #takeRate(id: string): void {
    const root = this.lineage(id).at(-1);
    if (root !== undefined) this.#rate.take(root.id, this.clock.now());
  }

  /** Whichever amendment came last is what is on disk. */
  #renew(id: string): void {
    const row = this.store.grant(id)!;
    this.#inUse(id)?.amend(row, this.#meters.of(row));
  }

  /** The schema of a home is another: the policies that are in use are read by that from now on. */
  rebind(home: Home): void {
    for (const ref of this.#live.values()) {
      const grant = ref.deref();
      if (grant?.row.domainId === home.id) grant.rebind(home.graph);
    }
  }

  #inUse(id: string): LiveGrant | undefined {
    return this.#live.get(id)?.deref();
  }

  /** The id of the grant that `secret` is or was for, whoever shows it: for the audit log, and for no answer. */
  idOf(secret: Uint8Array): string | null {
    return this.store.findByDigest(digestOf(secret))?.id ?? null;
  }

  /** The grant of this id, dead or alive; null where there is none or its home is configured no more. */
  get(id: string): LiveGrant | null {
    const known = this.#inUse(id);
    if (known !== undefined) return known;
    const row = this.store.grant(id);
    const home = row === null ? undefined : this.homeOf(row.domainId);
    if (row === null || home === undefined) return null;
    // The home of a power is the broker, which is always there; that of the grant it is over may not be.
    return row.parent !== null && this.get(row.parent) === null ? null : this.#bind(row, home);
  }

  #bind(row: GrantRow, home: Home): LiveGrant {
    const parent = row.parent === null ? null : this.get(row.parent);
    if (row.parent !== null && parent === null)
      throw new Error(`grant ${row.id} has no parent ${row.parent}`);
    const grant = new LiveGrant(row, parent, home.graph, this.#meters.of(row), this.clock);
    this.#live.set(row.id, new WeakRef(grant));
    this.#forgotten.register(grant, row.id);
    return grant;
  }

  /** Kills the grant and all below it: on disk, then in use. Returns how many died. */
  async revoke(id: string, by: string, peer: Peer | null = null): Promise<number> {
    const revoked = await this.#revoke(id, noteOf(by, peer), () => this.#cut(id, false));
    return revoked.length;
  }

  /**
   * The same, but calls that were let through may go on for so many milliseconds. Resolves when they have ended, or were cut then:
   * `cut` of them.
   */
  async drain(
    id: string,
    millis: number,
    by: string,
    peer: Peer | null = null,
  ): Promise<{ revoked: number; cut: number }> {
    let draining: Promise<number> = Promise.resolve(0);
    const revoked = await this.#revoke(id, noteOf(by, peer), () => {
      draining = this.#drain(id, this.#cut(id, true), millis);
    });
    return { revoked: revoked.length, cut: await draining };
  }

  async #revoke(id: string, note: AuditNote, cut: () => void): Promise<string[]> {
    // The cut comes right behind the commit: how long it takes to count what died is up to whoever minted it.
    const revoked = await this.store.revokeSubtree(id, note, cut);
    // Somebody else's revocation came first, and so did its cut; but calls may still go on by it.
    if (revoked.length === 0) cut();
    return revoked;
  }

  /** Ends what is in use of the grant and of those below it, and gives it. Nothing else is looked at. */
  #cut(id: string, draining: boolean): LiveGrant[] {
    const inUse = this.#inUse(id)?.inUse() ?? [];
    for (const grant of inUse) grant.revoke({ draining });
    return inUse;
  }

  async #drain(id: string, ended: readonly LiveGrant[], millis: number): Promise<number> {
    // Not for what the broker itself is at: that may be this.
    const inUse = ended.filter(({ isOwn }) => !isOwn);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, millis);
    });
    await Promise.race([Promise.all(inUse.map((grant) => grant.drained())), late]);
    clearTimeout(timer);
    const left = inUse.reduce((sum, grant) => sum + grant.underway.calls, 0);
    this.#cut(id, false);
    return left;
  }

  /** How many capabilities that came through it are live, and how many calls are in flight. */
  underway(id: string): { capabilities: number; calls: number } {
    return this.#inUse(id)?.underway ?? { capabilities: 0, calls: 0 };
  }

  /** How much there is left of what the grant's own policy counts. */
  left(row: GrantRow): Left {
    return this.#meters.left(row);
  }

  /** The grant, its parent, and so on to the root. Empty if there is no such grant. */
  lineage(id: string): GrantRow[] {
    return this.store.lineage(id);
  }

  /** A page of a grant and everything below it, each as its lineage. */
  subtree(top: string, range: TreeRange): GrantRow[][] {
    return this.store.subtree(top, range);
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

function noteOf(by: string, peer: Peer | null): AuditNote {
  return { by, ...peerNote(peer) };
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
