import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../examples/ledger/place.js';
import { type Peer, pythonPeer } from '../interop/peers.js';

const run = promisify(execFile);
const SERVER = join(ROOT, 'dist/examples/calculator/server.js');

const PRINTED = `123 = 123
123 + 45 - 67 = 101
4 * 6 + 3 = 27
4 * 6 + 5 = 29
f(12, 34) = 1234
g(21) = 4244
2 ^ (4 + 5) = 512
`;

let folder: string;
const servers: ChildProcess[] = [];

/** Starts a calculator and gives the address that it listens at. */
async function listening(address: string): Promise<string> {
  const server = spawn(process.execPath, [SERVER, address], { stdio: ['ignore', 'pipe', 'inherit'] });
  servers.push(server);
  const [line] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string];
  return line.trim().replace('listening on ', '');
}

const places = { 'a unix socket': '', TCP: '' };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-calculator-'));
  places['a unix socket'] = await listening(join(folder, 'socket'));
  places.TCP = await listening('127.0.0.1:0');
});

afterAll(async () => {
  for (const server of servers) server.kill('SIGTERM');
  await rm(folder, { recursive: true, force: true });
});

const CLIENTS: readonly [string, () => Promise<Peer>][] = [
  ['Node', async () => ({ command: [process.execPath, join(ROOT, 'dist/examples/calculator/client.js')] })],
  ['Python', () => pythonPeer(join(ROOT, 'examples/calculator/client.py'))],
];

describe.each(CLIENTS)('the calculator, asked by its client in %s', (_language, find) => {
  test.for(['a unix socket', 'TCP'] as const)(
    'calculates, over %s, and calls the client back',
    { timeout: 60_000 },
    async (transport, { skip }) => {
      const peer = await find();
      if ('missing' in peer) {
        if (process.env['CI'] === 'true') throw new Error(peer.missing);
        return skip(peer.missing);
      }
      const [program = '', ...args] = peer.command;
      const { stdout } = await run(program, [...args, places[transport]], { cwd: ROOT });
      expect(stdout).toBe(PRINTED);
    },
  );
});
