import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, type Operator, type SturdyAddress, SturdyRef } from '../../client/index.js';
import { freePort, OwnBroker } from '../../examples/ledger/own-broker.js';
import { CLI } from '../../examples/ledger/place.js';
import { SchemaGraph, sturdySchema } from '../../schema/index.js';
import { type AnyStub, LEDGER_DOMAIN } from '../broker/running.js';

let folder: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-serve-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
  }
  await rm(folder, { recursive: true, force: true });
});

class Serving {
  out = '';
  err = '';
  readonly ended: Promise<number | null>;

  constructor(readonly child: ChildProcess) {
    child.stdout!.setEncoding('utf8').on('data', (text) => {
      this.out += text;
    });
    child.stderr!.setEncoding('utf8').on('data', (text) => {
      this.err += text;
    });
    this.ended = once(child, 'close').then(([code]) => code);
  }
}

/** `sturdy serve` with this configuration, which is a good one but for `changes`. */
async function serve(
  changes: object = {},
  name = 'sturdy.config.json',
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Serving> {
  const config = {
    data: `./${name}.data`,
    listen: { unix: `./${name}.sock` },
    domains: { ledger: LEDGER_DOMAIN },
    ...changes,
  };
  await writeFile(join(folder, name), JSON.stringify(config));
  const child = spawn(process.execPath, [CLI, 'serve', '--config', name], {
    cwd: folder,
    env: { ...environment, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  return new Serving(child);
}

const listening = (serving: Serving) =>
  expect.poll(() => serving.out + serving.err, { timeout: 20_000 }).toContain('operator reference in');

describe('sturdy serve', () => {
  it('says where it listens, logs lines of JSON, and stops at SIGTERM with exit code 0', async () => {
    const port = await freePort();
    const serving = await serve({
      listen: { unix: './a.sock', tcp: { host: '127.0.0.1', port } },
      log: { level: 'info' },
    });
    await listening(serving);
    expect(serving.out).toContain(`listening on ${join(folder, 'a.sock')}\nlistening on 127.0.0.1:${port}\n`);
    serving.child.kill('SIGTERM');
    expect(await serving.ended).toBe(0);
    const messages = serving.err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).msg);
    expect(messages.at(-1)).toBe('the broker has stopped');
  });

  it('lets the calls in flight end before it stops', async () => {
    const broker = await OwnBroker.create();
    try {
      await broker.start();
      const ref = await broker.operatorRef();
      const session = await connect(ref, { reconnect: false });
      const operator = session.restore<Operator>(ref, sturdySchema().interface('Operator'));
      const minted = await operator.mint({ domain: 'ledger', object: '', label: 'the ledger' });
      const type = SchemaGraph.load(await readFile(LEDGER_DOMAIN!.schema)).interface('Ledger');
      const ledger = session.restore<AnyStub>(SturdyRef.of(minted.ref.secret, ref.address), type);
      const { account } = await ledger.open({ name: 'alice' });
      const next = account.next({ after: 0 });
      const outcome = next.then(
        () => 'it ended',
        (error: Error) => error.message,
      );
      await account.balance({});
      const stopped = broker.stop();
      await expect.poll(() => broker.log(20), { timeout: 4000 }).toContain('the broker stops');
      await account.deposit({ cents: 1n });
      expect(await outcome).toBe('it ended');
      expect(await stopped).toBe(0);
      session.close();
    } finally {
      await broker.remove();
    }
  });

  it('tells a peer that sends garbage, writes a line in its log, and goes on', async () => {
    const serving = await serve();
    await listening(serving);
    const path = join(folder, 'sturdy.config.json.sock');
    const socket = createConnection({ path });
    socket.resume().write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(socket, 'close');
    await expect.poll(() => serving.err).toContain('ERR_RPC_PROTOCOL');
    const line = serving.err.split('\n').find((each) => each.includes('ERR_RPC_PROTOCOL'))!;
    expect(JSON.parse(line)).toMatchObject({
      level: 'warn',
      code: 'ERR_RPC_PROTOCOL',
      connections: 1,
    });
    (await connect({ transport: 'unix', path })).close();
  });

  it('takes the place of a broker that was killed: its socket and its folder are free', async () => {
    const first = await serve();
    await listening(first);
    first.child.kill('SIGKILL');
    await first.ended;
    const second = await serve();
    await listening(second);
    const address: SturdyAddress = { transport: 'unix', path: join(folder, 'sturdy.config.json.sock') };
    (await connect(address)).close();
  });
});

describe('the private socket of a broker', () => {
  const privates = async () =>
    (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('/domains.sock'));

  it('is removed with its folder by the next broker, where it was killed, and by nobody while it is there', async () => {
    const other = await serve({ data: './other', listen: { unix: './other.sock' } }, 'other.json');
    await listening(other);
    const alive = await privates();
    const first = await serve();
    await listening(first);
    first.child.kill('SIGKILL');
    await first.ended;
    const dead = (await privates()).filter((name) => !alive.includes(name));
    expect([alive.length, dead.length]).toEqual([1, 1]);
    const second = await serve();
    await listening(second);
    const left = await privates();
    expect(left).toHaveLength(2);
    expect(left).toEqual(expect.arrayContaining(alive));
    expect(await readdir(folder)).not.toContain(dirname(dead[0]!));
    second.child.kill('SIGTERM');
    await second.ended;
    expect(await privates()).toEqual(alive);
  });
});

describe('sturdy serve refuses to start, with a clear message and exit code 1', () => {
  it('where its port is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    try {
      const serving = await serve({ listen: { tcp: { host: '127.0.0.1', port } } });
      expect(await serving.ended).toBe(1);
      expect(serving.err).toContain(
        `listen.tcp: cannot listen on 127.0.0.1:${port}: it is in use by another program; choose another`,
      );
    } finally {
      server.close();
    }
  });

  it('where its socket is in use, and where a file of another kind is in its place', async () => {
    const first = await serve({ listen: { unix: './one.sock' } });
    await listening(first);
    const second = await serve({ listen: { unix: './one.sock' } }, 'second.json');
    expect(await second.ended).toBe(1);
    expect(second.err).toContain('one.sock: it is in use by another program');
    await writeFile(join(folder, 'file'), 'precious');
    const third = await serve({ listen: { unix: './file' } }, 'third.json');
    expect(await third.ended).toBe(1);
    expect(third.err).toContain('exists and is not a socket; remove it or choose another path');
  });

  it('where its socket is in use by a program that is too busy to answer', async () => {
    const path = join(folder, 'busy.sock');
    const program = `require('node:net').createServer().listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => {
      require('node:fs').writeSync(1, 'listening');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    })`;
    const busy = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(busy);
    await once(busy.stdout!, 'data');
    const waiting: Socket[] = [];
    try {
      for (let refused = false; !refused; ) {
        const socket = createConnection({ path });
        waiting.push(socket);
        refused = await new Promise((resolve) => {
          socket.once('connect', () => resolve(false)).once('error', () => resolve(true));
        });
      }
      const serving = await serve({ listen: { unix: './busy.sock' } });
      expect(await serving.ended).toBe(1);
      expect(serving.err).toContain('busy.sock: it is in use by another program');
      expect((await stat(path)).isSocket()).toBe(true);
    } finally {
      for (const socket of waiting) socket.destroy();
    }
  });

  it('where its data folder is held by another broker', async () => {
    const first = await serve({ data: './data' });
    await listening(first);
    const second = await serve({ data: './data', listen: { unix: './two.sock' } }, 'second.json');
    expect(await second.ended).toBe(1);
    expect(second.err).toContain(join(folder, 'data'));
    expect(second.err).toContain(`${first.child.pid}`);
  });

  it.each([
    [
      'the schema does not contain the interface named',
      { interface: 'Legder' },
      'domains.ledger.interface: ',
      'the schema has no interface "Legder"; it has Account, Ledger',
    ],
    ['there is no such schema', { schema: './no.cgr' }, 'domains.ledger.schema: cannot read', 'ENOENT'],
    [
      'the schema is none',
      { schema: './sturdy.config.json' },
      'domains.ledger.schema: ',
      'is not a CodeGeneratorRequest',
    ],
    [
      'a key is wrong',
      { pwoers: {} },
      'domains.ledger.pwoers: unknown key; allowed are',
      '(did you mean powers?)',
    ],
  ])('where %s', async (_why, change, place, reason) => {
    const serving = await serve({ domains: { ledger: { ...LEDGER_DOMAIN, ...change } } });
    expect(await serving.ended).toBe(1);
    expect(serving.err).toContain(place);
    expect(serving.err).toContain(reason);
    expect(serving.err).not.toMatch(/\n {4}at /);
  });

  it('where the tier is not to be had', async () => {
    const ledger = { ...LEDGER_DOMAIN, trusted: false, tier: 'sandbox' };
    const serving = await serve({ domains: { ledger } }, 'sturdy.config.json', { PATH: folder });
    expect(await serving.ended).toBe(1);
    expect(serving.err).toContain(
      "domains.ledger.tier: the tier 'sandbox' cannot be given on this machine: there is no bwrap in the PATH",
    );
  });

  it('where there is no configuration', async () => {
    const child = spawn(process.execPath, [CLI, 'serve', '--config', 'none.json'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    const serving = new Serving(child);
    expect(await serving.ended).toBe(1);
    expect(serving.err).toBe(`sturdy: ${join(folder, 'none.json')}: it cannot be read (ENOENT)\n`);
  });
});
