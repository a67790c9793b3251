/** The options of `mint` and `attenuate`, as the policy, the label and the seal that they stand for; those of the policy by themselves. */
import type { Command } from 'commander';
import type { DelegationParams, Owner, Policy } from '../../client/index.js';
import { SchemaGraph } from '../../schema/index.js';
import { writtenConstraint } from '../policy/constraint.js';
import { ConstraintTextError } from '../policy/constraint-text.js';
import { constraintToWire } from '../policy/constraint-wire.js';
import { methodsNamed } from '../policy/methods.js';
import { parseRate, RATE_EXPECTED } from '../policy/rate.js';
import { BYTES_EXPECTED, parseBytes } from '../policy/size.js';
import type { StoredConstraint, StoredRate } from '../store/store.js';
import { UsageError } from './print.js';

export interface PolicyOptions {
  readonly allow?: string[];
  readonly where?: string[];
  readonly maxCalls?: string;
  readonly maxBytes?: string;
  readonly rate?: string[];
  readonly expires?: string;
  readonly delegable: boolean;
}

export interface DelegationOptions extends PolicyOptions {
  readonly label?: string;
  readonly sealFor?: string;
  readonly once?: boolean;
}

export function addPolicyOptions(command: Command): Command {
  return command
    .option('--allow <methods...>', 'only these methods, such as Account.balance (default: all)', split)
    .option(
      '--where <constraint>',
      "what a param has to be, such as 'Account.withdraw.cents<=100' (again for more: all of them hold)",
      again,
    )
    .option('--max-calls <number>', 'so many calls in all (default: no bound)')
    .option(
      '--max-bytes <size>',
      'so many bytes of params and results in all, such as 10MiB (default: no bound)',
    )
    .option('--rate <rate>', 'how fast, such as 10/s or 10/s:20 with 20 at once (again for more)', again)
    .option(
      '--expires <when>',
      'an ISO date and time, or a span from now: 30s, 15m, 12h, 7d (default: never)',
    )
    .option('--no-delegable', 'the holder may not save or attenuate it');
}

export function addDelegationOptions(command: Command): Command {
  return addPolicyOptions(command)
    .option('--once', 'the reference restores one time and no more: for handing over')
    .option('--label <text>', 'what listings call it')
    .option(
      '--seal-for <owner>',
      "good in nobody else's hands: domain:ID (`sturdy domains --json` tells ids), or certificate:HEX, its SHA-256",
    );
}

function split(given: string, before: string[] = []): string[] {
  return [...before, ...given.split(',').map((name) => name.trim())].filter((name) => name !== '');
}

function again(given: string, before: string[] = []): string[] {
  return [...before, given];
}

/** `schema` is that of the object. */
export function policyOf(options: PolicyOptions, schema: Uint8Array): Policy {
  const { allow, where = [], rate = [] } = options;
  const graph = SchemaGraph.load(schema);
  const methods =
    allow === undefined
      ? { all: null }
      : {
          only: methodsNamed(allow, graph).map(({ interface: id, methods: names }) => ({
            interface: id,
            methods: names as readonly string[],
          })),
        };
  return {
    methods,
    expires: expiry(options.expires),
    delegable: options.delegable,
    constraints: where.map((text) => constraintToWire(constraint(text, graph))),
    maxCalls: BigInt(options.maxCalls === undefined ? 0 : calls(options.maxCalls)),
    maxBytes: BigInt(options.maxBytes === undefined ? 0 : bytes(options.maxBytes)),
    rates: rate.map(rateOf),
  };
}

/** Likewise. */
export function delegationOf(options: DelegationOptions, schema: Uint8Array): DelegationParams {
  return {
    policy: policyOf(options, schema),
    once: options.once ?? false,
    ...(options.label === undefined ? {} : { label: options.label }),
    ...(options.sealFor === undefined ? {} : { sealFor: owner(options.sealFor) }),
  };
}

function constraint(text: string, graph: SchemaGraph): StoredConstraint {
  try {
    return writtenConstraint(text, graph);
  } catch (error) {
    if (error instanceof ConstraintTextError) throw new UsageError(`--where: ${error.message}`);
    throw error;
  }
}

function calls(text: string): number {
  if (!/^[1-9][0-9]{0,14}$/.test(text))
    throw new UsageError(`--max-calls: expected a number of calls, 1 or more, found ${JSON.stringify(text)}`);
  return Number(text);
}

function bytes(text: string): number {
  const size = parseBytes(text);
  if (size === null) throw new UsageError(`--max-bytes: ${BYTES_EXPECTED}; found ${JSON.stringify(text)}`);
  return size;
}

function rateOf(text: string): StoredRate {
  const rate = parseRate(text);
  if (rate === null) throw new UsageError(`--rate: ${RATE_EXPECTED}; found ${JSON.stringify(text)}`);
  return rate;
}

const SPANS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A span such as `12h`, in milliseconds; null where it is none. */
export function millisOf(text: string): number | null {
  const span = /^([1-9][0-9]{0,8})([smhd])$/.exec(text);
  return span === null ? null : Number(span[1]) * SPANS[span[2]!]!;
}

function expiry(when: string | undefined): bigint {
  if (when === undefined) return 0n;
  const span = millisOf(when);
  const time = span === null ? isoTime(when) : Date.now() + span;
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
  const certificate = /^certificate:([0-9a-f]{64})$/i.exec(text.replaceAll(/(?<=[0-9a-f]{2}):/gi, ''));
  if (certificate !== null) return { certificate: new Uint8Array(Buffer.from(certificate[1]!, 'hex')) };
  throw new UsageError(
    `--seal-for: expected domain:ID or certificate:HEX (a SHA-256, 64 digits), found ${JSON.stringify(text)}`,
  );
}
