/** The broker's own parts, with a domain that is played by the test: it enters by the private socket, as every domain does. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Entrance } from '../../broker/admission.js';
import { Audit } from '../../broker/audit.js';
import { parseConfig } from '../../broker/config.js';
import { Delegation } from '../../broker/delegable.js';
import { Domain } from '../../broker/domain.js';
import { gate } from '../../broker/gate.js';
import { Grants } from '../../broker/grants.js';
import { LineRate } from '../../broker/line-rate.js';
import { createLogger } from '../../broker/log.js';
import { ClientPace } from '../../broker/pace.js';
import { peerOf } from '../../broker/peer.js';
import { Refusals } from '../../broker/refusals.js';
import { LmdbStore } from '../../broker/store/lmdb-store.js';
import type { Placement, StartRequest, Supervisor } from '../../broker/supervisor.js';
import { versionOf } from '../../broker/version.js';
import {
  type CallContext,
  connectSocket,
  type Listener,
  listenSocket,
  type Session,
  type Stub,
  serve,
} from '../../rpc/index.js';
import { sturdySchema } from '../../schema/index.js';
import { type AnyStub, LEDGER_DOMAIN } from './running.js';

const protocol = sturdySchema();
const log = createLogger({ level: 'silent' });

/** Calls on it begin, and end only when they are cancelled. */
class Slow {
  begun = 0;
  cancelled = 0;
  readonly call = (_params: object, { signal }: CallContext) => {
    this.begun++;
    signal.addEventListener('abort', () => this.cancelled++);
    return new Promise<never>(() => {});
  };
}

let folder: string;
let store: LmdbStore;
let listener: Listener;
let entrance: Entrance;
let domain: Domain;
let thread: Session | null = null;
const slow = new Slow();
/** An object of the domain that takes its time to say who it is. */
const object = serve<Stub>(protocol.interface('Identified'), { identify: slow.call });

/** What a thread does: enters, and is ready. */
async function enter({ token, onEnd }: StartRequest): Promise<Placement> {
  const session = await connectSocket({ path: join(folder, 'domains.sock') });
  thread = session;
  const threshold = session.bootstrap<AnyStub>(protocol.interface('Threshold'));
  const { admission } = await threshold.enter({ token });
  await admission.load({});
  const restorer = serve<Stub>(protocol.interface('Restorer'), {
    restore: (params: { object: Uint8Array }, context: CallContext) =>
      params.object.length === 0 ? { cap: object } : slow.call(params, context),
  });
  await admission.ready({ restorer });
  return {
    hostPid: process.pid,
    use: { heapBytes: null, offHeapBytes: null, cpu: 0 },
    terminate: async (reason) => {
      session.close();
      onEnd(reason);
    },
  };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-cancelling-'));
  store = await LmdbStore.open(join(folder, 'data'));
  entrance = new Entrance({});
  listener = await listenSocket({ path: join(folder, 'domains.sock') }, (socket) => entrance.accept(socket));
  const { domains } = parseConfig(
    { data: 'data', listen: { unix: 'broker.sock' }, domains: { slow: LEDGER_DOMAIN! } },
    folder,
  );
  const schema = new Uint8Array(await readFile(LEDGER_DOMAIN!.schema));
  domain = new Domain({
    id: await store.domainId('slow'),
    name: 'slow',
    config: domains['slow']!,
    version: versionOf(
      schema,
      () => ({ program: null, origin: 'configuration', since: 0 }),
      async () => ({ source: '', schemas: [], grants: [] }),
    ),
    supervisor: { start: enter } as Partial<Supervisor> as Supervisor,
    entrance,
    lines: new LineRate(100, Date.now),
    log,
  });
  Object.assign(slow, { begun: 0, cancelled: 0 });
});
afterEach(async () => {
  await domain.close();
  thread?.close();
  entrance.close();
  await listener.close();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

describe('a call that is cancelled', () => {
  it('is cancelled towards the domain, where it was a restore', async () => {
    const homeOf = () => domain;
    const grants = new Grants(store, homeOf);
    const { secret } = await grants.mint({
      parent: null,
      home: domain,
      object: 'slow',
      label: '',
      by: 'the test',
    });
    const audit = new Audit(store, log);
    const services = new Delegation(grants, homeOf, audit);
    const refusals = new Refusals(log);
    const holder = { kind: 'anyone' } as const;
    const peer = peerOf(holder, undefined, 1);
    const pace = new ClientPace();
    using own = gate({ grants, homeOf, services, holder, peer, flow: null, refusals, audit, pace }).bootstrap;
    const pending = (own as AnyStub).restore({ ref: { secret } });
    pending.catch(() => {});
    await expect.poll(() => slow.begun).toBe(1);
    pending[Symbol.dispose]();
    await expect.poll(() => slow.cancelled).toBe(1);
  });

  it('is not begun there, where it was cancelled before the domain was ready', async () => {
    const given = new AbortController();
    const restored = domain.restore('slow', given.signal);
    given.abort(new Error('given up'));
    await expect(restored).rejects.toThrow('given up');
    expect(slow.begun).toBe(0);
  });

  it('is cancelled there, where the domain was asked who one of its objects is', async () => {
    const given = new AbortController();
    const main = await domain.restore('');
    const identity = domain.identify(main, given.signal);
    await expect.poll(() => slow.begun).toBe(1);
    given.abort();
    await expect(identity).rejects.toThrow('canceled');
    await expect.poll(() => slow.cancelled).toBe(1);
    main.release();
  });
});
