/** A Ledger whose objects use more than they may, each in a way of its own. */
import type { World } from 'sturdy/worker';

interface Log {
  write(params: { level: string; message: string }): Promise<object>;
}

export default function start(world: World) {
  const log = world.grants['log'] as unknown as Log;
  return {
    main: {
      /** As many objects as are asked for. */
      accounts: ({ limit }: { limit: number }) => ({
        accounts: Array.from({ length: limit }, () => ({ name: '', balance: 0n, account: {} })),
      }),
      open: () => ({
        account: {
          /** A turn of 200 ms, about. */
          balance() {
            let cents = 0;
            for (let i = 0; i < 1e8; i++) cents += i & 1;
            return { cents: BigInt(cents) };
          },
          /** A turn that never ends. */
          withdraw() {
            for (;;);
          },
          deposit: () => ({}),
          /** Logs until it is refused, and says by what. */
          async statement() {
            for (;;) await log.write({ level: 'info', message: 'a line' });
          },
        },
        isNew: true,
      }),
    },
  };
}
