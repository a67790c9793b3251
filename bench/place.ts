/** Where the files of the bench are: it is compiled into dist/, while the domain and its schema stay in the package. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the package. */
export const ROOT = packageFolder(dirname(fileURLToPath(import.meta.url)));

export const BENCH = join(ROOT, 'bench');
export const CLI = join(ROOT, 'dist/broker/cli/main.js');
export const ECHO_DOMAIN = join(BENCH, 'echo/echo.ts');
export const ECHO_SCHEMA = join(BENCH, 'echo/echo.cgr');

function packageFolder(from: string): string {
  return existsSync(join(from, 'package.json')) ? from : packageFolder(dirname(from));
}
