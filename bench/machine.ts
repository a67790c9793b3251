/** The facts of the machine that a run was made on, without which its numbers mean nothing. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { BENCH, ROOT } from './place.js';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** Of the last minute, when the run began: on an idle machine near 0. */
  readonly loadBefore: number;
  /** The version of each thing that was measured, by its name. */
  readonly versions: Readonly<Record<string, string>>;
}

export function thisMachine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${distribution()}, Linux ${release()}, ${arch()}`,
    node: process.version,
    loadBefore: Math.round(loadavg()[0]! * 100) / 100,
    versions: versions(),
  };
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}

function versions(): Record<string, string> {
  const found: Record<string, string> = { sturdy: `${packageVersion(ROOT)} ${commit()}`.trim() };
  const capnp = said('capnp', ['--version'])?.replace(/^.*version /, '');
  if (capnp) found["Cap'n Proto C++"] = capnp;
  for (const [folder, names] of [
    [ROOT, ['capnp-ts', 'piscina', 'ses']],
    [BENCH, ['capnweb', '@endo/captp', '@grpc/grpc-js']],
  ] as const) {
    for (const name of names) {
      const version = packageVersion(join(folder, 'node_modules', name));
      if (version !== '') found[name] = version;
    }
  }
  return found;
}

function packageVersion(folder: string): string {
  try {
    return (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
  } catch {
    return '';
  }
}

/** Which commit was built, and whether anything was changed in it; nothing where this is no checkout. */
function commit(): string {
  const hash = said('git', ['rev-parse', '--short=12', 'HEAD']);
  if (hash === null) return '';
  return said('git', ['status', '--porcelain', '--untracked-files=no']) === '' ? hash : `${hash}, changed`;
}

function said(program: string, args: readonly string[]): string | null {
  try {
    return execFileSync(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    return null;
  }
}
