/**
 * The two things a broker does with the secret of a sturdyref: make one, and turn one into the digest that the store
 * is asked for. Nothing but the digest may be kept.
 */

import { hash, randomBytes } from 'node:crypto';
import { SECRET_BYTES, SECRET_VERSION } from '../../client/sturdyref.js';

/** 33 bytes: the version, then 32 that nobody can guess. */
export function mintSecret(): Uint8Array {
  const secret = new Uint8Array(randomBytes(SECRET_BYTES));
  secret[0] = SECRET_VERSION;
  return secret;
}

/**
 * SHA-256, 32 bytes. Takes any bytes, malformed secrets too: whoever shows one goes the same way as everybody else and
 * is told that there is no such reference.
 */
export function digestOf(secret: Uint8Array): Uint8Array {
  return new Uint8Array(hash('sha256', secret, 'buffer'));
}
