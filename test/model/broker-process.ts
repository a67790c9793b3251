/**
 * The broker of the model test, in a process of its own, so that it can be killed: with the domains of the test, and a clock
 * that its parent sets. It is started with the folder and the time, and ends with its parent.
 */
import { join } from 'node:path';
import { inspect } from 'node:util';
import { Broker, createLogger, parseConfig } from 'sturdy/broker';
import { MODEL_DOMAINS } from './domains.js';
import { SettableClock } from './settable-clock.js';

export type Order =
  | { readonly advance: number }
  | { readonly inspect: true }
  /** Ends it as SIGTERM would. */
  | { readonly stop: true };

const [folder, now] = process.argv.slice(2) as [string, string];
const clock = new SettableClock(Number(now));
const config = parseConfig(
  {
    data: 'data',
    listen: { unix: 'broker.sock' },
    log: { level: 'trace' },
    domains: MODEL_DOMAINS,
  },
  folder,
);
const log = createLogger(config.log);
const broker = await Broker.start(config, { log, clock });
process.send!({ ready: join(folder, 'broker.sock') });

process.on('message', async (order: Order) => {
  if ('advance' in order) {
    clock.advance(order.advance);
    process.send!({ advanced: clock.now() });
  } else if ('inspect' in order) {
    process.send!({ inspected: inspect(broker, { depth: 12, showHidden: true, maxArrayLength: null }) });
  } else {
    await broker.stop();
    process.exit(0);
  }
});
process.on('disconnect', () => process.exit(1));
