/** What the holder of the power over a grant can do, at a real broker. */

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { writtenConstraint } from '../../broker/policy/constraint.js';
import { constraintToWire } from '../../broker/policy/constraint-wire.js';
import { scanFolder } from '../store/built.js';
import {
  type AnyStub,
  asDelegable,
  type Client,
  ledgerGraph,
  only,
  Running,
  sturdy,
  testDomain,
} from './running.js';

// A broker is started again in some of them, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 });

const ACCOUNT = ledgerGraph.interface('Account');
const GRANT = sturdy.interface('Grant');
const NO_SUCH = { type: 'failed', message: 'no such reference' };
const REVOKED = /the grant was revoked \([0-9a-z]{26}\)/;

const eventually = (ask: () => unknown) => expect.poll(ask, { timeout: 20_000 });

let running: Running;
let client: Client;
let operator: AnyStub;

async function start(folder?: string): Promise<void> {
  running = await Running.start({ counter: testDomain('counter'), patient: testDomain('patient') }, folder);
  client = await running.connect();
  operator = await running.operator();
}

async function restart(): Promise<void> {
  await running.stop({ keep: true });
  await start(running.folder);
}

beforeAll(() => start());
afterAll(() => running.stop());

interface Given {
  readonly ref: { secret: Uint8Array };
  readonly grant: AnyStub;
  readonly id: string;
  readonly account: AnyStub;
}

/** A root grant to an account, with power over it. */
async function root(params: object = {}, domain = 'counter'): Promise<Given> {
  const { ref, grant } = await operator.mint({ domain, object: 'a', ...params });
  return { ref, grant, id: (await grant.info()).info.id, account: await client.restore(ref.secret, ACCOUNT) };
}

/** A child of it, minted by whoever has the object. */
async function child({ account }: Given, params: object = {}): Promise<Given> {
  const { ref, grant, cap } = await asDelegable(account).attenuate({ label: 'child', ...params });
  return { ref, grant, id: (await grant.info()).info.id, account: (cap as AnyStub).as<AnyStub>(ACCOUNT) };
}

const restored = ({ ref }: Given) => client.restore(ref.secret, ACCOUNT);
const refused = (method: string) => ({ message: `the grant does not allow Account.${method}` });
const soon = () => BigInt(Date.now() + 3_600_000);

describe('narrowing', () => {
  it('binds what is live and what comes, below the grant as well, also after a restart', async () => {
    const above = await root();
    const below = await child(above);
    const live = [above.account, below.account, await restored(above), await restored(below)];
    for (const each of live) await each.deposit({}, { signal: AbortSignal.timeout(20) }).catch(() => {});
    const { policy } = await above.grant.narrow({ policy: only('Account.balance', 'Account.statement') });
    expect(policy.methods.only).toEqual([{ interface: ACCOUNT.id, methods: ['balance', 'statement'] }]);
    for (const each of [...live, await restored(above), await restored(below)]) {
      expect((await each.balance()).cents).toBeGreaterThan(0n);
      await expect(each.deposit({})).rejects.toMatchObject(refused('deposit'));
    }
    // Narrowed again, it allows what both allow.
    await above.grant.narrow({ policy: only('Account.balance', 'Account.deposit') });
    await expect(below.account.statement({})).rejects.toMatchObject(refused('statement'));
    const before = (await above.grant.info()).info;
    expect(before.policy.methods.only).toEqual([{ interface: ACCOUNT.id, methods: ['balance'] }]);
    expect(before.bound.methods).toEqual({ all: null });
    await restart();
    for (const each of [await restored(above), await restored(below)]) {
      expect((await each.balance()).cents).toBeGreaterThan(0n);
      await expect(each.deposit({})).rejects.toMatchObject(refused('deposit'));
    }
    const { info } = await operator.grant({ id: above.id }).grant.info();
    expect([info.policy, info.bound]).toEqual([before.policy, before.bound]);
  });

  it('leaves the calls in flight, unless the grant is dead by it', async () => {
    const { grant, account, ...given } = await root({}, 'patient');
    const waiting = account.statement({});
    await eventually(async () => (await grant.info()).info.calls).toBe(1);
    await grant.narrow({ policy: only('Account.deposit') });
    await expect(account.statement({})).rejects.toMatchObject(refused('statement'));
    await account.deposit({});
    expect((await waiting).name).toBe('at last');
    await grant.extend({});
    const failed = expect(account.statement({})).rejects.toThrow('the grant has expired');
    await eventually(async () => (await grant.info()).info.calls).toBe(1);
    await grant.narrow({ policy: { expires: 1n } });
    await failed;
    await expect(account.balance()).rejects.toThrow('the grant has expired');
    await expect(client.gate.restore({ ref: given.ref })).rejects.toMatchObject(NO_SUCH);
    expect((await grant.info()).info.state).toBe('expired');
  });

  it('is refused by name for what the schema does not have, and for a grant that is revoked', async () => {
    const { grant } = await child(await root());
    const policy = { methods: { only: [{ interface: ACCOUNT.id, methods: ['embezzle'] }] } };
    await expect(grant.narrow({ policy })).rejects.toThrow('Account has no method embezzle');
    await expect(grant.extend({ policy })).rejects.toThrow('Account has no method embezzle');
    await grant.revoke();
    for (const method of ['narrow', 'extend', 'rotate', 'save', 'attenuate'])
      await expect(grant[method]!({})).rejects.toThrow('revoked');
  });
});

describe('constraints and counts', () => {
  const where = (...texts: string[]) => ({
    constraints: texts.map((text) => constraintToWire(writtenConstraint(text, ledgerGraph))),
  });
  const overCount = (count: number, { id }: Given) => ({
    message: `the grant's ${count} calls are used up (${id})`,
  });

  it('bind what is live when it is narrowed to them, and below it, also after a restart', async () => {
    const above = await root();
    const below = await child(above);
    const live = [above.account, below.account, await restored(below)];
    const many = (each: AnyStub) => each.statement({ page: { limit: 9 } });
    for (const each of live) await expect(many(each)).rejects.toThrow('there is no statement here');
    const { policy } = await above.grant.narrow({ policy: where('Account.statement.page.limit<=5') });
    expect(policy.constraints).toHaveLength(1);
    await below.grant.narrow({ policy: where('Account.statement.page.limit>=2') });
    for (const each of live) {
      await expect(many(each)).rejects.toMatchObject({ message: expect.stringContaining('limit') });
      await expect(each.statement({ page: { limit: 3 } })).rejects.toThrow('there is no statement here');
      expect((await each.balance()).cents).toBeGreaterThan(0n);
    }
    await expect(below.account.statement({ page: { limit: 1 } })).rejects.toThrow(
      'allows Account.statement only where',
    );
    const described = await asDelegable(below.account).describe();
    expect(described.policy.constraints).toHaveLength(2);
    await restart();
    const again = await restored(below);
    for (const limit of [1, 9])
      await expect(again.statement({ page: { limit } })).rejects.toThrow(
        'allows Account.statement only where',
      );
    await expect(again.statement({ page: { limit: 3 } })).rejects.toThrow('there is no statement here');
  });

  it('hold a live grant to a smaller count, and no extension gives a call back', async () => {
    const above = await root();
    const given = await child(above, { policy: { maxCalls: 6n } });
    const { account, grant } = given;
    for (let i = 0; i < 3; i++) await account.balance();
    await grant.narrow({ policy: { maxCalls: 4n } });
    await account.balance();
    await expect(account.balance()).rejects.toMatchObject(overCount(4, given));
    await grant.narrow({ policy: { maxCalls: 2n } });
    await expect(account.balance()).rejects.toMatchObject(overCount(2, given));
    // Within the bound, whatever is asked for: of six, two are left.
    expect((await grant.extend({ policy: { maxCalls: 1000n } })).policy.maxCalls).toBe(6n);
    for (let i = 0; i < 2; i++) await (await restored(given)).balance();
    await expect(account.balance()).rejects.toMatchObject(overCount(6, given));
    await grant.extend({});
    await expect(account.balance()).rejects.toMatchObject(overCount(6, given));
    // From above there may be more: of eight, two.
    const { grant: fromAbove } = await above.grant.child({ id: given.id });
    await fromAbove.extend({ policy: { maxCalls: 8n } });
    await restart();
    const again = await restored(given);
    for (let i = 0; i < 2; i++) await again.balance();
    await expect(again.balance()).rejects.toMatchObject(overCount(8, given));
  });

  it('of counts say how much is left of them, which is no more after a restart', async () => {
    const given = await child(await root(), { policy: { maxCalls: 200n, maxBytes: 1_000_000n } });
    const left = async (grant = given.grant) => (await grant.info()).info;
    expect(await left()).toMatchObject({ callsLeft: 200n, bytesLeft: 1_000_000n });
    for (let i = 0; i < 5; i++) await given.account.balance();
    const { callsLeft, bytesLeft } = await left();
    expect(callsLeft).toBe(195n);
    expect(bytesLeft).toBeLessThan(1_000_000n);
    await given.grant.narrow({ policy: { maxCalls: 3n } });
    expect(await left()).toMatchObject({ callsLeft: 0n });
    await given.grant.extend({});
    expect(await left()).toMatchObject({ callsLeft: 195n, bytesLeft });
    await restart();
    const { grant } = await operator.grant({ id: given.id });
    const after = await left(grant);
    // What was reserved and not used is lost: two blocks of 3 at most.
    expect(after.callsLeft).toBeLessThanOrEqual(195n);
    expect(after.callsLeft).toBeGreaterThanOrEqual(189n);
    expect(after.bytesLeft).toBeLessThanOrEqual(bytesLeft);
    // Where nothing is counted, nothing is said.
    expect((await (await root()).grant.info()).info).toMatchObject({ callsLeft: 0n, bytesLeft: 0n });
  });

  it('of one that was not counted bind what is live below it too', async () => {
    const above = await root();
    const below = await child(await child(above));
    await below.account.balance();
    await above.grant.narrow({ policy: { maxCalls: 2n } });
    await below.account.balance();
    await above.account.balance();
    await expect(below.account.balance()).rejects.toMatchObject(overCount(2, above));
  });

  it('are refused where they come to more than a policy may say', async () => {
    const { grant, account } = await root();
    const rate = (calls: number) => ({ calls, perMillis: 1000, burst: calls });
    for (const calls of [1001, 1002, 1003, 1004]) await grant.narrow({ policy: { rates: [rate(calls)] } });
    await expect(grant.narrow({ policy: { rates: [rate(1005)] } })).rejects.toThrow('5 rates; at most 4');
    expect((await grant.info()).info.policy.rates).toHaveLength(4);
    await account.balance();
  });

  it('are in the audit log with who amended, over which connection, and in the store that is checked', async () => {
    const given = await root({ once: true }).catch(() => null);
    expect(given).not.toBeNull();
    const { grant, id } = given!;
    await grant.narrow({ policy: { maxCalls: 5n } });
    await grant.extend({ policy: {} });
    const other = await root();
    await other.grant.rotate({ overlap: 10_000 });
    await operator.grant({ id: other.id }).grant.revoke({ drain: 1000 });
    const { last } = await operator.audit({ limit: 1 });
    const { entries } = await operator.audit({ after: last > 40n ? last - 40n : 0n });
    type Told = { action: string; grant: string; by: string; peer: string };
    const of = (wanted: string) =>
      entries
        .filter((each: Told) => each.grant === wanted)
        .map(({ action, by, peer }: Told) => [action, by, peer]);
    const peer = expect.stringMatching(/^(unix|tcp 127\.0\.0\.1).*, connection \d+$/);
    expect(of(id)).toEqual([
      ['grant.mint', 'operator', peer],
      ['grant.use', 'gate', peer],
      ['grant.narrow', `grant ${id}`, peer],
      ['grant.extend', `grant ${id}`, peer],
    ]);
    expect(of(other.id)).toEqual([
      ['grant.mint', 'operator', peer],
      ['grant.rotate', `grant ${other.id}`, peer],
      ['grant.revoke', 'operator', peer],
    ]);
    await running.stop({ keep: true });
    const { records } = await scanFolder(join(running.folder, 'data'));
    expect(records['amendments']).toBeGreaterThan(1);
    await start(running.folder);
  });
});

describe('extending', () => {
  it('gives back what was narrowed, and never more than the grant was minted with', async () => {
    const above = await root();
    const { grant, account, ref } = await child(above, {
      policy: { ...only('Account.balance', 'Account.statement'), expires: soon() },
    });
    const minted = (await grant.info()).info.policy;
    await grant.narrow({ policy: { ...only('Account.balance'), expires: 1n } });
    await expect(client.gate.restore({ ref })).rejects.toMatchObject(NO_SUCH);
    const { policy } = await grant.extend({ policy: { expires: soon() + 1_000_000n } });
    expect(policy).toEqual(minted);
    expect((await grant.info()).info).toMatchObject({ state: 'live', policy: minted, bound: minted });
    const again = await client.restore(ref.secret, ACCOUNT);
    await expect(again.statement({})).rejects.toThrow('there is no statement here');
    await expect(again.deposit({})).rejects.toMatchObject(refused('deposit'));
    // What died when it expired stays dead: only the reference is good again.
    await expect(account.balance()).rejects.toThrow('the grant has expired');
  });

  it('goes further for the holder of the power over the parent, but not further than the parent', async () => {
    const above = await root({ policy: only('Account.balance', 'Account.statement') });
    const { grant, account, id } = await child(above, { policy: only('Account.balance') });
    const all = only('Account.balance', 'Account.statement', 'Account.deposit');
    await grant.extend({ policy: all });
    await expect(account.statement({})).rejects.toMatchObject(refused('statement'));
    const fromAbove = above.grant.child({ id }).grant;
    await fromAbove.extend({ policy: all });
    await expect(account.statement({})).rejects.toThrow('there is no statement here');
    await expect(account.deposit({})).rejects.toMatchObject(refused('deposit'));
    // The bound is the holder's from then on.
    await grant.narrow({ policy: only('Account.balance') });
    await expect(account.statement({})).rejects.toMatchObject(refused('statement'));
    await grant.extend({ policy: all });
    await expect(account.statement({})).rejects.toThrow('there is no statement here');
  });

  it('does not undo what was narrowed from above', async () => {
    const above = await root();
    const { grant, account, id } = await child(above);
    await above.grant.child({ id }).grant.narrow({ policy: only('Account.balance') });
    expect((await grant.extend({})).policy.methods.only).toEqual([
      { interface: ACCOUNT.id, methods: ['balance'] },
    ]);
    await expect(account.deposit({})).rejects.toMatchObject(refused('deposit'));
    await restart();
    const operators = operator.grant({ id }).grant;
    expect((await operators.info()).info.bound.methods.only).toEqual([
      { interface: ACCOUNT.id, methods: ['balance'] },
    ]);
    await operators.extend({});
    expect((await operators.info()).info.bound.methods).toEqual({ all: null });
  });

  it('is from above for direct children only', async () => {
    const above = await root();
    const below = await child(await child(above));
    await expect(above.grant.child({ id: below.id })).rejects.toThrow(`has no child "${below.id}"`);
    await expect(below.grant.child({ id: above.id })).rejects.toThrow(`has no child "${above.id}"`);
    await expect(above.grant.child({ id: '' })).rejects.toThrow('has no child ""');
  });
});

describe('rotating', () => {
  it('makes another secret, with which the old one overlaps for a while', async () => {
    const { grant, ref, account } = await root();
    const { ref: next } = await grant.rotate({ overlap: 600_000 });
    for (const { secret } of [ref, next]) await client.restore(secret, ACCOUNT);
    expect((await grant.info()).info.overlap).toBeGreaterThan(BigInt(Date.now()));
    await restart();
    for (const { secret } of [ref, next]) await client.restore(secret, ACCOUNT);
    const { id } = await asDelegable(await client.restore(ref.secret, ACCOUNT))
      .describe({})
      .then(({ grant: named }: { grant: string }) => ({ id: named }));
    const { ref: last } = await operator.grant({ id }).grant.rotate({ overlap: 1 });
    await eventually(() =>
      client.gate.restore({ ref: next }).then(
        () => null,
        (error: object) => error,
      ),
    ).toMatchObject(NO_SUCH);
    await expect(client.gate.restore({ ref })).rejects.toMatchObject(NO_SUCH);
    const live = await client.restore(last.secret, ACCOUNT);
    await operator.grant({ id }).grant.rotate({});
    await expect(client.gate.restore({ ref: last })).rejects.toMatchObject(NO_SUCH);
    // What was restored stays live.
    expect((await live.balance()).cents).toBeGreaterThan(0n);
    account[Symbol.dispose]();
  });

  it('is no way around a revocation, and says so where there is no reference', async () => {
    const above = await root();
    const { grant } = await child(above);
    await above.grant.revoke();
    await expect(grant.rotate({})).rejects.toThrow('revoked');
  });
});

describe('a reference that restores once', () => {
  it('is had from the operator, by attenuating and by saving, and only one of many gets the object', async () => {
    const given = await root();
    const { grant: power } = given;
    const kinds = [
      (await operator.mint({ domain: 'counter', object: 'a', once: true })).ref,
      (await child(given, { once: true })).ref,
      (await power.attenuate({ once: true })).ref,
      (await asDelegable(given.account).saveOnce({})).sturdyRef,
    ];
    for (const ref of kinds) {
      const clients = await Promise.all(Array.from({ length: 4 }, () => running.connect()));
      const results = await Promise.allSettled(
        [...clients, ...clients].map(({ gate }) => gate.restore({ ref }) as Promise<{ cap: AnyStub }>),
      );
      const won = results.filter((result) => result.status === 'fulfilled');
      expect(won).toHaveLength(1);
      for (const lost of results.filter((result) => result.status === 'rejected'))
        expect(lost.reason).toMatchObject(NO_SUCH);
      const { cap } = (won[0] as PromiseFulfilledResult<{ cap: AnyStub }>).value;
      expect((await cap.as<AnyStub>(ACCOUNT).balance()).cents).toBeGreaterThan(0n);
    }
  });

  it('is used up on disk, and what was restored by it can be saved', async () => {
    const { ref, grant } = await operator.mint({ domain: 'counter', object: 'a', once: true });
    const { id, reference } = (await grant.info()).info;
    expect(reference).toBe('once');
    const got = await client.restore(ref.secret, ACCOUNT);
    const { sturdyRef: own } = await asDelegable(got).save({});
    expect((await grant.info()).info).toMatchObject({ reference: 'used', state: 'live' });
    await expect(grant.rotate({})).rejects.toThrow('was used up');
    await restart();
    await expect(client.gate.restore({ ref })).rejects.toMatchObject(NO_SUCH);
    await client.restore(own.secret, ACCOUNT);
    const entries = (await operator.grant({ id }).grant.info()).info;
    expect(entries).toMatchObject({ reference: 'used', children: 1 });
  });

  it('restores once by all of its secrets together', async () => {
    const { ref, grant } = await operator.mint({ domain: 'counter', object: 'a', once: true });
    const { ref: next } = await grant.rotate({ overlap: 600_000 });
    const results = await Promise.allSettled([ref, next].map((each) => client.gate.restore({ ref: each })));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('the power over a grant', () => {
  it('can be saved, and is restored as what it was, also after a restart', async () => {
    const above = await root();
    const { grant, account, id } = await child(above, {
      policy: { ...only('Account.balance'), delegable: false },
    });
    const { sturdyRef } = await grant.save({});
    await restart();
    const power = await client.restore(sturdyRef.secret, GRANT);
    expect((await power.info()).info).toMatchObject({ id, state: 'live', children: 1 });
    const { ref } = await power.rotate({});
    const facet = await client.restore(ref.secret, ACCOUNT);
    await power.narrow({ policy: only() });
    await expect(facet.balance()).rejects.toMatchObject(refused('balance'));
    await expect(power.attenuate({ label: 'x' })).rejects.toThrow('not delegable');
    await power.narrow({ policy: { expires: 1n } });
    // It is not bound by what binds the object: not by its methods, nor its expiry, nor that it is not delegable.
    const again = await client.restore((await asDelegable(power).save({})).sturdyRef.secret, GRANT);
    await again.extend({});
    expect((await again.info()).info.state).toBe('live');
    // The call that revokes is not cut by it, and the drain does not wait for it.
    expect(await power.revoke({ drain: 600_000 })).toEqual({ revoked: 3, cut: 0, ended: false });
    await expect(again.info()).rejects.toThrow(REVOKED);
    await expect(client.gate.restore({ ref: sturdyRef })).rejects.toMatchObject(NO_SUCH);
    account[Symbol.dispose]();
  });

  it('is a grant of its own kind, which dies with the grant, and before it if it is revoked', async () => {
    const { grant, id, account } = await root();
    // Not the operator's own, which is under the grant of the operator: that of whoever minted a child.
    const below = await child({ grant, id, account } as Given);
    const saved = await Promise.all([1, 2].map(async () => (await below.grant.save({})).sturdyRef));
    const [first, second] = (await Promise.all(saved.map((ref) => client.restore(ref.secret, GRANT)))) as [
      AnyStub,
      AnyStub,
    ];
    const { grant: named } = await asDelegable(first).describe({});
    const { info } = await operator.grant({ id: named }).grant.info();
    expect(info).toMatchObject({
      kind: 'power',
      parent: below.id,
      domain: 'sturdy',
      object: `grant:${below.id}`,
    });
    // Power over a power is had from above.
    await below.grant.child({ id: named }).grant.revoke({});
    await expect(first.info()).rejects.toThrow(REVOKED);
    expect((await second.info()).info.state).toBe('live');
    expect(await below.account.balance()).toBeDefined();
    await grant.revoke();
    await expect(second.info()).rejects.toThrow(REVOKED);
    for (const ref of saved) await expect(client.gate.restore({ ref })).rejects.toMatchObject(NO_SUCH);
  });

  it('can be attenuated, and handed over once', async () => {
    const below = await child(await root());
    const power = await client.restore((await below.grant.save({})).sturdyRef.secret, GRANT);
    const policy = { methods: { only: [{ interface: GRANT.id, methods: ['info'] }] } };
    const { ref } = await asDelegable(power).attenuate({ policy, label: 'only to look', once: true });
    const look = await client.restore(ref.secret, GRANT);
    expect((await look.info()).info.id).toBe(below.id);
    for (const method of ['revoke', 'narrow', 'extend', 'rotate', 'attenuate'])
      await expect(look[method]!({})).rejects.toThrow(`the grant does not allow Grant.${method}`);
    await expect(client.gate.restore({ ref })).rejects.toMatchObject(NO_SUCH);
  });

  it('that is saved has the standing that it had: what a child holds is not from above', async () => {
    const above = await root();
    const { grant, id } = await child(above, { policy: only('Account.balance') });
    const own = await client.restore((await grant.save({})).sturdyRef.secret, GRANT);
    expect((await own.extend({})).policy.methods.only).toHaveLength(1);
    const fromAbove = above.grant.child({ id }).grant;
    const saved = await client.restore((await asDelegable(fromAbove).save({})).sturdyRef.secret, GRANT);
    expect((await saved.extend({})).policy.methods).toEqual({ all: null });
  });
});

describe('revoking', () => {
  it('cancels the calls in flight at the domain, and tells the callers why', async () => {
    const { account } = await root({}, 'patient');
    const { grant, account: lent, id } = await child({ account } as Given);
    const before = (await account.balance()).cents;
    const waiting = [lent.statement({}), lent.watch({})];
    const failed = waiting.map((each) =>
      expect(each).rejects.toMatchObject({ type: 'failed', message: `the grant was revoked (${id})` }),
    );
    await eventually(async () => (await grant.info()).info.calls).toBe(2);
    expect(await grant.revoke({})).toEqual({ revoked: 1, cut: 0, ended: false });
    await Promise.all(failed);
    await eventually(async () => (await account.balance()).cents).toBe(before + 2n);
  });

  it('with a drain lets what is in flight end, begins nothing else, and answers when it has', async () => {
    const { account } = await root({}, 'patient');
    const lender = await child({ account } as Given);
    const { account: lent } = await child(lender);
    const before = (await account.balance()).cents;
    const [statement, watch] = [lent.statement({}), lent.watch({})];
    await eventually(async () => (await operator.tree({ id: lender.id })).nodes.length).toBe(2);
    await eventually(async () =>
      (await operator.tree({ id: lender.id })).nodes.map(({ info }: AnyStub) => info.calls),
    ).toEqual([0, 2]);
    let answered = false;
    const revoked = lender.grant.revoke({ drain: 600_000 }).then((answer: object) => {
      answered = true;
      return answer;
    });
    await eventually(async () => (await lender.grant.info()).info.state).toBe('revoked');
    await expect(lent.balance()).rejects.toThrow(REVOKED);
    await expect(lender.account.balance()).rejects.toThrow(REVOKED);
    expect(answered).toBe(false);
    await account.deposit({});
    expect((await statement).name).toBe('at last');
    // What came with it is not to be used.
    await expect((await watch).watch.stop()).rejects.toThrow(REVOKED);
    expect(await revoked).toEqual({ revoked: 2, cut: 0, ended: false });
    expect((await account.balance()).cents).toBe(before);
  });

  it('with a drain cuts what has not ended in time; only the operator ends the domain by it', async () => {
    const { account } = await root({}, 'patient');
    const { grant, account: lent } = await child({ account } as Given);
    const before = (await account.balance()).cents;
    const waiting = lent.statement({});
    const failed = expect(waiting).rejects.toThrow(REVOKED);
    await eventually(async () => (await grant.info()).info.calls).toBe(1);
    expect(await grant.revoke({ drain: 20 })).toEqual({ revoked: 1, cut: 1, ended: false });
    await failed;
    await eventually(async () => (await account.balance()).cents).toBe(before + 1n);
    const other = await child({ account } as Given);
    const gone = expect(other.account.statement({})).rejects.toThrow(REVOKED);
    await eventually(async () => (await other.grant.info()).info.calls).toBe(1);
    const answer = await operator.grant({ id: other.id }).grant.revoke({ drain: 20 });
    expect(answer).toEqual({ revoked: 1, cut: 1, ended: true });
    await gone;
    const { domains } = await operator.domains();
    expect(domains.find(({ name }: { name: string }) => name === 'patient')).toMatchObject({
      state: 'stopped',
      detail: `calls on the grant ${other.id}, which was revoked, did not end within 20 ms`,
    });
  });

  it('without one ends a drain that is under way, and refuses one that is too long', async () => {
    const { account } = await root({}, 'patient');
    const { grant, account: lent } = await child({ account } as Given);
    const failed = expect(lent.statement({})).rejects.toThrow(REVOKED);
    await eventually(async () => (await grant.info()).info.calls).toBe(1);
    await expect(grant.revoke({ drain: 600_001 })).rejects.toThrow('at most 600000');
    const draining = grant.revoke({ drain: 600_000 });
    await eventually(async () => (await grant.info()).info.state).toBe('revoked');
    expect(await grant.revoke({})).toMatchObject({ revoked: 0 });
    await failed;
    expect(await draining).toEqual({ revoked: 1, cut: 0, ended: false });
  });
});

describe('the tree', () => {
  it('shows who holds what from whom, with what is live of it, page by page', async () => {
    const top = await root({ label: 'top' });
    const left = await child(top, { label: 'left' });
    // Within a millisecond, their order is nobody's choice.
    await new Promise((resolve) => setTimeout(resolve, 2));
    const right = await child(top, { label: 'right' });
    const leaf = await child(left, { label: 'leaf', policy: only('Account.balance') });
    const waiting = leaf.account
      .balance()
      .then(() => right.account.deposit({}, { signal: AbortSignal.timeout(60_000) }));
    waiting.catch(() => {});
    await eventually(async () => (await right.grant.info()).info.calls).toBe(1);
    const nodes: AnyStub[] = [];
    for (;;) {
      const page = await operator.tree({ id: top.id, after: nodes.at(-1)?.info.id ?? '', limit: 1 });
      if (page.nodes.length === 0) break;
      expect(page.nodes).toHaveLength(1);
      nodes.push(...page.nodes);
    }
    expect(nodes.map(({ depth, info }) => [depth, info.label, info.capabilities, info.calls])).toEqual([
      [0, 'top', 1, 0],
      [1, 'left', 1, 0],
      [2, 'leaf', 1, 0],
      [1, 'right', 1, 1],
    ]);
    expect((await operator.tree({ id: top.id })).nodes).toEqual(nodes);
    await right.grant.revoke({});
    await left.account[Symbol.dispose]();
    const states = (await operator.tree({ id: top.id })).nodes.map(({ info }: AnyStub) => info.state);
    expect(states).toEqual(['live', 'live', 'live', 'revoked']);
    await expect(operator.tree({ id: 'nonsense' })).rejects.toThrow('there is no grant "nonsense"');
  });
});
