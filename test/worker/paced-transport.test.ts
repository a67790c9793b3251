import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { RpcError, type Transport, type TransportReceiver } from '../../rpc/index.js';
import { PacedTransport } from '../../worker/paced-transport.js';

/** A transport whose messages come when they are told to. */
class Told implements Transport {
  receiver!: TransportReceiver;
  closed = false;
  start(receiver: TransportReceiver): void {
    this.receiver = receiver;
  }
  send(): void {}
  close(): void {
    this.closed = true;
  }
  tell(...numbers: number[]): void {
    for (const number of numbers) this.receiver.message([new Uint8Array([number])]);
  }
}

/** Of a clock that only `busy` moves. */
let time = 0;
const busy = (): void => {
  time += 20;
};

function paced(work: () => void) {
  const told = new Told();
  const events: string[] = [];
  const source = { pause: () => events.push('pause'), resume: () => events.push('resume') };
  const transport = new PacedTransport(told, source, () => time);
  transport.start({
    message: ([segment]) => {
      events.push(String(segment![0]));
      work();
    },
    violated: (reason) => events.push(reason),
    closed: ({ message }) => events.push(message),
  });
  return { told, events, transport };
}

it('messages come in order, then the end, in one turn where that is short', async () => {
  const { told, events } = paced(() => {});
  told.tell(1, 2, 3);
  told.receiver.violated('not a message');
  told.receiver.closed(new RpcError('disconnected', 'the end'));
  await setImmediate();
  expect(events).toEqual(['1', '2', '3', 'not a message', 'the end']);
});

it('a turn that was long takes up no further message, and reads none until all are taken up', async () => {
  const { told, events } = paced(busy);
  told.tell(1, 2, 3);
  const turns: string[] = [];
  for (let turn = 0; turn < 4; turn++) {
    await microtasks();
    turns.push(events.splice(0).join(' '));
    await setImmediate();
  }
  expect(turns).toEqual(['1 pause', '2 pause', '3 resume', '']);
});

it('what a message sets off counts as a part of it', async () => {
  const { told, events } = paced(() => void Promise.resolve().then(busy));
  told.tell(1, 2);
  await microtasks();
  expect(events).toEqual(['1', 'pause']);
  await setImmediate();
  await microtasks();
  expect(events).toEqual(['1', 'pause', '2', 'resume']);
});

it('messages that arrive later in a turn share what is left of it', async () => {
  const { told, events } = paced(busy);
  told.tell(1);
  await microtasks();
  told.tell(2);
  await microtasks();
  expect(events).toEqual(['1', 'pause']);
  await setImmediate();
  await microtasks();
  expect(events).toEqual(['1', 'pause', '2', 'resume']);
});

it('nothing comes once it is closed', async () => {
  const { told, events, transport } = paced(() => transport.close());
  told.tell(1, 2, 3);
  await setImmediate();
  expect(events).toEqual(['1']);
  expect(told.closed).toBe(true);
});

async function microtasks(): Promise<void> {
  for (let step = 0; step < 20; step++) await Promise.resolve();
}
