/**
 * What the kernel says of a process: Linux only, by /proc. All of it is null, or nothing, where there is no such process any more, or no
 * /proc that tells.
 */

import { readFileSync } from 'node:fs';

/** Bytes of a page, and ticks of a second, which have been the same on every machine that Sturdy knows. */
const PAGE = 4096;
const TICKS = 100;

/** The process at the end of a line of only children: what a wrapper has started. */
export function lastDescendant(pid: number): number {
  for (let at = pid; ; ) {
    const [child, another] = childrenOf(at);
    if (child === undefined || another !== undefined) return at;
    at = child;
  }
}

function childrenOf(pid: number): number[] {
  return words(`/proc/${pid}/task/${pid}/children`).map(Number);
}

/** A field of /proc/PID/status, such as Seccomp. */
export function statusField(pid: number, field: string): string | null {
  const text = read(`/proc/${pid}/status`);
  return new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? null;
}

/** Whether RLIMIT_DATA bounds it, and cannot be raised by it. */
export function dataLimited(pid: number): boolean {
  return /^Max data size +\d+ +\d+ /m.test(read(`/proc/${pid}/limits`));
}

/** Bytes of memory that are there and are its own: no other process has them, and they are in no file. */
export function residentBytes(pid: number): number | null {
  const [, resident, shared] = words(`/proc/${pid}/statm`).map(Number);
  return resident === undefined || shared === undefined ? null : (resident - shared) * PAGE;
}

/** Milliseconds of processor time that all its threads have used so far, or only that of thread `task`. */
export function cpuMillis(pid: number, task?: number): number | null {
  const text = read(task === undefined ? `/proc/${pid}/stat` : `/proc/${pid}/task/${task}/stat`);
  // The name, in parentheses, may have anything in it.
  const [user, system] = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return user === undefined || system === undefined ? null : ((user + system) * 1000) / TICKS;
}

const words = (path: string): string[] => read(path).trim().split(/\s+/).filter(Boolean);

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
