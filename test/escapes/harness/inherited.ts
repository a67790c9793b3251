/** What a host process inherits of the broker's: its environment and its arguments, read from where the system keeps them. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Running } from '../../broker/running.js';
import type { DrivenAttempt } from './escape-class.js';
import { probeDomain, Wall } from './wall.js';

/** Of the process and of every process below it, which is where a sandbox has its host. */
export function family(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [pid];
  for (const at of found) for (const [each, parent] of parents) if (parent === at) found.push(each);
  return found;
}

/** Whether a variable of the broker's environment is in that of a host. */
export function inherited(name: string, value: string): DrivenAttempt {
  const line = `${name}=${value}`;
  return {
    async behind({ tier }) {
      const before = process.env[name];
      process.env[name] = value;
      try {
        return await withHost(tier, async (pid) =>
          family(pid).some((each) => proc(each, 'environ').includes(line)),
        );
      } finally {
        if (before === undefined) delete process.env[name];
        else process.env[name] = before;
      }
    },
    async without() {
      const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 10000)'], {
        env: { ...process.env, [name]: value },
      });
      await once(child, 'spawn');
      const found = proc(child.pid!, 'environ').includes(line);
      child.kill('SIGKILL');
      return found;
    },
  };
}

/** One file of /proc, whose parts are ended by zeros. */
export function proc(pid: number, file: 'environ' | 'cmdline'): string[] {
  return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0');
}

/** Runs a domain in a broker of its own, and gives the process that hosts it. */
export async function withHost<T>(
  tier: Wall['tier'],
  work: (pid: number, wall: Wall) => Promise<T>,
): Promise<T> {
  const running = await Running.start({ heir: probeDomain({ tier }) });
  try {
    const client = await running.connect();
    const operator = await running.operator(client);
    const wall = await Wall.to('heir', tier, client, operator, running);
    return await work((await wall.info()).hostPid, wall);
  } finally {
    await running.stop();
  }
}
