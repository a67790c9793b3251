/**
 * Runs the courier: a service that wants a key, a broker with the domain, and a client that has a report fetched. Leaves nothing
 * behind.
 *
 * usage: node dist/examples/courier/run.js
 */
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker, parseConfig } from '../../broker/index.js';
import { connect, type Operator, type Pending, type Stub, SturdyRef } from '../../client/index.js';
import { SchemaGraph, sturdySchema } from '../../schema/index.js';
import { ROOT } from '../ledger/place.js';

interface Courier extends Stub {
  fetch(params: { service: string; name: string }): Pending<{ bytes: number }>;
  attempts(params: { service: string }): Pending<{ attempts: readonly string[] }>;
}

const KEY = 'Bearer the-key-of-the-service';
const service = createServer((request, response) => {
  if (request.headers.authorization !== KEY) response.writeHead(401).end();
  else response.end(`the report ${request.url}\n`);
});
await new Promise<void>((listening) => service.listen(0, '127.0.0.1', listening));
const origin = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;

const folder = await mkdtemp(join(tmpdir(), 'sturdy-courier-'));
await writeFile(join(folder, 'key'), `${KEY}\n`, { mode: 0o600 });
await mkdir(join(folder, 'reports'));

const config = parseConfig(
  {
    data: 'data',
    listen: { unix: 'sturdy.sock' },
    log: { level: 'warn' },
    domains: {
      courier: {
        module: join(ROOT, 'examples/courier/courier.ts'),
        schema: join(ROOT, 'examples/courier/courier.cgr'),
        interface: 'Courier',
        powers: {
          // The service is on this machine, so its address has to be granted as well.
          http: { origins: [origin], addresses: ['127.0.0.1'] },
          secret: {
            key: { file: 'key', origins: [origin], headers: ['authorization'] },
          },
          directory: { reports: { root: 'reports', mode: 'readWrite', maxBytes: 1_000_000 } },
        },
      },
    },
  },
  folder,
);
const broker = await Broker.start(config);
const ref = SturdyRef.parse((await readFile(broker.operatorRefPath, 'utf8')).trim());
const session = await connect(ref);
try {
  const operator = session.restore<Operator>(ref, sturdySchema().interface('Operator'));
  const { ref: minted } = await operator.mint({ domain: 'courier' });
  const schema = SchemaGraph.load(readFileSync(join(ROOT, 'examples/courier/courier.cgr')));
  const courier = session.restore<Courier>(
    SturdyRef.of(minted.secret, ref.address),
    schema.interface('Courier'),
  );
  const { bytes } = await courier.fetch({ service: origin, name: 'november' });
  console.log(
    `fetched ${bytes} bytes: ${(await readFile(join(folder, 'reports/november.txt'), 'utf8')).trim()}`,
  );
  for (const refusal of (await courier.attempts({ service: origin })).attempts)
    console.log(`refused: ${refusal}`);
} finally {
  session.close();
  await broker.stop();
  service.close();
  await rm(folder, { recursive: true, force: true });
}
