/** A Ledger whose accounts write down, on disk and in their order, what was paid in: `statement` tells all of it, and which version tells it. */
import type { Storage } from '../../../examples/ledger/book.js';

export interface World {
  readonly grants: { readonly storage: Storage };
  object<T extends object>(interfaceName: string, objectId: string, implementation: T): T;
}

const text = (value: Uint8Array) => String.fromCharCode(...value);
const bytes = (value: string) => Uint8Array.from(value, (char) => char.charCodeAt(0));

export function register(version: string) {
  return async (world: World) => {
    const { storage } = world.grants;
    const accounts = new Map<string, object>();

    async function account(name: string): Promise<object> {
      const known = accounts.get(name);
      if (known !== undefined) return known;
      const memos: string[] = [];
      const prefix = `${name}/`;
      for (let after = ''; ; ) {
        const { entries } = await storage.list({ prefix, after, limit: 0 });
        if (entries.length === 0) break;
        for (const { value } of entries) memos.push(text(value));
        after = entries.at(-1)!.key;
      }
      let calls = 0n;
      const made = world.object('Account', name, {
        // How often it was called in this life of it.
        balance: () => ({ cents: ++calls }),
        deposit: async ({ memo }: { memo: string }) => {
          const number = memos.push(memo);
          const key = `${prefix}${`${number}`.padStart(8, '0')}`;
          await storage.write({ changes: [{ key, put: bytes(memo) }] });
          return { entry: { number, memo } };
        },
        statement: () => ({ name: version, entries: memos.map((memo) => ({ memo })) }),
        next: () => new Promise(() => {}),
        // It has no id.
        watch: () => ({ watch: { stop: () => ({}) } }),
      });
      accounts.set(name, made);
      return made;
    }

    return {
      main: { open: async ({ name }: { name: string }) => ({ account: await account(name) }) },
      restore: account,
    };
  };
}

export default register('first');
