/**
 * Set up once for a run of the suite: the folder of its notes, and the eye on what the run itself prints. At its end it says
 * what was looked at, and removes the folder with the secrets in it.
 */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type LookedAt, lookAt, secretsIn } from './looked-at.js';
import { note, record, SECRETS } from './recorder.js';

/** The folder of the run, in the environment of its test files. */
export const RUN_VARIABLE = 'STURDY_TEST_RUN';

/** Every project of the run has this set-up: the first one makes the run. */
const KEPT = Symbol.for('sturdy.tests.run');

export default function setup(): (() => void) | undefined {
  const kept = globalThis as { [KEPT]?: true };
  if (kept[KEPT]) return undefined;
  kept[KEPT] = true;
  const run = mkdtempSync(join(tmpdir(), 'sturdy-run-'));
  const own = join(run, 'run');
  mkdirSync(own, { mode: 0o700 });
  process.env[RUN_VARIABLE] = run;
  record(own);
  for (const [name, stream] of Object.entries({ stdout: process.stdout, stderr: process.stderr })) {
    const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
    stream.write = ((chunk: string | Uint8Array, ...rest: unknown[]) => {
      if (existsSync(own)) note(`${name} of the run`, Buffer.from(chunk as Uint8Array));
      return write(chunk, ...rest);
    }) as typeof stream.write;
  }
  return () => {
    try {
      end(run, own);
    } finally {
      rmSync(run, { recursive: true, force: true });
    }
  };
}

function end(run: string, own: string): void {
  const files = readdirSync(run).filter((name) => name.startsWith('file-'));
  const all = files
    .map((name) => join(run, name, 'looked-at.json'))
    .filter((file) => existsSync(file))
    .map((file) => JSON.parse(readFileSync(file, 'utf8')) as LookedAt);
  // What the run printed may show a secret of any file.
  const minted = files.flatMap((name) => secretsIn(join(run, name, 'notes')));
  writeFileSync(join(own, SECRETS), Buffer.concat(minted), { mode: 0o600 });
  const printed = lookAt(own, []);
  const whole = [...all, printed];
  const sum = (of: (looked: LookedAt) => number) => whole.reduce((total, looked) => total + of(looked), 0);
  const kinds: Record<string, number> = {};
  for (const looked of whole)
    for (const [kind, count] of Object.entries(looked.kinds)) kinds[kind] = (kinds[kind] ?? 0) + count;
  const listed = Object.entries(kinds).map(([kind, count]) => `${kind}: ${count}`);
  const secrets = all.reduce((total, looked) => total + looked.secrets, 0);
  // Not into what a reporter may have written for a program.
  console.error(
    `secrets: ${secrets} were minted in ${all.length} test files; looked for in ${sum(({ bytes }) => bytes)} bytes of ` +
      `${sum(({ places }) => places)} places (${listed.join(', ')}); found in ${sum((looked) => looked.found.length)} where they may not be`,
  );
  if (printed.found.length === 0) return;
  process.exitCode = 1;
  throw new Error(`secrets of references can be seen in what the run printed:\n${printed.found.join('\n')}`);
}
