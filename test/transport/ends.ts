/** Every kind of transport, with the Probe at its other end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { MessageChannel } from 'node:worker_threads';
import { WebSocket } from 'ws';
import { selfSigned } from '../../broker/self-signed.js';
import {
  type ConnectionLimits,
  certificateKeyDigest,
  type DialOptions,
  deferred,
  dialSocket,
  dialWebSocket,
  type ListenOptions,
  listenSocket,
  listenWebSocket,
  MessagePortTransport,
  memoryPair,
  type Port,
  type SocketAddress,
  StreamTransport,
  standardTransport,
  type Transport,
  WebSocketTransport,
  webSocketUrl,
} from '../../rpc/index.js';

export interface Ends {
  /** The end that a test holds. */
  readonly near: Transport;
  /** The other one, where it is in this process: nothing is read there before it is served. */
  readonly far: Transport | null;
  /** After both have ended: whatever else there is. */
  close(): Promise<void>;
}

/** Of `websocket`, the near end is what a browser has; of `wss`, what a program in Node has. */
export type Kind =
  | 'memory'
  | 'unix'
  | 'tcp'
  | 'tls'
  | 'websocket'
  | 'wss'
  | 'port'
  | 'descriptor'
  | 'standard';

export const KINDS: readonly Kind[] = [
  'memory',
  'unix',
  'tcp',
  'tls',
  'websocket',
  'wss',
  'port',
  'descriptor',
  'standard',
];

/** `near` has these limits. Of a child there is no far end here. */
export async function open(kind: Kind, limits: Partial<ConnectionLimits> = {}): Promise<Ends> {
  switch (kind) {
    case 'memory': {
      const { left, right } = memoryPair();
      return { near: left, far: right, close: async () => {} };
    }
    case 'port': {
      const { port1, port2 } = new MessageChannel();
      return {
        near: new MessagePortTransport(port1 as Port, limits),
        far: new MessagePortTransport(port2 as Port),
        close: async () => {},
      };
    }
    case 'descriptor': {
      const child = start(kind, ['ignore', 'ignore', 'inherit', 'pipe']);
      return {
        near: new StreamTransport(child.stdio[3] as Duplex, limits),
        far: null,
        close: () => ended(child),
      };
    }
    case 'standard': {
      const child = start(kind, ['pipe', 'pipe', 'inherit']);
      return {
        near: standardTransport(limits, child.stdout!, child.stdin!),
        far: null,
        close: () => ended(child),
      };
    }
    case 'unix': {
      const folder = await mkdtemp(join(tmpdir(), 'sturdy-transport-'));
      const ends = await sockets({ path: join(folder, 'socket') }, limits);
      return {
        ...ends,
        close: async () => {
          await ends.close();
          await rm(folder, { recursive: true });
        },
      };
    }
    case 'tcp':
      return sockets({ host: '127.0.0.1', port: 0 }, limits);
    case 'tls': {
      const identity = selfSigned('a test');
      const serverKey = certificateKeyDigest(identity.certificate);
      return sockets({ host: '127.0.0.1', port: 0 }, limits, { tls: { identity } }, { tls: { serverKey } });
    }
    case 'websocket':
    case 'wss':
      return webSockets(kind === 'wss', limits);
  }
}

async function webSockets(isTls: boolean, limits: Partial<ConnectionLimits>): Promise<Ends> {
  const identity = selfSigned('a test');
  const far = deferred<Duplex>();
  const listener = await listenWebSocket(
    { host: '127.0.0.1', port: 0, path: '/here' },
    (stream) => far.fulfil(stream),
    isTls ? { tls: { identity, asksClients: false } } : {},
  );
  const address = { ...(listener.address as { host: string; port: number }), path: '/here' };
  let near: Transport;
  if (isTls) {
    const tls = { serverKey: certificateKeyDigest(identity.certificate) };
    near = new StreamTransport(await dialWebSocket(address, { tls }), limits);
  } else {
    const browsers = new WebSocketTransport(new WebSocket(webSocketUrl(address, false)) as never, limits);
    await browsers.opened;
    near = browsers;
  }
  return { near, far: new StreamTransport(await far.promise), close: () => listener.close() };
}

async function sockets(
  address: SocketAddress,
  limits: Partial<ConnectionLimits>,
  listen: ListenOptions = {},
  dial: DialOptions = {},
): Promise<Ends> {
  let accepted: (socket: Socket) => void = () => {};
  const far = new Promise<Socket>((resolve) => {
    accepted = resolve;
  });
  const listener = await listenSocket(address, accepted, listen);
  const near = await dialSocket(listener.address, dial);
  return {
    near: new StreamTransport(near, limits),
    far: new StreamTransport(await far),
    close: () => listener.close(),
  };
}

function start(kind: string, stdio: ('ignore' | 'inherit' | 'pipe')[]): ChildProcess {
  const program = fileURLToPath(new URL('../../dist/test/transport/child.js', import.meta.url));
  return spawn(process.execPath, [program, kind], { stdio });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once('exit', resolve));
}
