import { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { StreamTransport } from '../../rpc/index.js';
import { SlicesOfTime } from '../../worker/slices-of-time.js';
import { framed } from '../schema/streams.js';

/** A stream whose bytes come when they are told to. */
class Told extends Duplex {
  readonly events: string[] = [];
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done();
  }
  override pause(): this {
    this.events.push('pause');
    return super.pause();
  }
  override resume(): this {
    this.events.push('resume');
    return super.resume();
  }
  /** Messages of one word each, as one piece. */
  tell(...numbers: number[]): void {
    this.push(framed(numbers.map((number) => [new Uint8Array(8).fill(number)])));
  }
}

/** Of a clock that only `busy` moves. */
let time = 0;
const busy = (): void => {
  time += 20;
};

async function paced(work: () => void) {
  const told = new Told();
  const { events } = told;
  const transport = new StreamTransport(told, {}, { pace: new SlicesOfTime(() => time) });
  transport.start({
    message: ([segment]) => {
      events.push(String(segment![0]));
      work();
    },
    violated: (reason) => events.push(reason),
    closed: ({ message }) => events.push(message),
  });
  await setImmediate();
  events.length = 0;
  return { told, events, transport };
}

it('messages come in order, then the end, in one turn where that is short', async () => {
  const { told, events } = await paced(() => {});
  told.tell(1, 2, 3);
  told.push(null);
  await microtasks();
  expect(events).toEqual(['1', '2', '3']);
  await setImmediate();
  expect(events).toEqual(['1', '2', '3', 'the peer closed the connection']);
});

it('what is no message is told behind those before it', async () => {
  const { told, events } = await paced(() => {});
  told.tell(1, 2);
  told.push(Buffer.alloc(8, 0xff));
  await setImmediate();
  expect(events.filter((event) => event !== 'pause' && event !== 'resume')).toEqual([
    '1',
    '2',
    expect.stringContaining('segments'),
  ]);
});

it('a turn that was long takes up no further message, and no more than one piece is read until all are taken up', async () => {
  const { told, events } = await paced(busy);
  told.tell(1, 2, 3);
  const turns: string[] = [];
  for (let turn = 0; turn < 5; turn++) {
    await microtasks();
    turns.push(events.splice(0).join(' '));
    if (turn === 0) told.tell(4);
    await setImmediate();
  }
  expect(turns).toEqual(['1', 'pause 2', '3', '4 resume', '']);
});

it('the end waits for what came before it', async () => {
  const { told, events } = await paced(busy);
  told.tell(1, 2);
  told.push(null);
  for (let turn = 0; turn < 5; turn++) await setImmediate();
  expect(events).toEqual(['1', '2', 'the peer closed the connection']);
});

it('what a message sets off counts as a part of it', async () => {
  const { told, events } = await paced(() => void Promise.resolve().then(busy));
  told.tell(1, 2);
  await microtasks();
  expect(events).toEqual(['1']);
  await setImmediate();
  await microtasks();
  expect(events).toEqual(['1', '2']);
});

it('messages that arrive later in a turn share what is left of it, where the first filled what they are read into', () => {
  const pace = new SlicesOfTime(() => time);
  let taken = 0;
  const goOn = (): void => {
    while (taken < 3 && pace.admits(goOn)) taken++;
  };
  pace.begins(false);
  goOn();
  busy();
  pace.begins(true);
  return microtasks().then(() => expect(taken).toBe(0));
});

it('a message that comes by itself has a slice of its own', async () => {
  const { told, events } = await paced(busy);
  for (const number of [1, 2, 3]) {
    told.tell(number);
    await microtasks();
    expect(events.splice(0)).toEqual([String(number)]);
  }
});

it('nothing comes once it is closed', async () => {
  const { told, events, transport } = await paced(() => transport.close());
  told.tell(1, 2, 3);
  await microtasks();
  expect(events.filter((event) => event !== 'resume')).toEqual(['1']);
  expect(told.writableEnded).toBe(true);
});

async function microtasks(): Promise<void> {
  for (let step = 0; step < 20; step++) await Promise.resolve();
}
