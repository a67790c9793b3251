import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { MachineReport, TierReport } from '../../broker/tier-probe.js';
import { CLI } from '../../examples/ledger/place.js';
import { noSandbox } from '../sandbox/needs-bubblewrap.js';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

async function run(command: readonly string[], options: object = {}): Promise<{ out: string; code: number }> {
  const child = spawn(command[0]!, command.slice(1), {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], TMPDIR: tmpdir() },
    ...options,
  });
  const [out, [code]] = await Promise.all([text(child.stdout!), once(child, 'close')]);
  return { out, code: code as number };
}

async function probe(options: object = {}, before: readonly string[] = []): Promise<MachineReport> {
  const { out, code } = await run([...before, process.execPath, CLI, 'tiers', '--json'], options);
  expect(code).toBe(0);
  return JSON.parse(out) as MachineReport;
}

const named = ({ tiers }: MachineReport, name: string): TierReport =>
  tiers.find(({ tier }) => tier === name)!;

describe('sturdy tiers', () => {
  it.skipIf(noSandbox)('says what there is to whoever asks', async () => {
    const report = await probe();
    expect(report.uid).toBe(process.getuid!());
    expect(report.tiers.map(({ tier, available }) => `${tier} ${available}`)).toEqual([
      'thread true',
      'process true',
      'sandbox true',
    ]);
    expect(named(report, 'sandbox').walls).toEqual(
      expect.arrayContaining([
        'a filter of system calls (seccomp)',
        'no capability',
        'a user that is not root',
      ]),
    );
  });

  it.skipIf(noSandbox || !isRoot)('says the same to an ordinary user', async () => {
    const report = await probe({ uid: NOBODY, gid: NOBODY });
    expect(report.uid).toBe(NOBODY);
    expect(named(report, 'sandbox')).toMatchObject({ available: true, reason: '' });
  });

  it('says why there is no sandbox where there is no bubblewrap', async () => {
    const report = await probe({ env: { PATH: '/nowhere' } });
    expect(report.bubblewrap).toBe(null);
    expect(named(report, 'process').available).toBe(true);
    expect(named(report, 'sandbox')).toEqual({
      tier: 'sandbox',
      available: false,
      reason: 'there is no bwrap in the PATH; install bubblewrap (apt install bubblewrap)',
      walls: [],
    });
  });

  it.skipIf(noSandbox || !isRoot)('says why there is no sandbox without user namespaces', async () => {
    // In a namespace of its own, so that the setting is nobody else's; and without the capabilities that it gives.
    const without =
      'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --ambient-caps=-all -- "$@"';
    const apart = ['unshare', '--user', '--map-current-user', '--keep-caps', 'sh', '-c', without, 'sh'];
    const { available, reason } = named(await probe({ uid: NOBODY, gid: NOBODY }, apart), 'sandbox');
    expect(available).toBe(false);
    expect(reason).toMatch(/^its host died \(exit code 1\): bwrap: .*namespace/);
  });

  it.skipIf(noSandbox || !isRoot)(
    'says why there is no sandbox for a root who can be nobody else',
    async () => {
      const { available, reason } = named(
        await probe({}, ['unshare', '--user', '--map-root-user']),
        'sandbox',
      );
      expect(available).toBe(false);
      expect(reason).toMatch(/^a host cannot be started as user 65534: /);
    },
  );

  it.skipIf(noSandbox)('tells a person in lines', async () => {
    const { out } = await run([process.execPath, CLI, 'tiers']);
    expect(out).toMatch(
      /^linux \w+, Node v\S+, user \d+, bubblewrap \S+bwrap\nthread: yes\n {2}a thread in a host/,
    );
    expect(out).toMatch(/\nsandbox: yes\n {2}a host of its own\n/);
  });
});
