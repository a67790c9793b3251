import type { Socket } from 'node:net';
import type { RpcTransport } from 'capnweb';
import { FrameSocket } from '../frames.js';
import { dial, listen } from '../unix-socket.js';
import type { Subject } from './subject.js';

export const subject: Subject = {
  name: 'capnweb',
  title: 'capnweb',
  what: "Cap'n Web: object capabilities with pipelining, as JSON. Its messages go in our raw frames, one write a tick; bytes are base64 in them.",
  side: 'peer',
  chain: 'pipelined',
  needs: 'packages',

  async serve(path) {
    const { RpcSession, RpcTarget } = await import('capnweb');
    class Echo extends RpcTarget {
      echo(payload: Uint8Array): Uint8Array {
        return payload;
      }
      next(): Echo {
        return this;
      }
    }
    await listen(path, (socket) => {
      new RpcSession(transportOn(socket), new Echo());
    });
  },

  async connect(address) {
    const { RpcSession } = await import('capnweb');
    const socket = await dial(address);
    const echo = new RpcSession<EchoStub>(transportOn(socket)).getRemoteMain();
    return {
      echo(payload, done) {
        echo.echo(payload).then((returned) => done(null, returned), done as never);
      },
      chain(payload, done) {
        using a = echo.next();
        using b = a.next();
        using c = b.next();
        c.echo(payload).then((returned) => done(null, returned), done as never);
      },
      close: () => void socket.end(),
    };
  },
};

interface EchoStub {
  echo(payload: Uint8Array): Promise<Uint8Array>;
  next(): EchoStub & Disposable;
}

function transportOn(socket: Socket): RpcTransport {
  const come: string[] = [];
  let waiting: { resolve(message: string): void; reject(reason: Error): void } | null = null;
  let closed = false;
  const frames = new FrameSocket(socket, (_, bytes) => {
    const message = bytes.toString();
    if (waiting === null) come.push(message);
    else {
      waiting.resolve(message);
      waiting = null;
    }
  });
  socket.once('close', () => {
    closed = true;
    waiting?.reject(new Error('the connection was closed'));
  });
  return {
    send: (message) => frames.send(0, Buffer.from(message)),
    receive: () => {
      const message = come.shift();
      if (message !== undefined) return Promise.resolve(message);
      if (closed) return Promise.reject(new Error('the connection was closed'));
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
      });
    },
  };
}
