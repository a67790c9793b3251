/**
 * Set up before every test file: what is minted and shown in its processes is noted, and at its end looked at. A secret
 * that is found anywhere but where it may be fails the file.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { afterAll, beforeEach, chai } from 'vitest';
import { lookAt } from './looked-at.js';
import { NOTES_VARIABLE, note, record, TEST_VARIABLE } from './recorder.js';
import { RemovedFolders } from './removed-folders.js';
import { RUN_VARIABLE } from './run.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RECORDING = `--import=${new URL('../../dist/test/secrets/recording.js', import.meta.url)}`;

const run = process.env[RUN_VARIABLE];
if (run === undefined) throw new Error('the set-up of the whole run, run.ts, has to come first');
const place = mkdtempSync(join(run, 'file-'));
const notes = join(place, 'notes');
const aside = join(place, 'aside');
for (const folder of [notes, aside]) mkdirSync(folder, { mode: 0o700 });

record(notes);
// The processes that are started inherit these.
process.env[NOTES_VARIABLE] = notes;
const flags = (process.env['NODE_OPTIONS'] ?? '')
  .split(' ')
  .filter((flag) => flag !== '' && flag !== RECORDING);
process.env['NODE_OPTIONS'] = [...flags, RECORDING].join(' ');
const removed = new RemovedFolders(aside);

beforeEach(({ task }) => {
  process.env[TEST_VARIABLE] = task.name;
});

/** Errors that a test expects are printed by nobody: here they are seen. */
chai.use((_chai, { overwriteMethod, flag }) => {
  for (const matcher of ['toThrow', 'toThrowError', 'toMatchObject']) {
    overwriteMethod(chai.Assertion.prototype, matcher, (original: (...args: unknown[]) => unknown) => {
      return function (this: object, ...args: unknown[]) {
        const thrown = flag(this, 'object') as unknown;
        if (thrown instanceof Error) note('an error', inspect(thrown, { depth: 8, showHidden: true }));
        else if (typeof thrown === 'function') flag(this, 'object', noting(thrown as () => unknown));
        return original.apply(this, args);
      };
    });
  }
});

function noting(called: () => unknown): () => unknown {
  return () => {
    try {
      return called();
    } catch (error) {
      note('an error', inspect(error, { depth: 8, showHidden: true }));
      throw error;
    }
  };
}

// biome-ignore lint/correctness/noEmptyPattern: what stands first is not of use, and has to be a pattern
afterAll(({}, file) => {
  const looked = lookAt(notes, removed.left());
  writeFileSync(join(place, 'looked-at.json'), JSON.stringify(looked), { mode: 0o600 });
  rmSync(aside, { recursive: true, force: true });
  const { filepath } = file as unknown as { filepath: string };
  if (looked.found.length === 0) return;
  throw new Error(
    `secrets of references can be seen in ${relative(ROOT, filepath)}:\n${looked.found.join('\n')}`,
  );
}, 180_000);
