import { beforeEach, describe, expect, it } from 'vitest';
import { LiveGrant } from '../../broker/live-grant.js';
import { Membrane, MembranedCapability, type MembraneServices } from '../../broker/membrane.js';
import { IN_LINE } from '../../broker/policy/verdict.js';
import type { StoredPolicy } from '../../broker/store/store.js';
import { type Capability, settled } from '../../rpc/capability.js';
import type { RpcError } from '../../rpc/error.js';
import { QueuedCapability } from '../../rpc/promised.js';
import { sturdySchema } from '../../schema/index.js';
import { call, hold, Outcome, payload, quiet, TestObject } from '../conformance/vats.js';
import { grantRow } from './grant-row.js';

const graph = sturdySchema();
const STORAGE = graph.interface('Storage');
const METHOD = Object.fromEntries(STORAGE.methods.map(({ name, id }) => [name, id])) as Record<
  'get' | 'write' | 'list',
  number
>;

const NO_SERVICES: MembraneServices = {
  answers: () => false,
  conceals: () => false,
  serviceFor: () => {
    throw new Error('not asked for');
  },
  refused: () => {},
  crossing: () => null,
  flowRefused: () => {},
};

let serial = 0;

function grant(
  policy: Partial<StoredPolicy> = {},
  parent: LiveGrant | null = null,
  domainId = 'ledger',
): LiveGrant {
  const row = grantRow(`grant-${++serial}`, { policy, domain: domainId, parent: parent?.row.id ?? null });
  return new LiveGrant(row, parent, graph);
}

const READ_ONLY: Partial<StoredPolicy> = { methods: [{ interface: STORAGE.id, methods: ['get', 'list'] }] };

/** A call of a method of Storage. */
function invoke(
  target: Capability,
  method: 'get' | 'write' | 'list',
  capabilities: readonly Capability[] = [],
): Outcome {
  const outcome = new Outcome();
  outcome.call = target.call(
    { interfaceId: STORAGE.id, methodId: METHOD[method], params: payload(METHOD[method], capabilities) },
    outcome,
  );
  return outcome;
}

/** What a grant says of such a call. */
function verdict(live: LiveGrant, interfaceId: bigint, methodId: number): RpcError | null {
  const said = live.refuses({ interfaceId, methodId, params: payload(0) });
  if (said === IN_LINE) throw new Error('nothing is counted here');
  return said;
}

describe('a grant', () => {
  it('allows what its list names, and nothing else', () => {
    const live = grant(READ_ONLY);
    expect(verdict(live, STORAGE.id, METHOD.get)).toBeNull();
    expect(verdict(live, STORAGE.id, METHOD.write)).toMatchObject({ code: 'ERR_GRANT_METHOD' });
    expect(verdict(live, graph.interface('Clock').id, 0)).toMatchObject({ code: 'ERR_GRANT_METHOD' });
    expect(verdict(live, STORAGE.id, 99)).toMatchObject({ code: 'ERR_GRANT_METHOD' });
  });

  it('says in its refusal which method it was, and of which interface', () => {
    expect(verdict(grant(READ_ONLY), STORAGE.id, METHOD.write)!.message).toContain('Storage.write');
  });

  it('with an empty list allows nothing', () => {
    expect(verdict(grant({ methods: [] }), STORAGE.id, METHOD.get)).not.toBeNull();
  });

  it('is bound by every grant above it', () => {
    const child = grant({ methods: [{ interface: STORAGE.id, methods: 'all' }] }, grant(READ_ONLY));
    expect(verdict(child, STORAGE.id, METHOD.get)).toBeNull();
    expect(verdict(child, STORAGE.id, METHOD.write)).not.toBeNull();
  });

  it('is dead from the time on at which it, or one above it, expires', () => {
    const live = grant({}, grant({ expires: 1000 }));
    expect(live.dead(999)).toBeNull();
    expect(live.dead(1000)).toMatchObject({ code: 'ERR_GRANT_EXPIRED' });
  });

  it('allows nothing of what its policy names and the schema does not have any more', () => {
    const gone = grant({
      methods: [
        { interface: STORAGE.id, methods: ['destroy', 'get'] },
        { interface: 5n, methods: 'all' },
      ],
    });
    expect(verdict(gone, STORAGE.id, METHOD.get)).toBeNull();
    expect(verdict(gone, STORAGE.id, METHOD.list)).toMatchObject({ code: 'ERR_GRANT_METHOD' });
  });
});

describe('a membrane', () => {
  let object: TestObject;
  let handed: TestObject;

  beforeEach(() => {
    handed = new TestObject();
    object = new TestObject();
  });

  function out(membrane: Membrane, target: TestObject): Capability {
    return membrane.outward(target.capability());
  }

  it('lets through what the grant allows, and refuses the rest', () => {
    const facet = out(new Membrane(grant(READ_ONLY), NO_SERVICES), object);
    expect(invoke(facet, 'get').value).toBe(METHOD.get);
    expect(invoke(facet, 'write').error).toMatchObject({ type: 'failed', code: 'ERR_GRANT_METHOD' });
    expect(object.received).toEqual([METHOD.get]);
    facet.release();
    expect(object.alive).toBe(false);
  });

  it('is deep: what comes out of a result is under the grant', () => {
    object = new TestObject((incoming) => {
      incoming.params.release();
      incoming.return_(payload(1, [handed.capability()]));
    });
    const facet = out(new Membrane(grant(READ_ONLY), NO_SERVICES), object);
    const outcome = invoke(facet, 'get');
    const inner = outcome.capability();
    const pipelined = outcome.call.pipelined([0]);
    expect(invoke(inner, 'write').error).toMatchObject({ code: 'ERR_GRANT_METHOD' });
    expect(invoke(pipelined, 'write').error).toMatchObject({ code: 'ERR_GRANT_METHOD' });
    expect(invoke(inner, 'get').value).toBe(METHOD.get);
    expect(handed.received).toEqual([METHOD.get]);
    outcome.call.finish();
    for (const capability of [inner, pipelined, facet]) capability.release();
    expect([object.alive, handed.alive]).toEqual([false, false]);
  });

  it('is deep: what a domain passes to a callback is under the grant', () => {
    object = new TestObject((incoming) => {
      const callback = incoming.params.capabilities[0]!;
      call(callback, 5, [handed.capability()]).call.finish();
      incoming.params.release();
      incoming.return_(payload(1));
    });
    const seen: Outcome[] = [];
    const callback = new TestObject((incoming) => {
      seen.push(
        invoke(incoming.params.capabilities[0]!, 'write'),
        invoke(incoming.params.capabilities[0]!, 'get'),
      );
      incoming.params.release();
      incoming.return_(payload(1));
    });
    const facet = out(new Membrane(grant(READ_ONLY), NO_SERVICES), object);
    invoke(facet, 'get', [callback.capability()]).call.finish();
    expect(seen.map(({ error, value }) => error?.code ?? value)).toEqual(['ERR_GRANT_METHOD', METHOD.get]);
    expect(callback.received).toEqual([5]);
  });

  it('does not apply its list to a callback, but its revocation', () => {
    const kept: Capability[] = [];
    object = new TestObject((incoming) => {
      kept.push(incoming.params.capabilities[0]!.retain());
      incoming.params.release();
      incoming.return_(payload(1));
    });
    const callback = new TestObject();
    const live = grant(READ_ONLY);
    const facet = out(new Membrane(live, NO_SERVICES), object);
    invoke(facet, 'get', [callback.capability()]);
    expect(invoke(kept[0]!, 'write').value).toBe(METHOD.write);
    live.revoke();
    expect(invoke(kept[0]!, 'write').error).toMatchObject({ code: 'ERR_GRANT_REVOKED' });
    expect(callback.received).toEqual([METHOD.write]);
  });

  it('keeps a restricted capability restricted when it comes home to its domain', () => {
    const account = new TestObject();
    const arrived: Outcome[] = [];
    object = new TestObject((incoming) => {
      arrived.push(
        invoke(incoming.params.capabilities[0]!, 'write'),
        invoke(incoming.params.capabilities[0]!, 'get'),
      );
      incoming.params.release();
      incoming.return_(payload(1));
    });
    const readOnly = out(new Membrane(grant(READ_ONLY), NO_SERVICES), account);
    const ledger = out(new Membrane(grant(), NO_SERVICES), object);
    invoke(ledger, 'write', [readOnly.retain()]);
    expect(arrived.map(({ error, value }) => error?.code ?? value)).toEqual(['ERR_GRANT_METHOD', METHOD.get]);
    expect(account.received).toEqual([METHOD.get]);
    // Through the same grant, too.
    const both = new Membrane(grant(READ_ONLY), NO_SERVICES);
    const same = out(both, account);
    invoke(out(both, object), 'get', [same.retain()]);
    expect(arrived.slice(2).map(({ error, value }) => error?.code ?? value)).toEqual([
      'ERR_GRANT_METHOD',
      METHOD.get,
    ]);
  });

  it('keeps what came through a grant under it when it comes home, though it restricts nothing', () => {
    let arrived: Capability | null = null;
    object = new TestObject((incoming) => {
      arrived = incoming.params.capabilities[0]!.retain();
      incoming.params.release();
      incoming.return_(payload(1));
    });
    const account = new TestObject();
    const lent = grant({ expires: Date.now() + 60_000, delegable: false });
    const full = new Membrane(lent, NO_SERVICES).outward(account.capability());
    invoke(out(new Membrane(grant(), NO_SERVICES), object), 'write', [full]);
    // The domain keeps it, and hands it to somebody else.
    const other = new Membrane(grant(), NO_SERVICES).outward(arrived!);
    expect(invoke(other, 'get').value).toBe(METHOD.get);
    lent.revoke();
    expect(invoke(other, 'get').error).toMatchObject({ code: 'ERR_GRANT_REVOKED' });
    expect(account.received).toEqual([METHOD.get]);
  });

  it('does not revive what came through a grant that is dead by now', () => {
    const dying = grant();
    let arrived: Capability | null = null;
    object = new TestObject((incoming) => {
      arrived = incoming.params.capabilities[0]!.retain();
      incoming.params.release();
      incoming.return_(payload(1));
    });
    const account = new TestObject();
    const full = new Membrane(dying, NO_SERVICES).outward(account.capability());
    dying.revoke();
    invoke(out(new Membrane(grant(), NO_SERVICES), object), 'write', [full]);
    expect(invoke(arrived!, 'get').error).toMatchObject({ code: 'ERR_GRANT_REVOKED' });
    expect(account.received).toEqual([]);
  });

  it('does not unwrap what belongs to another domain', () => {
    let arrived: Capability | null = null;
    object = new TestObject((incoming) => {
      arrived = incoming.params.capabilities[0]!.retain();
      incoming.params.release();
      incoming.return_(payload(1));
    });
    const foreign = new Membrane(grant({}, null, 'elsewhere'), NO_SERVICES).outward(
      new TestObject().capability(),
    );
    invoke(out(new Membrane(grant(), NO_SERVICES), object), 'write', [foreign]);
    expect(arrived).toBeInstanceOf(MembranedCapability);
  });

  it('gives a holder its own object back, not a proxy of it', () => {
    object = new TestObject((incoming) => {
      const callback = incoming.params.capabilities[0]!.retain();
      incoming.params.release();
      incoming.return_(payload(1, [callback]));
    });
    const mine = new TestObject().capability();
    const facet = out(new Membrane(grant(READ_ONLY), NO_SERVICES), object);
    const outcome = invoke(facet, 'get', [mine.retain()]);
    expect(outcome.results!.capabilities[0]).toBe(mine);
  });

  it('fails the calls in flight when the grant is revoked, and cancels them at the target', () => {
    object = new TestObject(hold);
    const live = grant();
    const facet = out(new Membrane(grant({}, live), NO_SERVICES), object);
    const direct = out(new Membrane(live, NO_SERVICES), object);
    const outcome = invoke(direct, 'get');
    const pipelined = outcome.call.pipelined([0]);
    live.revoke();
    expect(outcome.error).toMatchObject({ type: 'failed', code: 'ERR_GRANT_REVOKED' });
    expect(invoke(pipelined, 'get').error).toMatchObject({ code: 'ERR_GRANT_REVOKED' });
    expect(invoke(facet, 'get').error).toMatchObject({ code: 'ERR_GRANT_REVOKED' });
    pipelined.release();
    expect(object.pending[0]!.canceled).toBe(true);
    object.pending[0]!.params.release();
    object.pending[0]!.return_(payload(1));
    outcome.call.finish();
  });

  it('lets go of what came through it when its grant dies, though its holder holds on', () => {
    const live = grant();
    const facet = out(new Membrane(live, NO_SERVICES), object);
    live.revoke();
    expect(object.alive).toBe(false);
    expect(invoke(facet, 'get').error).toMatchObject({ code: 'ERR_GRANT_REVOKED' });
    facet.release();
  });

  it('takes a call that still waits for its target out of the queue, though it is pipelined on', async () => {
    const promise = new QueuedCapability();
    const live = grant();
    const facet = new Membrane(live, NO_SERVICES).outward(promise.retain());
    const waiting = invoke(facet, 'get');
    const pipelined = waiting.call.pipelined([0]);
    const after = invoke(pipelined, 'get');
    live.revoke();
    promise.resolve(object.capability());
    await quiet();
    expect(object.received).toEqual([]);
    for (const { error } of [waiting, after]) expect(error).toMatchObject({ code: 'ERR_GRANT_REVOKED' });
  });

  it('breaks a promise that came through it, and tells whoever waits for it', () => {
    const promise = new QueuedCapability();
    const live = grant();
    const facet = new Membrane(live, NO_SERVICES).outward(promise.retain());
    let told = 0;
    facet.onResolution(() => told++);
    live.revoke();
    expect([told, settled(facet).brokenBy?.code]).toEqual([1, 'ERR_GRANT_REVOKED']);
    promise.resolve(object.capability());
    expect([told, settled(facet).brokenBy?.code]).toEqual([1, 'ERR_GRANT_REVOKED']);
  });

  it('ends the calls in flight when the grant expires, its own or one above it', async () => {
    object = new TestObject(hold);
    const above = grant({ expires: Date.now() + 60 });
    const facet = out(new Membrane(grant({}, above), NO_SERVICES), object);
    const outcome = invoke(facet, 'get');
    await expect.poll(() => outcome.error).toMatchObject({ code: 'ERR_GRANT_EXPIRED' });
    expect(object.pending[0]!.canceled).toBe(true);
    object.pending[0]!.params.release();
    object.pending[0]!.return_(payload(1));
    outcome.call.finish();
  });

  it('follows a promise across, and what it becomes is under the grant', async () => {
    const promise = new QueuedCapability();
    const facet = new Membrane(grant(READ_ONLY), NO_SERVICES).outward(promise.retain());
    const early = [invoke(facet, 'get'), invoke(facet, 'write')];
    promise.resolve(object.capability());
    const late = [invoke(facet, 'get'), invoke(facet, 'write')];
    await quiet();
    expect([...early, ...late].map(({ error, value }) => error?.code ?? value)).toEqual([
      METHOD.get,
      'ERR_GRANT_METHOD',
      METHOD.get,
      'ERR_GRANT_METHOD',
    ]);
    expect(facet.resolution).toBeInstanceOf(MembranedCapability);
  });

  it('lets go of everything when its holder does', () => {
    let idle = 0;
    const membrane = new Membrane(grant(), NO_SERVICES, () => {
      idle++;
    });
    const facet = out(membrane, object);
    const again = membrane.outward(object.capability());
    for (const capability of [facet, again]) capability.release();
    expect(object.alive).toBe(false);
    expect(idle).toBeGreaterThan(0);
  });
});
