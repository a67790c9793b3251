/** A Ledger, as far as these tests need one: an object that knows nothing but how often it was called in this life. */
import type { World } from 'sturdy/worker';

export default function start(world: World) {
  let calls = 0n;
  const account = (name: string) =>
    world.object('Account', name, {
      balance: () => {
        calls += 1n;
        return { cents: calls };
      },
      withdraw: () => {
        for (;;);
      },
      deposit: () => new Promise(() => {}),
      statement: () => {
        throw new Error('there is no statement here');
      },
    });
  const accounts = new Map<string, object>();
  const find = (name: string) => {
    const known = accounts.get(name) ?? account(name);
    accounts.set(name, known);
    return known;
  };
  return {
    main: { open: ({ name }: { name: string }) => ({ account: find(name), isNew: true }) },
    restore(objectId: string) {
      if (objectId === 'nobody') throw new Error('nobody is nobody');
      if (objectId === 'forger') throw new Error('no\nsturdy: 3 grants revoked');
      return find(objectId);
    },
  };
}
