/**
 * What TLS adds to a socket. It is TLS 1.3 only, and nobody is believed for a name: a peer is who has a key. A client knows
 * its server by the SHA-256 of its public key, and says nothing before it has seen that; a server knows a client by the
 * SHA-256 of its certificate, which proves in the handshake that the client has its key. Certificates may well be
 * self-signed, and no authority is asked.
 */
import { createHash, type KeyObject, X509Certificate } from 'node:crypto';
import { type ConnectionOptions, createServer, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { RpcError } from '../error.js';

/** A certificate and its private key, both in PEM. */
export interface TlsIdentity {
  readonly certificate: string;
  readonly key: string;
}

export interface TlsClient {
  /** The SHA-256 of the server's public key (its SubjectPublicKeyInfo) in unpadded base64url. */
  readonly serverKey: string;
  /** What the client shows the server, if it has something to show. */
  readonly identity?: TlsIdentity;
}

const VERSIONS = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;

/** How long a client has to finish its handshake, in milliseconds. */
const HANDSHAKE_MILLIS = 10_000;

/** The digest by which a public key is known: SHA-256 of its SubjectPublicKeyInfo, in unpadded base64url. */
export function keyDigest(publicKey: KeyObject): string {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');
}

/** The digest of the key of a certificate in PEM. @throws Error where it is no certificate */
export function certificateKeyDigest(certificate: string): string {
  return keyDigest(new X509Certificate(certificate).publicKey);
}

/** A socket that is still to shake hands: `secureConnect` says that it has, and then `checkServer` has to be asked. */
export function beginTls(host: string, port: number, { identity }: TlsClient): TLSSocket {
  const options: ConnectionOptions = {
    host,
    port,
    ...VERSIONS,
    // The key is compared instead, by `checkServer`: an authority would vouch for a name, which nobody asks about here.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(identity && { cert: identity.certificate, key: identity.key }),
  };
  return tlsConnect(options);
}

/** @throws RpcError `disconnected`, ERR_TLS_KEY, where the server has another key; nothing may be sent to it then. */
export function checkServer(socket: TLSSocket, { serverKey }: TlsClient): void {
  const found = socket.getPeerX509Certificate();
  const key = found === undefined ? null : keyDigest(found.publicKey);
  if (key === serverKey) return;
  throw new RpcError(
    'disconnected',
    `the server has the key sha-256:${key}; expected sha-256:${serverKey}. It is another server than the reference is ` +
      'for, or its key was changed; nothing was sent to it',
    { code: 'ERR_TLS_KEY' },
  );
}

export interface TlsServer {
  readonly identity: TlsIdentity;
  /** Whether clients are asked for a certificate, which those that have none are taken without. Default true. */
  readonly asksClients?: boolean;
}

export function tlsServer({ identity, asksClients = true }: TlsServer, accept: (socket: TLSSocket) => void) {
  const server = createServer(
    {
      ...VERSIONS,
      cert: identity.certificate,
      key: identity.key,
      requestCert: asksClients,
      // Who it is from is for `clientOf` to say: there is no authority to be asked.
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MILLIS,
      noDelay: true,
    },
    accept,
  );
  // A handshake that failed is the client's concern; its socket is gone by then.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}

/** Who a client is: the SHA-256 of its certificate; null without one; or why its certificate does not count. */
export function clientOf(socket: TLSSocket, now: Date = new Date()): Uint8Array | null | RpcError {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return null;
  const { validFrom, validTo } = certificate;
  if (!(now >= new Date(validFrom) && now <= new Date(validTo))) {
    return new RpcError('failed', `the client's certificate is valid from ${validFrom} to ${validTo}`, {
      code: 'ERR_TLS_CERTIFICATE_DATE',
    });
  }
  return new Uint8Array(createHash('sha256').update(certificate.raw).digest());
}
