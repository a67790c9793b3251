/**
 * A Ledger that counts, on disk, how often it was started and asked for each of its objects: `accounts` tells. It keeps none
 * of its objects: whoever restores one gets one that is made for it, unless somebody holds one already.
 */
import type { Storage } from '../../../examples/ledger/book.js';

interface Posting {
  readonly cents: bigint;
  readonly memo: string;
}

interface Sleeper {
  readonly grants: { readonly storage: Storage };
  object<T extends object>(interfaceName: string, objectId: string, implementation: T): T;
  own(stub: object): Promise<{ object: string; allows(method: string): boolean } | null>;
}

export default async function start(world: Sleeper) {
  const { storage } = world.grants;
  const counted = new Map<string, bigint>();
  const { entries } = await storage.list({ prefix: '', after: '', limit: 0 });
  for (const { key, value } of entries) counted.set(key, BigInt(String.fromCharCode(...value)));
  const count = async (what: string) => {
    const now = (counted.get(what) ?? 0n) + 1n;
    counted.set(what, now);
    await storage.write({
      changes: [{ key: what, put: Uint8Array.from(`${now}`, (digit) => digit.charCodeAt(0)) }],
    });
  };
  await count('starts');
  const kept: Disposable[] = [];

  const account = (name: string) => {
    const memos: string[] = [];
    return world.object('Account', name, {
      // How many postings this very instance has had.
      balance: () => ({ cents: BigInt(memos.length) }),
      deposit: ({ memo }: Posting) => {
        memos.push(memo);
        return { entry: { number: memos.length, memo } };
      },
      withdraw: () => {
        for (;;);
      },
      statement: () => ({ name, entries: memos.map((memo) => ({ memo })) }),
      next: () => new Promise(() => {}),
      // With a watcher, it keeps that; the watch has no id.
      watch: ({ watcher }: { watcher: { dup(): Disposable } | null }) => {
        if (watcher !== null) kept.push(watcher.dup());
        const stop = () => {
          for (const each of kept.splice(0)) each[Symbol.dispose]();
        };
        return { watch: { stop } };
      },
    });
  };

  return {
    main: {
      open: async ({ name }: { name: string }) => ({ account: account(name), isNew: true }),
      accounts: () => ({ accounts: [...counted].map(([name, balance]) => ({ name, balance })) }),
      transfer: async ({ from, to }: { from: object; to: object }) => {
        const [payer, payee] = await Promise.all([world.own(from), world.own(to)]);
        if (payer?.allows('Account.withdraw') !== true) throw new Error('from does not allow it');
        return { entry: { memo: `${payer.object} to ${payee?.object}` } };
      },
    },
    async restore(objectId: string) {
      await count(`restore ${objectId}`);
      if (objectId === 'nobody') throw new Error('nobody is nobody');
      return account(objectId);
    },
  };
}
