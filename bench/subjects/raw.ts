import { FrameSocket } from '../frames.js';
import { dial, listen } from '../unix-socket.js';
import type { Caller, Done, Subject } from './subject.js';

export const subject: Subject = {
  name: 'raw',
  title: 'raw frames',
  what: 'Frames with a number and bytes over a unix socket in Node, one write a tick; no objects, no errors, no types. The least that a call can cost here.',
  side: 'yardstick',
  chain: null,
  needs: 'nothing',

  serve: (path) =>
    listen(path, (socket) => {
      const frames = new FrameSocket(socket, (number, bytes) => frames.send(number, bytes));
    }),

  connect: async (address) => frameCaller(address),
};

/** Calls as bare frames: also for the relay. */
export async function frameCaller(path: string): Promise<Caller> {
  const waiting = new Map<number, Done>();
  const frames = new FrameSocket(await dial(path), (number, bytes) => {
    const done = waiting.get(number)!;
    waiting.delete(number);
    done(null, bytes);
  });
  let next = 0;
  return {
    echo(payload, done) {
      const number = next;
      next = (next + 1) >>> 0;
      waiting.set(number, done);
      frames.send(number, payload);
    },
    close: () => frames.end(),
  };
}
