import type { Socket } from 'node:net';
import { FrameSocket } from '../frames.js';
import { dial, listen } from '../unix-socket.js';
import type { Subject } from './subject.js';

export const subject: Subject = {
  name: 'captp',
  title: '@endo/captp',
  what: "Endo's CapTP: object capabilities between locked-down realms, as JSON in our raw frames, one write a tick. It passes no bytes: its payload is a string of the same length.",
  side: 'peer',
  chain: 'pipelined',
  needs: 'packages',

  async serve(path) {
    await import('@endo/init');
    const { Far, makeCapTP } = await import('@endo/captp');
    const echo: object = Far('Echo', { echo: (payload: string) => payload, next: () => echo });
    await listen(path, (socket) => void speak(socket, (send) => makeCapTP('server', send, echo)));
  },

  async connect(address) {
    await import('@endo/init');
    const { E, makeCapTP } = await import('@endo/captp');
    const { captp, socket } = speak(await dial(address), (send) => makeCapTP('client', send));
    const echo = (await captp.getBootstrap()) as object;
    // One string for each payload, so that making it is not measured.
    const texts = new WeakMap<Uint8Array, string>();
    const textOf = (payload: Uint8Array) => {
      const known = texts.get(payload);
      if (known !== undefined) return known;
      const text = Buffer.from(payload).toString('latin1');
      texts.set(payload, text);
      return text;
    };
    return {
      echo(payload, done) {
        E(echo).echo!(textOf(payload)).then((returned) => done(null, returned as string), done as never);
      },
      chain(payload, done) {
        const end = E(E(E(echo).next!()).next!()).next!();
        E(end).echo!(textOf(payload)).then((returned) => done(null, returned as string), done as never);
      },
      close: () => void socket.end(),
    };
  },
};

interface Peer {
  dispatch(message: object): boolean;
  getBootstrap(): Promise<unknown>;
}

function speak(
  socket: Socket,
  make: (send: (message: object) => void) => Peer,
): { captp: Peer; socket: Socket } {
  const frames = new FrameSocket(socket, (_, bytes) =>
    captp.dispatch(JSON.parse(bytes.toString()) as object),
  );
  const captp = make((message) => frames.send(0, Buffer.from(JSON.stringify(message))));
  return { captp, socket };
}
