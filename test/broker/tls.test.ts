import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker, type ConfigInput, parseConfig } from 'sturdy/broker';
import { type BrokerSession, connect, SturdyRef, type TlsIdentity } from 'sturdy/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { selfSigned } from '../../broker/self-signed.js';
import { certificateKeyDigest } from '../../rpc/index.js';
import { type AnyStub, LEDGER_DOMAIN, ledgerGraph, sturdy } from './running.js';

let folder: string;
let broker: Broker | null = null;
const sessions: BrokerSession[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-tls-'));
});
afterEach(async () => {
  for (const session of sessions.splice(0)) session.close();
  await broker?.stop();
  broker = null;
  await rm(folder, { recursive: true, force: true });
});

async function start(tls: Partial<NonNullable<ConfigInput['listen']['tls']>> = {}): Promise<Broker> {
  const config = parseConfig(
    {
      data: 'data',
      listen: { tls: { host: '127.0.0.1', port: 0, ...tls } },
      log: { level: 'silent' },
      domains: { ledger: LEDGER_DOMAIN },
    },
    folder,
  );
  broker = await Broker.start(config);
  return broker;
}

const operatorRef = async (): Promise<SturdyRef> =>
  SturdyRef.parse((await readFile(broker!.operatorRefPath, 'utf8')).trim());

async function session(ref: SturdyRef, identity?: TlsIdentity): Promise<BrokerSession> {
  const made = await connect(ref, { reconnect: false, ...(identity && { identity }) });
  sessions.push(made);
  return made;
}

const fingerprint = async ({ certificate }: TlsIdentity): Promise<Uint8Array> => {
  const { X509Certificate } = await import('node:crypto');
  return new Uint8Array(
    Buffer.from(new X509Certificate(certificate).fingerprint256.replaceAll(':', ''), 'hex'),
  );
};

describe('a broker that listens by TLS', () => {
  it('makes its key once, keeps it to itself, and is known by it in every reference', async () => {
    await start();
    const path = join(folder, 'data/tls.pem');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const ref = await operatorRef();
    expect(ref.address).toMatchObject({
      transport: 'tcp',
      key: certificateKeyDigest(await readFile(path, 'utf8')),
    });
    const pem = await readFile(path, 'utf8');
    await broker!.stop();
    await start();
    expect(await readFile(path, 'utf8')).toBe(pem);
    expect((await operatorRef()).secret()).toEqual(ref.secret());
    const now = await operatorRef();
    const operator = (await session(now)).restore<AnyStub>(now, sturdy.interface('Operator'));
    expect((await operator.domains({})).domains.map(({ name }: { name: string }) => name)).toEqual([
      'ledger',
    ]);
  });

  it('gives what is sealed to a certificate to whoever shows it, and to nobody else', async () => {
    await start();
    const [mine, other] = [selfSigned('mine'), selfSigned('other')];
    const ref = await operatorRef();
    const operator = (await session(ref)).restore<AnyStub>(ref, sturdy.interface('Operator'));
    const minted = await operator.mint({
      domain: 'ledger',
      object: '',
      label: '',
      policy: {},
      sealFor: { certificate: await fingerprint(mine) },
    });
    const sealed = SturdyRef.of(minted.ref.secret, ref.address);
    const restored = async (identity?: TlsIdentity): Promise<string> => {
      const ledger = (await session(sealed, identity)).restore<AnyStub>(
        sealed,
        ledgerGraph.interface('Ledger'),
      );
      return ledger.open({ name: 'somebody' }).then(
        () => 'restored',
        (error: Error) => error.message,
      );
    };
    const outcomes = [await restored(mine), await restored(other), await restored()];
    expect(outcomes[0]).toBe('restored');
    expect(outcomes[1]).toMatch(/no such reference/);
    expect(outcomes[2]).toBe(outcomes[1]);
  });

  it('tells a client without a certificate that it needs one, where it does', async () => {
    await start({ clients: 'certified' });
    const ref = await operatorRef();
    const call = async (identity?: TlsIdentity) => {
      const operator = (await session(ref, identity)).restore<AnyStub>(ref, sturdy.interface('Operator'));
      return operator.domains({});
    };
    await expect(call()).rejects.toThrow('a client of this broker needs a certificate (listen.tls.clients)');
    await expect(call(selfSigned('tomorrow', new Date(Date.now() + 86_400_000)))).rejects.toThrow(
      "the client's certificate is valid from",
    );
    await expect(call(selfSigned('a client'))).resolves.toMatchObject({ domains: [{ name: 'ledger' }] });
  });

  it("takes the operator's own certificate, and says what is wrong with one that does not fit", async () => {
    const [own, other] = [selfSigned('own'), selfSigned('other')];
    const files = { certificate: 'own.crt', key: 'own.key' };
    await writeFile(join(folder, 'own.crt'), own.certificate);
    await writeFile(join(folder, 'own.key'), other.key);
    await expect(start(files)).rejects.toThrow('the key is not that of the certificate');
    await writeFile(join(folder, 'own.key'), 'no key at all, but SECRET');
    const refused = await start(files).catch((error: Error) => error);
    expect(refused).toMatchObject({
      message: expect.stringContaining('expected a certificate and its key in PEM'),
    });
    expect(String(refused)).not.toContain('SECRET');
    await writeFile(join(folder, 'own.key'), own.key);
    await start(files);
    expect((await operatorRef()).address).toMatchObject({ key: certificateKeyDigest(own.certificate) });
  });
});
