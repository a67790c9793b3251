/**
 * A hundred hostile connections to a broker, each of a kind: told where by its parent, they flood until they are told to
 * stop. One that is cut comes again.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { headerBytes } from '../../rpc/frame.js';
import * as layout from '../../rpc/protocol.js';
import { SchemaGraph, sturdySchema } from '../../schema/index.js';
import { framed as framedAll } from '../schema/streams.js';
import {
  bootstrapMessage,
  callMessage,
  type Descriptor,
  disembargoMessage,
  finishMessage,
  message,
  method,
  resolveMessage,
} from './peer.js';

const GATE = sturdySchema().interface('Gate');
const ledgerGraph = SchemaGraph.load(
  readFileSync(fileURLToPath(new URL('../../examples/ledger/ledger.cgr', import.meta.url))),
);
const LEDGER = ledgerGraph.interface('Ledger');
const ACCOUNT = ledgerGraph.interface('Account');

const framed = (segment: Uint8Array): Uint8Array => framedAll([[segment]]);

const gate = { question: 0 };
const ledger = { question: 1, path: [0] };
const account = { question: 2, path: [0] };

/** Asks for the gate as the question 0, the ledger as 1, and an account as 2. */
function hello(secret: Uint8Array): Uint8Array[] {
  return [
    bootstrapMessage(0),
    callMessage(1, method(GATE, 'restore', { ref: { secret } }, { target: gate })),
    callMessage(2, method(LEDGER, 'open', { name: 'hostile' }, { target: ledger })),
  ];
}

interface Kind {
  /** Whether it reads what it is sent. */
  readonly reads: boolean;
  /** What it sends at once; then what it sends again and again, a batch at a time. */
  begin(secret: Uint8Array): Uint8Array[];
  batch(next: () => number): Uint8Array[];
}

const callback = (id: number): Descriptor => ({ kind: 'senderHosted', id });
const many = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

/** Made when it is first wanted: it takes a while. */
let giant: Uint8Array | null = null;

function giantMessage(id: number): Uint8Array {
  giant ??= framed(
    callMessage(7, method(LEDGER, 'transfer', { attachment: new Uint8Array(48 << 20) }, { target: ledger })),
  );
  const copy = giant.slice();
  new DataView(copy.buffer).setUint32(headerBytes(1) + 3 * 8, id, true);
  return copy;
}

/** By their names; in the order in which the connections get them. */
export const KINDS: Readonly<Record<string, Kind>> = {
  'never reads': {
    reads: false,
    begin: (secret) => hello(secret).map(framed),
    batch: (next) =>
      many(50, () =>
        framed(
          callMessage(
            next(),
            method(ACCOUNT, 'statement', { page: { limit: 1000, newest: null } }, { target: account }),
          ),
        ),
      ),
  },
  'half messages': {
    reads: true,
    begin: () => {
      const header = new Uint8Array(8);
      new DataView(header.buffer).setUint32(4, (60 << 20) / 8, true);
      return [header];
    },
    batch: () => [new Uint8Array(64 * 1024)],
  },
  'calls without end': {
    reads: true,
    begin: (secret) => hello(secret).map(framed),
    batch: (next) =>
      many(100, () =>
        framed(callMessage(next(), method(ACCOUNT, 'next', { after: 1_000_000 }, { target: account }))),
      ),
  },
  'calls that are finished at once': {
    reads: true,
    begin: (secret) => hello(secret).map(framed),
    batch: (next) =>
      many(100, next).flatMap((id) => [
        framed(callMessage(id, method(LEDGER, 'find', { name: 'nobody' }, { target: ledger }))),
        framed(finishMessage(id)),
      ]),
  },
  'Bootstrap without end': {
    reads: true,
    begin: () => [],
    batch: (next) => many(200, () => framed(bootstrapMessage(next()))),
  },
  garbage: { reads: true, begin: () => [], batch: () => [randomBytes(64 * 1024)] },
  'restores of what it guesses': {
    reads: true,
    begin: () => [framed(bootstrapMessage(0))],
    batch: (next) =>
      many(50, next).flatMap((id) => [
        framed(
          callMessage(id, method(GATE, 'restore', { ref: { secret: randomBytes(33) } }, { target: gate })),
        ),
        framed(finishMessage(id)),
      ]),
  },
  'callbacks without end': {
    reads: true,
    begin: (secret) => hello(secret).map(framed),
    batch: (next) =>
      many(20, next).map((id) =>
        framed(
          callMessage(id, {
            ...method(ACCOUNT, 'watch', { watcher: 0 }, { target: account }),
            capabilities: many(20, (i) => callback(id * 20 + i)),
          }),
        ),
      ),
  },
  'giant messages': {
    reads: true,
    begin: (secret) => hello(secret).map(framed),
    batch: (next) => {
      const id = next();
      return [giantMessage(id), framed(finishMessage(id))];
    },
  },
  'pipelines and promises without end': {
    reads: true,
    begin: (secret) => [
      ...hello(secret).map(framed),
      framed(
        callMessage(3, {
          ...method(ACCOUNT, 'watch', { watcher: 0 }, { target: account }),
          capabilities: [{ kind: 'senderPromise', id: 0 }],
        }),
      ),
    ],
    batch: (next) => {
      const first = next();
      return [
        framed(
          callMessage(first, method(GATE, 'restore', { ref: { secret: randomBytes(33) } }, { target: gate })),
        ),
        ...many(200, next).map((id) => framed(callMessage(id, { target: { question: id - 1, path: [0] } }))),
        framed(resolveMessage(first, { kind: 'senderPromise', id: first + 1 })),
        framed(disembargoMessage(1, { question: first, path: [0] })),
        ...many(201, (i) => framed(finishMessage(first + i))),
        framed(message(layout.Message.resolve, layout.Resolve, (body) => body.setU32(0, 0))),
      ];
    },
  },
};

const report = {
  connections: 0,
  cut: 0,
  bytes: 0,
  byKind: {} as Record<string, { bytes: number; cut: number }>,
};
let flooding = true;
let connected = 0;
let connections = 0;
const sockets = new Set<Socket>();

function flood(name: string, path: string, secret: Uint8Array): void {
  if (!flooding) return;
  const kind = KINDS[name]!;
  report.byKind[name] ??= { bytes: 0, cut: 0 };
  const counted = report.byKind[name];
  const socket = createConnection({ path });
  sockets.add(socket);
  report.connections++;
  let id = 10;
  const next = () => id++;
  const send = (bytes: Uint8Array) => {
    counted.bytes += bytes.length;
    report.bytes += bytes.length;
    return socket.write(bytes);
  };
  const more = () => {
    if (!flooding || socket.destroyed) return;
    let room = true;
    for (const bytes of kind.batch(next)) room = send(bytes);
    if (room) setImmediate(more);
    else socket.once('drain', more);
  };
  socket.on('connect', () => {
    for (const bytes of kind.begin(secret)) send(bytes);
    more();
    if (++connected === connections) process.send!('flooding');
  });
  if (kind.reads) socket.resume();
  socket.on('error', () => {});
  socket.on('close', () => {
    sockets.delete(socket);
    report.cut++;
    counted.cut++;
    setTimeout(() => flood(name, path, secret), 20);
  });
  if (!kind.reads) socket.pause();
}

process.on(
  'message',
  (order: { socket: string; secret: string; connections: number; only?: string } | 'stop') => {
    if (order === 'stop') {
      flooding = false;
      for (const socket of sockets) socket.destroy();
      process.send!(report, () => process.exit(0));
      return;
    }
    connections = order.connections;
    const names = order.only === undefined ? Object.keys(KINDS) : [order.only];
    for (let i = 0; i < order.connections; i++) {
      flood(names[i % names.length]!, order.socket, Buffer.from(order.secret, 'hex'));
    }
  },
);
process.on('disconnect', () => process.exit(1));
