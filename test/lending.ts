/** Messages in memory that is lent to a connection no longer than for one call. */
import type { Connection } from '../rpc/connection.js';
import { copyOf } from '../rpc/loan.js';
import { lend } from '../rpc/transport/memory.js';

/** Has `connection` take a message that is overwritten as soon as it has: whoever kept it without a copy is found out. */
export function receiveLent(connection: Connection, segments: readonly Uint8Array[]): void {
  lend(copyOf(segments), (lent, loan) => connection.receive(lent, loan));
}
