/**
 * A Ledger whose accounts have calls that wait: `statement` and `watch` until there is a `deposit`. The balance is how many of them
 * were cancelled in this life.
 */
import type { World } from 'sturdy/worker';

export default function start(world: World) {
  let cancelled = 0n;
  const waiting: (() => void)[] = [];
  const until = (signal: { addEventListener(type: 'abort', listener: () => void): void }) =>
    new Promise<void>((resolve) => {
      waiting.push(resolve);
      signal.addEventListener('abort', () => {
        cancelled += 1n;
      });
    });
  const account = world.object('Account', 'a', {
    balance: () => ({ cents: cancelled }),
    statement: async (_params: object, { signal }: { signal: Parameters<typeof until>[0] }) => {
      await until(signal);
      return { name: 'at last' };
    },
    watch: async (_params: object, { signal }: { signal: Parameters<typeof until>[0] }) => {
      await until(signal);
      return { watch: { stop: () => ({}) } };
    },
    deposit: () => {
      for (const go of waiting.splice(0)) go();
      return {};
    },
  });
  return { main: {}, restore: () => account };
}
