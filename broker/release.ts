/** Which release of Sturdy this is, and what it makes programs with. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

function versionIn(text: string): string {
  return (JSON.parse(text) as { version: string }).version;
}

export function release(): string {
  // Run from the sources, or from dist/.
  for (const up of ['../', '../../']) {
    try {
      return versionIn(readFileSync(new URL(`${up}package.json`, import.meta.url), 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return 'unknown';
}

/** What a program is made by: another may make another one of the same module. */
export function bundlerRelease(): string {
  const esbuild = readFileSync(createRequire(import.meta.url).resolve('esbuild/package.json'), 'utf8');
  return `sturdy ${release()}, esbuild ${versionIn(esbuild)}`;
}
