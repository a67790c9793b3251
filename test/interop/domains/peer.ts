/** The `Peer` of peer.capnp as a domain: what the programs of other languages reach through a broker. */
import type { Program, World } from 'sturdy/worker';
import { peerObject } from '../peer-object.js';

const ALL_FAILED = 'what a domain throws crosses as its message, and its type is always failed';

export default function start(world: World): Program {
  const objects = new Map<string, object>();
  const saved = (name: string): object => {
    const known = objects.get(name) ?? world.object('Saved', name, { name: () => ({ name }) });
    objects.set(name, known);
    return known;
  };
  return {
    main: peerObject({
      language: 'domain',
      library: 'sturdy/worker',
      cannot: {
        'exception: overloaded': ALL_FAILED,
        'exception: disconnected': ALL_FAILED,
        'exception: unimplemented': ALL_FAILED,
      },
      error: (_type, message) => new Error(message),
      saved,
      exit() {
        // Its thread is ended when the turn has taken too long.
        for (;;);
      },
    }),
    restore: saved,
  };
}
