/** What nobody awaits goes with what is sent next, in its order, and by itself a few milliseconds later. */
import { duplexPair } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { StreamTransport } from '../../rpc/index.js';

function pair() {
  const [ours, theirs] = duplexPair();
  const writes: number[][] = [];
  theirs.on('data', (bytes: Buffer) => {
    // Each message is one segment of a word: its header, and a number.
    writes.push(Array.from({ length: bytes.length / 16 }, (_, i) => bytes.readUInt32LE(16 * i + 8)));
  });
  const transport = new StreamTransport(ours);
  transport.start({ message() {}, violated() {}, closed() {} });
  const send = (number: number, awaited?: boolean) =>
    transport.send([Uint8Array.of(number, 0, 0, 0, 0, 0, 0, 0)], awaited);
  return { transport, writes, send };
}

it('is written with what is sent next', async () => {
  const { transport, writes, send } = pair();
  send(1, false);
  await turn();
  expect(writes).toEqual([]);
  send(2, false);
  send(3);
  send(4, false);
  await turn();
  expect(writes).toEqual([[1, 2, 3, 4]]);
  transport.close();
});

it('is written by itself where nothing more is sent, and before the end', async () => {
  const { transport, writes, send } = pair();
  send(1, false);
  await expect.poll(() => writes).toEqual([[1]]);
  send(2, false);
  transport.close();
  await expect.poll(() => writes).toEqual([[1], [2]]);
});

it('is written soon where there is too much of it', async () => {
  const { transport, writes, send } = pair();
  for (let i = 0; i < 65; i++) send(i, false);
  await turn();
  expect(writes.flat()).toEqual(Array.from({ length: 65 }, (_, i) => i));
  transport.close();
});

it('does not keep back what is sent after a write in the same turn', async () => {
  const { transport, writes, send } = pair();
  for (let i = 0; i < 64; i++) send(i, i > 0);
  await turn();
  expect(writes.flat()).toHaveLength(64);
  send(64, false);
  send(65);
  await turn();
  expect(writes.flat().slice(64)).toEqual([64, 65]);
  transport.close();
});
