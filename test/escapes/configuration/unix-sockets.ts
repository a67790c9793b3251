import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DrivenAttempt, escapeClass } from '../harness/escape-class.js';

/** A server on this machine that is not for the guest. */
async function withServer<T>(at: 'unix' | 'tcp', work: (target: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'sturdy-server-'));
  const server = createServer((socket) => socket.end());
  const path = join(folder, 'server.sock');
  await new Promise<void>((resolve) =>
    at === 'unix' ? server.listen(path, resolve) : server.listen(0, '127.0.0.1', resolve),
  );
  const address = server.address();
  const target = typeof address === 'string' ? { path } : { host: '127.0.0.1', port: address!.port };
  try {
    return await work(JSON.stringify(target));
  } finally {
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true, force: true });
  }
}

function connecting(at: 'unix' | 'tcp', net: string): DrivenAttempt {
  const body = (target: string) => `const net = ${net};
    return await new Promise((resolve) => { const socket = net.connect(${target}); socket.on('connect', () => { socket.destroy(); resolve(true); }); socket.on('error', () => resolve(false)); });`;
  return {
    behind: (wall) => withServer(at, (target) => wall.escapes(body(target))),
    without: (bare) => withServer(at, async (target) => (await bare.escapes(body(target))) === 'out'),
  };
}

export default escapeClass({
  name: 'sockets of the machine',
  from: 'CVE-2026-21636',
  rules: ['R8', 'R9'],
  out: 'a server that listens on this machine is connected to',
  attempts: {
    'a unix socket, by a module': connecting('unix', `await import('node:net')`),
    'a unix socket, by process': connecting('unix', `process.getBuiltinModule('node:net')`),
    'an address, by a module': connecting('tcp', `await import('node:net')`),
    'an address, by process': connecting('tcp', `process.getBuiltinModule('node:net')`),
  },
});
