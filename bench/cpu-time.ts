/** The CPU time that a process has used, all its threads together, as Linux counts it. */

import { readdirSync, readFileSync } from 'node:fs';

/** In nanoseconds. Threads that have ended are not in it: no subject ends one while it is measured. */
export function cpuTime(pid: number): number {
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      // "time spent on the cpu (in nanoseconds)", then the time waited, then the number of time slices.
      sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return sum;
}
