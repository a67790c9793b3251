/**
 * What `npm run tour` runs: everything that the broker does, shown step by step against a broker of its own, which it
 * kills without warning on the way. Ends by itself; a step with another outcome than it should have ends it with exit
 * code 1.
 */

import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type BrokerSession,
  connect,
  type Delegable,
  type Grant,
  type Operator,
  SturdyRef,
} from '../../client/index.js';
import { sturdySchema } from '../../schema/index.js';
import { OwnBroker } from './own-broker.js';
import { EXAMPLE, exampleSchema } from './place.js';
import { money } from './posting.js';
import type { Entry } from './record.js';
import type { Account, Ledger, Statement } from './stubs.js';
import { book, readTransactions } from './transactions.js';

const types = exampleSchema();
const protocol = sturdySchema();
const LEDGER = types.interface('Ledger');
const ACCOUNT = types.interface('Account');
const DELEGABLE = protocol.interface('Delegable');

let steps = 0;

/** Does one step and prints it with its outcome. */
async function step(title: string, work: () => Promise<string>): Promise<void> {
  steps += 1;
  process.stdout.write(`${`${steps}`.padStart(2)}  ${title}\n`);
  const outcome = await work();
  process.stdout.write(`      ${outcome.trimEnd().replaceAll('\n', '\n      ')}\n`);
}

/** The message with which a call is refused. Anything else is a wrong outcome. */
async function refused(call: PromiseLike<unknown>, because: string): Promise<string> {
  const error = await call.then(
    () => undefined,
    (reason: Error) => reason,
  );
  if (!error) throw new Error(`it was allowed; it must be refused: ${because}`);
  if (!error.message.includes(because)) {
    throw new Error(`it was refused with "${error.message}"; must be with: ${because}`);
  }
  return `refused: ${error.message}`;
}

async function tour(broker: OwnBroker): Promise<void> {
  await step('start a broker with two domains: ledger (trusted) and statement (not)', async () => {
    await broker.start();
    return `it listens on ${broker.socket} and on 127.0.0.1:${broker.port}`;
  });

  const operatorRef = await broker.operatorRef();
  const address = operatorRef.address;
  let session: BrokerSession = await connect(operatorRef);
  const operator = () => session.restore<Operator>(operatorRef, protocol.interface('Operator'));
  const mint = async (domain: string, object: string, label: string) => {
    const minted = await operator().mint({ domain, object, label });
    return { ref: SturdyRef.of(minted.ref.secret, address), grant: minted.grant };
  };

  // ---- References and calls. ----

  let ledgerRef = operatorRef;
  await step('mint: the operator makes a reference to the ledger', async () => {
    ({ ref: ledgerRef } = await mint('ledger', '', 'tour: ledger'));
    return `${ledgerRef}`;
  });

  let ledger = session.restore<Ledger>(ledgerRef, LEDGER);
  await step('restore it, and call: open accounts and book the transactions of a file', async () => {
    const transactions = await readTransactions(join(EXAMPLE, 'transactions.csv'));
    const accounts = await book(ledger, transactions);
    return `${transactions.length} transactions booked on ${accounts.size} accounts`;
  });

  await step('pipeline: find an account and ask for its balance, in one round trip', async () => {
    const { cents } = await ledger.find({ name: 'alice' }).account.balance({});
    assert.equal(cents, 360_065n);
    return `alice has ${money(cents)}`;
  });

  let aliceRef = operatorRef;
  let alice = session.restore<Account>(ledgerRef, ACCOUNT);
  const bob = ledger.find({ name: 'bob' }).account;
  await step(
    "mint a reference to one object, alice's account, and pass it in a call: a transfer",
    async () => {
      ({ ref: aliceRef } = await mint('ledger', 'alice', 'tour: alice'));
      alice = session.restore<Account>(aliceRef, ACCOUNT);
      const { entry } = await ledger.transfer({ from: alice, to: bob, cents: 1_065n, memo: 'Lunch' });
      assert.equal(entry.balance, 359_000n);
      return `entry ${entry.number}: sent ${money(-entry.cents)} to bob, alice has ${money(entry.balance)} left`;
    },
  );

  await step('pass a callback: the ledger holds it past the call and tells of each entry', async () => {
    const told: Entry[] = [];
    const watcher = {
      async booked({ entry }: { entry: Entry }) {
        told.push(entry);
        return {};
      },
    };
    const { watch } = await alice.watch({ watcher });
    await ledger.transfer({ from: bob, to: alice, cents: 1_000n, memo: 'My half' });
    for (let waits = 0; told.length === 0 && waits < 100; waits += 1) await pause(20);
    await watch.stop({});
    assert.equal(told.length, 1);
    return `called back: ${told[0]!.kind} ${money(told[0]!.cents)}, "${told[0]!.memo}"`;
  });

  // ---- Less authority. ----

  let readerRef = operatorRef;
  let readerGrant: Grant | undefined;
  let reader = alice;
  await step('attenuate: from the account, make a reference that can only read it', async () => {
    const only = [{ interface: ACCOUNT.id, methods: ['balance', 'statement', 'next'] }];
    const minted = await alice.as<Delegable>(DELEGABLE).attenuate({
      policy: { methods: { only } },
      label: 'tour: alice, read-only',
    });
    readerRef = SturdyRef.of(minted.ref.secret, address);
    readerGrant = minted.grant;
    reader = session.restore<Account>(readerRef, ACCOUNT);
    return `with it: alice has ${money((await reader.balance({})).cents)}`;
  });

  await step('write with it', () => refused(reader.withdraw({ cents: 1n }), 'not allow'));

  await step('pass it to the ledger, which made the account, as the payer of a transfer', () =>
    refused(ledger.transfer({ from: reader, to: bob, cents: 1n }), 'does not allow Account.withdraw'),
  );

  await step('withdraw more than there is: an exception of the ledger itself', () =>
    refused(alice.withdraw({ cents: 10n ** 12n }), 'does not hold 10000000000.00'),
  );

  // ---- Code that is not trusted. ----

  const { ref: statementRef } = await mint('statement', '', 'tour: statement');
  const statement = session.restore<Statement>(statementRef, types.interface('Statement'));
  await step('the plugin, handlebars from npm, renders the one account that it may read', async () => {
    const { document } = await statement.render({ format: 'text', limit: 5 });
    assert.ok('text' in document);
    assert.match(document.text, /Balance 3600\.00/);
    return document.text;
  });

  await step(
    'the plugin tries to get out: to the file system, the process, the network, the money',
    async () => {
      const { attempts } = await statement.attempts({});
      const escaped = attempts.filter(({ outcome }) => !('refused' in outcome));
      assert.deepEqual(escaped, []);
      assert.equal((await alice.balance({})).cents, 360_000n);
      return attempts.map(({ name, outcome }) => `${name}: ${Object.values(outcome)[0]}`).join('\n');
    },
  );

  // ---- Taking it back. ----

  await step('revoke the read-only reference while a call on it waits', async () => {
    const { entries } = await alice.statement({ page: { limit: 1 } });
    const waiting = reader.next({ after: entries[0]!.number });
    const outcome = refused(waiting, 'the grant was revoked');
    await pause(100);
    const { revoked } = await readerGrant!.revoke({});
    assert.equal(revoked, 1);
    return `${revoked} grant died; the waiting call was ${await outcome}`;
  });

  await step('call with it again', () => refused(reader.balance({}), 'the grant was revoked'));

  await step('restore it again', () =>
    refused(session.restore<Account>(readerRef, ACCOUNT).balance({}), 'no such reference'),
  );

  // ---- Crashes. ----

  await step(
    "kill -9 the process that the ledger's domain runs in, and use the same reference again",
    async () => {
      const killed = (await domain(operator(), 'ledger')).hostPid;
      process.kill(killed, 'SIGKILL');
      const broken = await refused(broke(alice), '');
      alice = session.restore<Account>(aliceRef, ACCOUNT);
      const { cents } = await alice.balance({});
      assert.equal(cents, 360_000n);
      const { hostPid } = await domain(operator(), 'ledger');
      assert.notEqual(hostPid, killed);
      return `the live capability was ${broken}\nrestored in process ${hostPid}, ${killed} is gone: alice has ${money(cents)}`;
    },
  );

  await step('kill -9 the broker, start it again, and use the same references', async () => {
    const hosts = (await operator().domains({})).domains
      .map(({ hostPid }) => hostPid)
      .filter((pid) => pid !== 0);
    await broker.kill();
    await gone(hosts);
    session.close();
    await broker.start();
    session = await connect(operatorRef);
    ledger = session.restore<Ledger>(ledgerRef, LEDGER);
    alice = session.restore<Account>(aliceRef, ACCOUNT);
    const { cents } = await alice.balance({});
    const { entry } = await ledger.transfer({
      from: alice,
      to: ledger.find({ name: 'bob' }).account,
      cents: 1n,
    });
    assert.deepEqual([cents, entry.balance], [360_000n, 359_999n]);
    return `alice has ${money(cents)}, and can pay: ${money(entry.balance)} left; no host was left behind`;
  });

  await step('restore what was revoked before the crash', () =>
    refused(session.restore<Account>(readerRef, ACCOUNT).balance({}), 'no such reference'),
  );

  await step('stop the broker gracefully', async () => {
    session.close();
    const code = await broker.stop();
    assert.equal(code, 0);
    return `exit code ${code}`;
  });
}

async function domain(operator: Operator, name: string) {
  const { domains } = await operator.domains({});
  const found = domains.find((domain) => domain.name === name);
  if (!found) throw new Error(`there is no domain ${name}`);
  return found;
}

/** Calls until a call fails; how long the death of a process takes to be seen is up to the system. */
async function broke(account: Account): Promise<void> {
  for (let calls = 0; calls < 100; calls += 1) {
    await account.balance({});
    await pause(20);
  }
}

/** Waits until none of these processes is there. */
async function gone(pids: readonly number[]): Promise<void> {
  for (let waits = 0; waits < 200; waits += 1) {
    if (!pids.some(isThere)) return;
    await pause(25);
  }
  throw new Error(`still there: ${pids.filter(isThere).join(', ')}`);
}

/** One that has ended and that its parent has not asked about yet does not count. */
function isThere(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

const broker = await OwnBroker.create();
try {
  await tour(broker);
  console.log(`\nAll ${steps} steps came out as they should.`);
} catch (error) {
  console.error(`\nStep ${steps} came out wrong: ${(error as Error).message}\n\n${await broker.log(20)}`);
  process.exitCode = 1;
} finally {
  await broker.remove();
}
