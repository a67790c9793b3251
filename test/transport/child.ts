/**
 * A process at the other end: `node child.js descriptor` or `node child.js standard` serves the Probe on what it was started
 * with; `node child.js dial KIND ADDRESS TLS` connects, and serves nothing.
 */
import { descriptorTransport, Session, StreamTransport, standardTransport } from '../../rpc/index.js';
import { dial, type Listened } from './ends.js';
import { serveProbe } from './probe.js';

const [, , what, kind, address = '', tls = ''] = process.argv;
const session =
  what === 'dial'
    ? new Session(new StreamTransport(await dial(kind as Listened, JSON.parse(address), JSON.parse(tls))))
    : serveProbe(what === 'descriptor' ? descriptorTransport(3) : standardTransport());
await session.closed;
process.exit(0);
