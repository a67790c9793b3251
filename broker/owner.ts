/** To whom a grant is sealed: Owner of schema/sturdy.capnp. */
import type { Owner } from '../client/protocol.js';
import { RpcError } from '../rpc/index.js';
import { isId } from './store/id.js';
import type { GrantOwner } from './store/store.js';

const FINGERPRINT_BYTES = 32;

/** Refuses an identity that this broker has no way to tell: a seal that nothing checks would be worse than none. */
export function ownerFromWire(owner: Owner | null | undefined, knowsCertificates: boolean): GrantOwner {
  if (owner === null || owner === undefined || owner.anyone !== undefined) return { kind: 'anyone' };
  if (owner.domain !== undefined) {
    if (!isId(owner.domain)) {
      throw new RpcError(
        'failed',
        'sealFor.domain: expected the id of a domain (DomainInfo.id), not its name',
        {
          code: 'ERR_OWNER_UNKNOWN',
        },
      );
    }
    return { kind: 'domain', id: owner.domain };
  }
  if (owner.unixUser !== undefined) {
    throw new RpcError(
      'failed',
      "sealFor.unixUser: this platform does not tell the uid of a unix socket's peer",
      {
        code: 'ERR_OWNER_UNAVAILABLE',
      },
    );
  }
  if (owner.certificate !== undefined) {
    if (!knowsCertificates) {
      throw new RpcError('failed', 'sealFor.certificate: this broker has no TLS listener (listen.tls)', {
        code: 'ERR_OWNER_UNAVAILABLE',
      });
    }
    const fingerprint = Uint8Array.from(owner.certificate);
    if (fingerprint.length !== FINGERPRINT_BYTES) {
      throw new RpcError(
        'failed',
        `sealFor.certificate: a fingerprint is a SHA-256 of ${FINGERPRINT_BYTES} bytes, not of ${fingerprint.length}`,
        { code: 'ERR_OWNER_UNKNOWN' },
      );
    }
    return { kind: 'certificate', fingerprint };
  }
  throw new RpcError('failed', 'sealFor: an owner of a kind that this broker does not know', {
    code: 'ERR_OWNER_UNAVAILABLE',
  });
}

export function ownerToWire(owner: GrantOwner): Owner {
  switch (owner.kind) {
    case 'anyone':
      return { anyone: null };
    case 'domain':
      return { domain: owner.id };
    case 'unixUser':
      return { unixUser: owner.uid };
    case 'certificate':
      return { certificate: owner.fingerprint };
  }
}
