/**
 * Which secrets a grant's reference has: one, that a rotation replaces by another; those that were replaced, for as long as they
 * overlap; and none any more, when a reference that restores once was used. Of each, only the digest is known.
 */
import { type GrantRow, MAX_REPLACED_SECRETS, type ReplacedSecret, StoreError } from './store.js';

/** Whether the secret with this digest stands for the grant at `now`. */
export function isGood({ digest, amended }: GrantRow, shown: Uint8Array, now: number): boolean {
  if (amended !== undefined && amended.used !== null) return false;
  if (digest !== null && same(digest, shown)) return true;
  return amended?.replaced.some((old) => now < old.until && same(old.digest, shown)) ?? false;
}

/**
 * What becomes of a grant's secrets when another takes the place of its present one: those that are good for a while, and those
 * that are not to be found any more. No overlap makes any of them good for longer than it was.
 * @throws StoreError ERR_STORE_NO_REFERENCE, ERR_STORE_SECRETS
 */
export function rotated(
  row: GrantRow,
  overlap: number,
  now: number,
): { replaced: ReplacedSecret[]; dropped: Uint8Array[] } {
  const { id, digest, amended } = row;
  if (digest === null)
    throw new StoreError(
      'ERR_STORE_NO_REFERENCE',
      `the grant ${id} has no reference: there is no secret to it`,
    );
  if (amended !== undefined && amended.used !== null) {
    throw new StoreError(
      'ERR_STORE_NO_REFERENCE',
      `the reference of the grant ${id} was used up; mint another`,
    );
  }
  const last = now + overlap;
  const all = [...(amended?.replaced ?? []), { digest, until: last }].map((old) => ({
    ...old,
    until: Math.min(old.until, last),
  }));
  const replaced = all.filter(({ until }) => now < until);
  if (replaced.length > MAX_REPLACED_SECRETS) {
    throw new StoreError(
      'ERR_STORE_SECRETS',
      `${MAX_REPLACED_SECRETS} replaced secrets of the grant ${id} are good still; rotate with no overlap, or when they are not`,
    );
  }
  return { replaced, dropped: all.filter(({ until }) => now >= until).map((old) => old.digest) };
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
