/** A domain by which one client of a broker finds an object of another's. */
import type { Program } from 'sturdy/worker';

interface PeerStub extends Disposable {
  dup(): PeerStub;
}

export default function start(): Program {
  const peers = new Map<string, PeerStub>();
  return {
    main: {
      plug({ name, peer }: { name: string; peer: PeerStub | null }) {
        if (peer === null) throw new Error('peer: null; must be a capability');
        peers.get(name)?.[Symbol.dispose]();
        peers.set(name, peer.dup());
      },
      find({ name }: { name: string }) {
        const peer = peers.get(name);
        if (!peer) throw new Error(`nobody is plugged in as ${name}`);
        return { peer };
      },
    },
  };
}
