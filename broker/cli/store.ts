/**
 * `sturdy store`: check the store, back it up, put a backup in its place. They read the data folder itself, and need no broker:
 * where one is running, checking and backing up go on beside it.
 */
import type { Command } from 'commander';
import type { ScanReport } from '../store/scan.js';
import { type DataOptions, dataFolder, dataOption } from './data-folder.js';
import { printAnswer } from './print.js';

export function addStore(program: Command): void {
  const store = program
    .command('store')
    .description('check the store, back it up, or put a backup in its place');
  store
    .command('check')
    .description('read the whole store and compare it with what was written; the broker may be running')
    .addOption(dataOption())
    .action(async (_options: object, command: Command) => {
      const { json = false } = command.optsWithGlobals<DataOptions>();
      const folder = await dataFolder(command);
      const { scanFolder } = await import('../store/store-folder.js');
      const report = await scanFolder(folder);
      printAnswer(json, report, () => `the store in ${folder} is whole: ${summary(report)}`);
    });
  store
    .command('backup <file>')
    .description('write a backup to a new file that only its owner can read; the broker may be running')
    .addOption(dataOption())
    .action(async (file: string, _options: object, command: Command) => {
      const { json = false } = command.optsWithGlobals<DataOptions>();
      const folder = await dataFolder(command);
      const { backUp } = await import('../store/backup.js');
      const report = await backUp(folder, file);
      printAnswer(json, { file, ...report }, () => `${file} is a backup, and whole: ${summary(report)}`);
    });
  store
    .command('restore <file>')
    .description(
      'put a backup in the place of a store that is damaged or gone; the broker must not be running',
    )
    .option(
      '--accept-lost-revocations',
      'what was revoked, narrowed, rotated, used or counted since the backup is as if it had not been: you know, and take care of it',
    )
    .addOption(dataOption())
    .action(async (file: string, _options: object, command: Command) => {
      const { json = false, acceptLostRevocations = false } = command.optsWithGlobals<
        DataOptions & { acceptLostRevocations?: boolean }
      >();
      const folder = await dataFolder(command);
      const { COMES_BACK, restoreBackup } = await import('../store/backup.js');
      const { report, keptAside } = await restoreBackup(file, folder, {
        acceptsLostRevocations: acceptLostRevocations,
      });
      printAnswer(json, { folder, keptAside, ...report }, () =>
        [
          `the store in ${folder} is that of the backup: ${summary(report)}`,
          ...(keptAside === null ? [] : [`what was there is in ${keptAside}`]),
          'against what was there:',
          ...COMES_BACK.map((line) => `- ${line}`),
          'revoke, narrow and rotate again before clients are let in; the audit log that was exported or kept aside tells what',
        ].join('\n'),
      );
    });
}

function summary({ records, audit, format }: ScanReport): string {
  const last = audit.at === null ? 'none yet' : `the last of ${new Date(audit.at).toISOString()}`;
  return (
    `${records['grants']} grants, ${records['revocations']} revocations, ${records['domains']} domains, ` +
    `${records['storage']} entries of storage, ${audit.sequence} audit entries (${last}), format ${format}`
  );
}
