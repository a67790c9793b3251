import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LmdbStore } from '../../broker/store/lmdb-store.js';
import { type Domains, Running, testDomain } from './running.js';

// Several brokers, one after the other, on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000 });

let folder: string;
let running: Running | null = null;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-configured-'));
});
afterEach(async () => {
  await stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(methods: string[], schema = testDomain('counter')!.schema): Promise<void> {
  const domains: Domains = {
    bank: testDomain('counter', { schema }),
    user: testDomain('counter', {
      schema,
      grants: { account: { domain: 'bank', object: 'a', interface: 'Account', methods } },
    }),
  };
  running = await Running.start(domains, folder);
}

async function stop(): Promise<void> {
  await running?.stop({ keep: true });
  running = null;
}

async function startUser(): Promise<void> {
  await (await running!.operator()).start({ domain: 'user' });
}

/** The configured grants: what they allow, and their states. */
async function configured(): Promise<string[]> {
  const { grants } = await (await running!.operator()).grants({});
  return grants
    .filter(({ label }: { label: string }) => label === 'configured: user.account')
    .map(
      ({ policy, state }: { policy: { methods: { only: { methods: string[] }[] } }; state: string }) =>
        `${policy.methods.only.flatMap(({ methods }) => methods)}: ${state}`,
    );
}

describe('a configured grant', () => {
  it('is minted again where the schema has lost a method of it and the configuration says so', async () => {
    await start(['Account.balance', 'Account.statement']);
    await startUser();
    await stop();
    // The same schema, in which the method has another name.
    const bytes = await readFile(testDomain('counter')!.schema, 'latin1');
    const schema = join(folder, 'renamed.cgr');
    await writeFile(schema, bytes.replaceAll('statement', 'statemend'), 'latin1');
    await start(['Account.balance'], schema);
    await startUser();
    expect(await configured()).toEqual(['balance,statement: revoked', 'balance: live']);
  });

  it('that the operator revoked is not minted again, and is as good as new where it is configured otherwise', async () => {
    await start(['Account.balance']);
    await startUser();
    const operator = await running!.operator();
    const { grants } = await operator.grants({});
    const { id } = grants.find(({ label }: { label: string }) => label.startsWith('configured'));
    await operator.grant({ id }).grant.revoke();
    await stop();
    await start(['Account.balance']);
    await startUser();
    expect(await configured()).toEqual(['balance: revoked']);
    await stop();
    await start(['Account.deposit']);
    await startUser();
    expect(await configured()).toEqual(['balance: revoked', 'deposit: live']);
  });

  it('that a broker left over when it was killed while it minted is revoked by the next', async () => {
    await start(['Account.balance']);
    await startUser();
    await stop();
    const store = await LmdbStore.open(join(folder, 'data'));
    const known = store.configuredGrant(await store.domainId('user'), 'account')!;
    const { id: _, created: __, revoked: ___, ...row } = store.grant(known)!;
    await store.mintGrant(row, { by: 'the configuration' });
    await store.close();
    await start(['Account.balance']);
    expect(await configured()).toEqual(['balance: live', 'balance: revoked']);
    await startUser();
    expect(await configured()).toEqual(['balance: live', 'balance: revoked']);
  });
});
