/** How a command comes by the data folder, to read what is in it: the broker may run on it or not. */
import { type Command, Option } from 'commander';
import { configFile, type GlobalOptions } from './operator.js';
import { UsageError } from './print.js';

export interface DataOptions extends GlobalOptions {
  readonly data?: string;
}

export const dataOption = (): Option =>
  new Option('--data <folder>', 'the data folder (default: that of the configuration)');

export async function dataFolder(command: Command): Promise<string> {
  const options = command.optsWithGlobals<DataOptions>();
  if (options.data !== undefined) return options.data;
  const config = configFile(options);
  if (config === null)
    throw new UsageError('which store? Name the data folder (--data) or the configuration (--config)');
  const { loadConfig } = await import('../config.js');
  return (await loadConfig(config)).data;
}
