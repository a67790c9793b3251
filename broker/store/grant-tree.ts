/**
 * The tree of grants. What a grant is depends on everything above it, for a revocation is one record at the top of what it
 * kills; and on the amendment that lies beside its own record, if there is one.
 */

import type { Transaction } from './lmdb-tables.js';
import { unpack } from './record.js';
import {
  type Amendment,
  type ConstraintValue,
  type GrantRow,
  MAX_GRANT_DEPTH,
  type StoredPolicy,
  StoreError,
  type TreeRange,
} from './store.js';

/** The tables as committed, or within a transaction. */
export type Source = Pick<Transaction, 'get'>;

/** As it lies in the table: what a revocation or an amendment changes is not in it. */
export type StoredGrant = Omit<GrantRow, 'revoked' | 'amended'>;

/** Beside it, when something has changed: all that may. */
export interface StoredAmendment extends Omit<Amendment, 'minted'> {
  readonly policy: StoredPolicy;
  readonly digest: Uint8Array | null;
  /** The audit entry of the last change. */
  readonly entry: number;
}

/**
 * The grant and its ancestors, from the bottom up, each with the earliest of its own revocation and those above it.
 * Grants are never removed: a parent that is missing is a damage.
 */
export function ancestry(source: Source, id: string): GrantRow[] {
  const grants: StoredGrant[] = [];
  for (let next: string | null = id; next !== null; ) {
    const payload = source.get('grants', keyOf(next));
    if (payload === undefined) {
      if (grants.length === 0) throw notFound(`grant ${id}`);
      throw new StoreError(
        'ERR_STORE_DAMAGED',
        `the grant ${next}, an ancestor of ${id}, is missing from the store`,
      );
    }
    if (grants.length >= MAX_GRANT_DEPTH) {
      throw new StoreError(
        'ERR_STORE_DAMAGED',
        `the grant ${id} has more than ${MAX_GRANT_DEPTH - 1} ancestors`,
      );
    }
    const grant = unpack<StoredGrant>(payload);
    grants.push(grant);
    next = grant.parent;
  }
  const rows: GrantRow[] = [];
  for (const grant of grants.reverse()) rows.push(rowOf(source, grant, rows.at(-1)));
  return rows.reverse();
}

/** `above` is its parent's. */
function rowOf(source: Source, grant: StoredGrant, above: GrantRow | undefined): GrantRow {
  const key = text(grant.id);
  const revocation = source.get('revocations', key);
  const own = revocation === undefined ? null : unpack<{ at: number }>(revocation).at;
  const inherited = above?.revoked ?? null;
  const revoked = own === null || inherited === null ? (own ?? inherited) : Math.min(own, inherited);
  const amendment = source.get('amendments', key);
  const minted = fromDisk(grant);
  if (amendment === undefined) return { ...minted, revoked };
  const { policy, bound, digest, replaced, used } = unpack<StoredAmendment>(amendment);
  return {
    ...minted,
    policy: policyFromDisk(policy),
    digest: digestFromDisk(digest),
    amended: {
      minted: minted.policy,
      bound: policyFromDisk(bound),
      replaced: replaced.map((old) => ({ ...old, digest: new Uint8Array(old.digest) })),
      used,
    },
    revoked,
  };
}

/** Store.subtree. `childIds` gives the ids below a grant in their order, from behind `after`. */
export function subtree(
  source: Source,
  childIds: (parent: string, after: string) => Iterable<string>,
  top: string,
  { after, limit }: TreeRange,
): GrantRow[][] {
  if (source.get('grants', keyOf(top)) === undefined) return [];
  const found: GrantRow[][] = [];
  /** Adds a grant and what is below it. False: the page is full. */
  const walk = (lineage: GrantRow[]): boolean => {
    if (found.length >= limit) return false;
    found.push(lineage);
    return below(lineage, '');
  };
  const below = (lineage: GrantRow[], from: string): boolean => {
    for (const id of childIds(lineage[0]!.id, from)) {
      const payload = source.get('grants', text(id));
      if (payload === undefined) {
        throw new StoreError(
          'ERR_STORE_DAMAGED',
          `the grant ${id} is missing from the store, but its parent names it`,
        );
      }
      const row = rowOf(source, unpack<StoredGrant>(payload), lineage[0]);
      if (!walk([row, ...lineage])) return false;
    }
    return true;
  };
  if (after === '') {
    walk(ancestry(source, top));
    return found;
  }
  if (source.get('grants', keyOf(after)) === undefined) return [];
  // What is below the last one, then what comes behind it below its parent, and so on up to the top.
  let lineage = ancestry(source, after);
  if (!lineage.some(({ id }) => id === top)) return [];
  for (let from = ''; below(lineage, from) && lineage[0]!.id !== top; lineage = lineage.slice(1)) {
    from = lineage[0]!.id;
  }
  return found;
}

/** What went in as a Uint8Array or a bigint comes out as one. */
function fromDisk(grant: StoredGrant): StoredGrant {
  const { digest, policy, owner } = grant;
  return {
    ...grant,
    digest: digestFromDisk(digest),
    policy: policyFromDisk(policy),
    owner:
      owner.kind === 'certificate' ? { ...owner, fingerprint: new Uint8Array(owner.fingerprint) } : owner,
  };
}

function digestFromDisk(digest: Uint8Array | null): Uint8Array | null {
  return digest === null ? null : new Uint8Array(digest);
}

function policyFromDisk(policy: StoredPolicy): StoredPolicy {
  const { methods, constraints } = policy;
  return {
    ...policy,
    ...(methods !== 'all' && {
      methods: methods.map((allowed) => ({ ...allowed, interface: BigInt(allowed.interface) })),
    }),
    ...(constraints !== undefined && {
      constraints: constraints.map((constraint) => ({
        ...constraint,
        interface: BigInt(constraint.interface),
        values: constraint.values.map(valueFromDisk),
      })),
    }),
  };
}

function valueFromDisk(value: ConstraintValue): ConstraintValue {
  if ('int' in value) return { int: BigInt(value.int) };
  return 'data' in value ? { data: new Uint8Array(value.data) } : value;
}

/** The key of an id that comes from outside: whatever is not one finds nothing, and LMDB takes no empty or huge keys. */
export function keyOf(id: string): Buffer {
  return text(id.length > 0 && id.length <= 64 ? id : '-');
}

export function text(value: string): Buffer {
  return Buffer.from(value, 'utf8');
}

export function notFound(what: string): StoreError {
  return new StoreError('ERR_STORE_NOT_FOUND', `there is no ${what}`);
}
