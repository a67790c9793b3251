/**
 * The broker of the model test, in a process of its own, so that it can be killed: with the domains of the test, and a clock
 * that its parent sets. It is started with the folder, the time and whether there are flow labels, and ends with its parent.
 */
import { inspect } from 'node:util';
import { Broker, createLogger, parseConfig } from 'sturdy/broker';
import { LABELLED_DOMAINS, MODEL_DOMAINS, MODEL_FLOW } from './domains.js';
import { SettableClock } from './settable-clock.js';

export type Order =
  | { readonly advance: number }
  | { readonly inspect: true }
  /** Ends it as SIGTERM would. */
  | { readonly stop: true };

const [folder, now, labels] = process.argv.slice(2) as [string, string, string];
const clock = new SettableClock(Number(now));
const config = parseConfig(
  {
    data: 'data',
    listen: { unix: 'broker.sock', tcp: { host: '127.0.0.1', port: 0 } },
    log: { level: 'trace' },
    ...(labels === 'labelled' ? { flow: MODEL_FLOW, domains: LABELLED_DOMAINS } : { domains: MODEL_DOMAINS }),
  },
  folder,
);
const log = createLogger(config.log);
const broker = await Broker.start(config, { log, clock });
process.send!({ ready: broker.addresses });

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
