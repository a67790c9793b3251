/** `sturdy audit`: what was done, by whom: read it, follow it, export it, and see whether it is as it was written. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { escapeControls } from '../redaction.js';
import { endLine, exportLine, NO_HASH } from '../store/audit-line.js';
import type { Anchor } from '../store/scan.js';
import type { AuditEntry } from '../store/store.js';
import { entriesBehind, withAudit } from './audit-source.js';
import { type DataOptions, dataFolder, dataOption } from './data-folder.js';
import { jsonText, printAnswer, UsageError } from './print.js';
import { newPrivateFile } from './references.js';

/** How often the broker is asked what is new, in milliseconds. */
const FOLLOW = 500;

interface AuditOptions extends DataOptions {
  readonly lines?: string;
  readonly follow?: boolean;
  readonly after?: string;
  readonly out?: string;
  readonly file?: string;
  readonly known?: string;
}

export function addAudit(program: Command): void {
  const audit = program.command('audit').description('read the audit log, export it, verify it');
  audit
    .command('tail')
    .description('the last entries')
    .option('-n, --lines <count>', 'how many', '20')
    .option('-f, --follow', 'go on with what is new, until interrupted')
    .addOption(dataOption())
    .action(async (_options: object, command: Command) => {
      const { json = false, lines = '20', follow = false } = command.optsWithGlobals<AuditOptions>();
      const count = wholeNumber('--lines', lines);
      await withAudit(command, async (source) => {
        const { last: end } = await source(Number.MAX_SAFE_INTEGER);
        let last = Math.max(0, end - count);
        for (;;) {
          for await (const entry of entriesBehind(source, last)) {
            // What was added meanwhile is for who follows.
            if (!follow && entry.sequence > end) break;
            print(json ? line(entry) : text(entry));
            last = entry.sequence;
          }
          if (!follow) return;
          await pause(FOLLOW);
        }
      });
    });
  audit
    .command('export')
    .description('every entry as a line of JSON, and a last line that says where it ends')
    .option('--after <entry>', 'only what is behind the entry of this number', '0')
    .option('--out <file>', 'to a new file that only its owner can read (default: standard output)')
    .addOption(dataOption())
    .action(async (_options: object, command: Command) => {
      const { after = '0', out } = command.optsWithGlobals<AuditOptions>();
      const from = wholeNumber('--after', after);
      const file = out === undefined ? null : newPrivateFile(out);
      const write = (text: string) => (file === null ? print(text) : file.write(`${text}\n`));
      try {
        await withAudit(command, async (source) => {
          const [before] = from === 0 ? [] : (await source(from - 1)).entries;
          if (from > 0 && before === undefined) throw new UsageError(`--after: there is no entry ${from}`);
          let end: Anchor = { sequence: from, hash: before?.hash ?? NO_HASH };
          // As far as it goes now: a broker may be adding to it all the time.
          const { last } = await source(Number.MAX_SAFE_INTEGER);
          for await (const entry of entriesBehind(source, from)) {
            if (entry.sequence > last) break;
            write(line(entry));
            end = entry;
          }
          write(jsonText(endLine(end)));
        });
        file?.keep();
      } finally {
        file?.close();
      }
    });
  audit
    .command('verify')
    .description('whether an entry was changed, removed or moved: in the store, or in an export')
    .option(
      '--file <file>',
      'an export (default: the store in the data folder, whether a broker runs on it or not)',
    )
    .option('--after <entry>', 'the entry behind which the export begins', '0')
    .option('--known <entry:hash>', 'an entry that was noted before: it has to be there, with this hash')
    .addOption(dataOption())
    .action(async (_options: object, command: Command) => {
      const { json = false, file, after = '0', known } = command.optsWithGlobals<AuditOptions>();
      const anchor = known === undefined ? null : noted(known);
      const { sequence, hash } =
        file === undefined
          ? await verifyStore(await dataFolder(command), anchor)
          : await verifyFile(file, wholeNumber('--after', after), anchor);
      printAnswer(
        json,
        { sequence, hash },
        () => `the audit log is as it was written, up to its last entry, ${sequence}:${hash}`,
      );
    });
}

async function verifyStore(folder: string, known: Anchor | null): Promise<Anchor> {
  // LMDB is loaded where it is needed.
  const { scanFolder } = await import('../store/store-folder.js');
  return (await scanFolder(folder, { only: 'audit', ...(known === null ? {} : { known }) })).audit;
}

async function verifyFile(file: string, after: number, known: Anchor | null): Promise<Anchor> {
  const { verifyExport } = await import('../store/audit-export.js');
  const input = createReadStream(file, 'utf8');
  const failed = new Promise<never>((_, reject) => {
    input.once('error', (cause) =>
      reject(new UsageError(`cannot read ${file}: ${(cause as NodeJS.ErrnoException).code}`, { cause })),
    );
  });
  return Promise.race([failed, verifyExport(createInterface({ input }), after, known)]);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function line(entry: AuditEntry): string {
  return jsonText(exportLine(entry));
}

/** For a person: what happened, to what, by whom. */
function text({ sequence, at, action, grant, parent, domain, by, peer, detail }: AuditEntry): string {
  const parts = [
    `${sequence}`,
    new Date(at).toISOString(),
    action,
    grant ?? '-',
    ...(domain === undefined ? [] : [`of ${domain}`]),
    ...(parent === undefined ? [] : [`from ${parent}`]),
    ...(by === undefined ? [] : [`by ${by}`]),
    ...(peer === undefined ? [] : [`over ${peer}`]),
    ...(detail === undefined ? [] : [`(${detail})`]),
  ];
  return parts.map(escapeControls).join('  ');
}

function wholeNumber(option: string, given: string): number {
  if (!/^[0-9]{1,15}$/.test(given))
    throw new UsageError(`${option}: expected a whole number, found ${given}`);
  return Number(given);
}

function noted(given: string): Anchor {
  const parts = /^([1-9][0-9]{0,14}):([0-9a-f]{64})$/.exec(given);
  if (parts === null)
    throw new UsageError(
      '--known: expected the number of an entry, a colon, and its hash, as verify prints them',
    );
  return { sequence: Number(parts[1]), hash: parts[2]! };
}
