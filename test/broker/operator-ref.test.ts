import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SturdyRef } from 'sturdy/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Running } from './running.js';

let folder: string;
let data: string;
let file: string;
let running: Running | null = null;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-operator-'));
  data = join(folder, 'data');
  file = join(data, 'operator.ref');
});
afterEach(async () => {
  await stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<Running> {
  running = await Running.start({}, folder);
  return running;
}

async function stop(): Promise<void> {
  await running?.stop({ keep: true });
  running = null;
}

const mode = async (path: string) => (await stat(path)).mode & 0o777;

async function grants(): Promise<{ id: string; label: string; state: string }[]> {
  const operator = await running!.operator();
  return (await operator.grants({})).grants;
}

describe("the operator's reference", () => {
  it('is in a file and a folder that only their owner can read, whatever was there before', async () => {
    await mkdir(data);
    await chmod(data, 0o755);
    await writeFile(file, '');
    await chmod(file, 0o644);
    await start();
    expect([await mode(data), await mode(file)]).toEqual([0o700, 0o600]);
    await stop();
    await chmod(file, 0o664);
    await start();
    expect(await mode(file)).toBe(0o600);
    expect(await readdir(data)).not.toContain('operator.ref.new');
  });

  it('is not written again where it is good', async () => {
    await start();
    await stop();
    await start(); // On another port of TCP, but its address is the unix socket.
    const before = await stat(file);
    await stop();
    await start();
    expect((await stat(file)).mtimeMs).toBe(before.mtimeMs);
    expect((await stat(file)).ino).toBe(before.ino);
  });

  it('is replaced where it was lost, and the grant that it was for dies', async () => {
    await start();
    const lost = SturdyRef.parse((await readFile(file, 'utf8')).trim());
    await stop();
    await writeFile(file, '');
    await start();
    expect((await grants()).map(({ label, state }) => `${label}: ${state}`)).toEqual([
      'the operator: revoked',
      'the operator: live',
    ]);
    const client = await running!.connect();
    await expect(client.gate.restore({ ref: { secret: lost.secret() } })).rejects.toThrow(
      'no such reference',
    );
  });

  it('is not a weaker reference that somebody put in its file', async () => {
    await start();
    const operator = await running!.operator();
    const { grants: rows } = await operator.grants({});
    const { grant } = await operator.grant({ id: rows[0].id });
    const { ref } = await grant.attenuate({ label: 'weaker', policy: { methods: { only: [] } } });
    await stop();
    const put = SturdyRef.of(ref.secret, { transport: 'unix', path: join(folder, 'broker.sock') }).format();
    await writeFile(file, `${put}\n`);
    await start();
    expect(await readFile(file, 'utf8')).not.toContain(put);
    expect((await grants()).filter(({ state }) => state === 'live').map(({ label }) => label)).toEqual([
      'the operator',
    ]);
  });

  it('that cannot be read is no reason to make another', async () => {
    await start();
    await stop();
    await rm(file);
    await mkdir(file);
    await expect(start()).rejects.toThrow(`cannot read the operator's reference in ${file}: EISDIR`);
    await rm(file, { recursive: true });
  });
});
