/**
 * The command that runs a host in the sandbox: bubblewrap makes it a root of its own with nothing in it but the runtime, read-only, and
 * namespaces of its own with nothing else in them; it has no capability, can gain no privilege, and makes only the system calls of
 * seccomp.ts. It talks on what it has inherited, and ends with whoever started it.
 */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Bind, NODE } from './runtime.js';

/** `nobody`, inside, and outside where the broker is root: a host is never root's, not even without its capabilities. */
export const NOBODY = 65_534;

/** The descriptor from which bubblewrap reads the filter. It closes it. */
const FILTER_DESCRIPTOR = 5;

/** Where bubblewrap is, or null. */
export function findBubblewrap(path: string = process.env['PATH'] ?? '/usr/bin:/bin'): string | null {
  for (const folder of path.split(delimiter)) {
    if (folder === '') continue;
    const program = join(folder, 'bwrap');
    try {
      accessSync(program, constants.X_OK);
      return program;
    } catch {
      // Not here.
    }
  }
  return null;
}

/** The command that runs Node with these arguments, and with nothing there but `binds`. */
export function sandboxed(bubblewrap: string, binds: readonly Bind[], args: readonly string[]): string[] {
  const nobody = String(NOBODY);
  return [
    bubblewrap,
    '--unshare-all',
    '--unshare-user',
    ...['--uid', nobody, '--gid', nobody],
    '--die-with-parent',
    // Of the terminal, where the broker has one.
    '--new-session',
    ...['--cap-drop', 'ALL'],
    ...['--hostname', 'sandbox'],
    ...['--clearenv', '--setenv', 'TZ', 'UTC'],
    ...binds.flatMap(({ from, to }) => ['--ro-bind', from, to]),
    ...['--proc', '/proc'],
    // The root is in memory that no limit counts: nothing can be written to it any more.
    ...['--remount-ro', '/'],
    ...['--chdir', '/'],
    ...['--seccomp', String(FILTER_DESCRIPTOR)],
    '--',
    NODE,
    ...args,
  ];
}
