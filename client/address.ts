/**
 * The address of a broker: what stands before the '#' of a sturdyref. It is no secret, but no error of this file may repeat
 * any part of what it was asked to parse unless that part has been told apart from a secret, which may stand in the
 * wrong place.
 *
 *     sturdy+unix:///PATH                              PATH is percent-encoded
 *     sturdy://sha-256:KEY@HOST:PORT/                  TLS; KEY is the SHA-256 of the broker's public key
 *     sturdy://127.0.0.1:7447/                         TCP, loopback only: any of 127.0.0.0/8, and [::1]
 *     sturdy+wss://sha-256:KEY@HOST:PORT/PATH          a WebSocket over TLS
 *     sturdy+ws://127.0.0.1:7448/PATH                  a WebSocket without, loopback only
 *
 * KEY is unpadded base64url. `localhost` counts as a name, not as loopback: where a name leads is up to a resolver, and the
 * secret would be sent there in the clear.
 */
import { isIPv4, isIPv6 } from './ip.js';

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
    }
  | {
      readonly transport: 'webSocket';
      readonly host: string;
      readonly port: number;
      /** `/`, or such as `/sturdy`. */
      readonly path: string;
      /** As above; a browser cannot look at it, and goes by the certificate. Null: no TLS, loopback only. */
      readonly key: string | null;
    };

/** The text or the address is not a sturdyref's. The message never contains a secret. */
export class SturdyRefError extends Error {
  override readonly name = 'SturdyRefError';
  readonly code = 'ERR_STURDYREF';
}

/** What stands before the '#' of a sturdyref: no secret. */
export function formatAddress(address: SturdyAddress): string {
  if (address.transport === 'unix')
    return UNIX_SCHEME + address.path.split('/').map(encodeURIComponent).join('/');
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host;
  const key = address.key === null ? '' : `sha-256:${address.key}@`;
  const place = `${key}${host}:${address.port}`;
  if (address.transport === 'tcp') return `${TCP_SCHEME}${place}/`;
  return `${address.key === null ? WS_SCHEME : WSS_SCHEME}${place}${address.path}`;
}

/** Whether `text` begins as an address does. */
export function isAddress(text: string): boolean {
  return [UNIX_SCHEME, TCP_SCHEME, WS_SCHEME, WSS_SCHEME].some((scheme) => text.startsWith(scheme));
}

/** The address in what `formatAddress` gives. @throws SturdyRefError */
export function parseAddress(text: string): SturdyAddress {
  if (text.includes('#')) throw new SturdyRefError("an address has no '#' and no secret behind it");
  if (text.startsWith(UNIX_SCHEME)) return parseUnix(text.slice(UNIX_SCHEME.length));
  if (text.startsWith(TCP_SCHEME)) return parseTcp(text.slice(TCP_SCHEME.length));
  if (text.startsWith(WS_SCHEME)) return parseWebSocket(text.slice(WS_SCHEME.length), false);
  if (text.startsWith(WSS_SCHEME)) return parseWebSocket(text.slice(WSS_SCHEME.length), true);
  throw new SturdyRefError(`not the address of a broker: it starts with neither ${SCHEMES}`);
}

const UNIX_SCHEME = 'sturdy+unix://';
const TCP_SCHEME = 'sturdy://';
const WS_SCHEME = 'sturdy+ws://';
const WSS_SCHEME = 'sturdy+wss://';

/** As an error names them, behind 'neither'. */
export const SCHEMES: string = `${UNIX_SCHEME} nor ${TCP_SCHEME}, ${WS_SCHEME} or ${WSS_SCHEME}`;

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

function parseTcp(text: string): SturdyAddress {
  const { host, port, key, path } = parsePlace(text, TCP_FORM);
  if (path !== '/')
    throw new SturdyRefError(`between the port and the '#' of a sturdyref stands one '/': ${TCP_FORM}`);
  return checkAddress({ transport: 'tcp', host, port, key });
}

function parseWebSocket(text: string, isTls: boolean): SturdyAddress {
  const { host, port, key, path } = parsePlace(text, isTls ? WSS_FORM : WS_FORM);
  if (isTls !== (key !== null)) {
    throw new SturdyRefError(
      `a WebSocket over TLS names the key of its broker, and one without has none: ${WSS_FORM} or ${WS_FORM}`,
    );
  }
  return checkAddress({ transport: 'webSocket', host, port, key, path });
}

/** `[sha-256:KEY@]HOST:PORT` and what is behind it. */
function parsePlace(text: string, form: string) {
  const match = /^(?:([^@]*)@)?(\[[^\]]*\]|[^:/?[\]@]*)(?::([^/]*))?(.*)$/s.exec(text);
  if (match === null) throw new SturdyRefError(`this sturdyref is not ${form}`);
  const [, user, bracketed = '', port, path = ''] = match;
  let key: string | null = null;
  if (user !== undefined) {
    if (!user.startsWith('sha-256:')) {
      throw new SturdyRefError(`what stands before the '@' of a sturdyref begins with 'sha-256:': ${form}`);
    }
    key = user.slice('sha-256:'.length);
  }
  if (!path.startsWith('/'))
    throw new SturdyRefError(`between the port and the '#' of a sturdyref stands one '/': ${form}`);
  if (port === undefined || !/^[1-9][0-9]{0,4}$/.test(port)) {
    throw new SturdyRefError(`a sturdyref names its port, 1 to 65535: ${form}`);
  }
  const isBracketed = bracketed.startsWith('[');
  const host = isBracketed ? bracketed.slice(1, -1) : bracketed;
  if (isBracketed && !isIPv6(host))
    throw new SturdyRefError('what stands in brackets is not an IPv6 address');
  return { host, port: Number(port), key, path };
}

const TCP_FORM = 'sturdy://sha-256:KEY@HOST:PORT/#SECRET';
const WS_FORM = 'sturdy+ws://127.0.0.1:PORT/PATH#SECRET';
const WSS_FORM = 'sturdy+wss://sha-256:KEY@HOST:PORT/PATH#SECRET';

/** @throws SturdyRefError where it is none, or where a secret would go in the clear */
export function checkAddress(address: SturdyAddress): SturdyAddress {
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
        `(right would be ${address.transport === 'tcp' ? TCP_FORM : WSS_FORM})`,
    );
  }
  if (address.transport === 'tcp') return Object.freeze({ transport: 'tcp', host, port, key });
  const { path } = address;
  if (!isWebSocketPath(path)) {
    throw new SturdyRefError(
      "the path of a WebSocket begins with '/' and has letters, digits and - . _ ~ / in it, 128 at most",
    );
  }
  return Object.freeze({ transport: 'webSocket', host, port, path, key });
}

/** Whether `path` can be that of a WebSocket: as it stands in a request, with nothing to be escaped. */
export function isWebSocketPath(path: string): boolean {
  return /^\/[A-Za-z0-9._~/-]{0,127}$/.test(path);
}

export function sameAddress(a: SturdyAddress, b: SturdyAddress): boolean {
  return formatAddress(a) === formatAddress(b);
}

/** The lower case of names matters here: no secret passes for one (44 random characters have some upper case). */
function isHost(host: string): boolean {
  if (isIPv4(host)) return true;
  if (isIPv6(host)) return true;
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
