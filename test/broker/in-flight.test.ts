import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AnyStub, LEDGER_DOMAIN, ledgerGraph, Running } from './running.js';

const LEDGER = ledgerGraph.interface('Ledger');
const FOR_ALL = 20;
const FOR_EACH = 8;

let running: Running;
beforeAll(async () => {
  running = await Running.start({ ledger: { ...LEDGER_DOMAIN, limits: { callsInFlight: FOR_ALL } } });
});
afterAll(() => running.stop());

async function account(secret: Uint8Array): Promise<AnyStub> {
  const ledger = await (await running.connect()).restore(secret, LEDGER);
  return (await ledger.open({ name: 'alice' })).account;
}

describe('the calls in flight of a domain', () => {
  it('are bounded for whoever makes many, and the others have theirs', async () => {
    const operator = await running.operator();
    const { ref } = await operator.mint({ domain: 'ledger', object: '' });
    const [greedy, modest] = [await account(ref.secret), await account(ref.secret)];
    const given = Array.from({ length: FOR_ALL + FOR_EACH }, () => new AbortController());
    const waiting = given.map(({ signal }) => greedy.next({ after: 1000 }, { signal }));
    for (const each of waiting) each.catch(() => {});
    await expect(greedy.balance()).rejects.toMatchObject({
      type: 'overloaded',
      message: 'domain ledger has as many calls in flight as it may (limits.callsInFlight)',
    });
    expect(await modest.balance()).toEqual({ cents: 0n });
    // What is cancelled is in flight no more.
    for (const each of given) each.abort();
    await expect.poll(() => greedy.balance().then(String, () => null)).not.toBeNull();
    await Promise.all(Array.from({ length: FOR_EACH }, () => modest.balance()));
  });
});
