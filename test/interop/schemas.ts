/** The schemas that the programs in other languages are built with. */
import { join } from 'node:path';
import { ROOT } from '../../examples/ledger/place.js';

export const SCHEMAS = [
  { folder: join(ROOT, 'schema'), file: 'sturdy.capnp' },
  { folder: join(ROOT, 'examples/ledger'), file: 'ledger.capnp' },
  { folder: join(ROOT, 'examples/calculator'), file: 'calculator.capnp' },
  { folder: join(ROOT, 'test/interop'), file: 'peer.capnp' },
];
