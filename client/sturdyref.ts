/**
 * A sturdyref in the hands of a program: the address of a broker and the secret that it restores.
 *
 * The secret is authority. `format()` is the only way to the text that contains it; whatever prints objects by itself
 * (`toString`, `toJSON`, `util.inspect`, template strings, structured clones) must never show it, and no error of this
 * file may repeat any part of what it was asked to parse unless that part has been told apart from a secret.
 *
 *     sturdy+unix:///PATH#SECRET                 PATH is percent-encoded
 *     sturdy://sha-256:KEY@HOST:PORT/#SECRET     KEY is the SHA-256 of the broker's TLS public key
 *     sturdy://127.0.0.1:7447/#SECRET            loopback only: any of 127.0.0.0/8, and [::1]
 *
 * SECRET and KEY are unpadded base64url. `localhost` counts as a name, not as loopback: where a name leads is up to a
 * resolver, and the secret would be sent there in the clear.
 */

import { isIPv4, isIPv6 } from 'node:net';

/** The length of a secret in bytes: the format's version, then 32 random bytes. */
export const SECRET_BYTES = 33;

/** The first byte of every secret. */
export const SECRET_VERSION = 1;

export type SturdyAddress =
  | {
      readonly transport: 'unix';
      /** Absolute. */
      readonly path: string;
    }
  | {
      readonly transport: 'tcp';
      /** An IP address (IPv6 without brackets) or a name in lower case. */
      readonly host: string;
      readonly port: number;
      /** SHA-256 of the broker's TLS public key in unpadded base64url. Null: no TLS, and then `host` is loopback. */
      readonly key: string | null;
    };

/** The text or the address is not a sturdyref's. The message never contains a secret. */
export class SturdyRefError extends Error {
  override readonly name = 'SturdyRefError';
  readonly code = 'ERR_STURDYREF';
}

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
    if (!place.startsWith(UNIX_SCHEME) && !place.startsWith(TCP_SCHEME))
      throw new SturdyRefError(`not a sturdyref: it starts with neither ${UNIX_SCHEME} nor ${TCP_SCHEME}`);
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
    return `${this.#place()}#${Buffer.from(this.#secret).toString('base64url')}`;
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

/** What stands before the '#' of a sturdyref: no secret. */
export function formatAddress(address: SturdyAddress): string {
  if (address.transport === 'unix') {
    return UNIX_SCHEME + address.path.split('/').map(encodeURIComponent).join('/');
  }
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host;
  const key = address.key === null ? '' : `sha-256:${address.key}@`;
  return `${TCP_SCHEME}${key}${host}:${address.port}/`;
}

/** The address in what `formatAddress` gives. @throws SturdyRefError */
export function parseAddress(text: string): SturdyAddress {
  if (text.includes('#')) throw new SturdyRefError("an address has no '#' and no secret behind it");
  if (text.startsWith(UNIX_SCHEME)) return parseUnix(text.slice(UNIX_SCHEME.length));
  if (text.startsWith(TCP_SCHEME)) return parseTcp(text.slice(TCP_SCHEME.length));
  throw new SturdyRefError(
    `not the address of a broker: it starts with neither ${UNIX_SCHEME} nor ${TCP_SCHEME}`,
  );
}

const UNIX_SCHEME = 'sturdy+unix://';
const TCP_SCHEME = 'sturdy://';

function parseSecret(text: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]{44}$/.test(text)) {
    throw new SturdyRefError(
      `the secret of a sturdyref is 44 characters of unpadded base64url (${text.length} characters were found)`,
    );
  }
  return checkSecret(new Uint8Array(Buffer.from(text, 'base64url')));
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

function parseUnix(encoded: string): SturdyAddress {
  // Printable ASCII only, nothing that a URL reads as something else, every percent sign a complete escape.
  if (!/^(?:[!$&-;=@-Z_a-z~]|%[0-9A-Fa-f]{2})*$/.test(encoded)) {
    throw new SturdyRefError('the path of this sturdyref has a character in it that must be percent-encoded');
  }
  let path: string;
  try {
    path = decodeURIComponent(encoded);
  } catch {
    throw new SturdyRefError('the path of this sturdyref is not percent-encoded UTF-8');
  }
  return checkAddress({ transport: 'unix', path });
}

function parseTcp(place: string): SturdyAddress {
  const match = /^(?:([^@]*)@)?(\[[^\]]*\]|[^:/?[\]@]*)(?::([^/]*))?(.*)$/s.exec(place);
  if (match === null) throw new SturdyRefError(`this sturdyref is not ${TCP_FORM}`);
  const [, user, bracketed = '', port, rest] = match;
  if (rest !== '/')
    throw new SturdyRefError(`between the port and the '#' of a sturdyref stands one '/': ${TCP_FORM}`);
  let key: string | null = null;
  if (user !== undefined) {
    if (!user.startsWith('sha-256:')) {
      throw new SturdyRefError(
        `what stands before the '@' of a sturdyref begins with 'sha-256:': ${TCP_FORM}`,
      );
    }
    key = user.slice('sha-256:'.length);
  }
  if (port === undefined || !/^[1-9][0-9]{0,4}$/.test(port)) {
    throw new SturdyRefError(`a sturdyref names its port, 1 to 65535: ${TCP_FORM}`);
  }
  const isBracketed = bracketed.startsWith('[');
  const host = isBracketed ? bracketed.slice(1, -1) : bracketed;
  if (isBracketed && !isIPv6(host))
    throw new SturdyRefError('what stands in brackets is not an IPv6 address');
  return checkAddress({ transport: 'tcp', host, port: Number(port), key });
}

const TCP_FORM = 'sturdy://sha-256:KEY@HOST:PORT/#SECRET';

function checkAddress(address: SturdyAddress): SturdyAddress {
  if (address.transport === 'unix') {
    const { path } = address;
    if (!path.startsWith('/')) {
      throw new SturdyRefError('the socket path of a sturdyref is absolute: sturdy+unix:///PATH#SECRET');
    }
    if (path.endsWith('/'))
      throw new SturdyRefError("the socket path of a sturdyref names a socket: no '/' at its end");
    if (path.includes('\0')) throw new SturdyRefError('the socket path of a sturdyref has a NUL in it');
    if (!path.isWellFormed())
      throw new SturdyRefError('the socket path of a sturdyref is not well-formed Unicode');
    return Object.freeze({ transport: 'unix', path });
  }
  const { host, port, key } = address;
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new SturdyRefError('the port of a sturdyref is a number from 1 to 65535');
  }
  if (!isHost(host)) {
    throw new SturdyRefError('the host of a sturdyref is an IP address, or a name in lower case');
  }
  // 43 characters carry 258 bits; the last two must be zero, so that a key has one spelling.
  if (key !== null && !/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/.test(key)) {
    throw new SturdyRefError(
      'the key of a sturdyref is a SHA-256 digest: 43 characters of unpadded base64url',
    );
  }
  if (key === null && !isLoopback(host)) {
    throw new SturdyRefError(
      `the secret would go to ${host} in the clear: without a key, a sturdyref leads to 127.0.0.1 or [::1] only ` +
        `(right would be ${TCP_FORM})`,
    );
  }
  return Object.freeze({ transport: 'tcp', host, port, key });
}

/** The lower case of names matters here: no secret passes for one (44 random characters have some upper case). */
function isHost(host: string): boolean {
  if (isIPv4(host)) return true;
  if (isIPv6(host)) return !host.includes('%');
  if (host.length > 253) return false;
  const labels = host.split('.');
  // A name that ends in digits is an IPv4 address that somebody got wrong.
  if (/^[0-9]*$/.test(labels.at(-1)!)) return false;
  return labels.every((label) => /^(?!-)[a-z0-9-]{1,63}(?<!-)$/.test(label));
}

/** Whether `host` is an IP address that never leaves this machine. A name, `localhost` included, is not. */
export function isLoopback(host: string): boolean {
  return (isIPv4(host) && host.startsWith('127.')) || host === '::1';
}
