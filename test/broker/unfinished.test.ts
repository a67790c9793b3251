/** A client that never says that it is done with what it was answered. What it has others keep by that is its own concern alone. */
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FrameReader } from '../../rpc/frame.js';
import { DEFAULT_LIMITS } from '../../rpc/limits.js';
import { bootstrapMessage, callMessage, method } from '../hostile/peer.js';
import { framed } from '../schema/streams.js';
import { type AnyStub, LEDGER_DOMAIN, ledgerGraph, Running, sturdy } from './running.js';

const LEDGER = ledgerGraph.interface('Ledger');

/** Calls that nobody else has in a domain: its heap would be full of so many answers. */
const CALLS = 16_000;
const CLIENTS = 2;
/** Fewer than a domain takes at a time, so that none is refused before it. */
const WINDOW = 200;

let running: Running;
let operator: AnyStub;

beforeAll(async () => {
  running = await Running.start({ ledger: { ...LEDGER_DOMAIN, limits: { heapMiB: 32 } } });
  operator = await running.operator();
});

afterAll(() => running.stop());

/** Calls a method of the object behind `secret` so often, and finishes nothing. Resolves when all of it is answered. */
async function callWithoutEnd(secret: Uint8Array): Promise<Socket> {
  const socket = createConnection(join(running.folder, 'broker.sock'));
  const restored = { question: 1, path: [0] };
  const hello = [
    bootstrapMessage(0),
    callMessage(
      1,
      method(sturdy.interface('Gate'), 'restore', { ref: { secret } }, { target: { question: 0 } }),
    ),
  ];
  let asked = 0;
  let answered = 0;
  const ask = () => {
    const messages: Uint8Array[][] = [];
    for (; asked < CALLS && asked - answered < WINDOW; asked++) {
      const call = method(LEDGER, 'find', { name: 'nobody' }, { target: restored });
      messages.push([callMessage(2 + asked, call)]);
    }
    if (messages.length > 0) socket.write(framed(messages));
  };
  socket.write(framed(hello.map((message) => [message])));
  const frames = new FrameReader(DEFAULT_LIMITS);
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject).on('close', () => reject(new Error('it was cut')));
    socket.on('data', (chunk) => {
      frames.push(new Uint8Array(chunk), () => {
        answered++;
      });
      if (answered >= CALLS) resolve();
      ask();
    });
    ask();
  });
  socket.removeAllListeners('close');
  return socket;
}

it('does not end the domain of others, whose heap would have to hold all of it', async () => {
  const { ref } = await operator['mint']!({ domain: 'ledger', object: '', label: 'shared' });
  const client = await running.connect();
  const ledger = await client.restore(ref.secret, LEDGER);
  await ledger['open']!({ name: 'somebody' });
  const info = async () => (await operator['domains']!({})).domains[0];
  const { hostPid, starts } = await info();
  const sockets: Socket[] = [];
  for (let i = 0; i < CLIENTS; i++) sockets.push(await callWithoutEnd(ref.secret));
  expect(await ledger['find']!({ name: 'somebody' })).toMatchObject({ account: expect.anything() });
  expect(await info()).toMatchObject({ state: 'running', hostPid, starts });
  for (const socket of sockets) socket.destroy();
}, 60_000);
