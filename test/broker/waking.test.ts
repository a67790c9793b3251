import { beforeEach, describe, expect, it } from 'vitest';
import type { Home, Identity } from '../../broker/home.js';
import { WakingCapability } from '../../broker/waking.js';
import type { Capability } from '../../rpc/capability.js';
import { RpcError } from '../../rpc/error.js';
import { sturdySchema, sturdySchemaBytes } from '../../schema/index.js';
import { call, quiet, TestObject } from '../conformance/vats.js';

const IDENTITY: Identity = { object: 'alice', interfaceId: 1n, persistent: true };

/** A home whose objects are found when the test says so. */
class SlowHome implements Home {
  readonly id = 'home';
  readonly name = 'home';
  readonly graph = sturdySchema();
  readonly schema = sturdySchemaBytes();
  readonly asked: { object: string; give(found: Capability): void; fail(error: RpcError): void }[] = [];

  lane(): null {
    return null;
  }

  restore(object: string): Promise<Capability> {
    return new Promise((give, fail) => this.asked.push({ object, give, fail }));
  }

  async identify(): Promise<null> {
    return null;
  }
}

describe('what wakes a domain', () => {
  let home: SlowHome;
  let object: TestObject;
  let left: number;
  let waking: WakingCapability;

  beforeEach(() => {
    home = new SlowHome();
    object = new TestObject();
    left = 0;
    waking = new WakingCapability(home, IDENTITY, () => left++);
  });

  it('asks for its object once, lets what waits go on in order, and in front of what comes later', async () => {
    const early = [call(waking, 1), call(waking, 2)];
    expect([home.asked.length, waking.isWaking]).toEqual([1, true]);
    early.push(call(waking, 3));
    home.asked[0]!.give(object.capability());
    await quiet();
    early.push(call(waking, 4));
    await quiet();
    expect(home.asked.map(({ object: id }) => id)).toEqual(['alice']);
    expect(object.received).toEqual([1, 2, 3, 4]);
    expect(early.map(({ value }) => value)).toEqual([1, 2, 3, 4]);
    for (const outcome of early) outcome.call.finish();
    waking.release();
    expect([object.alive, left]).toEqual([false, 1]);
  });

  it('does not pass on what was cancelled while it waited', async () => {
    call(waking, 1).call.finish();
    const kept = call(waking, 2);
    home.asked[0]!.give(object.capability());
    await quiet();
    expect(object.received).toEqual([2]);
    kept.call.finish();
    waking.release();
  });

  it('holds nothing of its object while the domain sleeps, and asks for it again', async () => {
    call(waking, 1).call.finish();
    home.asked[0]!.give(object.capability());
    await quiet();
    waking.sleep();
    expect(object.alive).toBe(false);
    const again = new TestObject();
    const outcome = call(waking, 2);
    home.asked[1]!.give(again.capability());
    await quiet();
    expect([outcome.value, again.received]).toEqual([2, [2]]);
    outcome.call.finish();
    waking.release();
    expect(again.alive).toBe(false);
  });

  it('fails what waited where its object cannot be had, and asks again for the next call', async () => {
    const waited = [call(waking, 1), call(waking, 2)];
    home.asked[0]!.fail(new RpcError('disconnected', 'it cannot be started'));
    await quiet();
    for (const { error } of waited) expect(error?.message).toBe('it cannot be started');
    expect([waking.isWaking, waking.isGone]).toEqual([false, false]);
    const next = call(waking, 3);
    home.asked[1]!.give(object.capability());
    await quiet();
    expect(next.value).toBe(3);
    next.call.finish();
    waking.release();
    expect(object.alive).toBe(false);
  });

  it('that is let go while it asks keeps nothing of what comes', async () => {
    const outcome = call(waking, 1);
    outcome.call.finish();
    waking.release();
    expect(left).toBe(1);
    home.asked[0]!.give(object.capability());
    await quiet();
    expect([object.received, object.alive]).toEqual([[], false]);
  });

  it('is broken for good when it is told to be, in the middle of asking, too', async () => {
    const waiting = call(waking, 1);
    waking.break(new RpcError('disconnected', 'it was stopped'));
    home.asked[0]!.give(object.capability());
    const after = call(waking, 2);
    await quiet();
    expect([after.error?.message, waking.isGone, home.asked.length]).toEqual(['it was stopped', true, 1]);
    waiting.call.finish();
    waking.release();
    expect(object.alive).toBe(false);
  });
});
