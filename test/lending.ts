/** Messages in memory that is lent to a connection no longer than for one call. */
import type { Connection } from '../rpc/connection.js';
import { BRIEF, copyOf } from '../rpc/loan.js';

/** No number that anybody has, and no pointer. */
const OVER = 0xfe;

/** Has `connection` take a message that is overwritten as soon as it has: whoever kept it without a copy is found out. */
export function receiveLent(connection: Connection, segments: readonly Uint8Array[]): void {
  const lent = copyOf(segments);
  const all = [...lent];
  connection.receive(lent, BRIEF);
  for (const segment of all) segment.fill(OVER);
}
