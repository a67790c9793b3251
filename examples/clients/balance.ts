/**
 * A client in Node: restores an account, reads its balance, and is told of its next entry by a callback.
 *
 * usage: node dist/examples/clients/balance.js REFS NAME
 */
import { readFileSync } from 'node:fs';
import { connect, type Pending, type Stub, SturdyRef } from '../../client/index.js';
import { SchemaGraph } from '../../schema/index.js';

/** As much of ledger.capnp as is called here. */
interface Account extends Stub {
  balance(params: object): Pending<{ cents: bigint }>;
  deposit(params: { cents: bigint; memo: string }): Pending<object>;
  watch(params: { watcher: object }): Pending<{ watch: Stub }>;
}

const [, , refs = '', name = ''] = process.argv;
const line = readFileSync(refs, 'utf8')
  .split('\n')
  .find((each) => each.startsWith(`${name} `));
if (line === undefined) throw new Error(`${refs} has no reference ${name}`);
const ref = SturdyRef.parse(line.slice(name.length + 1));
const schema = SchemaGraph.load(readFileSync('examples/ledger/ledger.cgr'));

const session = await connect(ref);
const account = session.restore<Account>(ref, schema.interface('Account'));
console.log(`balance ${(await account.balance({})).cents}`);

// An object in a call is served for as long as the other side holds it.
let tell: (cents: bigint) => void = () => {};
const told = new Promise<bigint>((resolve) => {
  tell = resolve;
});
const watcher = { booked: ({ entry }: { entry: { cents: bigint } }) => tell(entry.cents) };
const { watch } = await account.watch({ watcher });
await account.deposit({ cents: 1n, memo: 'a client' });
console.log(`booked ${await told}`);

watch[Symbol.dispose]();
session.close();
