/** What the tests of transports call at the other end, in this process or in another: Probe of test/worker/domains. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Session, type Stub, serve, type Transport } from '../../rpc/index.js';
import { SchemaGraph } from '../../schema/index.js';

// From the sources, wherever this was compiled to.
const root = fileURLToPath(
  new URL(import.meta.url.includes('/dist/') ? '../../../' : '../../', import.meta.url),
);
const graph = SchemaGraph.load(readFileSync(`${root}test/worker/domains/probe.cgr`));
export const PROBE = graph.interface('Probe');
export const LISTENER = graph.interface('Listener');

// biome-ignore lint/suspicious/noExplicitAny: the stub of an interface that is only known at run time
export type AnyStub = Stub & any;

/** Serves it on `transport`. `echo` gives the number of calls before it, so that a caller sees the order in which they came. */
export function serveProbe(transport: Transport): Session {
  let calls = 0;
  const probe = serve(PROBE, {
    echo: ({ text, data }: { text: string; data: Uint8Array }) => ({ text, data, number: BigInt(calls++) }),
    item: ({ id }: { id: string }) => ({ item: { id: () => ({ id }), change: () => ({}) } }),
    tell: async ({ listener, text }: { listener: AnyStub; text: string }) => ({
      heard: (await listener.heard({ text })).answer,
    }),
    wait: () => new Promise(() => {}),
    evaluate: () => {
      setImmediate(() => session.close('the server has had enough'));
      return { outcome: 'it closes' };
    },
  });
  const session = new Session(transport, { bootstrap: probe });
  probe[Symbol.dispose]();
  return session;
}
