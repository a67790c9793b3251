/** A Ledger whose accounts hold as many cents as their ids have characters: each can be told from one with a longer id. */
import type { World } from 'sturdy/worker';

export default function start(world: World) {
  const accounts = new Map<string, object>();
  const find = (name: string) => {
    const known =
      accounts.get(name) ??
      world.object('Account', name, { balance: () => ({ cents: BigInt(name.length) }) });
    accounts.set(name, known);
    return known;
  };
  return { main: { find: ({ name }: { name: string }) => ({ account: find(name) }) }, restore: find };
}
