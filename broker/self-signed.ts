/**
 * A certificate for a key of one's own: X.509 version 3 (RFC 5280), self-signed, of P-256 with SHA-256. TLS wants one of
 * each server; what Sturdy believes is the key in it (`rpc/transport/tls.ts`), so that it says nothing else of its holder.
 */
import { createSign, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { TlsIdentity } from '../rpc/index.js';

/** `99991231235959Z`: "to indicate that a certificate has no well-defined expiration date" (RFC 5280, 4.1.2.5). */
const NEVER = '99991231235959Z';

/** ecdsa-with-SHA256 and commonName, as the contents of their object identifiers. */
const ECDSA_WITH_SHA256 = '2a8648ce3d040302';
const COMMON_NAME = '550403';

const TAG = {
  bits: 0x03,
  oid: 0x06,
  utf8: 0x0c,
  time: 0x18,
  sequence: 0x30,
  set: 0x31,
  integer: 0x02,
  version: 0xa0,
};

/** A new key and its certificate. `name` is for people to read. */
export function selfSigned(name: string, now: Date = new Date()): TlsIdentity {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(TAG.sequence, der(TAG.oid, Buffer.from(ECDSA_WITH_SHA256, 'hex')));
  const commonName = der(
    TAG.sequence,
    der(TAG.oid, Buffer.from(COMMON_NAME, 'hex')),
    der(TAG.utf8, Buffer.from(name)),
  );
  const subject = der(TAG.sequence, der(TAG.set, commonName));
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40; // Positive, and of 16 bytes for certain.
  const since = `${now.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  const body = der(
    TAG.sequence,
    der(TAG.version, der(TAG.integer, Buffer.of(2))),
    der(TAG.integer, serial),
    algorithm,
    subject,
    der(TAG.sequence, der(TAG.time, Buffer.from(since)), der(TAG.time, Buffer.from(NEVER))),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = createSign('sha256').update(body).sign(privateKey);
  const certificate = der(TAG.sequence, body, algorithm, der(TAG.bits, Buffer.of(0), signature));
  const lines = certificate.toString('base64').match(/.{1,64}/g)!;
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

/** One element of the Distinguished Encoding Rules. */
function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}
