/**
 * Where the example's files are and how its broker is configured, for the programs that run it: they are compiled into
 * dist/, while the sources of the domains stay where the package has them.
 */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Config, loadConfig } from '../../broker/index.js';
import { SchemaGraph } from '../../schema/index.js';

/** The folder of the package. */
export const ROOT = packageFolder(dirname(fileURLToPath(import.meta.url)));

/** The folder with the sources of the domains, their schemas and the transactions. */
export const EXAMPLE = join(ROOT, 'examples/ledger');

/** The command line tool, as a program for node. */
export const CLI = join(ROOT, 'dist/broker/cli/main.js');

/** The interfaces of both domains. */
export const exampleSchema = (): SchemaGraph =>
  SchemaGraph.load(['ledger.cgr', 'statement.cgr'].map((file) => readFileSync(join(EXAMPLE, file))));

/** The configuration of the example, for a broker with its data in `data`. Its unix socket is in there too. */
export async function exampleConfig(data: string, port?: number): Promise<Config> {
  const config = await loadConfig(join(EXAMPLE, 'sturdy.config.ts'));
  const tcp = port === undefined ? config.listen.tcp : { host: '127.0.0.1', port };
  return {
    ...config,
    data,
    listen: { ...config.listen, unix: join(data, 'sturdy.sock'), ...(tcp && { tcp }) },
  };
}

function packageFolder(from: string): string {
  return existsSync(join(from, 'package.json')) ? from : packageFolder(dirname(from));
}
