/**
 * The broker's own key and certificate for TLS. Its digest stands in every sturdyref to it (`sturdy://sha-256:KEY@...`), so
 * that a broker that loses its key leaves no reference good: it is made once, in the data folder, and kept.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certificateKeyDigest, type TlsIdentity } from '../rpc/index.js';
import { writePrivateFile } from './private-file.js';
import { selfSigned } from './self-signed.js';
import { StartupError } from './startup-error.js';

/** Key and certificate in PEM, one behind the other. */
export const TLS_IDENTITY = 'tls.pem';

/** What the configuration says of it: files of the operator's own, both or neither. */
export interface TlsFiles {
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

export interface BrokerTls {
  readonly identity: TlsIdentity;
  /** KEY of a sturdyref. */
  readonly digest: string;
}

/** @throws StartupError where a file cannot be read, is none, or the key is not that of the certificate */
export async function provideTls(folder: string, files: TlsFiles, at = 'listen.tls'): Promise<BrokerTls> {
  if (files.certificate !== undefined && files.key !== undefined) {
    const [certificate, key] = await Promise.all([read(files.certificate, at), read(files.key, at)]);
    return checked({ certificate, key }, `${at}: ${files.certificate} and ${files.key}`);
  }
  const path = join(folder, TLS_IDENTITY);
  const found = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return null;
    throw new StartupError(`${at}: cannot read ${path}: ${cause.code}`, { cause });
  });
  if (found !== null) return checked({ certificate: found, key: found }, `${at}: ${path}`);
  const made = selfSigned('a broker of Sturdy');
  await writePrivateFile(path, made.key + made.certificate);
  return checked(made, path);
}

async function read(path: string, at: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new StartupError(`${at}: cannot read ${path}: ${cause.code}`, { cause });
  });
}

function checked(identity: TlsIdentity, where: string): BrokerTls {
  try {
    if (!new X509Certificate(identity.certificate).checkPrivateKey(createPrivateKey(identity.key)))
      throw new Error('the key is not that of the certificate');
    return { identity, digest: certificateKeyDigest(identity.certificate) };
  } catch (cause) {
    // What OpenSSL says of a text that is no key does not repeat any of it.
    const why = (cause as Error).message;
    throw new StartupError(`${where}: expected a certificate and its key in PEM: ${why}`, { cause });
  }
}
