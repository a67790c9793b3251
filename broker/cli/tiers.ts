/** `sturdy tiers`: which isolation tiers this machine can give to whoever asks. No broker is needed. */
import type { Command } from 'commander';
import { escapeControls } from '../redaction.js';
import type { MachineReport } from '../tier-probe.js';
import type { GlobalOptions } from './operator.js';
import { printAnswer } from './print.js';

export function addTiers(program: Command): void {
  program
    .command('tiers')
    .description(
      'which isolation tiers this machine can give, as the user that you are, and why not the others',
    )
    .action(async (_options: object, command: Command) => {
      const { json = false } = command.optsWithGlobals<GlobalOptions>();
      const { probeMachine } = await import('../tier-probe.js');
      const report = await probeMachine();
      printAnswer(json, report, () => describe(report));
    });
}

function describe({ platform, node, uid, bubblewrap, tiers }: MachineReport): string {
  const who = uid === null ? '' : `, user ${uid}`;
  return [
    `${platform}, Node ${node}${who}, bubblewrap ${bubblewrap ?? 'not found'}`,
    ...tiers.flatMap(({ tier, available, reason, walls }) => [
      `${tier}: ${available ? 'yes' : `no: ${escapeControls(reason)}`}`,
      ...walls.map((wall) => `  ${wall}`),
    ]),
  ].join('\n');
}
