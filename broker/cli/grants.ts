/** `sturdy grants`: what was granted to whom, in a list or as the tree that it is; and the operator's power over each. */
import type { Command } from 'commander';
import type { GrantInfo, Operator } from '../../client/index.js';
import { addAmendments } from './amend.js';
import { allowed, objectOf, ownerText, stateOf } from './grant-shown.js';
import { addTree } from './grant-tree.js';
import { asOperator, type GlobalOptions } from './operator.js';
import { printAnswer, table } from './print.js';
import { addRevoke } from './revoke.js';

export function addGrants(program: Command): void {
  const grants = program
    .command('grants')
    .description('list the grants, or one tree of them; narrow, extend, rotate or revoke one');
  grants
    .command('list', { isDefault: true })
    .description('every grant, in the order in which they were minted')
    .option('--live', 'only those that are neither revoked nor expired')
    .action(async (_options: object, command: Command) => {
      const { json = false, live = false } = command.optsWithGlobals<GlobalOptions & { live?: boolean }>();
      const all = await asOperator(command, (operator) => allGrants(operator));
      const shown = live ? all.filter(({ state }) => state === 'live') : all;
      printAnswer(json, shown, () => listing(shown));
    });
  addTree(grants);
  addAmendments(grants);
  addRevoke(grants);
  addRevoke(program);
}

async function allGrants(operator: Operator): Promise<GrantInfo[]> {
  const all: GrantInfo[] = [];
  for (;;) {
    const { grants } = await operator.grants({ after: all.at(-1)?.id ?? '' });
    if (grants.length === 0) return all;
    all.push(...grants);
  }
}

function listing(grants: readonly GrantInfo[]): string {
  return table(
    ['GRANT', 'STATE', 'OBJECT', 'PARENT', 'ALLOWS', 'FOR', 'LABEL'],
    grants.map((grant) => [
      grant.id,
      stateOf(grant),
      objectOf(grant),
      grant.parent === '' ? '-' : grant.parent,
      allowed(grant.policy, grant),
      ownerText(grant.owner),
      grant.label,
    ]),
  );
}
