/**
 * The tree of grants, read from the bottom up: what a grant is depends on everything above it, for a revocation is one
 * record at the top of what it kills.
 */

import type { Transaction } from './lmdb-tables.js';
import { unpack } from './record.js';
import {
  type ConstraintValue,
  type GrantRow,
  MAX_GRANT_DEPTH,
  type StoredPolicy,
  StoreError,
} from './store.js';

/** The tables as committed, or within a transaction. */
export type Source = Pick<Transaction, 'get'>;

/** As it lies in the table: what a revocation changes is not in it. */
export type StoredGrant = Omit<GrantRow, 'revoked'>;

/**
 * The grant and its ancestors, from the bottom up, each with the earliest of its own revocation and those above it.
 * Grants are never removed: a parent that is missing is a damage.
 */
export function ancestry(source: Source, id: string): GrantRow[] {
  const rows: { grant: StoredGrant; own: number | null }[] = [];
  for (let next: string | null = id; next !== null; ) {
    const payload = source.get('grants', keyOf(next));
    if (payload === undefined) {
      if (rows.length === 0) throw notFound(`grant ${id}`);
      throw new StoreError(
        'ERR_STORE_DAMAGED',
        `the grant ${next}, an ancestor of ${id}, is missing from the store`,
      );
    }
    if (rows.length >= MAX_GRANT_DEPTH) {
      throw new StoreError(
        'ERR_STORE_DAMAGED',
        `the grant ${id} has more than ${MAX_GRANT_DEPTH - 1} ancestors`,
      );
    }
    const grant = unpack<StoredGrant>(payload);
    const revocation = source.get('revocations', text(next));
    rows.push({ grant, own: revocation === undefined ? null : unpack<{ at: number }>(revocation).at });
    next = grant.parent;
  }
  let revoked: number | null = null;
  return rows
    .reverse()
    .map(({ grant, own }) => {
      if (own !== null) revoked = revoked === null ? own : Math.min(own, revoked);
      return { ...fromDisk(grant), revoked };
    })
    .reverse();
}

/** What went in as a Uint8Array or a bigint comes out as one. */
function fromDisk(grant: StoredGrant): StoredGrant {
  const { digest, policy, owner } = grant;
  return {
    ...grant,
    digest: digest === null ? null : new Uint8Array(digest),
    policy: policyFromDisk(policy),
    owner:
      owner.kind === 'certificate' ? { ...owner, fingerprint: new Uint8Array(owner.fingerprint) } : owner,
  };
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
