/**
 * Looks from outside, by what the kernel says of a process, whether it is behind the walls of its tier: a program that was to make them is
 * not believed to have done so.
 */

import { readlinkSync } from 'node:fs';
import { dataLimited, statusField } from '../process-facts.js';
import type { Tier } from '../tier.js';

/** The tiers with walls of the system's. */
export type WalledTier = Exclude<Tier, 'thread'>;

interface Wall {
  readonly name: string;
  stands(pid: number): boolean;
}

const MEMORY: Wall = { name: 'a bound on its memory (RLIMIT_DATA)', stands: dataLimited };

const SANDBOX: readonly Wall[] = [
  { name: 'a filter of system calls (seccomp)', stands: (pid) => statusField(pid, 'Seccomp') === '2' },
  { name: 'no way to new privileges', stands: (pid) => statusField(pid, 'NoNewPrivs') === '1' },
  { name: 'no capability', stands: hasNoCapability },
  { name: 'a user that is not root', stands: (pid) => isOrdinary(statusField(pid, 'Uid')) },
  ...['user', 'mnt', 'pid', 'net', 'ipc', 'uts'].map((namespace) => ({
    name: `a namespace of its own (${namespace})`,
    stands: (pid: number) => isApart(pid, namespace),
  })),
];

const WALLS: Record<WalledTier, readonly Wall[]> = { process: [MEMORY], sandbox: [MEMORY, ...SANDBOX] };

/** What a host of this tier has around it. */
export const wallsOf = (tier: WalledTier): string[] => WALLS[tier].map(({ name }) => name);

/** The walls of `tier` that process `pid` is not behind: none, if all is well. Only Linux tells: elsewhere none is looked at. */
export function missingWalls(pid: number, tier: WalledTier): string[] {
  if (process.platform !== 'linux') return [];
  return WALLS[tier].filter(({ stands }) => !stands(pid)).map(({ name }) => name);
}

function hasNoCapability(pid: number): boolean {
  const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'];
  return sets.every((set) => /^0+$/.test(statusField(pid, set) ?? ''));
}

function isOrdinary(uids: string | null): boolean {
  return !(uids ?? '0').split('\t').includes('0');
}

function isApart(pid: number, namespace: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/${namespace}`) !== readlinkSync(`/proc/self/ns/${namespace}`);
  } catch {
    return false;
  }
}
