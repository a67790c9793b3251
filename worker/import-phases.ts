/**
 * Refuses `import.source(...)`, `import.defer(...)` and `import.meta` in text that a program makes while it runs (R2): newer
 * versions of Node have them, and ses, which looks for `import(`, does not see them. Behind this stand a loader that is not
 * there and the hooks of lockdown.ts; but what Node itself rejects with is an object of the trusted side.
 *
 * A text in which the word stands that way is parsed whole, so that strings may say what they like, and what the parser does
 * not know is refused.
 */

import { guardSource } from './source-guard.js';

/** With white space or comments between, which are looked at by the parser. */
const SUSPICIOUS = /\bimport\s*(?:\.|\/[/*])/;

/** A transform of a compartment: gives the text as it is, or throws. */
export function refuseImportPhases(source: string): string {
  if (!SUSPICIOUS.test(source)) return source;
  let what: string;
  try {
    guardSource(source);
    return source;
  } catch (error) {
    what = String((error as { message?: unknown }).message);
  }
  // Not what was caught: its class was made before lockdown.
  throw new SyntaxError(`a program cannot load modules: ${what}`);
}
