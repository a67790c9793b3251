/** `sturdy serve`: a broker in the foreground, until SIGTERM or SIGINT stops it gracefully. A second signal ends it at once. */
import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import { formatAddress, type SturdyAddress } from '../../client/address.js';
import { KEEP_CODE } from '../keep-code.js';
import { configFile, type GlobalOptions } from './operator.js';
import { UsageError } from './print.js';

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run a broker')
    .option('--pretty', 'log lines for a person (the default on a terminal)')
    .action(async (_options: object, command: Command) => serve(command.optsWithGlobals()));
}

async function serve(options: GlobalOptions & { pretty?: boolean }): Promise<void> {
  const file = configFile(options);
  if (file === null) {
    throw new UsageError(
      'there is no sturdy.config.ts (or .mts, .js, .mjs, .json) here; name it with --config',
    );
  }
  setFlagsFromString(KEEP_CODE);
  // The broker is loaded here, and not with the other commands.
  const { Broker, createLogger, loadConfig } = await import('../index.js');
  const config = await loadConfig(file);
  const log = createLogger(config.log, { pretty: options.pretty ?? process.stderr.isTTY === true });
  // Whatever is wrong with the broker itself passes the log's redaction, and not Node's own printing of it.
  process.on('uncaughtException', (err) => {
    log.fatal({ err }, 'the broker failed');
    process.exit(70);
  });
  const broker = await Broker.start(config, { log });
  for (const address of broker.sturdyAddresses) console.log(`listening on ${shown(address)}`);
  console.log(`operator reference in ${broker.operatorRefPath}`);
  await new Promise<void>((resolve) => {
    const signalled = () => {
      process.once('SIGTERM', () => process.exit(1)).once('SIGINT', () => process.exit(1));
      resolve();
    };
    process.once('SIGTERM', signalled).once('SIGINT', signalled);
  });
  await broker.stop();
}

/** By TLS: as it stands in the references, since nobody can know the key's digest otherwise. */
function shown(address: SturdyAddress): string {
  if (address.transport === 'unix') return address.path;
  return address.transport === 'tcp' && address.key === null
    ? `${address.host}:${address.port}`
    : formatAddress(address);
}
