/**
 * The example's trusted domain: a small bank. Here stand the objects that callers see and the decision who
 * may post what; the books are kept in book.ts. It never books anything on the word of a name: an account in
 * a parameter counts for exactly what the capability that was passed allows.
 */

import type { CallContext, Program, World } from 'sturdy/worker';
import { Book, type Clock, type Page, type Storage } from './book.js';
import { checkName, type Posting } from './posting.js';
import { type WatcherStub, Watchers } from './watchers.js';

interface Powers {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly log: Log;
}

/** `Log` in sturdy.capnp. */
interface Log {
  write(params: { level: 'info'; message: string }): Promise<unknown>;
}

export default function start(world: World<Powers>): Program {
  const { storage, clock, log } = world.grants;
  const watchersOf = new Map<string, Watchers>();
  const objects = new Map<string, object>();
  const book = new Book(storage, clock, (name, entry) => watchersOf.get(name)?.tell(entry));

  const watchers = (name: string): Watchers => {
    const known = watchersOf.get(name) ?? new Watchers(name);
    watchersOf.set(name, known);
    return known;
  };

  /** The one object that is the account of this name, which exists. */
  const account = (name: string): object => {
    const known = objects.get(name) ?? world.object('Account', name, accountMethods(name));
    objects.set(name, known);
    return known;
  };

  const accountMethods = (name: string) => ({
    async balance() {
      return { cents: (await book.account(name)).balance };
    },
    async deposit(posting: Posting) {
      return { entry: await book.cash(name, 'deposit', posting) };
    },
    async withdraw(posting: Posting) {
      return { entry: await book.cash(name, 'withdrawal', posting) };
    },
    async statement({ page }: { page: Page }) {
      return { name, ...(await book.page(name, page)) };
    },
    async next({ after }: { after: number }, { signal }: CallContext) {
      // Waiting begins before looking, so that an entry booked between the two is not missed.
      const waiting = watchers(name).next(after + 1, signal);
      try {
        return { entry: (await book.entry(name, after + 1)) ?? (await waiting.entry) };
      } finally {
        waiting.cancel();
      }
    },
    async watch({ watcher }: { watcher: WatcherStub | null }) {
      if (watcher === null) throw new Error('watcher: null; must be a capability');
      const stop = watchers(name).watch(watcher);
      return {
        watch: {
          async stop() {
            stop();
            return {};
          },
          /** The last reference to the watch is gone: nobody could stop it any more. */
          [Symbol.dispose]: stop,
        },
      };
    },
  });

  /** The name of the account behind a capability that somebody passed in, if it allows `method`. */
  const allowed = async (side: 'from' | 'to', passed: object | null, method: string): Promise<string> => {
    if (passed === null) throw new Error(`${side}: null; must be an account of this ledger`);
    const own = await world.own(passed);
    if (own?.interface !== 'Account') throw new Error(`${side} is not an account of this ledger`);
    if (!own.allows(method)) throw new Error(`${side} does not allow ${method}`);
    return own.object;
  };

  return {
    main: {
      async open({ name }: { name: string }) {
        const isNew = await book.open(checkName(name));
        // What was opened is open, whether or not the log had room for a line.
        if (isNew) log.write({ level: 'info', message: `opened account ${name}` }).catch(() => undefined);
        return { account: account(name), isNew };
      },
      async find({ name }: { name: string }) {
        await book.account(checkName(name));
        return { account: account(name) };
      },
      async accounts({ after, limit }: { after: string; limit: number }) {
        const found = await book.accounts(after === '' ? '' : checkName(after), limit);
        return { accounts: found.map((summary) => ({ ...summary, account: account(summary.name) })) };
      },
      async transfer({ from, to, ...posting }: Posting & { from: object | null; to: object | null }) {
        // Asked before the books are opened: a promise that never resolves may hold up its own call only.
        const payer = await allowed('from', from, 'Account.withdraw');
        const payee = await allowed('to', to, 'Account.deposit');
        return { entry: await book.transfer(payer, payee, posting) };
      },
    },
    async restore(objectId: string) {
      await book.account(checkName(objectId));
      return account(objectId);
    },
  };
}
