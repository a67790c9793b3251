/** `sturdy mint` and `sturdy attenuate`: new references, by the operator's power or by a reference that one holds. */
import type { Command } from 'commander';
import { type BrokerSession, type Minted, SturdyRef } from '../../client/index.js';
import { escapeControls } from '../redaction.js';
import { connected } from './connected.js';
import { asOperator, type GlobalOptions, patience } from './operator.js';
import { addPolicyOptions, delegationOf, type PolicyOptions } from './policy-options.js';
import { printAnswer } from './print.js';
import { newReferenceFile, readReference } from './references.js';

type MintOptions = GlobalOptions & PolicyOptions & { readonly out?: string };

export function addMint(program: Command): void {
  addPolicyOptions(program.command('mint <domain> [object]'))
    .description("a reference to an object of a domain, by its id; to the domain's main object without one")
    .option('--out <file>', 'write the reference to this new file, of mode 0600')
    .action(async (domain: string, object: string | undefined, _options: object, command: Command) => {
      const options = command.optsWithGlobals<MintOptions>();
      await handing(options, (hand) =>
        asOperator(command, async (operator, session) => {
          const { schema } = await operator.schema({ domain });
          const minted = await operator.mint({
            domain,
            ...(object === undefined ? {} : { object }),
            ...delegationOf(options, schema),
          });
          await hand(minted, session);
        }),
      );
    });
}

export function addAttenuate(program: Command): void {
  addPolicyOptions(program.command('attenuate <ref>'))
    .description('a weaker reference to the same object, from @FILE, @FILE:NAME or - (standard input)')
    .option('--out <file>', 'write the reference to this new file, of mode 0600')
    .action(async (argument: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<MintOptions>();
      const ref = readReference(argument);
      await handing(options, (hand) =>
        connected(ref, patience(options), async (object, session) => {
          const { schema } = await object.describe({});
          const minted = await object.attenuate(delegationOf(options, schema));
          await hand(minted, session);
        }),
      );
    });
}

/**
 * Does `work`, which mints a reference and hands it to whoever asked for it. Where the reference is to be written to a file, there
 * is that file before there is a grant; a grant whose reference cannot be written is revoked.
 */
async function handing(
  { json = false, out }: MintOptions,
  work: (hand: (minted: Minted, session: BrokerSession) => Promise<void>) => Promise<void>,
): Promise<void> {
  const file = out === undefined ? null : newReferenceFile(out);
  try {
    await work(async ({ ref: { secret }, grant }, { address }) => {
      const ref = SturdyRef.of(secret, address);
      const { info } = await grant.info({});
      try {
        file?.write(ref);
      } catch (error) {
        await grant.revoke({});
        throw error;
      }
      const where = out === undefined ? { ref: ref.format() } : { file: out };
      printAnswer(json, { grant: info.id, ...where }, () =>
        out === undefined ? ref.format() : `grant ${escapeControls(info.id)}; its reference is in ${out}`,
      );
    });
  } finally {
    file?.close();
  }
}
