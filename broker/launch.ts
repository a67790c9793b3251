/**
 * How the host process of each tier is started: with which command, as whose process, within which bounds. Nothing of the broker's is inherited
 * in any of them: not its environment, not its flags, not its open files.
 */

import { bounded } from './bounded.js';
import { KEEP_CODE } from './keep-code.js';
import { findBubblewrap, NOBODY, sandboxed } from './sandbox/bubblewrap.js';
import { codeRangeMebibytes } from './sandbox/code-range.js';
import { permitted } from './sandbox/permission.js';
import { type Bind, nodeBinds, type Runtime, runtimeFor } from './sandbox/runtime.js';
import { seccompFilter } from './sandbox/seccomp.js';
import { MACHINES } from './sandbox/syscalls.js';
import { type HostMemory, type Launch, type Tier, TierError } from './tier.js';

/** The time zone is nobody's but UTC. */
const ENVIRONMENT = { TZ: 'UTC' };
const FLAGS = ['--no-warnings', '--no-addons', '--no-global-search-paths', KEEP_CODE];

/**
 * What Node itself may take of RLIMIT_DATA, in MiB: its code, the heap of its main thread, the stacks of its threads, the young generation of
 * the domain's thread.
 */
export const RUNTIME_MEBIBYTES = 256;

/** Descriptors that a host of one domain may have open. Node needs some 30. */
const FILES = 128;

/** Heaps of V8 in a host of one domain: that of its main thread and that of the domain's. */
const HEAPS = 2;

export class Launcher {
  readonly #module: string;
  #found: Runtime | null = null;
  #binary: readonly Bind[] | null = null;

  /** @param module the built module that a host runs */
  constructor(module: string) {
    this.#module = module;
  }

  /**
   * @param settings the only argument of the host's module
   * @throws TierError where this machine cannot give the tier
   */
  launch(tier: Tier, memory: HostMemory, settings: string): Launch {
    switch (tier) {
      case 'thread':
        return {
          command: [process.execPath, ...FLAGS, this.#module, settings],
          options: { env: ENVIRONMENT },
          feed: null,
          wrapped: false,
        };
      case 'process':
        if (process.platform === 'win32') throw new TierError(tier, 'it needs a POSIX shell to bound memory');
        return {
          command: bounded(boundsFor(memory), [
            process.execPath,
            ...FLAGS,
            ...permitted(this.#runtime(tier)),
            this.#module,
            settings,
          ]),
          options: { env: ENVIRONMENT },
          feed: null,
          wrapped: false,
        };
      case 'sandbox':
        return this.#sandbox(memory, settings);
    }
  }

  #sandbox(memory: HostMemory, settings: string): Launch {
    if (process.platform !== 'linux') {
      throw new TierError('sandbox', `it needs Linux, and this is ${process.platform}`);
    }
    const machine = MACHINES[process.arch];
    if (machine === undefined) {
      const known = Object.keys(MACHINES).join(' and ');
      throw new TierError(
        'sandbox',
        `its filter of system calls is known for ${known}, not for ${process.arch}`,
      );
    }
    const bubblewrap = findBubblewrap();
    if (bubblewrap === null) {
      throw new TierError(
        'sandbox',
        'there is no bwrap in the PATH; install bubblewrap (apt install bubblewrap)',
      );
    }
    const { module, modules } = this.#runtime('sandbox');
    const args = [...FLAGS, ...permitted(null), module, settings];
    const asNobody = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
    return {
      command: bounded(boundsFor(memory), sandboxed(bubblewrap, [...this.#node(), ...modules], args)),
      options: { env: ENVIRONMENT, ...asNobody },
      feed: seccompFilter(machine),
      wrapped: true,
    };
  }

  #runtime(tier: Tier): Runtime {
    this.#found ??= foundFor(tier, () => runtimeFor(this.#module));
    return this.#found;
  }

  #node(): readonly Bind[] {
    this.#binary ??= foundFor('sandbox', nodeBinds);
    return this.#binary;
  }
}

function foundFor<T>(tier: Tier, find: () => T): T {
  try {
    return find();
  } catch (cause) {
    throw new TierError(tier, (cause as Error).message, { cause });
  }
}

function boundsFor({ heapMebibytes, offHeapMebibytes }: HostMemory): {
  dataMebibytes: number;
  files: number;
} {
  const code = HEAPS * codeRangeMebibytes();
  return { dataMebibytes: RUNTIME_MEBIBYTES + code + heapMebibytes + offHeapMebibytes, files: FILES };
}
