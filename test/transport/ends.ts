/** Every kind of transport, with the Probe at its other end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
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
  type ListenOptions,
  listenSocket,
  MessagePortTransport,
  memoryPair,
  type Port,
  type SocketAddress,
  StreamTransport,
  standardTransport,
  type TlsClient,
  type Transport,
  WebSocketTransport,
  webSocketUrl,
} from '../../rpc/index.js';
import { dialWebSocket, listenWebSocket } from '../../rpc/web-sockets.js';

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
      const child = start('child', ['ignore', 'ignore', 'inherit', 'pipe'], kind);
      return {
        near: new StreamTransport(child.stdio[3] as Duplex, limits),
        far: null,
        close: () => ended(child),
      };
    }
    case 'standard': {
      const child = start('child', ['pipe', 'pipe', 'inherit'], kind);
      return {
        near: standardTransport(limits, child.stdout!, child.stdin!),
        far: null,
        close: () => ended(child),
      };
    }
    case 'websocket': {
      const { far, address, close } = await listening('websocket');
      if ('path' in address) throw new Error('it listens on a port');
      const socket = new WebSocket(webSocketUrl({ ...address, path: PATH }, false));
      const near = new WebSocketTransport(socket as never, limits);
      await near.opened;
      return { near, far: new StreamTransport(await far), close };
    }
    default: {
      const { near, far, close } = await streams(kind);
      return { near: new StreamTransport(near, limits), far: new StreamTransport(far), close };
    }
  }
}

/** The kinds by which a program reaches one that it has started, with both ends in this process: what runs between them runs through it. */
export function through(kind: 'descriptor' | 'standard'): Ends & { readonly far: Transport } {
  if (kind === 'descriptor') {
    const child = start('hand-on', ['ignore', 'ignore', 'inherit', 'pipe', 'pipe']);
    const [near, far] = [3, 4].map((fd) => new StreamTransport(child.stdio[fd] as Duplex));
    return { near: near!, far: far!, close: () => ended(child) };
  }
  const [there, back] = [spawn('cat'), spawn('cat')];
  return {
    near: standardTransport({}, back.stdout, there.stdin),
    far: standardTransport({}, there.stdout, back.stdin),
    close: async () => {
      await Promise.all([ended(there), ended(back)]);
    },
  };
}

/** The kinds that lead to another process by a name, as a broker's listeners do. */
export type Listened = 'unix' | 'tcp' | 'tls' | 'websocket' | 'wss';

export const LISTENED: readonly Listened[] = ['unix', 'tcp', 'tls', 'websocket', 'wss'];

const PATH = '/here';

interface Listening {
  /** The first that comes. */
  readonly far: Promise<Duplex>;
  readonly address: SocketAddress;
  /** What `dial` is to be told. */
  readonly tls: TlsClient | null;
  close(): Promise<void>;
}

export async function listening(kind: Listened, options: ListenOptions = {}): Promise<Listening> {
  const far = deferred<Duplex>();
  const accept = (stream: Duplex) => far.fulfil(stream);
  const isTls = kind === 'tls' || kind === 'wss';
  const identity = isTls ? selfSigned('a test') : null;
  const full = { ...options, ...(identity && { tls: { identity, asksClients: kind === 'tls' } }) };
  const port = { host: '127.0.0.1', port: 0 };
  const folder = kind === 'unix' ? await mkdtemp(join(tmpdir(), 'sturdy-transport-')) : null;
  const listener =
    kind === 'websocket' || kind === 'wss'
      ? await listenWebSocket({ ...port, path: PATH }, accept, full)
      : await listenSocket(folder === null ? port : { path: join(folder, 'socket') }, accept, full);
  return {
    far: far.promise,
    address: listener.address,
    tls: identity && { serverKey: certificateKeyDigest(identity.certificate) },
    close: async () => {
      await listener.close();
      if (folder !== null) await rm(folder, { recursive: true });
    },
  };
}

/** What runs to a listener of this kind. */
export function dial(kind: Listened, address: SocketAddress, tls: TlsClient | null): Promise<Duplex> {
  const options: DialOptions = tls === null ? {} : { tls };
  if ('path' in address || (kind !== 'websocket' && kind !== 'wss')) return dialSocket(address, options);
  return dialWebSocket({ ...address, path: PATH }, options);
}

/** Both ends of the bytes, in this process. */
export async function streams(
  kind: Listened,
): Promise<{ readonly near: Duplex; readonly far: Duplex; close(): Promise<void> }> {
  const { far, address, tls, close } = await listening(kind);
  const near = await dial(kind, address, tls);
  return { near, far: await far, close };
}

type Stdio = ('ignore' | 'inherit' | 'pipe')[];

function start(program: string, stdio: Stdio, ...args: string[]): ChildProcess {
  const path = fileURLToPath(new URL(`../../dist/test/transport/${program}.js`, import.meta.url));
  return spawn(process.execPath, [path, ...args], { stdio });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once('exit', resolve));
}
