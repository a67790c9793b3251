/** `sturdy grants narrow`, `extend` and `rotate`: what a grant allows from now on, and another secret for its reference. */
import type { Command } from 'commander';
import type { Grant, Operator } from '../../client/index.js';
import { sturdySchemaBytes } from '../../schema/index.js';
import { BROKER_HOME, POWERS_HOME } from '../broker-name.js';
import { escapeControls } from '../redaction.js';
import { allowed, grantId } from './grant-shown.js';
import { AT, handing } from './mint.js';
import { asOperator, type GlobalOptions } from './operator.js';
import { addPolicyOptions, millisOf, type PolicyOptions, policyOf } from './policy-options.js';
import { printAnswer, UsageError } from './print.js';

export function addAmendments(grants: Command): void {
  addAmendment(grants, 'narrow', 'from now on it allows what it allowed and these options allow');
  addAmendment(
    grants,
    'extend',
    'from now on it allows what these options allow, within what is above it (all, without an option)',
  );
  grants
    .command('rotate <grant>')
    .description('another reference to the same grant, in the place of the one before')
    .option('--overlap <span>', 'how long the one before stays good: 30s, 12h (default: no longer)')
    .option('--out <file>', 'write the reference to this new file, of mode 0600')
    .option('--at <address>', AT)
    .action(async (argument: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { overlap?: string; out?: string }>();
      const overlap = options.overlap === undefined ? 0 : millisOf(options.overlap);
      if (overlap === null) {
        throw new UsageError(`--overlap: expected a span such as 12h, found ${options.overlap}`);
      }
      const id = await grantId(argument, options);
      await handing(options, (hand) =>
        asOperator(command, async (operator, { address }) => {
          const { ref } = await operator.grant({ id }).grant.rotate({ overlap });
          await hand({ secret: ref.secret, address, grant: id });
        }),
      );
    });
}

function addAmendment(grants: Command, kind: 'narrow' | 'extend', description: string): void {
  addPolicyOptions(grants.command(`${kind} <grant>`))
    .description(description)
    .action(async (argument: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & PolicyOptions>();
      const id = await grantId(argument, options);
      const { policy } = await asOperator(command, async (operator) => {
        const { grant } = operator.grant({ id });
        return grant[kind]({ policy: policyOf(options, await schemaOf(operator, grant)) });
      });
      printAnswer(options.json ?? false, { grant: id, policy }, () =>
        escapeControls(`grant ${id} allows: ${allowed(policy)}`),
      );
    });
}

/** Of the object that it is to. */
async function schemaOf(operator: Operator, grant: Grant): Promise<Uint8Array> {
  const { domain } = (await grant.info({})).info;
  return domain === BROKER_HOME || domain === POWERS_HOME
    ? sturdySchemaBytes()
    : (await operator.schema({ domain })).schema;
}
