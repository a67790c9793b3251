/**
 * A broker without anything that makes it one: frames from the client get a number that is its own, and go to the server;
 * those that come back get the client's number again.
 */

import { join } from 'node:path';
import { FrameSocket } from '../frames.js';
import { nodeClient, nodeServer } from '../node-processes.js';
import { dial, listen } from '../unix-socket.js';
import { frameCaller } from './raw.js';
import type { Subject } from './subject.js';

export const subject: Subject = {
  name: 'relay',
  title: 'raw frame relay',
  what: 'The same frames through a third process in Node, which gives each a number of its own on the way there and the old one on the way back, a whole frame at a time, one write a tick. The least that a broker can cost here.',
  side: 'yardstick',
  chain: null,
  needs: 'nothing',

  async arrange(stage) {
    const behind = join(stage.folder, 'behind.sock');
    const server = stage.start(nodeServer('raw', behind));
    await server.ready();
    const path = join(stage.folder, 'relay.sock');
    const relay = stage.start(nodeServer('relay', path));
    await relay.ready();
    return { client: nodeClient('relay', path), pids: { broker: relay.pid, server: server.pid } };
  },

  /** The server is behind it, in the same folder. */
  serve: (path) =>
    listen(path, async (socket) => {
      socket.pause();
      const numbers = new Map<number, number>();
      let next = 0;
      const server = new FrameSocket(await dial(join(path, '../behind.sock')), (number, bytes) => {
        const theirs = numbers.get(number)!;
        numbers.delete(number);
        client.send(theirs, bytes);
      });
      const client = new FrameSocket(socket, (number, bytes) => {
        const ours = next;
        next = (next + 1) >>> 0;
        numbers.set(ours, number);
        server.send(ours, bytes);
      });
      socket.resume();
    }),

  connect: (address) => frameCaller(address),
};
