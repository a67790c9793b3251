/** Flow labels: what may pass from whom to whom, on real connections, with domains that keep and pass on what they are given. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseConfig } from 'sturdy/broker';
import { capabilityOf, connectSocket, QueuedCapability, serve, stubFor } from 'sturdy/rpc';
import { SchemaGraph } from 'sturdy/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnyStub, Client, type Domains, Running, sturdy } from './running.js';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const SCHEMA = here('../model/model.cgr');
const CELL = SchemaGraph.load(readFileSync(SCHEMA)).interface('Cell');

const HIDDEN = 'may not pass here, by the flow policy of the broker';

function cell(level: string, rest: Partial<Domains[string]> = {}): Domains[string] {
  return {
    module: here('../model/domains/cell.ts'),
    schema: SCHEMA,
    interface: 'Cell',
    powers: { log: true },
    label: { level },
    ...rest,
  };
}

/** Clients of the unix socket have label `a`, those of TCP label `b`; `s` is passed to `a` alone, and `t` to nobody but its own. */
const FLOW = {
  levels: ['a', 'b', 's', 't'],
  allow: [
    { from: { level: 'a' }, to: { level: 'b' } },
    { from: { level: 'b' }, to: { level: 'a' } },
    { from: { level: 's' }, to: { level: 'a' } },
  ],
  clients: { unix: { level: 'a' }, tcp: { level: 'b' } },
};

const DOMAINS: Domains = {
  open: cell('a', { grants: { peer: { domain: 'source', object: 'x', interface: 'Cell', methods: 'all' } } }),
  other: cell('b'),
  source: cell('s'),
  sealed: cell('t'),
};

let running: Running;
let operator: AnyStub;
/** Of each domain, a secret to its main object. */
const secrets: Record<string, Uint8Array> = {};

beforeAll(async () => {
  running = await Running.start(DOMAINS, undefined, { flow: FLOW });
  operator = await running.operator();
  for (const domain of Object.keys(DOMAINS)) {
    const { ref } = await operator.mint({ domain, object: '', policy: {}, label: domain });
    secrets[domain] = ref.secret;
  }
}, 60_000);
afterAll(() => running?.stop());

const restore = async (client: Client, domain: string): Promise<AnyStub> =>
  client.restore(secrets[domain]!, CELL);

/** A client of label `a`, or of label `b`. */
const a = () => running.connect();
const b = async () => {
  const tcp = running.broker.addresses.find((address) => 'port' in address)!;
  return new Client(await connectSocket(tcp));
};

async function told(domain: string): Promise<number[]> {
  const { tokens } = await (await restore(await a(), domain)).audit({});
  return [...tokens];
}

describe('a capability', () => {
  it('passes where the labels allow it, in and out', async () => {
    const [open, other] = await Promise.all([restore(await a(), 'open'), restore(await b(), 'other')]);
    expect(await open.read({ token: 1 })).toMatchObject({ place: 'open/' });
    const client = await a();
    const mine = serve<AnyStub>(CELL, { read: () => ({ place: 'mine', number: 1 }) });
    const target = await restore(client, 'other');
    expect(await target.ask({ cell: mine, token: 2 })).toMatchObject({ place: 'mine', refused: '' });
    const { cell: echoed } = await target.echo({ cell: await restore(client, 'open') });
    expect(await echoed.read({ token: 3 })).toMatchObject({ place: 'open/' });
    expect(await other.read({ token: 4 })).toMatchObject({ place: 'other/' });
  });

  it('is not restored where it may not pass to: as if there were no such reference', async () => {
    for (const [client, domain] of [
      [await b(), 'source'],
      [await a(), 'sealed'],
    ] as const) {
      await expect(restore(client, domain)).rejects.toThrow(/^no such reference$/);
    }
    expect(
      (await operator.domains({})).domains.find(({ name }: { name: string }) => name === 'sealed'),
    ).toMatchObject({
      starts: 1,
    });
  });

  it('is not passed as an argument, and the call with it is not made', async () => {
    const client = await a();
    const [source, other] = await Promise.all([restore(client, 'source'), restore(client, 'other')]);
    await expect(other.keep({ cell: source, slot: 1 })).rejects.toThrow(
      `a capability in the params ${HIDDEN}`,
    );
    await expect(other.kept({ slot: 1 })).rejects.toThrow('nothing is kept here');
  });

  it('is not returned: the results are withheld', async () => {
    await expect((await restore(await b(), 'open')).peer({})).rejects.toThrow(
      `a capability in the results ${HIDDEN}`,
    );
    const { cell: granted } = await (await restore(await a(), 'open')).peer({});
    expect(await granted.read({ token: 5 })).toMatchObject({ place: 'source/x' });
  });

  it('is not reached by calls that were made on a promise of it', async () => {
    const open = await restore(await b(), 'open');
    const pending = open.peer({});
    const early = pending.cell as AnyStub;
    const calls = [early.read({ token: 61 }), early.read({ token: 62 })];
    await expect(pending).rejects.toThrow(HIDDEN);
    for (const each of calls) await expect(each).rejects.toThrow(HIDDEN);
    await expect(early.read({ token: 63 })).rejects.toThrow(HIDDEN);
    expect((await told('source')).filter((token) => token > 60 && token < 70)).toEqual([]);
  });

  it('that a promise becomes later breaks there, and calls that waited for it fail', async () => {
    const client = await a();
    const [source, other] = await Promise.all([restore(client, 'source'), restore(client, 'other')]);
    const promise = new QueuedCapability();
    const stub = stubFor(promise.retain(), CELL) as AnyStub;
    const kept = other.keep({ cell: stub, slot: 4 });
    const early = other.askKept({ slot: 4, token: 71 });
    await other.read({ token: 70 });
    promise.resolve(capabilityOf(source).retain());
    // What the domain is told of it.
    expect((await kept).own).toContain(HIDDEN);
    expect((await early).refused).toContain(HIDDEN);
    expect((await other.askKept({ slot: 4, token: 72 })).refused).toContain(HIDDEN);
    expect((await told('source')).filter((token) => token > 70 && token < 80)).toEqual([]);
  });

  it('that a promise becomes later is reached, in order, where it may pass', async () => {
    const client = await a();
    const [open, other] = await Promise.all([restore(client, 'open'), restore(client, 'other')]);
    const promise = new QueuedCapability();
    const kept = other.keep({ cell: stubFor(promise.retain(), CELL), slot: 5 });
    const early = [81, 82, 83].map((token) => other.askKept({ slot: 5, token }));
    await other.read({ token: 80 });
    promise.resolve(capabilityOf(open).retain());
    expect((await kept).own).toBe('foreign');
    const after = other.askKept({ slot: 5, token: 84 });
    for (const each of [...early, after]) expect((await each).place).toBe('open/');
    expect((await told('open')).filter((token) => token > 80 && token < 90)).toEqual([81, 82, 83, 84]);
  });

  it('of one domain is not passed on by another to a third that may not have it', async () => {
    const client = await a();
    const [open, other] = await Promise.all([restore(client, 'open'), restore(client, 'other')]);
    const { cell: laundered } = await open.peer({});
    await expect(other.keep({ cell: laundered, slot: 6 })).rejects.toThrow(HIDDEN);
    // What it keeps and gives back under another name is the same.
    await open.keep({ cell: laundered, slot: 7 });
    const { cell: again } = await open.kept({ slot: 7 });
    await expect(other.keep({ cell: again, slot: 6 })).rejects.toThrow(HIDDEN);
  });

  it('is not to be had by way of the gate of a client, handed to somebody else', async () => {
    const insider = await a();
    const other = await restore(insider, 'other');
    // As a Cell, for the domain to keep and to give back; whoever has it may restore.
    const gate = insider.gate;
    await other.keep({ cell: stubFor(capabilityOf(gate).retain(), null), slot: 8 });
    const outsider = await restore(await b(), 'other');
    const { cell: lent } = await outsider.kept({ slot: 8 });
    const asGate = (lent as AnyStub).as<AnyStub>(sturdy.interface('Gate'));
    const pending = asGate.restore({ ref: { secret: secrets['source'] } });
    const early = (pending.cap as AnyStub).as<AnyStub>(CELL).read({ token: 91 });
    await expect(pending).rejects.toThrow(HIDDEN);
    await expect(early).rejects.toThrow(HIDDEN);
    expect(await told('source')).not.toContain(91);
  });
});

describe('what did not pass', () => {
  it('is in the audit log, counted, with both labels', async () => {
    await expect
      .poll(async () => {
        const { entries } = await operator.audit({ after: 0n, limit: 0 });
        return entries
          .filter(({ action }: { action: string }) => action === 'flow.refuse')
          .map(({ detail }: { detail: string }) => detail.replace(/.*: /, ''));
      })
      .toEqual(expect.arrayContaining(['from s to b', 'from t to a']));
  });
});

describe('the configuration', () => {
  const check = (config: object) =>
    parseConfig({ data: 'd', listen: { unix: 's' }, domains: DOMAINS, ...config }, '/');

  it('is refused where a domain has no label, or one that there is not', () => {
    const domains = { one: { ...DOMAINS['other'], label: undefined }, two: cell('z') } as Domains;
    expect(() => check({ flow: FLOW, domains })).toThrow(
      /domains\.one\.label: missing(.|\n)*there is no level "z"/,
    );
    expect(() => check({})).toThrow('there are no labels without flow.levels');
  });

  it('is refused where it grants what may not pass, with both labels', () => {
    const domains = {
      ...DOMAINS,
      other: cell('b', { grants: { peer: { domain: 'source', interface: 'Cell', methods: 'all' } } }),
    } as Domains;
    expect(() => check({ flow: FLOW, domains })).toThrow(
      'domains.other.grants.peer: capabilities do not pass from s (source) to b (other)',
    );
  });
});
