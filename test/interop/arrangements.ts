/**
 * Who is set against whom in the list of checks.ts, and how one such run goes: a server, a broker where there is one, a
 * client that runs the list, and the lines that it prints.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../../examples/ledger/place.js';
import { type Domains, Running } from '../broker/running.js';
import { goProgram } from './go-programs.js';
import { cppPeer, type Peer, pythonPeer } from './peers.js';
import { rustProgram } from './rust-programs.js';

const HERE = join(ROOT, 'test/interop');

export type Language = 'Node' | 'C++' | 'Python' | 'Go' | 'Rust';

export interface Arrangement {
  readonly way: 'direct' | 'domain' | 'client';
  readonly client: Language;
  /** Who serves; a domain of the broker where there is none. */
  readonly server: Language | 'domain';
}

export const WAYS: Readonly<Record<Arrangement['way'], string>> = {
  direct: 'Directly',
  domain: 'Through a broker, to a domain',
  client: 'Through a broker, to an object of another client',
};

/** Strangers to this project's own RPC. */
const OTHERS = ['C++', 'Python', 'Go', 'Rust'] as const;

export const ARRANGEMENTS: readonly Arrangement[] = [
  ...OTHERS.map((server): Arrangement => ({ way: 'direct', client: 'Node', server })),
  ...OTHERS.map((client): Arrangement => ({ way: 'direct', client, server: 'Node' })),
  ...(['Node', ...OTHERS] as const).map(
    (client): Arrangement => ({ way: 'domain', client, server: 'domain' }),
  ),
  ...OTHERS.flatMap((client) =>
    OTHERS.filter((server) => server !== client).map(
      (server): Arrangement => ({ way: 'client', client, server }),
    ),
  ),
  ...OTHERS.map((server): Arrangement => ({ way: 'client', client: 'Node', server })),
  ...OTHERS.map((client): Arrangement => ({ way: 'client', client, server: 'Node' })),
];

export const nameOf = ({ client, server }: Arrangement) => `${client} → ${server}`;

/** The program in each language, looked for once. */
export const peerIn: Readonly<Record<Language, () => Promise<Peer>>> = {
  Node: async () => ({ command: [process.execPath, join(ROOT, 'dist/test/interop/peer.js')] }),
  'C++': lookedForOnce(() => cppPeer(join(HERE, 'peer.c++'))),
  Python: lookedForOnce(() => pythonPeer(join(HERE, 'peer.py'))),
  Go: lookedForOnce(() => goProgram('peer')),
  Rust: lookedForOnce(() => rustProgram('peer')),
};

function lookedForOnce<T>(find: () => Promise<T>): () => Promise<T> {
  let found: Promise<T> | undefined;
  return () => {
    found ??= find();
    return found;
  };
}

const DOMAIN = {
  schema: join(HERE, 'peer.cgr'),
  limits: { heapMiB: 256, turnMillis: 5000, callsInFlight: 16_384 },
};

const DOMAINS: Readonly<Record<'domain' | 'client', Domains>> = {
  domain: { peer: { ...DOMAIN, module: join(HERE, 'domains/peer.ts'), interface: 'Peer' } },
  client: {
    switchboard: { ...DOMAIN, module: join(HERE, 'domains/switchboard.ts'), interface: 'Switchboard' },
  },
};

/** The broker through which every client reaches an object of another one: no run ends it, or its domain. */
export const startSwitchboard = (): Promise<Running> => Running.start(DOMAINS.client);

/** How long a client may take for all of the list, on a machine that has other things to do. */
const LIST_MILLIS = 300_000;

/** What the client printed, by lines. Rejects where it did not come to that. */
export async function runList(arrangement: Arrangement, switchboard: Running): Promise<string[]> {
  // At the switchboard: whoever served in a run before has another.
  const name = `${arrangement.client} to ${arrangement.server}`;
  const folder = await mkdtemp(join(tmpdir(), 'sturdy-interop-'));
  const ends: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  try {
    const refs = join(folder, 'peer.refs');
    const serve = async (mode: 'serve' | 'join', ...args: string[]): Promise<void> => {
      const server = await started(await commandOf(arrangement.server as Language), [mode, ...args]);
      ends.unshift(() => ended(server));
    };
    if (arrangement.way === 'direct') {
      const socket = join(folder, 'socket');
      await serve('serve', socket);
      await writeFile(refs, line('peer', socket, Buffer.from('peer')), { mode: 0o600 });
    } else {
      let broker = switchboard;
      if (arrangement.way === 'domain') {
        // The last check of the list ends the domain, and one that ends soon is not started again at once.
        const own = await Running.start(DOMAINS.domain);
        ends.unshift(() => own.stop());
        broker = own;
      }
      const [domain] = Object.keys(DOMAINS[arrangement.way]) as [string];
      const { ref } = await (await broker.operator()).mint({ domain, object: '', label: 'interop' });
      await writeFile(refs, line(domain, join(broker.folder, 'broker.sock'), ref.secret), { mode: 0o600 });
      if (arrangement.way === 'client') await serve('join', refs, name);
    }
    return await printed(await commandOf(arrangement.client), ['check', refs, name]);
  } finally {
    for (const end of ends) await end();
  }
}

/** A line of a file of references. */
function line(name: string, socket: string, secret: Uint8Array): string {
  return `${name} sturdy+unix://${socket}#${Buffer.from(secret).toString('base64url')}\n`;
}

async function commandOf(language: Language): Promise<readonly string[]> {
  const peer = await peerIn[language]();
  if ('missing' in peer) throw new Error(peer.missing);
  return peer.command;
}

/** A server that has said that it is ready. */
async function started([program = '', ...first]: readonly string[], args: string[]): Promise<ChildProcess> {
  const server = spawn(program, [...first, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const ready = new Promise<void>((resolve, reject) => {
    for (const stream of [server.stdout, server.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        said = `${said}${text}`.slice(0, 4096);
        if (/^ready$/m.test(said)) resolve();
      });
    }
    server.once('exit', () => reject(new Error(`a server ended before it was ready: ${said}`)));
  });
  await ready;
  return server;
}

/** It may have ended by itself: the last check of the list has it do so. */
async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exit = once(server, 'exit');
  server.kill('SIGKILL');
  await exit;
}

/** Both streams; the exit code says no more than that. */
function printed([program = '', ...first]: readonly string[], args: string[]): Promise<string[]> {
  const options = { timeout: LIST_MILLIS, maxBuffer: 64 * 1024 * 1024 };
  return new Promise((resolve) => {
    execFile(program, [...first, ...args], options, (_error, stdout, stderr) =>
      resolve(`${stdout}${stderr}`.split('\n')),
    );
  });
}
