import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Broker, parseConfig } from 'sturdy/broker';
import { connect, type Operator, type SturdyAddress, SturdyRef } from 'sturdy/client';
import { sturdySchema } from 'sturdy/schema';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { selfSigned } from '../../broker/self-signed.js';
import { OwnBroker } from '../../examples/ledger/own-broker.js';
import { EXAMPLE, exampleSchema, ROOT } from '../../examples/ledger/place.js';
import { ExampleRefs } from '../../examples/ledger/refs-file.js';
import type { Ledger } from '../../examples/ledger/stubs.js';
import { book, readTransactions } from '../../examples/ledger/transactions.js';
import { listenSocket } from '../../rpc/index.js';
import { LEDGER_DOMAIN } from '../broker/running.js';
import { goProgram } from '../interop/go-programs.js';
import { cppPeer, type Peer, pythonPeer } from '../interop/peers.js';
import { rustProgram } from '../interop/rust-programs.js';

const run = promisify(execFile);
const CLIENTS = join(ROOT, 'examples/clients');

let broker: OwnBroker;
let refs: string;
let balance = 360_065;

/** A broker that is reached by TLS, in this process. */
class OverTls {
  cents = 0;
  private constructor(readonly broker: Broker) {}

  static async start(place: string): Promise<OverTls> {
    const config = parseConfig(
      {
        data: 'data',
        listen: { tls: { host: '127.0.0.1', port: 0 } },
        log: { level: 'silent' },
        domains: { ledger: LEDGER_DOMAIN },
      },
      place,
    );
    return new OverTls(await Broker.start(config));
  }

  /** To the account of alice. */
  async ref(): Promise<SturdyRef> {
    const operatorRef = SturdyRef.parse((await readFile(this.broker.operatorRefPath, 'utf8')).trim());
    const session = await connect(operatorRef);
    const operator = session.restore<Operator>(operatorRef, sturdySchema().interface('Operator'));
    const all = { policy: { methods: { all: null } } };
    const bank = await operator.mint({ domain: 'ledger', ...all });
    const bankRef = SturdyRef.of(bank.ref.secret, operatorRef.address);
    await session.restore<Ledger>(bankRef, exampleSchema().interface('Ledger')).open({ name: 'alice' });
    const { ref } = await operator.mint({ domain: 'ledger', object: 'alice', ...all });
    session.close();
    return SturdyRef.of(ref.secret, operatorRef.address);
  }
}

let folder: string;
let overTls: OverTls;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-clients-'));
  overTls = await OverTls.start(folder);
});

afterAll(async () => {
  await overTls?.broker.stop();
  await rm(folder, { recursive: true, force: true });
});

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

  test.for(LANGUAGES)(
    'in %s goes to a broker by TLS that has the key of the reference, and sends nothing to one that has another',
    { timeout: 120_000 },
    async ([language], { skip }) => {
      const peer = found.get(language)!;
      if ('missing' in peer) {
        if (process.env['CI'] === 'true') throw new Error(peer.missing);
        return skip(peer.missing);
      }
      const [program = '', ...args] = peer.command;
      const file = join(folder, 'tls.refs');
      const ref = await overTls.ref();
      await writeFile(file, `alice ${ref.format()}\n`, { mode: 0o600 });
      const { stdout } = await run(program, [...args, file, 'alice'], { cwd: ROOT });
      const cents = overTls.cents++;
      expect(stdout).toBe(`balance ${cents}\nbooked 1\nrestored ${cents + 1}\nrevoked\n`);

      const bytes: Buffer[] = [];
      const other = await listenSocket(
        { host: '127.0.0.1', port: 0 },
        (socket) => socket.on('error', () => {}).on('data', (chunk) => bytes.push(chunk)),
        { tls: { identity: selfSigned('another') } },
      );
      const address = { ...ref.address, ...other.address } as SturdyAddress;
      await writeFile(file, `alice ${SturdyRef.of(ref.secret(), address).format()}\n`);
      const failed = await run(program, [...args, file, 'alice'], { cwd: ROOT }).catch((error) => error);
      expect(failed.stderr).toMatch(/the server has (the key|another key)/);
      expect(failed.stdout + failed.stderr).not.toContain(ref.format().split('#')[1]);
      expect(bytes).toEqual([]);
      await other.close();
    },
  );
});
