/**
 * Keeps the broker's open files out of the processes that it starts. Node opens its own files close-on-exec; LMDB does not
 * (`mdb_env_open` leaves the flag off for its data file, by intent), so a child would be born with a descriptor that
 * reads and writes the whole store. Node cannot set the flag, so the descriptor's place in the child is taken by
 * /dev/null, which `spawn` puts there before the child's program runs.
 *
 * Every child of the broker is to be started with this.
 */

import type { IOType } from 'node:child_process';
import { openSync, readdirSync, readFileSync } from 'node:fs';

/** O_CLOEXEC, as /proc prints it. */
const CLOSE_ON_EXEC = 0o2000000;

let nothing: number | undefined;

/** `stdio` for spawn, with every descriptor behind its end that the child would inherit replaced by /dev/null. */
export function withoutInherited(stdio: readonly IOType[]): (IOType | number)[] {
  const covered: (IOType | number)[] = [...stdio];
  for (const descriptor of inheritable()) {
    if (descriptor < stdio.length) continue;
    // What lies between is close-on-exec: 'ignore' leaves it so.
    while (covered.length < descriptor) covered.push('ignore');
    nothing ??= openSync('/dev/null', 'r');
    covered[descriptor] = nothing;
  }
  return covered;
}

/** The descriptors that are not close-on-exec. Elsewhere than on Linux, Node's spawn lets none be inherited or shows none. */
function inheritable(): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc/self/fdinfo')
    .map(Number)
    .filter((descriptor) => {
      try {
        const flags = /^flags:\s*([0-7]+)$/m.exec(
          readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'),
        )?.[1];
        return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
      } catch {
        return false; // The one with which the folder itself was read.
      }
    })
    .sort((a, b) => a - b);
}
