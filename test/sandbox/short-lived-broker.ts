/**
 * Starts a host with all of Node's powers in the tier that it is told, lets it run in a turn that never ends, prints the host's pid, and waits to be
 * killed: `node short-lived-broker.js TIER`.
 */
import { fileURLToPath } from 'node:url';
import type { Tier } from '../../broker/tier.js';
import { Doorway } from '../worker/doorway.js';

const hostModule = fileURLToPath(new URL('./open-host.js', import.meta.url));
const doorway = new Doorway({ warm: 0, hostModule });
await doorway.open();
const domain = await doorway.start({ tier: process.argv[2] as Tier, source: 'nothing of it is evaluated' });
domain.main.evaluate({ source: 'for (;;);' }).catch(() => {});
// Behind the call, which is on its way then.
setTimeout(() => console.log(domain.placement.hostPid), 500);
