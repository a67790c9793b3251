/**
 * Public ids: 16 bytes, printed as 26 characters of lower-case Crockford base32. They name things in logs and listings
 * and carry no authority.
 */

import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** 48 bits of time (milliseconds), then 80 random bits: ids sort in the order in which the grants were minted. */
export function newGrantId(now: number = Date.now()): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(now, 0, 6);
  return print(bytes);
}

/** 128 random bits: never used again for another domain. */
export function newDomainId(): string {
  return print(randomBytes(16));
}

export function isId(text: string): boolean {
  return /^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(text);
}

function print(bytes: Buffer): string {
  let rest = BigInt(`0x${bytes.toString('hex')}`);
  let text = '';
  for (let i = 0; i < 26; i++) {
    text = ALPHABET[Number(rest & 31n)] + text;
    rest >>= 5n;
  }
  return text;
}
