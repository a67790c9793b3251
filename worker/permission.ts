/** What a host and its threads may do by Node's permission model, where there is one: see broker/sandbox/permission.ts. */

import process from 'node:process';

/** Since Node 26; each thread has its own. */
interface Droppable {
  drop?(permission: 'net'): void;
}

/** The descriptors that were inherited have been opened: this thread makes no connection, and takes none. */
export function dropNetwork(): void {
  (process as { permission?: Droppable }).permission?.drop?.('net');
}
