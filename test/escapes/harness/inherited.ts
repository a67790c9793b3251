/**
 * What a host process inherits of the broker's: its environment and its arguments, read from where the system keeps them.
 * One broker a tier serves all such attempts: whatever any of them plants is planted before it starts its domain.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Running } from '../../broker/running.js';
import type { DrivenAttempt } from './escape-class.js';
import type { Tier } from './tiers.js';
import { probeDomain, Wall } from './wall.js';

const variables = new Map<string, string>();
const flags: string[] = [];

/** Whether a variable of the broker's environment is in that of a host. */
export function inherited(name: string, value: string): DrivenAttempt {
  variables.set(name, value);
  return {
    behind: async ({ tier }) => {
      const { environment } = await inheritance(tier);
      return environment.includes(`${name}=${value}`) ? 'out' : `the environment is ${environment.join(' ')}`;
    },
    async without() {
      const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 10000)'], {
        env: { ...process.env, [name]: value },
      });
      await once(child, 'spawn');
      const found = proc(child.pid!, 'environ').includes(`${name}=${value}`);
      child.kill('SIGKILL');
      return found;
    },
  };
}

/** Whether a flag that the broker was started with, as far as Node can tell, is one of its hosts'. */
export function inheritedFlag(flag: string): DrivenAttempt {
  flags.push(flag);
  return {
    behind: async ({ tier }) => {
      const { commands } = await inheritance(tier);
      return commands.includes(flag) ? 'out' : 'it is not among the flags of the host';
    },
    async without() {
      // What fork does with the flags of this process.
      const child = spawn(process.execPath, [flag, '-e', 'setTimeout(() => {}, 10000)']);
      await once(child, 'spawn');
      const found = proc(child.pid!, 'cmdline').includes(flag);
      child.kill('SIGKILL');
      return found;
    },
  };
}

interface Inheritance {
  readonly environment: readonly string[];
  readonly commands: readonly string[];
}

const known = new Map<Tier, Promise<Inheritance>>();

function inheritance(tier: Tier): Promise<Inheritance> {
  const found = known.get(tier) ?? look(tier);
  known.set(tier, found);
  return found;
}

async function look(tier: Tier): Promise<Inheritance> {
  const before = { ...process.env };
  const running = await Running.start({ heir: probeDomain({ tier }) });
  for (const [name, value] of variables) process.env[name] = value;
  process.execArgv.push(...flags);
  try {
    const client = await running.connect();
    const operator = await running.operator(client);
    const wall = await Wall.to('heir', tier, client, operator, running);
    const pids = family((await wall.info()).hostPid);
    const all = (file: 'environ' | 'cmdline') =>
      pids.flatMap((pid) => proc(pid, file)).filter((each) => each !== '');
    return { environment: all('environ'), commands: all('cmdline') };
  } finally {
    process.execArgv.splice(-flags.length, flags.length);
    for (const name of variables.keys()) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
    await running.stop();
  }
}

/** The process and every process below it, which is where a sandbox has its host. */
function family(pid: number): number[] {
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

/** One file of /proc, whose parts are ended by zeros. */
function proc(pid: number, file: 'environ' | 'cmdline'): string[] {
  return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0');
}
