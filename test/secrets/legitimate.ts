/** Where a secret may be, by name: whoever holds a reference has to have it somewhere. */

import { statSync } from 'node:fs';
import { basename } from 'node:path';

/** Files that hold references, by intent, and that nobody but their owner may read. */
const REFERENCE_FILES = /\.refs?(\.\w+)?$/;

/** What prints a new reference where it was not told to write it into a file. */
const PRINTED: readonly RegExp[] = [/^stdout of sturdy (mint|attenuate|grants rotate)\b/];

export function mayHoldSecrets(file: string): boolean {
  return REFERENCE_FILES.test(basename(file)) && (statSync(file).mode & 0o077) === 0;
}

export function mayPrintSecrets(where: string): boolean {
  return PRINTED.some((each) => each.test(where));
}
