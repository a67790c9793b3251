/** Who is at the other end of a connection, as far as the broker can tell: for the audit log, and for flow labels. */
import type { FlowLabel } from './flow/flow-label.js';
import type { GrantOwner } from './store/store.js';

export interface Peer {
  /** `unix`, `unix uid 1000`, `tcp 127.0.0.1`, `certificate 3f…`, `domain ID`: the same for everything that comes from there. */
  readonly who: string;
  /** Which of the connections since the broker started, from 1; null where there is no connection of its own. */
  readonly connection: number | null;
  /** Null: there are no flow labels. */
  readonly label: FlowLabel | null;
}

/** `address` is that of the other end; undefined on a unix socket. */
export function peerOf(
  holder: GrantOwner,
  address: string | undefined,
  connection: number | null,
  label: FlowLabel | null = null,
): Peer {
  return { who: whoIs(holder, address), connection, label };
}

function whoIs(holder: GrantOwner, address: string | undefined): string {
  switch (holder.kind) {
    case 'anyone':
      return address === undefined ? 'unix' : `tcp ${address}`;
    case 'unixUser':
      return `unix uid ${holder.uid}`;
    case 'certificate':
      return `certificate ${Buffer.from(holder.fingerprint).toString('hex')}`;
    case 'domain':
      return `domain ${holder.id}`;
  }
}

/** As an audit entry has it: `unix, connection 17`. */
export function peerText({ who, connection }: Pick<Peer, 'who' | 'connection'>): string {
  return connection === null ? who : `${who}, connection ${connection}`;
}

/** What it adds to the note of a mint or a revoke; nothing where the broker does it by itself. */
export function peerNote(peer: Peer | null): { readonly peer?: string } {
  return peer === null ? {} : { peer: peerText(peer) };
}
