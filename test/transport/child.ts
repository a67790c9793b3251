/** A process that serves the Probe on what it was started with: `node child.js descriptor` or `node child.js standard`. */
import { descriptorTransport, standardTransport } from '../../rpc/index.js';
import { serveProbe } from './probe.js';

const session = serveProbe(process.argv[2] === 'descriptor' ? descriptorTransport(3) : standardTransport());
await session.closed;
process.exit(0);
