/** Every kind of transport, with the Probe at its other end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { MessageChannel } from 'node:worker_threads';
import { selfSigned } from '../../broker/self-signed.js';
import {
  type ConnectionLimits,
  certificateKeyDigest,
  type DialOptions,
  dialSocket,
  type ListenOptions,
  listenSocket,
  MessagePortTransport,
  memoryPair,
  type Port,
  type SocketAddress,
  StreamTransport,
  standardTransport,
  type Transport,
} from '../../rpc/index.js';

export interface Ends {
  /** The end that a test holds. */
  readonly near: Transport;
  /** The other one, where it is in this process: nothing is read there before it is served. */
  readonly far: Transport | null;
  /** After both have ended: whatever else there is. */
  close(): Promise<void>;
}

export type Kind = 'memory' | 'unix' | 'tcp' | 'tls' | 'port' | 'descriptor' | 'standard';

export const KINDS: readonly Kind[] = ['memory', 'unix', 'tcp', 'tls', 'port', 'descriptor', 'standard'];

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
  }
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
