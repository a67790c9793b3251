/**
 * A sturdyref in the hands of a program: the address of a broker and the secret that it restores.
 *
 * The secret is authority. `format()` is the only way to the text that contains it; whatever prints objects by itself
 * (`toString`, `toJSON`, `util.inspect`, template strings, structured clones) must never show it, and no error of this
 * file may repeat any part of what it was asked to parse unless that part has been told apart from a secret.
 *
 *     ADDRESS#SECRET          see address.ts; SECRET is unpadded base64url
 */
import { fromBase64, toBase64Url } from '../schema/index.js';
import {
  checkAddress,
  formatAddress,
  isAddress,
  parseAddress,
  SCHEMES,
  type SturdyAddress,
  SturdyRefError,
} from './address.js';

/** The length of a secret in bytes: the format's version, then 32 random bytes. */
export const SECRET_BYTES = 33;

/** The first byte of every secret. */
export const SECRET_VERSION = 1;

export class SturdyRef {
  readonly address: SturdyAddress;
  readonly #secret: Uint8Array;

  private constructor(secret: Uint8Array, address: SturdyAddress) {
    this.#secret = secret;
    this.address = address;
  }

  /** @throws SturdyRefError */
  static parse(text: string): SturdyRef {
    if (typeof text !== 'string') throw new SturdyRefError(`a sturdyref is a text, not ${typeof text}`);
    const hash = text.indexOf('#');
    if (hash === -1) {
      throw new SturdyRefError("not a sturdyref: it has no '#' with the secret behind it");
    }
    const place = text.slice(0, hash);
    const secret = parseSecret(text.slice(hash + 1));
    if (!isAddress(place)) throw new SturdyRefError(`not a sturdyref: it starts with neither ${SCHEMES}`);
    return new SturdyRef(secret, parseAddress(place));
  }

  /**
   * Copies the secret.
   * @throws SturdyRefError
   */
  static of(secret: Uint8Array, address: SturdyAddress): SturdyRef {
    return new SturdyRef(checkSecret(Uint8Array.from(secret)), checkAddress(address));
  }

  /** The text with the secret in it: for a file of mode 0600, or for whoever is to have the authority. */
  format(): string {
    return `${this.#place()}#${toBase64Url(this.#secret)}`;
  }

  /** A copy of the 33 bytes. */
  secret(): Uint8Array {
    return Uint8Array.from(this.#secret);
  }

  /** The address, with the secret left out. Not a sturdyref: `parse` refuses it. */
  toString(): string {
    return `${this.#place()}#(secret)`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `SturdyRef <${this.toString()}>`;
  }

  #place(): string {
    return formatAddress(this.address);
  }
}

function parseSecret(text: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]{44}$/.test(text)) {
    throw new SturdyRefError(
      `the secret of a sturdyref is 44 characters of unpadded base64url (${text.length} characters were found)`,
    );
  }
  return checkSecret(fromBase64(text));
}

function checkSecret(secret: Uint8Array): Uint8Array {
  if (secret.length !== SECRET_BYTES) {
    throw new SturdyRefError(`the secret of a sturdyref has ${SECRET_BYTES} bytes, not ${secret.length}`);
  }
  if (secret[0] !== SECRET_VERSION) {
    throw new SturdyRefError(
      `the secret of this sturdyref is not of version ${SECRET_VERSION}, the only one known here`,
    );
  }
  return secret;
}
