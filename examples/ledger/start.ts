/**
 * What `npm start` runs: the broker with the example's two domains, some accounts with real transactions in them, and a
 * file of references to try it with. Safe to run again on the same data: nothing is booked or minted twice.
 *
 * usage: node dist/examples/ledger/start.js [DATA-FOLDER [TCP-PORT]]
 */

import { mkdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { Broker, createLogger } from '../../broker/index.js';
import { describeAddress } from '../../rpc/index.js';
import { CLI, EXAMPLE, exampleConfig, exampleSchema, ROOT } from './place.js';
import { money } from './posting.js';
import { ExampleRefs } from './refs-file.js';
import type { Ledger } from './stubs.js';
import { book, readTransactions } from './transactions.js';

async function main(data: string, port: number | undefined): Promise<void> {
  await mkdir(data, { recursive: true, mode: 0o700 });
  const config = await exampleConfig(data, port);
  const broker = await Broker.start(config, { log: createLogger(config.log, { pretty: true }) });
  const signalled = new Promise((resolve) => process.once('SIGTERM', resolve).once('SIGINT', resolve));
  try {
    const refsPath = join(data, 'example.refs');
    console.log(await prepare(broker, refsPath));
    await signalled;
  } finally {
    await broker.stop();
  }
}

/** Books the transactions and sees to the references. Gives what there is to say about it. */
async function prepare(broker: Broker, refsPath: string): Promise<string> {
  const refs = await ExampleRefs.open(refsPath, broker.operatorRefPath);
  await refs.object('ledger', 'ledger', '');
  const ledger = refs.session.restore<Ledger>(refs.get('ledger'), exampleSchema().interface('Ledger'));
  const transactions = await readTransactions(join(EXAMPLE, 'transactions.csv'));
  await book(ledger, transactions);
  const { accounts } = await ledger.accounts({});

  await refs.object('alice', 'ledger', 'alice');
  await refs.object('bob', 'ledger', 'bob');
  await refs.facet('alice-read-only', 'alice', 'Account', ['balance', 'statement']);
  await refs.object('statement', 'statement', '');
  refs.close();

  const [cli, file, operator] = [CLI, refsPath, broker.operatorRefPath].map((path) => relative('.', path));
  return `
Sturdy is running, with a small bank in it.

${broker.addresses.map((address) => `  listening on  ${describeAddress(address)}`).join('\n')}
  references    ${file} (only you can read it): ${refs.names.join(', ')}
  operator      ${operator} (only you can read it)

The accounts, with the ${transactions.length} transactions of ${relative('.', join(EXAMPLE, 'transactions.csv'))}:

${accounts.map(({ name, balance }) => `  ${name.padEnd(12)} ${money(balance).padStart(10)}`).join('\n')}

Next, in another terminal: let the plugin, which can read alice's account and do nothing else, print a statement.

  node ${cli} call @${file}:statement render '{"format": "text"}'

'npm run tour' shows everything that there is, by itself. Ctrl-C stops the broker.
`;
}

const [, , folder = join(ROOT, 'data/ledger'), port] = process.argv;
main(resolve(folder), port === undefined ? undefined : Number(port)).catch((error: Error) => {
  console.error(`sturdy: ${error.message}`);
  process.exitCode = 1;
});
