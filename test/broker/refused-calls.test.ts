/** What the audit log tells of calls that a grant refuses: over a real connection, by a real broker. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AnyStub, asDelegable, type Client, ledgerGraph, only, Running } from './running.js';

const ACCOUNT = ledgerGraph.interface('Account');

let running: Running;
let operator: AnyStub;
let client: Client;
let account: AnyStub;
beforeAll(async () => {
  running = await Running.start();
  operator = await running.operator();
  client = await running.connect();
  const { ref } = await operator.mint!({ domain: 'ledger', object: '' });
  const ledger = await client.restore(ref.secret, ledgerGraph.interface('Ledger'));
  account = (await ledger.open!({ name: 'alice' })).account;
});
afterAll(() => running.stop());

/** A capability to the account under another grant, and the id of that. */
async function under(policy: object): Promise<{ narrowed: AnyStub; id: string }> {
  const { cap, grant } = await asDelegable(account).attenuate!({ policy });
  const { info } = await grant.info({});
  return { narrowed: (cap as AnyStub).as<AnyStub>(ACCOUNT), id: info.id };
}

/** The audit entries of refused calls of this grant, when there are so many. */
async function refusals(id: string, count: number): Promise<{ peer: string; detail: string; by: string }[]> {
  for (;;) {
    const { entries } = await operator.audit!({});
    const found = entries.filter((entry: { action: string; grant: string }) => {
      return entry.action === 'call.refuse' && entry.grant === id;
    });
    if (found.length >= count) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

it('they are told with the grant, who it was, how often, and why', async () => {
  const { narrowed, id } = await under({
    ...only('Account.balance', 'Account.deposit'),
    constraints: [
      {
        interface: ACCOUNT.id,
        method: 'deposit',
        field: ['cents'],
        measure: 'value',
        operator: 'atMost',
        values: [{ integer: 100n }],
      },
    ],
  });
  for (let i = 0; i < 3; i++)
    await expect(narrowed.withdraw!({ cents: 1n })).rejects.toThrow('does not allow');
  await expect(narrowed.deposit!({ cents: 101n })).rejects.toThrow('cents');
  await narrowed.balance!({});
  const told = await refusals(id, 2);
  expect(told.map(({ peer, by }) => [peer, by])).toEqual([
    ['unix', ''],
    ['unix', ''],
  ]);
  expect(told.map(({ detail }) => detail.replace(/since \S+:/, 'since then:'))).toEqual([
    '3 times since then: ERR_GRANT_METHOD',
    '1 time since then: ERR_GRANT_CONSTRAINT',
  ]);
});

it('so are those to save what may not be handed on, and those behind the revocation', async () => {
  const { narrowed, id } = await under({ delegable: false });
  await expect(asDelegable(narrowed).save!({})).rejects.toThrow('not delegable');
  const { grant } = await operator.grant!({ id });
  await grant.revoke({});
  await expect(narrowed.balance!({})).rejects.toThrow('was revoked');
  const told = await refusals(id, 2);
  expect(told.map(({ detail }) => detail.replace(/^.*: /, '')).sort()).toEqual([
    'ERR_GRANT_NOT_DELEGABLE',
    'ERR_GRANT_REVOKED',
  ]);
});
