/**
 * A client in Node: restores an account, reads its balance, is told of its next entry by a callback, saves the
 * account, and hands out a weaker reference to it that it revokes.
 *
 * usage: node dist/examples/clients/balance.js REFS NAME
 */
import { readFileSync } from 'node:fs';
import { connect, delegable, type Pending, type Stub, SturdyRef } from '../../client/index.js';
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

// A reference as strong as the account, for whoever knows it.
const { sturdyRef } = await delegable(account).save({ sealFor: { anyone: null } });
const saved = SturdyRef.of(sturdyRef.secret, ref.address);
const again = session.restore<Account>(saved, schema.interface('Account'));
console.log(`restored ${(await again.balance({})).cents}`);

// A weaker one, which can read the balance and no more, and the power to revoke it.
const methods = { only: [{ interface: schema.interface('Account').id, methods: ['balance'] }] };
const { cap, grant } = await delegable(account).attenuate({ policy: { methods }, label: 'balance only' });
const reader = cap.as<Account>(schema.interface('Account'));
await reader.balance({});
await grant.revoke({});
await reader.balance({}).catch(() => console.log('revoked'));
session.close();
