/**
 * Base64 in both alphabets, wherever JavaScript runs: in Node, in a browser, and in a thread that has been stripped of
 * everything that is not standard. Padding is neither written nor expected.
 */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The value of each character, by its code; that of the older alphabet's `+` and `/` as well. */
const VALUES = new Uint8Array(128);
for (let value = 0; value < ALPHABET.length; value++) VALUES[ALPHABET.charCodeAt(value)] = value;
VALUES['+'.charCodeAt(0)] = 62;
VALUES['/'.charCodeAt(0)] = 63;

/** The bytes that `text` stands for, whose characters were checked before: any other one counts as `A`. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    bits = (bits << 6) | (VALUES[text.charCodeAt(i)] ?? 0);
    // Every character but the first of four completes a byte.
    const held = (6 * (i + 1)) % 8;
    if (i % 4 !== 0) bytes[at++] = bits >> held;
  }
  return bytes;
}

/** In the alphabet of URLs. */
export function toBase64Url(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const three = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const characters = Math.min(4, bytes.length - i + 1);
    for (let n = 0; n < characters; n++) text += ALPHABET[(three >> (18 - 6 * n)) & 63];
  }
  return text;
}
