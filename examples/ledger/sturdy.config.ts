/**
 * The broker of the example: what `npm start` runs, and a configuration to begin your own from. Paths are
 * relative to this file.
 */

import { defineConfig } from 'sturdy/broker';

export default defineConfig({
  data: '../../data/ledger',
  listen: {
    unix: '../../data/ledger/sturdy.sock',
    tcp: { host: '127.0.0.1', port: 7447 },
  },
  domains: {
    // Ours: it keeps the books, and gets the powers for that.
    ledger: {
      module: './ledger.ts',
      schema: './ledger.cgr',
      interface: 'Ledger',
      trusted: true,
      powers: { storage: true, clock: true, log: true },
    },
    // Somebody else's: a template engine from npm. All that it gets is to read one account.
    statement: {
      module: './statement.ts',
      schema: './statement.cgr',
      interface: 'Statement',
      grants: {
        account: {
          domain: 'ledger',
          object: 'alice',
          interface: 'Account',
          methods: ['Account.balance', 'Account.statement'],
        },
      },
      limits: { heapMiB: 64, turnMillis: 1000 },
    },
  },
});
