/** A Ledger whose `open` books one deposit in the account that it was granted; `isNew` says whether that has worked. */
interface Account {
  deposit(params: { cents: bigint; memo: string }): Promise<{ entry: { memo: string } }>;
}

export default function start(world: { grants: { account: Account } }) {
  return {
    main: {
      open: async ({ name }: { name: string }) => {
        const { entry } = await world.grants.account.deposit({ cents: 1n, memo: name });
        return { account: null, isNew: entry.memo === name };
      },
    },
  };
}
