/** Client, broker, and a domain in a SES compartment in a host process of its own: three processes, two hops. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { connect, type Minted, type Operator, type Policy, SturdyRef } from '../../client/index.js';
import { sturdySchema } from '../../schema/index.js';
import { nodeClient, nodeProgram } from '../node-processes.js';
import { CLI, ECHO_DOMAIN, ECHO_SCHEMA } from '../place.js';
import { type EchoStub, echoType, stubCaller } from './direct.js';
import type { Arranged, Stage, Subject } from './subject.js';

export const subject: Subject = {
  name: 'brokered',
  title: 'Sturdy, brokered',
  what: 'A client, a broker as `sturdy serve` runs it, and the same object as a domain: bundled, in a locked-down thread of a host process. The client restores a reference without any restriction.',
  side: 'ours',
  chain: 'pipelined',
  needs: 'nothing',
  arrange: (stage) => arrangeBroker(stage, {}),

  async connect(address) {
    const ref = SturdyRef.parse(readFileSync(address, 'utf8'));
    const session = await connect(ref);
    return stubCaller(session.restore<EchoStub>(ref, echoType()), () => session.close());
  },
};

/** Soon after a domain was started, the broker makes a spare host. That is not to be measured. */
const SETTLING_MILLIS = 1_000;
const STARTING_MILLIS = 30_000;

export async function arrangeBroker(stage: Stage, policy: Policy): Promise<Arranged> {
  const config = join(stage.folder, 'sturdy.config.json');
  writeFileSync(
    config,
    JSON.stringify({
      data: 'data',
      listen: { unix: 'sturdy.sock' },
      domains: {
        // A longer turn than by default: on a busy machine the first calls, not yet compiled, can take theirs.
        echo: {
          module: ECHO_DOMAIN,
          schema: ECHO_SCHEMA,
          interface: 'Echo',
          limits: { turnMillis: 10_000 },
        },
      },
    }),
  );
  const broker = stage.start(nodeProgram(CLI, 'serve', '--config', config));
  const deadline = STARTING_MILLIS / 1000;
  while (!(await broker.line(deadline)).startsWith('operator reference')); // It listens then.

  const operatorRef = SturdyRef.parse(readFileSync(join(stage.folder, 'data/operator.ref'), 'utf8').trim());
  using session = await connect(operatorRef, { reconnect: false });
  using operator = session.restore<Operator>(operatorRef, sturdySchema().interface('Operator'));
  const minted: Minted = await operator.mint({ domain: 'echo', object: '', policy, label: 'bench' });
  minted.grant[Symbol.dispose]();
  const ref = SturdyRef.of(minted.ref.secret, operatorRef.address);
  const file = join(stage.folder, 'echo.ref');
  writeFileSync(file, ref.format(), { mode: 0o600 });
  const { domains } = await operator.domains({});
  const host = domains.find(({ name }) => name === 'echo')?.hostPid;
  if (!host) throw new Error('the domain does not run');
  await pause(SETTLING_MILLIS);
  return { client: nodeClient('brokered', file), pids: { broker: broker.pid, server: host } };
}
