/** Where the commands read the audit log: from the broker, or with --data from a data folder, on which none has to run. */
import type { Command } from 'commander';
import type { Operator, AuditEntry as WireEntry } from '../../client/index.js';
import type { AuditEntry } from '../store/store.js';
import { within } from './connected.js';
import type { DataOptions } from './data-folder.js';
import { asOperator, patience } from './operator.js';

const PAGE = 1000;

/** Of the entries behind `after` the first thousand, and the number of the last that there is. */
export type AuditSource = (after: number) => Promise<{ entries: AuditEntry[]; last: number }>;

/** Does `work`, for as long as it takes; each answer of the broker has to come in time. */
export async function withAudit(
  command: Command,
  work: (source: AuditSource) => Promise<void>,
): Promise<void> {
  // Whoever reads what is printed may have had enough of it.
  process.stdout.on('error', () => process.exit(0));
  const options = command.optsWithGlobals<DataOptions>();
  const { data } = options;
  if (data === undefined) {
    const limit = patience(options);
    await asOperator(command, (operator) => work((after) => within(limit, asked(operator, after))), null);
    return;
  }
  const { auditOf } = await import('../store/audit-reader.js');
  await work((after) => auditOf(data, after, PAGE));
}

export async function* entriesBehind(source: AuditSource, after: number): AsyncGenerator<AuditEntry> {
  for (let last = after; ; ) {
    const { entries } = await source(last);
    if (entries.length === 0) return;
    yield* entries;
    last = entries.at(-1)!.sequence;
  }
}

async function asked(operator: Operator, after: number): Promise<{ entries: AuditEntry[]; last: number }> {
  const { entries, last } = await operator.audit({ after: BigInt(after), limit: PAGE });
  return { entries: entries.map(fromWire), last: Number(last) };
}

/** What is empty there is absent here. */
function fromWire({ sequence, at, action, previous, hash, ...texts }: WireEntry): AuditEntry {
  return {
    ...Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== '')),
    action,
    sequence: Number(sequence),
    at: Number(at),
    previous: Buffer.from(previous).toString('hex'),
    hash: Buffer.from(hash).toString('hex'),
  };
}
