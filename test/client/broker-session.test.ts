import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import {
  type BrokerSession,
  type ConnectOptions,
  connect,
  delegable,
  RpcError,
  SturdyRef,
} from 'sturdy/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AnyStub, ledgerGraph, Running } from '../broker/running.js';

const LEDGER = ledgerGraph.interface('Ledger');
const ACCOUNT = ledgerGraph.interface('Account');

let running: Running;
let address: { transport: 'unix'; path: string };
let ref: SturdyRef;
const sessions: BrokerSession[] = [];

beforeEach(async () => {
  running = await Running.start();
  address = { transport: 'unix', path: join(running.folder, 'broker.sock') };
  const operator = await running.operator();
  const minted = await operator.mint({ domain: 'ledger', object: '', label: 'the ledger' });
  ref = SturdyRef.of(minted.ref.secret, address);
});

afterEach(async () => {
  for (const session of sessions.splice(0)) session.close();
  await running.stop();
});

async function session(options: ConnectOptions = {}): Promise<BrokerSession> {
  const made = await connect(ref, { firstPause: 20, longestPause: 100, ...options });
  sessions.push(made);
  return made;
}

/** Another broker on the same data, as after a crash. */
async function restart(): Promise<void> {
  const { folder } = running;
  await running.stop({ keep: true });
  running = await Running.start(undefined, folder);
}

describe('a session', () => {
  it('restores a reference at its first call, and pipelines on it', async () => {
    const client = await session();
    const ledger = client.restore<AnyStub>(ref, LEDGER);
    await ledger.open({ name: 'alice' });
    expect(await ledger.find({ name: 'alice' }).account.balance({})).toEqual({ cents: 0n });
  });

  it('passes on what it restored as the object of the broker that it is', async () => {
    const client = await session();
    const ledger = client.restore<AnyStub>(ref, LEDGER);
    const { account } = await ledger.open({ name: 'payer' });
    await account.deposit({ cents: 5n });
    const saved = SturdyRef.of((await delegable(account).save({})).sturdyRef.secret, address);
    const from = client.restore<AnyStub>(saved, ACCOUNT);
    const { account: to } = await ledger.open({ name: 'payee' });
    await ledger.transfer({ from, to, cents: 5n });
    expect(await to.balance({})).toEqual({ cents: 5n });
  });

  it('comes back after the broker went away, and restores its references again', async () => {
    const lost: string[] = [];
    let back = 0;
    const client = await session({
      onDisconnected: (reason) => lost.push(reason.type),
      onReconnected: () => back++,
    });
    const ledger = client.restore<AnyStub>(ref, LEDGER);
    const { account } = await ledger.open({ name: 'alice' });
    await account.deposit({ cents: 7n });
    await restart();
    await expect.poll(() => client.state).toBe('connected');
    expect([lost, back]).toEqual([['disconnected'], 1]);
    // What came out of the reference is broken, so that the program knows; the reference is good.
    await expect(account.balance({})).rejects.toMatchObject({ type: 'disconnected' });
    expect(await ledger.find({ name: 'alice' }).account.balance({})).toEqual({ cents: 7n });
  });

  it('has a call that is made meanwhile wait for the next attempt', async () => {
    const client = await session();
    const ledger = client.restore<AnyStub>(ref, LEDGER);
    await ledger.open({ name: 'alice' });
    const { folder } = running;
    await running.stop({ keep: true });
    await expect.poll(() => client.state).toBe('reconnecting');
    await expect(ledger.accounts({})).rejects.toMatchObject({
      type: 'disconnected',
      code: 'ERR_RPC_CONNECT',
    });
    running = await Running.start(undefined, folder);
    await expect
      .poll(() =>
        ledger.accounts({}).then(
          ({ accounts }: { accounts: unknown[] }) => accounts.length,
          () => 0,
        ),
      )
      .toBe(1);
  });

  it('fails the calls in flight as disconnected, and does not make them again', async () => {
    const client = await session();
    const ledger = client.restore<AnyStub>(ref, LEDGER);
    const { account } = await ledger.open({ name: 'alice' });
    const waiting = account.next({ after: 1000 });
    const failed = expect(waiting).rejects.toMatchObject({ type: 'disconnected' });
    await account.balance({});
    await restart();
    await failed;
  });

  it('restores again what was lost with its domain, while the connection held', async () => {
    const client = await session();
    const ledger = client.restore<AnyStub>(ref, LEDGER);
    await ledger.open({ name: 'alice' });
    const operator = await running.operator();
    await operator.stop({ domain: 'ledger' });
    await expect(ledger.accounts({})).rejects.toMatchObject({ type: 'disconnected' });
    expect((await ledger.accounts({})).accounts).toHaveLength(1);
    expect(client.state).toBe('connected');
  });

  it('does not come back where it was told not to', async () => {
    const client = await session({ reconnect: false });
    const ledger = client.restore<AnyStub>(ref, LEDGER);
    await ledger.accounts({});
    await restart();
    await expect.poll(() => client.state).toBe('closed');
    await expect(ledger.accounts({})).rejects.toMatchObject({ type: 'disconnected' });
  });

  it('that is closed fails every call, and stays closed', async () => {
    const client = await session();
    const ledger = client.restore<AnyStub>(ref, LEDGER);
    const waiting = ledger.accounts({});
    const failed = expect(waiting).rejects.toMatchObject({ type: 'disconnected' });
    client.close();
    client.close();
    await failed;
    await expect(ledger.accounts({})).rejects.toMatchObject({ code: 'ERR_SESSION_CLOSED' });
    expect(client.state).toBe('closed');
  });

  it('never shows a secret to a broker that it is not for', async () => {
    const seen: Buffer[] = [];
    const other = await listen((socket) => socket.on('data', (bytes) => seen.push(bytes)));
    try {
      const client = await connect({ transport: 'unix', path: other.path }, { reconnect: false });
      sessions.push(client);
      await expect(client.restore<AnyStub>(ref, LEDGER).accounts({})).rejects.toMatchObject({
        code: 'ERR_OTHER_BROKER',
        message: expect.not.stringContaining(ref.format().split('#')[1]!),
      });
      expect(Buffer.concat(seen).includes(Buffer.from(ref.secret()))).toBe(false);
    } finally {
      other.server.close();
    }
  });

  it('says where it could not connect, and why', async () => {
    const nowhere = { transport: 'unix', path: join(running.folder, 'nowhere.sock') } as const;
    const error = await connect(nowhere).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RpcError);
    expect(error).toMatchObject({
      type: 'disconnected',
      message: `cannot connect to ${nowhere.path}: ENOENT`,
    });
  });

  it('does not wait for ever for a machine that does not answer', async () => {
    // A program that is busy for good: when the queue before it is full, the kernel answers nobody.
    const program = `const server = require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    })`;
    const busy = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const waiting: Socket[] = [];
    try {
      const port = Number(String((await once(busy.stdout!, 'data'))[0]));
      for (let i = 0; i < 8; i++) {
        waiting.push(createConnection({ host: '127.0.0.1', port }).on('error', () => {}));
      }
      const full = () =>
        waiting.some(({ connecting }) => connecting) && waiting.some((each) => !each.connecting);
      await expect.poll(full).toBe(true);
      const where = { transport: 'tcp', host: '127.0.0.1', port, key: null } as const;
      await expect(connect(where, { connectTimeout: 300 })).rejects.toMatchObject({
        type: 'disconnected',
        code: 'ERR_RPC_CONNECT',
        message: `cannot connect to 127.0.0.1:${port}: no answer within 300 ms`,
      });
    } finally {
      for (const socket of waiting) socket.destroy();
      busy.kill('SIGKILL');
    }
  });

  it('does not fall back to a connection without TLS where the reference asks for one', async () => {
    const bytes: Buffer[] = [];
    const server = createServer((socket) => {
      socket
        .on('error', () => {})
        .on('data', (chunk) => {
          bytes.push(chunk);
          socket.write(Buffer.alloc(64));
        });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const tls = { transport: 'tcp', host: '127.0.0.1', port, key: 'A'.repeat(43) } as const;
    await expect(connect(tls)).rejects.toMatchObject({ type: 'disconnected', code: 'ERR_RPC_CONNECT' });
    // A handshake of TLS, and nothing after it.
    expect(Buffer.concat(bytes)[0]).toBe(0x16);
    server.close();
  });

  it('doubles the pause between its attempts', async () => {
    const times: number[] = [];
    const server = await listen((socket) => {
      times.push(performance.now());
      socket.destroy();
    });
    try {
      const client = await connect(
        { transport: 'unix', path: server.path },
        { firstPause: 40, longestPause: 1000 },
      );
      sessions.push(client);
      await expect.poll(() => times.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(5);
      client.close();
      // Each pause is at least half of what it is meant to be: 40, 80, 160, 320 ms.
      expect(times[4]! - times[0]!).toBeGreaterThanOrEqual((40 + 80 + 160 + 320) / 2 - 5);
    } finally {
      server.server.close();
    }
  });
});

async function listen(accept: (socket: Socket) => void): Promise<{ server: Server; path: string }> {
  const path = join(running.folder, 'other.sock');
  const server = createServer(accept).listen(path);
  await once(server, 'listening');
  return { server, path };
}
