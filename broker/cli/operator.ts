/** How a command comes by the operator's capability: by the reference in the data folder of the broker. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { BrokerSession, Operator } from '../../client/index.js';
import { sturdySchema } from '../../schema/index.js';
import { connected } from './connected.js';
import { UsageError } from './print.js';
import { readReference } from './references.js';

/** The options of every command. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly operator?: string;
  readonly config?: string;
  readonly timeout?: string;
}

/** Longer than a domain may take to start, so that the reason is heard where one does not. */
const ANSWER_SECONDS = 60;

/** How many seconds the broker has for its answer. */
export function patience({ timeout }: GlobalOptions, otherwise = ANSWER_SECONDS): number {
  if (timeout === undefined) return otherwise;
  const seconds = Number(timeout);
  if (!(seconds > 0 && seconds <= 1_000_000))
    throw new UsageError(`--timeout: expected seconds, found ${timeout}`);
  return seconds;
}

const CONFIGS = ['ts', 'mts', 'js', 'mjs', 'json'].map((kind) => `sturdy.config.${kind}`);

/** The configuration that the command line names, or the one in the current folder; null where there is none. */
export function configFile({ config }: GlobalOptions): string | null {
  return config ?? CONFIGS.find((name) => existsSync(name)) ?? null;
}

/**
 * Connects as the operator, does `work`, and closes the connection. `seconds`: for that, where nothing
 * else was asked for; null: for any time.
 */
export async function asOperator<T>(
  command: Command,
  work: (operator: Operator, session: BrokerSession) => Promise<T>,
  seconds?: number | null,
): Promise<T> {
  const options = command.optsWithGlobals<GlobalOptions>();
  const limit = seconds === null ? null : patience(options, seconds);
  const ref = readReference(`@${await operatorFile(options)}`);
  return connected(ref, limit, (object, session) =>
    work(object.as<Operator>(sturdySchema().interface('Operator')), session),
  );
}

async function operatorFile(options: GlobalOptions): Promise<string> {
  if (options.operator !== undefined) return options.operator;
  const config = configFile(options);
  if (config === null) {
    throw new UsageError(
      'whose broker? Name the file with the operator reference (--operator DATA/operator.ref) or the configuration (--config)',
    );
  }
  // Loaded where it is needed: most commands begin sooner without it.
  const { loadConfig } = await import('../config.js');
  return join((await loadConfig(config)).data, 'operator.ref');
}
