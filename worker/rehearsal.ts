/**
 * Plays a domain's first minute through a few times, in memory, while its thread is parked: entering, loading a program,
 * serving an object, being asked for it. Nothing comes of it but that codecs are made and code is warm, so that the domain
 * that gets the thread starts in a fraction of the time. It comes after lockdown, which undoes what the compiler has
 * learned before; it stops when the thread gets its orders, and must leave nothing behind.
 */

import { setImmediate } from 'node:timers';
import {
  BRIEF,
  RpcError,
  Session,
  type Stub,
  serve,
  type Transport,
  type TransportReceiver,
} from '../rpc/index.js';
import { SchemaGraph, sturdySchema, sturdySchemaBytes } from '../schema/index.js';
import type { Admission, Threshold } from './entrance.js';

/** So often that what the compiler learns is of use. */
const TIMES = 8;

/** Rehearses until `wanted` says that the thread is, at most TIMES times, with room for its orders in between. */
export async function rehearse(wanted: () => boolean): Promise<void> {
  for (let time = 0; time < TIMES && !wanted(); time++) {
    await once();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function once(): Promise<void> {
  const protocol = sturdySchema();
  const [left, right] = ends();
  const log = protocol.interface('Log');
  using power = serve<Stub>(log, { write: () => ({}) });
  const program = {
    name: 'rehearsal',
    source: 'undefined',
    schemas: [sturdySchemaBytes()],
    mainInterface: log.id,
    grants: [{ name: 'log', interfaceId: log.id, cap: power }],
  };
  let restorer: (Stub & { restore(params: object): Promise<{ cap: Stub }> }) | undefined;
  const admission = {
    load: () => ({ program }),
    ready: (params: { restorer: NonNullable<typeof restorer> }) => {
      restorer = params.restorer.dup();
      return {};
    },
    failed: () => ({}),
    own: () => ({ result: { foreign: null } }),
  };
  using threshold = serve<Stub>(protocol.interface('Threshold'), { enter: () => ({ admission }) });
  const broker = new Session(left, { bootstrap: threshold });
  const domain = new Session(right);
  await live(domain, protocol);
  if (restorer !== undefined) {
    const { cap } = await restorer.restore({ object: new Uint8Array(0) });
    using found = cap.as<Stub & { write(params: object): Promise<object> }>(log);
    cap[Symbol.dispose]();
    await found.write({ level: 'info', message: 'rehearsed' });
    restorer[Symbol.dispose]();
  }
  broker.close();
  domain.close();
  await Promise.all([broker.closed, domain.closed]);
}

/** Two ends of a line in memory. */
function ends(): [End, End] {
  const [left, right] = [new End(), new End()];
  left.peer = right;
  right.peer = left;
  return [left, right];
}

class End implements Transport {
  peer: End | null = null;
  #receiver: TransportReceiver | null = null;
  #closed = false;

  start(receiver: TransportReceiver): void {
    this.#receiver = receiver;
  }

  send(segments: readonly Uint8Array[]): void {
    const { peer } = this;
    const message = segments.map((segment) => new Uint8Array(segment));
    void Promise.resolve().then(() => peer?.take(message));
  }

  take(message: Uint8Array[]): void {
    // Brief, as it is from a socket: what is done for that is to be compiled as well.
    if (!this.#closed) this.#receiver?.message(message, BRIEF);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const reason = new RpcError('disconnected', 'the rehearsal is over');
    void Promise.resolve().then(() => this.#receiver?.closed(reason));
  }
}

/** The domain's part, as the shell plays it. */
async function live(session: Session, protocol: SchemaGraph): Promise<void> {
  using threshold = session.bootstrap<Threshold>(protocol.interface('Threshold'));
  const { admission } = await threshold.enter({ token: new Uint8Array(32) });
  const { program } = await admission.load();
  const graph = SchemaGraph.load(program.schemas);
  const own = serve<Stub>(graph.interface(program.mainInterface), { write: () => ({}) });
  using restorer = serve<Stub>(protocol.interface('Restorer'), { restore: () => ({ cap: own }) });
  await admission.ready({ restorer });
  await admission.own({ cap: own });
  await admission.failed({ message: 'rehearsed' });
  for (const { cap } of program.grants) cap?.[Symbol.dispose]();
  (admission as Admission)[Symbol.dispose]();
}
