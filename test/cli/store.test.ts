import { spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COMES_BACK } from '../../broker/store/backup.js';
import { STORE_FORMAT } from '../../broker/store/format.js';
import { CLI } from '../../examples/ledger/place.js';
import { asDelegable, Running } from '../broker/running.js';

let folder: string;
let data: string;
let running: Running | null;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-cli-store-'));
  data = join(folder, 'data');
  running = await Running.start({}, folder);
});
afterEach(async () => {
  await stop();
  await rm(folder, { recursive: true, force: true });
});

async function stop(): Promise<void> {
  await running?.stop({ keep: true });
  running = null;
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** `began` is told when it has said something; when it has said `until`, it is killed. */
function sturdy(args: readonly string[], began = () => {}, until?: RegExp): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [CLI, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text) => {
      if (out === '') began();
      out += text;
      if (until?.test(out)) child.kill('SIGKILL');
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      err += text;
    });
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

const OPERATOR = ['--operator', 'data/operator.ref'];
const DATA = ['--data', 'data'];

/** Mints a reference below the operator's, and revokes it. */
async function mintAndRevoke(label: string): Promise<void> {
  const operator = await running!.operator();
  const { grant } = await asDelegable(operator)['attenuate']!({ label });
  await grant.revoke({});
}

function damage(): void {
  const path = join(data, 'store.mdb');
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf('grant.mint'); at !== -1; at = bytes.indexOf('grant.mint', at + 1))
    bytes[at]! ^= 1;
  writeFileSync(path, bytes);
}

describe('sturdy store', { timeout: 120_000 }, () => {
  it('checks the store, while the broker runs and when it does not', async () => {
    await mintAndRevoke('one');
    const whole =
      /^the store in data is whole: 2 grants, 1 revocations, 0 domains, 0 entries of storage, \d+ audit/;
    const beside = await sturdy(['store', 'check', ...DATA]);
    expect([beside.code, beside.out]).toEqual([0, expect.stringMatching(whole)]);
    await stop();
    expect((await sturdy(['store', 'check', ...DATA])).out).toMatch(whole);
    const json = await sturdy(['store', 'check', ...DATA, '--json']);
    expect(JSON.parse(json.out)).toMatchObject({
      format: STORE_FORMAT,
      records: { grants: 2, revocations: 1 },
    });
  });

  it('says what is damaged, and so does a broker, which does not start and names the way out', async () => {
    await stop();
    damage();
    const { code, err } = await sturdy(['store', 'check', ...DATA]);
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/store\.mdb is damaged: the record of table audit, entry 1, is damaged/),
    ]);
    await expect(Running.start({}, folder)).rejects.toMatchObject({
      code: 'ERR_STARTUP',
      message: expect.stringMatching(/entry 1, is damaged.*`sturdy store restore BACKUP`/),
    });
  });

  it('backs up beside a running broker, and restores what is damaged, once that was accepted', async () => {
    const backup = await sturdy(['store', 'backup', 'kept', ...DATA]);
    expect([backup.code, backup.err]).toEqual([0, '']);
    expect(backup.out).toMatch(/^kept is a backup, and whole: 1 grants, 0 revocations/);
    expect(statSync(join(folder, 'kept')).mode & 0o777).toBe(0o600);
    expect(await sturdy(['store', 'backup', 'kept', ...DATA])).toMatchObject({
      code: 1,
      err: `sturdy: ${join(folder, 'kept')} exists already; choose another file\n`,
    });
    await mintAndRevoke('since');
    const accepted = ['store', 'restore', 'kept', ...DATA, '--accept-lost-revocations'];
    expect((await sturdy(accepted)).err).toContain('is held by another broker');
    await stop();
    damage();
    const refused = await sturdy(['store', 'restore', 'kept', ...DATA]);
    expect([refused.code, refused.out]).toEqual([1, '']);
    for (const line of COMES_BACK) expect(refused.err).toContain(line);
    const { code, out } = await sturdy(accepted);
    expect(code).toBe(0);
    expect(out).toMatch(/\nwhat was there is in .*data\/damaged-/);
    for (const line of COMES_BACK) expect(out).toContain(`- ${line}\n`);

    running = await Running.start({}, folder);
    const { grants } = await (await running.operator())['grants']!({});
    expect(grants).toMatchObject([{ label: 'the operator', state: 'live' }]);
    const tail = await sturdy(['audit', 'tail', ...OPERATOR]);
    expect(tail.out).toMatch(/ {2}store\.restore {2}.*from a backup that ends with entry 1/);
  });

  it('asks whose store is meant where nothing says so', async () => {
    const { code, err } = await sturdy(['store', 'check']);
    expect([code, err]).toEqual([2, expect.stringContaining('which store? Name the data folder (--data)')]);
    expect((await sturdy(['store', 'check', '--data', 'nowhere'])).err).toBe(
      'sturdy: there is no store in nowhere\n',
    );
  });
});

describe('sturdy audit', { timeout: 120_000 }, () => {
  it('tells the last entries: what, of which grant, by what authority, over which connection', async () => {
    await mintAndRevoke('one');
    const { out } = await sturdy(['audit', 'tail', '-n', '100', ...OPERATOR]);
    const time = '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z';
    expect(out).toMatch(
      new RegExp(`^1 {2}${time} {2}grant\\.mint {2}\\w{26} {2}of sturdy {2}by first start\n`),
    );
    expect(out).toMatch(
      new RegExp(
        ` {2}${time} {2}grant\\.attenuate {2}\\w{26} {2}of sturdy {2}from \\w{26} {2}by grant \\w{26} {2}over unix, connection 1\n`,
      ),
    );
    expect(out).toMatch(/ {2}grant\.revoke {2}.* {2}over unix, connection 1\n/);
    const json = await sturdy(['audit', 'tail', '-n', '1', '--json', ...OPERATOR]);
    expect(JSON.parse(json.out)).toMatchObject({ sequence: expect.any(Number), hash: expect.any(String) });
  });

  it('follows what is new', async () => {
    let began = () => {};
    const reads = new Promise<void>((resolve) => {
      began = resolve;
    });
    const following = sturdy(['audit', 'tail', '--follow', ...OPERATOR], began, /grant\.revoke/);
    await reads;
    await mintAndRevoke('one');
    expect((await following).out).toMatch(/grant\.attenuate.*\n(.*\n)*.*grant\.revoke/);
  });

  it('tells of restores, and of what was refused, with the grant it was for', async () => {
    const operator = await running!.operator();
    const { ref, grant } = await asDelegable(operator)['attenuate']!({ label: 'one' });
    const { info } = await grant.info({});
    const client = await running!.connect();
    await client.gate['restore']!({ ref });
    await grant.revoke({});
    for (let i = 0; i < 3; i++) await client.gate['restore']!({ ref }).catch(() => {});
    await client.gate['restore']!({ ref: { secret: new Uint8Array(33) } }).catch(() => {});
    await stop();
    const { out } = await sturdy(['audit', 'export', ...DATA]);
    const entries = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const about = (action: string, grant?: string) =>
      entries.find((entry) => entry.action === action && entry.grant === grant);
    expect(about('grant.restore', info.id)).toMatchObject({
      peer: 'unix',
      detail: expect.stringMatching(/^1 time since/),
    });
    expect(about('restore.refuse', info.id)).toMatchObject({
      detail: expect.stringMatching(/^3 times since/),
    });
    expect(about('restore.refuse')).toMatchObject({ detail: expect.stringMatching(/^1 time since/) });
  });

  it('exports the same from the broker as from its folder, and both are as they were written', async () => {
    for (let i = 0; i < 3; i++) await mintAndRevoke(`grant ${i}`);
    expect((await sturdy(['audit', 'export', '--out', 'live.jsonl', ...OPERATOR])).code).toBe(0);
    expect(statSync(join(folder, 'live.jsonl')).mode & 0o777).toBe(0o600);
    expect((await sturdy(['audit', 'export', '--out', 'live.jsonl', ...OPERATOR])).code).toBe(2);
    const verified = await sturdy(['audit', 'verify', ...DATA]);
    expect(verified.out).toMatch(
      /^the audit log is as it was written, up to its last entry, \d+:[0-9a-f]{64}\n$/,
    );
    await stop();
    expect((await sturdy(['audit', 'export', '--out', 'rest.jsonl', ...DATA])).code).toBe(0);
    const [live, rest] = ['live.jsonl', 'rest.jsonl'].map((name) =>
      readFileSync(join(folder, name), 'utf8').trim().split('\n'),
    ) as [string[], string[]];
    expect(rest.slice(0, live.length - 1)).toEqual(live.slice(0, -1));
    for (const name of ['live.jsonl', 'rest.jsonl'])
      expect((await sturdy(['audit', 'verify', '--file', name])).code).toBe(0);
    const after = await sturdy(['audit', 'export', '--after', '3', '--out', 'part.jsonl', ...DATA]);
    expect([after.code, after.err]).toEqual([0, '']);
    expect((await sturdy(['audit', 'verify', '--file', 'part.jsonl', '--after', '3'])).code).toBe(0);
    expect((await sturdy(['audit', 'verify', '--file', 'part.jsonl'])).err).toContain(
      'where entry 1 is expected, there is entry 4',
    );
    const last = JSON.parse(rest.at(-1)!);
    const known = (await sturdy(['audit', 'verify', ...DATA, '--known', `${last.end}:${last.hash}`])).code;
    const forged = await sturdy(['audit', 'verify', ...DATA, '--known', `2:${'0'.repeat(64)}`]);
    expect([known, forged.code, forged.err]).toEqual([
      0,
      1,
      expect.stringContaining('entry 2 of its audit log is not the one that is known'),
    ]);
  });

  it('verifies the store that is damaged by naming the first entry', async () => {
    await stop();
    damage();
    const { code, err } = await sturdy(['audit', 'verify', ...DATA]);
    expect([code, err]).toEqual([
      1,
      expect.stringContaining('the record of table audit, entry 1, is damaged'),
    ]);
  });

  it.each([
    [['tail', '-n', 'many', ...OPERATOR], '--lines: expected a whole number, found many'],
    [['export', '--after', '999999', ...OPERATOR], '--after: there is no entry 999999'],
    [['verify', '--file', 'nowhere'], 'cannot read nowhere: ENOENT'],
    [
      ['verify', ...DATA, '--known', 'all'],
      '--known: expected the number of an entry, a colon, and its hash',
    ],
  ])('refuses what is wrong, with the reason: %j', async (args, reason) => {
    const ended = await sturdy(['audit', ...args]);
    expect([ended.code, ended.out]).toEqual([2, '']);
    expect(ended.err).toContain(reason);
  });
});
