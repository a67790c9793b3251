import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OwnBroker } from '../../examples/ledger/own-broker.js';
import { EXAMPLE, exampleSchema, ROOT } from '../../examples/ledger/place.js';
import { ExampleRefs } from '../../examples/ledger/refs-file.js';
import type { Ledger } from '../../examples/ledger/stubs.js';
import { book, readTransactions } from '../../examples/ledger/transactions.js';
import { goProgram } from '../interop/go-programs.js';
import { cppPeer, type Peer, pythonPeer } from '../interop/peers.js';
import { rustProgram } from '../interop/rust-programs.js';

const run = promisify(execFile);
const CLIENTS = join(ROOT, 'examples/clients');

let broker: OwnBroker;
let refs: string;
let balance = 360_065;

beforeAll(async () => {
  broker = await OwnBroker.create();
  await broker.start();
  refs = join(broker.folder, 'clients.refs');
  const minted = await ExampleRefs.open(refs, join(broker.folder, 'data/operator.ref'));
  await minted.object('ledger', 'ledger', '');
  const ledger = minted.session.restore<Ledger>(minted.get('ledger'), exampleSchema().interface('Ledger'));
  await book(ledger, await readTransactions(join(EXAMPLE, 'transactions.csv')));
  await minted.object('alice', 'ledger', 'alice');
  minted.close();
}, 60_000);

afterAll(() => broker?.remove());

const LANGUAGES: readonly [string, () => Promise<Peer>][] = [
  ['Node', async () => ({ command: [process.execPath, join(ROOT, 'dist/examples/clients/balance.js')] })],
  ['Python', () => pythonPeer(join(CLIENTS, 'balance.py'))],
  ['C++', () => cppPeer(join(CLIENTS, 'balance.c++'))],
  ['Go', () => goProgram('balance')],
  ['Rust', () => rustProgram('balance')],
];

describe('the example of a client', () => {
  const found = new Map<string, Peer>();
  // What has to be compiled first takes its time.
  beforeAll(async () => {
    for (const [language, find] of LANGUAGES) found.set(language, await find());
  }, 900_000);

  test.for(LANGUAGES)(
    'in %s reads the balance, is told of its entry, saves what it has, and revokes what it gave',
    { timeout: 120_000 },
    async ([language], { skip }) => {
      const peer = found.get(language)!;
      if ('missing' in peer) {
        if (process.env['CI'] === 'true') throw new Error(peer.missing);
        return skip(peer.missing);
      }
      const [program = '', ...args] = peer.command;
      const { stdout } = await run(program, [...args, refs, 'alice'], { cwd: ROOT });
      expect(stdout).toBe(`balance ${balance}\nbooked 1\nrestored ${balance + 1}\nrevoked\n`);
      balance += 1;
    },
  );

  test.for(LANGUAGES.filter(([language]) => language !== 'Node'))(
    'in %s sends no secret to a place whose key it cannot check, and does not tell the secret',
    async ([language], { skip }) => {
      const peer = found.get(language)!;
      if ('missing' in peer) return skip(peer.missing);
      const secret = Buffer.alloc(33, 1).toString('base64url');
      const keyed = join(broker.folder, 'keyed.refs');
      const key = Buffer.alloc(32, 2).toString('base64url');
      await writeFile(keyed, `alice sturdy://sha-256:${key}@127.0.0.1:${broker.port}/#${secret}\n`, {
        mode: 0o600,
      });
      const [program = '', ...args] = peer.command;
      const failed = await run(program, [...args, keyed, 'alice'], { cwd: ROOT }).catch((error) => error);
      expect(failed).toBeInstanceOf(Error);
      expect(failed.stderr).toMatch(/known by its key|knows sturdy\+unix/);
      expect(failed.stdout + failed.stderr).not.toContain(secret);
    },
  );
});
