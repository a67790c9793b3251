/**
 * The system calls that a host in the sandbox may make: what Node needs to run threads, to read what is bound into its root and
 * to use the descriptors that it inherited. Everything else is answered ENOSYS, and so is whatever a kernel may learn later:
 * no new descriptor of a socket or a timer, no other process, no namespace, no tracing, no io_uring, no bpf, no keys, no modules.
 *
 * `execve` has to be let through, because the filter is in force before Node is: there is no other program in the root, and a
 * process that has made itself Node again has the same filter.
 */

import { assemble, type Block, load, unlessEqual, verdict, whenAnyBit, whenEqual } from './bpf.js';
import { type Machine, SYSCALLS, type Syscall } from './syscalls.js';

/** linux/seccomp.h */
const ALLOW = verdict(0x7fff0000);
const KILL_PROCESS = verdict(0x80000000);
const errno = (number: number): Block => verdict(0x00050000 | number);

const NOT_PERMITTED = errno(1);
const NOT_IMPLEMENTED = errno(38);

/** Where `struct seccomp_data` has them. Of an argument the low word, which is all of it where the kernel takes an int. */
const NUMBER = load(0);
const ARCHITECTURE = load(4);
const argument = (index: number): Block => load(16 + 8 * index);

/** linux/sched.h: every CLONE_NEW* that clone takes. */
const CLONE_NEW = 0x7e020000;
const CLONE_THREAD = 0x00010000;

/**
 * linux/mman.h: RLIMIT_DATA counts private writable memory only, and no stack that grows down. So there is none of the other
 * kinds: MAP_SHARED (and MAP_SHARED_VALIDATE), MAP_GROWSDOWN.
 */
const UNCOUNTED_MEMORY = 0x1 | 0x100;

/** linux/prctl.h: names of threads and of memory, and what Node asks to find out whether it runs with privileges. */
const PRCTL = { SET_NAME: 15, GET_NAME: 16, GET_DUMPABLE: 3, CAPBSET_READ: 23, SET_VMA: 0x53564d41 };

/** asm-generic/ioctls.h. None of them writes to a terminal. */
const IOCTL = { FIONBIO: 0x5421, FIOCLEX: 0x5451, FIONCLEX: 0x5450, FIONREAD: 0x541b, TCGETS: 0x5401 };

const oneOf = (values: Readonly<Record<string, number>>): Block => [
  ...Object.values(values).flatMap((value) => whenEqual(value, ALLOW)),
  ...NOT_PERMITTED,
];

/** Calls that are let through or not by their arguments. */
const GUARDED: Partial<Record<Syscall, Block>> = {
  // A thread of this process, and nothing that could be seen as another. clone3 hides its flags behind a pointer, and is not there.
  clone: [
    ...argument(0),
    ...whenAnyBit(CLONE_NEW, NOT_PERMITTED),
    ...whenAnyBit(CLONE_THREAD, ALLOW),
    ...NOT_PERMITTED,
  ],
  mmap: [...argument(3), ...whenAnyBit(UNCOUNTED_MEMORY, NOT_PERMITTED), ...ALLOW],
  // The limits of this process only.
  prlimit64: [...argument(0), ...whenEqual(0, ALLOW), ...NOT_PERMITTED],
  prctl: [...argument(0), ...oneOf(PRCTL)],
  ioctl: [...argument(1), ...oneOf(IOCTL)],
};

/** The filter for this machine, as bubblewrap takes it. */
export function seccompFilter({ audit, column }: Machine): Buffer {
  const calls = (Object.keys(SYSCALLS) as Syscall[]).flatMap((name) => {
    const number = SYSCALLS[name][column];
    return number === null ? [] : whenEqual(number, GUARDED[name] ?? ALLOW);
  });
  return assemble([
    ...ARCHITECTURE,
    ...unlessEqual(audit, KILL_PROCESS),
    ...NUMBER,
    // Of x32, a second numbering on x86-64 with the same architecture, no number is known here.
    ...calls,
    ...NOT_IMPLEMENTED,
  ]);
}
