import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SturdyRef } from '../../client/index.js';
import { OwnBroker } from '../../examples/ledger/own-broker.js';
import { EXAMPLE, exampleSchema } from '../../examples/ledger/place.js';
import { ExampleRefs, writeRefs } from '../../examples/ledger/refs-file.js';
import type { Ledger } from '../../examples/ledger/stubs.js';
import { book, readTransactions } from '../../examples/ledger/transactions.js';
import { cppPeer, type Peer, pythonPeer } from './peers.js';

/** What each client checks. A check that a client does not print is a failure too. */
const CHECKS = [
  'restore and call',
  'unknown reference',
  'pipeline',
  'values',
  'capabilities in a list',
  'transfer',
  'exceptions',
  'callback and holding past the call',
  'a call that waits',
  'save and restore',
  'saving what has no id',
  'attenuate',
  'no amplification',
  'revoke',
  'a domain that is stopped',
];

/** A machine without a peer is good for everything else, but not to say that all is well. */
const REQUIRED = process.env['CI'] === 'true';

let broker: OwnBroker;
/** The files of references by their transport. */
const refs = { unix: '', tcp: '' };

beforeAll(async () => {
  broker = await OwnBroker.create();
  await broker.start();
  const operatorPath = join(broker.folder, 'data/operator.ref');
  const minted = await ExampleRefs.open(join(broker.folder, 'minted.refs'), operatorPath);
  await minted.object('ledger', 'ledger', '');
  const ledger = minted.session.restore<Ledger>(minted.get('ledger'), exampleSchema().interface('Ledger'));
  await book(ledger, await readTransactions(join(EXAMPLE, 'transactions.csv')));
  await minted.object('alice', 'ledger', 'alice');
  minted.close();

  const all = new Map([
    ['operator', await broker.operatorRef()],
    ...minted.names.map((name) => [name, minted.get(name)] as const),
  ]);
  for (const transport of ['unix', 'tcp'] as const) {
    refs[transport] = join(broker.folder, `${transport}.refs`);
    await writeRefs(refs[transport], new Map([...all].map(([name, ref]) => [name, at(ref, transport)])));
  }
}, 60_000);

afterAll(() => broker?.remove());

describe.each([
  ['Python (pycapnp)', () => pythonPeer()],
  ['C++ (libcapnp)', cppPeer],
])('a client in %s', (_language, find) => {
  let peer: Peer;
  beforeAll(async () => {
    peer = await find();
  }, 180_000);

  describe.each(['unix', 'tcp'] as const)('over %s', (transport) => {
    let lines: string[] = [];
    beforeAll(async () => {
      if (!('missing' in peer)) lines = await runClient(peer.command, refs[transport]);
    }, 180_000);

    test.for(CHECKS)('passes: %s', (name, { skip }) => {
      if ('missing' in peer) {
        if (REQUIRED) throw new Error(peer.missing);
        skip(peer.missing);
      }
      const line = lines.find((printed) => printed === `ok ${name}` || printed.startsWith(`not ok ${name}:`));
      expect(line ?? `it printed nothing of this check, but: ${lines.join('\n')}`).toBe(`ok ${name}`);
    });
  });
});

/** The same reference at the broker's other address. */
function at(ref: SturdyRef, transport: 'unix' | 'tcp'): SturdyRef {
  return SturdyRef.of(
    ref.secret(),
    transport === 'unix'
      ? { transport, path: broker.socket }
      : { transport, host: '127.0.0.1', port: broker.port, key: null },
  );
}

/** What the client prints, both streams; its exit code says no more than that. */
function runClient([program = '', ...args]: readonly string[], path: string): Promise<string[]> {
  return new Promise((resolve) => {
    execFile(program, [...args, path], { timeout: 150_000 }, (_error, stdout, stderr) =>
      resolve(`${stdout}${stderr}`.split('\n')),
    );
  });
}
