/**
 * The flags of Node's permission model, where this version has it: a host may read, and start threads; it may write no file and start no
 * process. A wall within Node itself: what gets out of JavaScript is not held by it.
 */

import type { Runtime } from './runtime.js';

/** Called --experimental-permission before Node 22.13 and 23.5. */
const FLAG = ['--permission', '--experimental-permission'].find((flag) =>
  process.allowedNodeEnvironmentFlags.has(flag),
);

export const PERMISSION_MODEL: boolean = FLAG !== undefined;

/** Newer versions guard descriptors of sockets, too: a host gives this permission up when it has opened its own (worker/permission.ts). */
const NETWORK = ['--allow-net'].filter((flag) => process.allowedNodeEnvironmentFlags.has(flag));

/** Of the files, those of `runtime`, or, where it has nothing else before it anyway, whatever there is. */
export function permitted(runtime: Runtime | null): string[] {
  if (FLAG === undefined) return [];
  const readable = runtime === null ? ['*'] : [...runtime.modules.map(({ from }) => from), ...runtime.links];
  return [FLAG, '--allow-worker', ...NETWORK, ...new Set(readable.map((path) => `--allow-fs-read=${path}`))];
}
