/**
 * Looks for the secrets that were minted in a test file in everything that was noted in it, and in what it wrote into temporary folders.
 * What it says of a finding is where it is and how it is spelled, never the secret.
 */

import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { SECRET_BYTES } from '../../client/sturdyref.js';
import { mayHoldSecrets, mayPrintSecrets } from './legitimate.js';
import { type Place, SECRETS } from './recorder.js';
import { SecretScan } from './secret-scan.js';

export interface LookedAt {
  readonly secrets: number;
  readonly places: number;
  readonly bytes: number;
  /** How many places, by kind. */
  readonly kinds: Readonly<Record<string, number>>;
  /** One line each. */
  readonly found: readonly string[];
}

/** The second wall of the log takes a secret out and leaves this: the first has not held. */
const TAKEN_OUT = '[secret]';

const AT_ONCE = 4 << 20;
const buffer = Buffer.allocUnsafe(AT_ONCE);

export function secretsIn(notes: string): Uint8Array[] {
  const file = join(notes, SECRETS);
  if (!existsSync(file)) return [];
  const bytes = readFileSync(file);
  return Array.from({ length: bytes.length / SECRET_BYTES }, (_, i) =>
    bytes.subarray(i * SECRET_BYTES, (i + 1) * SECRET_BYTES),
  );
}

/**
 * @param notes the folder of a recorder
 * @param folders which the test made
 */
export function lookAt(notes: string, folders: readonly string[]): LookedAt {
  const secrets = secretsIn(notes);
  const scan = new SecretScan(secrets);
  const kinds: Record<string, number> = {};
  const found = new Set<string>();
  let places = 0;
  let bytes = 0;
  const look = (file: string, where: string, test: string, mayHave: boolean): void => {
    places += 1;
    bytes += statSync(file).size;
    const kind = where.replace(/ of .*/, '').replace(/: .*/, '');
    kinds[kind] = (kinds[kind] ?? 0) + 1;
    if (mayHave) return;
    for (const what of spelledIn(file, scan)) found.add(`${where}${test && ` (${test})`}: ${what}`);
  };
  for (const name of existsSync(notes) ? readdirSync(notes) : []) {
    if (name === SECRETS) continue;
    const file = join(notes, name);
    const { where, test } = placeOf(file);
    look(file, where, test, mayPrintSecrets(where));
    if (where === 'the log of a broker' && readFileSync(file).includes(TAKEN_OUT))
      found.add(`${where} (${test}): a secret was given to it, and taken out`);
  }
  for (const folder of folders) {
    for (const file of filesIn(folder)) {
      look(file, `a file: ${relative(folder, file)}`, '', mayHoldSecrets(file));
    }
  }
  return { secrets: secrets.length, places, bytes, kinds, found: [...found] };
}

function placeOf(file: string): Place {
  const text = readFileSync(file);
  return JSON.parse(text.toString('utf8', 0, text.indexOf('\n'))) as Place;
}

function spelledIn(file: string, scan: SecretScan): Set<string> {
  const spelled = new Set<string>();
  const descriptor = openSync(file, 'r');
  try {
    let kept = 0;
    for (;;) {
      const read = readSync(descriptor, buffer, kept, AT_ONCE - kept, null);
      if (read === 0) return spelled;
      const part = buffer.subarray(0, kept + read);
      for (const { secret, spelling } of scan.find(part)) spelled.add(`secret ${secret}, as ${spelling}`);
      kept = Math.min(part.length, scan.longest);
      buffer.copyWithin(0, part.length - kept, part.length);
    }
  } finally {
    closeSync(descriptor);
  }
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesIn(path);
    return entry.isFile() ? [path] : [];
  });
}
