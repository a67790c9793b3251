/** `sturdy revoke`, which is `sturdy grants revoke`: the end of a grant; and what that would be, before it is. */
import type { Command } from 'commander';
import type { GrantNode, Operator } from '../../client/index.js';
import { grantId } from './grant-shown.js';
import { drawing, flat, SHOWN_GRANTS, walk } from './grant-tree.js';
import { asOperator, type GlobalOptions, patience } from './operator.js';
import { millisOf } from './policy-options.js';
import { printAnswer, UsageError } from './print.js';

type RevokeOptions = GlobalOptions & { readonly dryRun?: boolean; readonly drain?: string };

export function addRevoke(parent: Command): void {
  parent
    .command('revoke <grant>')
    .description(
      'kill a grant, by its id or by its reference (@FILE, @FILE:NAME or -), and everything below it',
    )
    .option('--drain <span>', 'let the calls in flight end, for so long: 10s, 5m; then end the domain')
    .option('--dry-run', 'say what would be revoked and cut, and revoke nothing')
    .action(async (grant: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<RevokeOptions>();
      const { json = false, dryRun = false } = options;
      const drain = options.drain === undefined ? 0 : millisOf(options.drain);
      if (drain === null)
        throw new UsageError(`--drain: expected a span such as 30s, found ${options.drain}`);
      const id = await grantId(grant, options);
      if (dryRun) {
        const loss = await asOperator(command, (operator) => lossOf(operator, id));
        printAnswer(json, { ...loss, nodes: loss.nodes.map(flat) }, () => lossText(loss));
        return;
      }
      const answer = await asOperator(
        command,
        (operator) => operator.grant({ id }).grant.revoke({ drain }),
        patience(options) + drain / 1000,
      );
      printAnswer(json, answer, () => {
        const { revoked, cut, ended } = answer;
        return [
          `${counted(revoked, 'grant')} revoked`,
          ...(cut === 0 ? [] : [`${counted(cut, 'call')} cut that had not ended in time`]),
          ...(ended ? ['the domain was ended'] : []),
        ].join('; ');
      });
    });
}

/** What a revocation takes away. */
interface Loss {
  readonly grants: number;
  readonly capabilities: number;
  readonly calls: number;
  /** The first of the grants. */
  readonly nodes: readonly GrantNode[];
}

async function lossOf(operator: Operator, id: string): Promise<Loss> {
  const nodes: GrantNode[] = [];
  let [grants, capabilities, calls] = [0, 0, 0];
  for await (const node of walk(operator, id, '')) {
    if (node.info.state === 'revoked') continue;
    grants += 1;
    capabilities += node.info.capabilities;
    calls += node.info.calls;
    if (nodes.length < SHOWN_GRANTS) nodes.push(node);
  }
  return { grants, capabilities, calls, nodes };
}

function lossText({ grants, capabilities, calls, nodes }: Loss): string {
  const cut = `${counted(capabilities, 'live capability', 'live capabilities')} and ${counted(calls, 'call')} in flight`;
  return [
    ...(nodes.length === 0 ? [] : [drawing(nodes)]),
    ...(grants > nodes.length ? [`and ${grants - nodes.length} more`] : []),
    `${counted(grants, 'grant')} would be revoked, ${cut} cut; nothing was revoked`,
  ].join('\n');
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
