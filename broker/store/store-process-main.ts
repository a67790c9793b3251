/** The process in which a store is scanned or copied: see store-process.ts. */

import { writeSync } from 'node:fs';
import { scan } from './scan.js';
import { Snapshot } from './snapshot.js';
import type { StoreOrder, StoreSaid } from './store-process.js';

/** At once, so that it is out when the next thing that is read ends this process. */
function say(said: StoreSaid): void {
  const line = Buffer.from(`${JSON.stringify(said)}\n`);
  for (let written = 0; written < line.length; ) written += writeSync(1, line, written);
}

async function obey(order: StoreOrder): Promise<StoreSaid> {
  if (order.do === 'scan') return scan(order.path, order.options, (table) => say({ reading: table }));
  say({ reading: 'its pages' });
  const snapshot = new Snapshot(order.path);
  await snapshot.copy(order.to);
  await snapshot.close();
  return { copied: true };
}

process.umask(0o077);
try {
  say(await obey(JSON.parse(process.argv[2]!) as StoreOrder));
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  say({ error: { code: code ?? 'ERR_STORE_DAMAGED', message } });
}
