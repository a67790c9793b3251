/** `sturdy grants` and `sturdy revoke`: what was granted to whom, and the end of it. */
import type { Command } from 'commander';
import type { GrantInfo, Operator, Owner, Policy } from '../../client/index.js';
import { constraintText } from '../policy/constraint-text.js';
import { rateText } from '../policy/rate.js';
import { bytesText } from '../policy/size.js';
import { policyFromWire } from '../policy.js';
import { connected } from './connected.js';
import { asOperator, type GlobalOptions, patience } from './operator.js';
import { jsonText, printAnswer, table } from './print.js';
import { readReference } from './references.js';

export function addGrants(program: Command): void {
  program
    .command('grants')
    .description('list the grants')
    .option('--live', 'only those that are neither revoked nor expired')
    .action(async (_options: object, command: Command) => {
      const { json = false, live = false } = command.optsWithGlobals<GlobalOptions & { live?: boolean }>();
      const grants = await asOperator(command, (operator) => allGrants(operator));
      const shown = live ? grants.filter(({ state }) => state === 'live') : grants;
      printAnswer(json, shown, () => listing(shown));
    });
  program
    .command('revoke <grant>')
    .description(
      'kill a grant, by its id or by its reference (@FILE, @FILE:NAME or -), and everything below it',
    )
    .action(async (grant: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { json = false } = options;
      const id = /^[@-]/.test(grant)
        ? await connected(
            readReference(grant),
            patience(options),
            async (object) => (await object.describe({})).grant,
          )
        : grant;
      const answer = await asOperator(command, (operator) => operator.grant({ id }).grant.revoke({}));
      printAnswer(
        json,
        answer,
        () => `${answer.revoked} ${answer.revoked === 1 ? 'grant' : 'grants'} revoked`,
      );
    });
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
      grant.state,
      grant.object === '' ? grant.domain : `${grant.domain}/${grant.object}`,
      grant.parent === '' ? '-' : grant.parent,
      allowed(grant.policy),
      ownerText(grant.owner),
      grant.label,
    ]),
  );
}

function allowed(policy: Policy): string {
  const { methods, expires = 0n, delegable } = policy;
  const names = methods?.only?.flatMap((each) => each.methods ?? `all of 0x${each.interface?.toString(16)}`);
  const parts = [names === undefined ? 'all' : names.length === 0 ? 'nothing' : names.join(',')];
  parts.push(...bounds(policy));
  if (expires !== 0n) parts.push(`until ${new Date(Number(expires)).toISOString()}`);
  if (delegable === false) parts.push('not delegable');
  return parts.join('; ');
}

function bounds(policy: Policy): string[] {
  let stored: ReturnType<typeof policyFromWire>;
  try {
    stored = policyFromWire({ ...policy, methods: { all: null } });
  } catch {
    // A broker that is newer than this.
    return ['under restrictions that this version cannot show'];
  }
  const { constraints = [], maxCalls, maxBytes, rates = [] } = stored;
  return [
    ...constraints.map((each) => `where ${constraintText(each)}`),
    ...(maxCalls === undefined ? [] : [`at most ${maxCalls} calls`]),
    ...(maxBytes === undefined ? [] : [`at most ${bytesText(maxBytes)}`]),
    ...rates.map(rateText),
  ];
}

function ownerText(owner: Owner): string {
  if (owner.domain !== undefined) return `domain ${owner.domain}`;
  if (owner.unixUser !== undefined) return `uid ${owner.unixUser}`;
  if (owner.certificate !== undefined) return `certificate ${Buffer.from(owner.certificate).toString('hex')}`;
  return owner.anyone === undefined ? jsonText(owner) : 'anyone';
}
