/**
 * A client in a browser. It restores the bank that the reference behind the `#` of its address leads to, opens alice's account
 * and reads its balance in one round trip, and is called back for each entry that is booked.
 *
 * What stands behind the `#` is not sent to the server of the page. It is authority: it is taken out of the address at once.
 */
import { connect, type Pending, SchemaGraph, type Stub, SturdyRef } from 'sturdy/client/browser';
import ledger from '../ledger/ledger.cgr';

interface Entry {
  readonly number: number;
  readonly cents: bigint;
  readonly balance: bigint;
  readonly memo: string;
}

interface Account extends Stub {
  balance(params: object): Pending<{ cents: bigint }>;
  deposit(params: { cents: bigint; memo: string }): Pending<object>;
  watch(params: { watcher: { booked(params: { entry: Entry }): void } }): Pending<{ watch: Stub }>;
}

interface Ledger extends Stub {
  open(params: { name: string }): Pending<{ account: Account }>;
}

const part = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const money = (cents: bigint) => (Number(cents) / 100).toFixed(2);

function say(is: 'connected' | 'failed', text: string): void {
  part('state').dataset['is'] = is;
  part('state').textContent = text;
}

async function show(text: string): Promise<void> {
  const ref = SturdyRef.parse(text);
  const session = await connect(ref);
  const bank = session.restore<Ledger>(ref, SchemaGraph.load(ledger).interface('Ledger'));
  // Both calls, and the restore, leave at once: nobody waits for the account before asking for its balance.
  const { account } = bank.open({ name: 'alice' });
  const { cents } = await account.balance({});
  part('balance').textContent = money(cents);

  const booked = ({ entry }: { entry: Entry }) => {
    part('balance').textContent = money(entry.balance);
    const row = part<HTMLTableSectionElement>('entries').insertRow(0);
    for (const cell of [`${entry.number}`, entry.memo, money(entry.cents)])
      row.insertCell().textContent = cell;
  };
  await account.watch({ watcher: { booked } });
  part<HTMLButtonElement>('deposit').disabled = false;
  part('deposit').addEventListener('click', () => {
    account
      .deposit({ cents: 100n, memo: 'from a browser' })
      .then(undefined, (error: Error) => say('failed', error.message));
  });
  say('connected', `connected to ${ref}`);
}

const text = location.hash.slice(1);
history.replaceState(null, '', location.pathname);
show(text).catch((error: Error) => say('failed', error.message));
