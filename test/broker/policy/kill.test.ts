/** Counts of a broker that is killed: none comes back. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, delegable, type Operator, type Stub, type SturdyRef } from '../../../client/index.js';
import { SturdyRef as Ref } from '../../../client/sturdyref.js';
import { OwnBroker } from '../../../examples/ledger/own-broker.js';
import { sturdySchema } from '../../../schema/index.js';
import { ledgerGraph } from '../running.js';

const ACCOUNT = ledgerGraph.interface('Account');
const LIMIT = 1500;
/** Two blocks, of which a killed broker may have had one in use and one at hand; and what it had answered unheard. */
const LOST = 2 * Math.floor(LIMIT / 64);
const AT_ONCE = 32;

interface Account extends Stub {
  balance(params: object): Promise<{ cents: bigint }>;
}

let broker: OwnBroker;
let ref: SturdyRef;

beforeAll(async () => {
  broker = await OwnBroker.create();
  await broker.start();
  const operatorRef = await broker.operatorRef();
  const session = await connect(operatorRef);
  const operator = session.restore<Operator>(operatorRef, sturdySchema().interface('Operator'));
  const ledger = await operator.mint({ domain: 'ledger', object: '' });
  const books = session.restore<Stub & { open(params: object): Promise<unknown> }>(
    Ref.of(ledger.ref.secret, operatorRef.address),
    ledgerGraph.interface('Ledger'),
  );
  await books.open({ name: 'alice' });
  // The count is that of the parent; who calls holds a child.
  const parent = await operator.mint({
    domain: 'ledger',
    object: 'alice',
    policy: { maxCalls: BigInt(LIMIT) },
  });
  using object = session.restore<Account>(Ref.of(parent.ref.secret, operatorRef.address), ACCOUNT);
  using saving = delegable(object);
  const child = await saving.attenuate({ label: 'a child' });
  ref = Ref.of(child.ref.secret, operatorRef.address);
  session.close();
});
afterAll(() => broker.remove());

/** Calls until the broker is killed, or the calls are used up. Gives how many were answered, and the last refusal. */
async function callUntilTheEnd(killAfter: number): Promise<{ answered: number; refusal: string | null }> {
  const session = await connect(ref);
  let answered = 0;
  let refusal: string | null = null;
  try {
    const account = session.restore<Account>(ref, ACCOUNT);
    const worker = async () => {
      while (refusal === null) {
        try {
          await account.balance({});
          answered++;
          if (answered === killAfter) await broker.kill();
        } catch (error) {
          const { type, message } = error as { type?: string; message: string };
          if (type === 'disconnected') return;
          refusal = message;
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  } finally {
    session.close();
  }
  return { answered, refusal };
}

describe('the calls of a grant, in a broker that is killed again and again', () => {
  it('are never more than it allows, and few of them are lost', { timeout: 180_000 }, async () => {
    let answered = 0;
    let kills = 0;
    let refusal: string | null = null;
    while (refusal === null) {
      const round = await callUntilTheEnd(400 + Math.floor(Math.random() * 400));
      answered += round.answered;
      refusal = round.refusal;
      expect(answered).toBeLessThanOrEqual(LIMIT);
      if (refusal === null) {
        kills++;
        await broker.start();
      }
    }
    expect(refusal).toMatch(new RegExp(`^the grant's ${LIMIT} calls are used up \\([0-9a-z]{26}\\)$`));
    expect(kills).toBeGreaterThan(0);
    expect(answered).toBeGreaterThanOrEqual(LIMIT - kills * (LOST + AT_ONCE));
    // And used up they stay.
    await broker.kill();
    await broker.start();
    expect(await callUntilTheEnd(1)).toEqual({ answered: 0, refusal });
  });
});
