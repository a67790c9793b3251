/** The commands of the processes that run in Node. */

import { fileURLToPath } from 'node:url';

/** Flags for every one of them: how a profile of all of a subject's processes is taken (`--profile`). */
export const nodeFlags: string[] = [];

export function nodeProgram(...args: readonly string[]): readonly string[] {
  return [process.execPath, ...nodeFlags, ...args];
}

export function nodeServer(subject: string, path: string): readonly string[] {
  return nodeProgram(fileURLToPath(new URL('./server.js', import.meta.url)), subject, path);
}

export function nodeClient(subject: string, address: string): readonly string[] {
  return nodeProgram(fileURLToPath(new URL('./client.js', import.meta.url)), subject, address);
}
