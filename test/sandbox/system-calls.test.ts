/**
 * The system calls that native code in the sandbox cannot make: each is made by a program of a few bytes, without the sandbox, where it succeeds, and
 * in it. Where this machine's kernel does not have a call, or does not let this user make it, there is nothing to be shown, and the test is skipped.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findBubblewrap, NOBODY, sandboxed } from '../../broker/sandbox/bubblewrap.js';
import { NODE } from '../../broker/sandbox/runtime.js';
import { seccompFilter } from '../../broker/sandbox/seccomp.js';
import { MACHINES } from '../../broker/sandbox/syscalls.js';
import { type SystemCall, writeProgram } from './machine-code.js';
import { noSandbox } from './needs-bubblewrap.js';

const EPERM = 1;
const ENOSYS = 38;
/** SIGSYS, as bubblewrap tells it. */
const KILLED = 128 + 31;

const page = 'page' as const;
const SIGCHLD = 17;
const PRIVATE = 0x22;
const SHARED = 0x21;
const GROWS_DOWN = 0x100;
const WRITABLE = 3;

const DENIED: readonly (readonly [what: string, call: SystemCall, answer: number])[] = [
  ['socket of unix', { number: 41, args: [1, 1, 0] }, ENOSYS],
  ['socket of the Internet', { number: 41, args: [2, 1, 0] }, ENOSYS],
  ['socketpair', { number: 53, args: [1, 1, 0, page] }, ENOSYS],
  ['ptrace', { number: 101, args: [0, 0, 0, 0] }, ENOSYS],
  ['unshare, for a user namespace', { number: 272, args: [0x10000000] }, ENOSYS],
  ['clone, for a process', { number: 56, args: [SIGCHLD, 0, 0, 0, 0] }, EPERM],
  ['clone, for a process in a namespace', { number: 56, args: [SIGCHLD | 0x10000000, 0, 0, 0, 0] }, EPERM],
  ['fork', { number: 57, args: [] }, ENOSYS],
  ['vfork', { number: 58, args: [] }, ENOSYS],
  ['keyctl', { number: 250, args: [0, -1, 1] }, ENOSYS],
  ['userfaultfd', { number: 323, args: [0] }, ENOSYS],
  ['io_uring_setup', { number: 425, args: [1, page] }, ENOSYS],
  ['memfd_create', { number: 319, args: [page, 0] }, ENOSYS],
  ['timerfd_create', { number: 283, args: [1, 0] }, ENOSYS],
  ['inotify_init1', { number: 294, args: [0] }, ENOSYS],
  ['pidfd_open', { number: 434, args: [1, 0] }, ENOSYS],
  ['personality', { number: 135, args: [0xffffffff] }, ENOSYS],
  ['memory that is shared', { number: 9, args: [0, 4096, WRITABLE, SHARED, -1, 0] }, EPERM],
  ['memory that grows down', { number: 9, args: [0, 4096, WRITABLE, PRIVATE | GROWS_DOWN, -1, 0] }, EPERM],
  ['prctl, to outlive its parent', { number: 157, args: [1, 0, 0, 0, 0] }, EPERM],
  ['a call of 32 bits', { number: 20, args: [], legacy: true }, KILLED],
  ['sethostname', { number: 170, args: [page, 0] }, ENOSYS],
];

const ALLOWED: readonly (readonly [what: string, call: SystemCall])[] = [
  ['memory of its own', { number: 9, args: [0, 4096, WRITABLE, PRIVATE, -1, 0] }],
  ['its own number', { number: 39, args: [] }],
];

describe.skipIf(noSandbox || process.arch !== 'x64')('native code in the sandbox', () => {
  let folder: string;
  let programs = 0;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sturdy-native-'));
    chmodSync(folder, 0o755);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Each in a file of its own: a process that has just been made may still have the file of the one before. */
  function written(call: SystemCall): string {
    const program = join(folder, `program-${programs++}`);
    writeProgram(program, call);
    return program;
  }

  async function withoutSandbox(call: SystemCall): Promise<number> {
    const program = written(call);
    const [code] = await once(spawn(program, { stdio: 'ignore' }), 'close');
    return code as number;
  }

  async function inSandbox(call: SystemCall): Promise<number> {
    const program = written(call);
    const [command, ...args] = sandboxed(findBubblewrap()!, [{ from: program, to: NODE }], []);
    const child = spawn(command!, args, {
      stdio: ['ignore', 'ignore', 'inherit', 'ignore', 'ignore', 'pipe'],
      ...(process.getuid!() === 0 ? { uid: NOBODY, gid: NOBODY } : {}),
    });
    (child.stdio as readonly unknown[] as Writable[])[5]!.end(seccompFilter(MACHINES['x64']!));
    const [code] = await once(child, 'close');
    return code as number;
  }

  it.for(DENIED)('cannot make the call %s', async ([, call, answer], { skip }) => {
    const without = await withoutSandbox(call);
    skip(without !== 0, `this kernel answers ${without} without the sandbox: there is nothing to be shown`);
    expect(await inSandbox(call)).toBe(answer);
  });

  it.each(ALLOWED)('has %s', async (_what, call) => {
    expect(await inSandbox(call)).toBe(0);
  });
});
