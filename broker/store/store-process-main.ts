/** The process in which a store is scanned or copied: see store-process.ts. */

import { writeSync } from 'node:fs';
import { scan } from './scan.js';
import { Snapshot } from './snapshot.js';
import { StoreError } from './store.js';
import type { StoreOrder, StoreSaid } from './store-process.js';

/** At once, so that it is out when the next thing that is read ends this process. */
function say(said: StoreSaid): void {
  const line = Buffer.from(`${JSON.stringify(said)}\n`);
  for (let written = 0; written < line.length; ) written += writeSync(1, line, written);
}

async function obey(order: StoreOrder): Promise<StoreSaid> {
  const reading = (table: string) => say({ reading: table });
  if (order.do === 'scan') return scan(order.path, order.options, reading);
  reading('its pages');
  const snapshot = new Snapshot(order.path);
  await snapshot.copy(order.to);
  await snapshot.close();
  return scan(order.to, { alone: true }, reading);
}

process.umask(0o077);
const order = JSON.parse(process.argv[2]!) as StoreOrder;
try {
  say(await obey(order));
} catch (error) {
  // What LMDB says of a damaged file has a code of its own.
  const { code, message } =
    error instanceof StoreError
      ? error
      : { code: 'ERR_STORE_DAMAGED' as const, message: `${order.path}: ${(error as Error).message}` };
  say({ error: { code, message } });
}
