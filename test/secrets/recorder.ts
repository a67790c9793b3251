/**
 * Notes, in a process of the tests, every secret that is minted there, and everything that could show one to somebody: what the
 * processes that it starts print, and what anybody on this machine sees of them. It is loaded into every process of a test file by
 * look.ts, and into those that they start by recording.ts; no code of the product knows of it.
 *
 * Notes are files in a folder that only its owner may read: `secrets`, and one for each place that was seen, which begins with
 * a line that names it. This must never change what a test or a program does.
 */

import childProcess, { type ChildProcess } from 'node:child_process';
import crypto from 'node:crypto';
import { appendFileSync, closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';
import process from 'node:process';
import type { Readable } from 'node:stream';

/** How long a secret is. Said again, since every process that a test starts loads this module first, and would load all that the other stands on. */
const SECRET_BYTES = 33;

/** The name of the file of secrets. */
export const SECRETS = 'secrets';
/** Where the notes of a process that a test starts go, in its environment; and the test that started it. */
export const NOTES_VARIABLE = 'STURDY_TEST_NOTES';
export const TEST_VARIABLE = 'STURDY_TEST_NAME';

/** What stands in the first line of a file of notes. */
export interface Place {
  readonly where: string;
  readonly test: string;
}

interface Recorder {
  folder: string;
  /** Files of this process, by place, open: a log has many lines. */
  readonly files: Map<string, number>;
}

/** One for a process, however often this module is loaded. */
const KEPT = Symbol.for('sturdy.tests.recorder');
const kept = globalThis as { [KEPT]?: Recorder };

/** Notes from now on, into `folder`. */
export function record(folder: string): void {
  if (kept[KEPT] === undefined) {
    kept[KEPT] = { folder, files: new Map() };
    recordMinting();
    recordProcesses();
    syncBuiltinESMExports();
  }
  kept[KEPT].folder = folder;
  for (const file of kept[KEPT].files.values()) closeSync(file);
  kept[KEPT].files.clear();
}

/** Notes what is seen at a place; nothing where nobody records. */
export function note(where: string, seen: string | Uint8Array): void {
  const recorder = kept[KEPT];
  if (recorder === undefined) return;
  // What was noted by itself is not one text with what comes next.
  appendFileSync(fileOf(recorder, where), typeof seen === 'string' ? `${seen}\0` : seen);
}

function fileOf({ folder, files }: Recorder, where: string): number {
  const place: Place = { where, test: process.env[TEST_VARIABLE] ?? '' };
  const header = `${JSON.stringify(place)}\n`;
  const known = files.get(header);
  if (known !== undefined) return known;
  const file = openSync(join(folder, `seen-${process.pid}-${files.size}`), 'a', 0o600);
  writeSync(file, header);
  files.set(header, file);
  return file;
}

/** A secret is made of as many random bytes as nothing else is. */
function recordMinting(): void {
  const { randomBytes } = crypto;
  const recording = (size: number, ...rest: [never]): Buffer => {
    const made = randomBytes(size, ...rest) as unknown as Buffer;
    if (size === SECRET_BYTES) appendFileSync(join(kept[KEPT]!.folder, SECRETS), made, { mode: 0o600 });
    return made;
  };
  crypto.randomBytes = recording as unknown as typeof randomBytes;
}

interface SpawnOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly envPairs?: readonly string[];
}

function recordProcesses(): void {
  const prototype = childProcess.ChildProcess.prototype as ChildProcess & {
    spawn(options: SpawnOptions): unknown;
  };
  const { spawn } = prototype;
  prototype.spawn = function (this: ChildProcess, options) {
    const result = spawn.call(this, options);
    const program = nameOf(options.args);
    given(program, options.args, options.envPairs ?? []);
    if (this.pid !== undefined) visible(program, this.pid);
    for (const name of ['stdout', 'stderr'] as const) {
      const stream = this[name];
      if (stream) printed(`${name} of ${program}`, stream);
    }
    return result;
  };

  const { spawnSync, execFileSync } = childProcess;
  type Sync = (file: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv }) => unknown;
  childProcess.spawnSync = ((file, args, options) => {
    const result = (spawnSync as unknown as Sync)(file, args, options) as {
      stdout: unknown;
      stderr: unknown;
    };
    const program = toldOf(file, args, options);
    noteOutput(`stdout of ${program}`, result.stdout);
    noteOutput(`stderr of ${program}`, result.stderr);
    return result;
  }) as Sync as typeof spawnSync;
  childProcess.execFileSync = ((file, args, options) => {
    const program = toldOf(file, args, options);
    const output = (execFileSync as unknown as Sync)(file, args, options);
    noteOutput(`stdout of ${program}`, output);
    return output;
  }) as Sync as typeof execFileSync;
}

function toldOf(file: string, args: unknown, options: { env?: NodeJS.ProcessEnv } | undefined): string {
  const all = [file, ...(Array.isArray(args) ? (args as string[]) : [])];
  const environment = Object.entries(options?.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const program = nameOf(all);
  given(program, all, environment);
  return program;
}

function noteOutput(where: string, output: unknown): void {
  if (typeof output === 'string' || output instanceof Uint8Array) note(where, output);
}

function given(program: string, args: readonly string[], environment: readonly string[]): void {
  note(`arguments of ${program}`, args.join('\0'));
  note(`environment of ${program}`, environment.join('\0'));
}

/** What the kernel tells everybody, or its owner, of a process. */
function visible(program: string, pid: number): void {
  for (const [file, name] of Object.entries({ cmdline: 'arguments', environ: 'environment' })) {
    try {
      note(`${name} of ${program}`, readFileSync(`/proc/${pid}/${file}`));
    } catch {
      // It is gone already, or not ours; what it was given is noted.
    }
  }
}

let streams = 0;

/** Whoever reads a stream reads on; what comes is noted as one text. */
function printed(where: string, stream: Readable): void {
  const recorder = kept[KEPT]!;
  const place: Place = { where, test: process.env[TEST_VARIABLE] ?? '' };
  const file = join(recorder.folder, `seen-${process.pid}-stream-${streams++}`);
  writeFileSync(file, `${JSON.stringify(place)}\n`, { mode: 0o600 });
  const { push } = stream;
  stream.push = function (this: Readable, chunk: Uint8Array | string | null, ...rest) {
    if (chunk !== null) {
      try {
        appendFileSync(file, chunk);
      } catch {
        // The test is over, and its notes are gone.
      }
    }
    return push.call(this, chunk, ...rest);
  };
}

/** What a program is called in a finding: `sturdy grants list`, `node host.js`, `python3`. */
function nameOf(args: readonly string[]): string {
  const program = basename(args[0] ?? '');
  if (args.some((arg) => /^(-e|-p|--eval|--print)$/.test(arg))) return `${program} -e`;
  const script = args.slice(1).findIndex((arg) => /\.(m?js|py|ts)$/.test(arg)) + 1;
  if (script === 0) return program;
  const name = basename(args[script]!);
  if (!args[script]!.endsWith('/cli/main.js')) return `${program} ${name}`;
  const words = args.slice(script + 1).filter((arg) => /^[a-z]+$/.test(arg));
  return ['sturdy', ...words.slice(0, 2)].join(' ');
}
