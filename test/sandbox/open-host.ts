/**
 * A host without the inner walls, for tests only: it speaks as worker/host.ts does, but what it evaluates for its domain has all of Node's
 * powers, in the main thread. What it can then not do is held by the walls of its tier alone.
 */

import { createRequire } from 'node:module';
import { createConnection, Socket } from 'node:net';
import process from 'node:process';
import { Session, StreamTransport, type Stub, serve } from '../../rpc/index.js';
import { SchemaGraph, sturdySchema } from '../../schema/index.js';

type Door = { readonly socket: string } | { readonly inherited: number };

// biome-ignore lint/suspicious/noExplicitAny: the stubs of the broker
type AnyStub = any;

const evaluate = Object.getPrototypeOf(async () => {}).constructor as new (
  name: string,
  source: string,
) => (require: NodeJS.Require) => Promise<unknown>;

const require = createRequire(import.meta.url);

const main = {
  echo: (params: object) => params,
  async evaluate({ source }: { source: string }) {
    const outcome: unknown = await new evaluate('require', source)(require);
    return { outcome: typeof outcome === 'string' ? outcome : (JSON.stringify(outcome) ?? 'undefined') };
  },
};

async function inhabit(door: Door, token: Uint8Array): Promise<void> {
  const socket = 'inherited' in door ? new Socket({ fd: door.inherited }) : createConnection(door.socket);
  const session = new Session(new StreamTransport(socket));
  const threshold: AnyStub = session.bootstrap(sturdySchema().interface('Threshold'));
  const { admission } = await threshold.enter({ token });
  const { program } = await admission.load();
  const probe = SchemaGraph.load(program.schemas).interface('Probe');
  const restorer = serve<Stub>(sturdySchema().interface('Restorer'), {
    restore: () => ({ cap: serve(probe, main) }),
  });
  await admission.ready({ restorer });
}

const host = {
  async assign({ door, token }: { door: Door; token: Uint8Array }) {
    inhabit(door, token).catch((error: Error) => console.error(error.message));
    // The main thread is a task with the number of its process.
    return { thread: 1, task: process.pid };
  },
  ended: () => new Promise(() => {}),
  terminate: () => process.kill(process.pid, 'SIGKILL'),
  rehearse: () => ({}),
  ping: () => ({ threads: [] }),
};

const control = new Socket({ fd: 3, readable: true, writable: true });
new Session(new StreamTransport(control), { bootstrap: serve(sturdySchema().interface('Host'), host) });
