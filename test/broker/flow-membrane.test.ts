/** Membranes with flow labels, by themselves: callbacks, and promises that are screened, let go of, or cut. */
import { describe, expect, it } from 'vitest';
import { Crossing, type Forbidden } from '../../broker/flow/crossing.js';
import { FlowPolicy } from '../../broker/flow/flow-policy.js';
import { LiveGrant } from '../../broker/live-grant.js';
import { Membrane, type MembraneServices } from '../../broker/membrane.js';
import { type Capability, settled } from '../../rpc/capability.js';
import { QueuedCapability } from '../../rpc/promised.js';
import { sturdySchema } from '../../schema/index.js';
import { call, payload, quiet, TestObject } from '../conformance/vats.js';
import { grantRow } from './grant-row.js';

const label = (level: string) => ({ level, categories: [] });

const policy = new FlowPolicy(
  {
    levels: ['low', 'mid', 'high', 'top'],
    categories: [],
    // High may have what top has; its holders low and mid may have what high has, and nothing of top's. Mid may pass it callbacks.
    allow: [
      { from: label('top'), to: label('high') },
      { from: label('high'), to: label('low') },
      { from: label('high'), to: label('mid') },
      { from: label('mid'), to: label('high') },
    ],
    clients: { certificates: {} },
  },
  { low: label('low'), mid: label('mid'), high: label('high'), top: label('top') },
);

/** Between a domain (inside) and a holder, each named by its label; what it refused is in `refused`. */
function membrane(inside: string, outside: string, refused: Forbidden[] = []) {
  const services: MembraneServices = {
    answers: () => false,
    conceals: () => false,
    serviceFor: () => {
      throw new Error('not asked for');
    },
    refused: () => {},
    crossing: () => new Crossing(policy, policy.ofDomain(inside)!, policy.ofDomain(outside)!),
    flowRefused: (_membrane, what) => refused.push(what),
  };
  const row = grantRow(`${inside} for ${outside}`, { domain: inside });
  const live = new LiveGrant(row, null, sturdySchema());
  return { live, refused, is: new Membrane(live, services) };
}

const invoke = (target: Capability, capabilities: readonly Capability[] = []) => {
  const told: { error: string | null; returned: boolean } = { error: null, returned: false };
  target
    .call(
      { interfaceId: 1n, methodId: 0, params: payload(1, capabilities) },
      {
        returned: () => {
          told.returned = true;
        },
        failed: ({ code }) => {
          told.error = code;
        },
      },
    )
    .finish();
  return told;
};

describe('a callback', () => {
  it('is not called with what its client may not have, and hears nothing of it', () => {
    const { is, refused } = membrane('high', 'mid');
    const client = new TestObject();
    const object = new TestObject();
    const callback = is.inward(client.capability());
    expect(invoke(callback).error).toBeNull();
    expect(invoke(callback, [membrane('top', 'high').is.outward(object.capability())]).error).toBe(
      'ERR_FLOW',
    );
    expect([client.received, object.alive]).toEqual([[1], false]);
    expect(refused.map(({ from, to }) => [from.text, to.text])).toEqual([['top', 'mid']]);
    callback.release();
    expect(is.inUse).toBe(false);
  });

  it('is not even passed where the labels say so, and the call with it is not made', () => {
    const { is, refused } = membrane('high', 'low');
    const object = new TestObject();
    const client = new TestObject();
    const facet = is.outward(object.capability());
    expect(invoke(facet, [client.capability()]).error).toBe('ERR_FLOW');
    expect([object.received, client.alive, refused.length]).toEqual([[], false, 1]);
    facet.release();
    expect(is.inUse).toBe(false);
  });
});

describe('a promise of a domain that may have more than its holder', () => {
  const screened = () => {
    const parts = membrane('high', 'low');
    const promise = new QueuedCapability();
    return { ...parts, promise, passed: parts.is.outward(promise.retain()) };
  };

  it('lets nothing through before it has resolved, and then everything in order', async () => {
    const { passed, promise, is } = screened();
    const object = new TestObject();
    const calls = [call(passed, 1), call(passed, 2)];
    expect(settled(passed)).toBe(passed);
    promise.resolve(object.capability());
    calls.push(call(passed, 3));
    await quiet();
    expect([object.received, calls.map(({ value }) => value)]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
    for (const each of calls) each.call.finish();
    passed.release();
    promise.release();
    expect([object.alive, is.inUse]).toEqual([false, false]);
  });

  it('breaks where it becomes what may not pass', () => {
    const { passed, promise, refused } = screened();
    const object = new TestObject();
    const waiting = call(passed, 1);
    promise.resolve(membrane('top', 'high').is.outward(object.capability()));
    expect([waiting.error?.code, call(passed, 2).error?.code]).toEqual(['ERR_FLOW', 'ERR_FLOW']);
    expect([object.received, refused.length]).toEqual([[], 1]);
    waiting.call.finish();
    passed.release();
    promise.release();
    expect(object.alive).toBe(false);
  });

  it('is let go of with its last holder, and with its grant', () => {
    const { passed, promise, is } = screened();
    passed.release();
    expect([is.inUse, promise.references]).toEqual([false, 1]);
    const cut = screened();
    const waiting = call(cut.passed, 1);
    cut.live.revoke();
    expect(waiting.error?.code).toBe('ERR_GRANT_REVOKED');
    expect([cut.is.inUse, cut.promise.references]).toEqual([false, 1]);
  });

  it('is passed on as it is where its holder may have all that its domain may have', () => {
    const { is } = membrane('top', 'high');
    const promise = new QueuedCapability();
    const passed = is.outward(promise.retain());
    const object = new TestObject();
    const early = call(passed, 1);
    promise.resolve(object.capability());
    expect(early.value).toBe(1);
    early.call.finish();
    passed.release();
  });
});

describe('the flow policy', () => {
  const of = (allow: ('upward' | 'downward')[]) => {
    const made = new FlowPolicy(
      { levels: ['low', 'high'], categories: ['x', 'y'], allow, clients: { certificates: {} } },
      {
        low: label('low'),
        high: label('high'),
        lowX: { level: 'low', categories: ['x'] },
        highXY: { level: 'high', categories: ['y', 'x'] },
      },
    );
    return (from: string, to: string) => made.permits(made.ofDomain(from)!, made.ofDomain(to)!);
  };

  it('lets capabilities pass between equal labels alone, if nothing else is said', () => {
    const permits = of([]);
    expect([
      permits('low', 'low'),
      permits('low', 'high'),
      permits('high', 'low'),
      permits('low', 'lowX'),
    ]).toEqual([true, false, false, false]);
  });

  it('lets them pass up, or down, to a label that dominates theirs or is dominated by it', () => {
    const [up, down] = [of(['upward']), of(['downward'])];
    expect([up('low', 'highXY'), up('lowX', 'highXY'), up('highXY', 'lowX'), up('lowX', 'high')]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([down('highXY', 'lowX'), down('lowX', 'highXY'), down('high', 'lowX')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
