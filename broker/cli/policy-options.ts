/** The options of `mint` and `attenuate`, as the policy, the label and the seal that they stand for. */
import type { Command } from 'commander';
import type { DelegationParams, Owner } from '../../client/index.js';
import { SchemaGraph } from '../../schema/index.js';
import { methodsNamed } from '../policy.js';
import { UsageError } from './print.js';

export interface PolicyOptions {
  readonly allow?: string[];
  readonly expires?: string;
  readonly delegable: boolean;
  readonly label?: string;
  readonly sealFor?: string;
}

export function addPolicyOptions(command: Command): Command {
  return command
    .option('--allow <methods...>', 'only these methods, such as Account.balance (default: all)', split)
    .option(
      '--expires <when>',
      'an ISO date and time, or a span from now: 30s, 15m, 12h, 7d (default: never)',
    )
    .option('--no-delegable', 'the holder may not save or attenuate it')
    .option('--label <text>', 'what listings call it')
    .option(
      '--seal-for <owner>',
      "good in nobody else's hands: domain:ID (`sturdy domains --json` tells ids)",
    );
}

function split(given: string, before: string[] = []): string[] {
  return [...before, ...given.split(',').map((name) => name.trim())].filter((name) => name !== '');
}

/** `schema` is that of the object. */
export function delegationOf(options: PolicyOptions, schema: Uint8Array): DelegationParams {
  const methods =
    options.allow === undefined
      ? { all: null }
      : {
          only: methodsNamed(options.allow, SchemaGraph.load(schema)).map(
            ({ interface: id, methods: names }) => ({
              interface: id,
              methods: names as readonly string[],
            }),
          ),
        };
  return {
    policy: { methods, expires: expiry(options.expires), delegable: options.delegable },
    ...(options.label === undefined ? {} : { label: options.label }),
    ...(options.sealFor === undefined ? {} : { sealFor: owner(options.sealFor) }),
  };
}

const SPANS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function expiry(when: string | undefined): bigint {
  if (when === undefined) return 0n;
  const span = /^([1-9][0-9]{0,8})([smhd])$/.exec(when);
  const time = span === null ? isoTime(when) : Date.now() + Number(span[1]) * SPANS[span[2]!]!;
  if (Number.isNaN(time)) {
    throw new UsageError(
      `--expires: expected a date and time such as 2030-01-31T00:00:00Z, or a span such as 12h`,
    );
  }
  if (time <= Date.now()) throw new UsageError(`--expires: ${when} is in the past`);
  return BigInt(time);
}

/** With its offset: what a local time means depends on where it is read. */
function isoTime(text: string): number {
  return /^\d{4}-\d{2}-\d{2}T[0-9:.]+(?:Z|[+-]\d{2}:\d{2})$/.test(text) ? Date.parse(text) : Number.NaN;
}

function owner(text: string): Owner {
  const [kind, id] = [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)];
  if (kind === 'domain' && id !== '') return { domain: id };
  throw new UsageError(`--seal-for: expected domain:ID, found ${JSON.stringify(text)}`);
}
