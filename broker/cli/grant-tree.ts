/** `sturdy grants tree`: who holds what from whom, and what is live of it. */
import type { Command } from 'commander';
import type { GrantInfo, GrantNode, Operator } from '../../client/index.js';
import { allowed, grantId, objectOf, ownerText, stateOf } from './grant-shown.js';
import { asOperator, type GlobalOptions } from './operator.js';
import { printAnswer, table, UsageError } from './print.js';

/** How many grants are shown where nothing else was asked for. */
export const SHOWN_GRANTS = 1000;

type TreeOptions = GlobalOptions & {
  readonly live?: boolean;
  readonly limit?: string;
  readonly after?: string;
};

export function addTree(grants: Command): void {
  grants
    .command('tree [grant]')
    .description('the tree below a grant, by its id or by its reference; every tree without one')
    .option('--live', 'only those that are neither revoked nor expired')
    .option('--limit <count>', `how many to show (default: ${SHOWN_GRANTS})`)
    .option('--after <grant>', 'go on behind the last one that was shown')
    .action(async (argument: string | undefined, _options: object, command: Command) => {
      const options = command.optsWithGlobals<TreeOptions>();
      const { json = false, live = false, after = '' } = options;
      const limit = countOf(options.limit);
      const top = argument === undefined ? null : await grantId(argument, options);
      const nodes: GrantNode[] = [];
      let more = '';
      await asOperator(command, async (operator) => {
        for await (const node of walk(operator, top, after)) {
          if (live && node.info.state !== 'live') continue;
          if (nodes.length === limit) {
            more = nodes.at(-1)!.info.id;
            break;
          }
          nodes.push(node);
        }
      });
      printAnswer(json, { nodes: nodes.map(flat), after: more }, () =>
        [drawing(nodes), ...(more === '' ? [] : [`there are more: --after ${more}`])].join('\n'),
      );
    });
}

function countOf(text = `${SHOWN_GRANTS}`): number {
  if (!/^[1-9][0-9]{0,6}$/.test(text)) throw new UsageError(`--limit: expected how many, found ${text}`);
  return Number(text);
}

/** A grant and everything below it, or all grants; from behind the grant `after`. */
export async function* walk(
  operator: Operator,
  top: string | null,
  after: string,
): AsyncGenerator<GrantNode, void> {
  if (top !== null) return yield* walkBelow(operator, top, after);
  let last = '';
  if (after !== '') {
    last = await rootOf(operator, after);
    yield* walkBelow(operator, last, after);
  }
  for (;;) {
    const { grants } = await operator.grants({ after: last });
    if (grants.length === 0) return;
    for (const { id, parent } of grants) if (parent === '') yield* walkBelow(operator, id, '');
    last = grants.at(-1)!.id;
  }
}

async function* walkBelow(operator: Operator, id: string, after: string): AsyncGenerator<GrantNode, void> {
  for (let last = after; ; ) {
    const { nodes } = await operator.tree({ id, after: last });
    if (nodes.length === 0) return;
    yield* nodes;
    last = nodes.at(-1)!.info.id;
  }
}

async function rootOf(operator: Operator, id: string): Promise<string> {
  for (let at = id; ; ) {
    const { info } = await operator.grant({ id: at }).grant.info({});
    if (info.parent === '') return at;
    at = info.parent;
  }
}

/** As it is printed in JSON. */
export function flat({ depth, info }: GrantNode): GrantInfo & { depth: number } {
  return { depth, ...info };
}

/** Each below the one that it was had from, a step to the right. */
export function drawing(nodes: readonly GrantNode[]): string {
  return table(
    ['GRANT', 'STATE', 'OBJECT', 'ALLOWS', 'FOR', 'LIVE', 'CALLS', 'LABEL'],
    nodes.map(({ depth, info }) => [
      `${'  '.repeat(depth)}${info.id}`,
      stateOf(info),
      objectOf(info),
      allowed(info.policy, info),
      ownerText(info.owner),
      `${info.capabilities}`,
      `${info.calls}`,
      info.label,
    ]),
  );
}
