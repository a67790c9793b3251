/** `sturdy mint` and `sturdy attenuate`: new references, by the operator's power or by a reference that one holds. */
import type { Command } from 'commander';
import { type Minted, parseAddress, type SturdyAddress, SturdyRef } from '../../client/index.js';
import { escapeControls } from '../redaction.js';
import { connected } from './connected.js';
import { asOperator, type GlobalOptions, patience } from './operator.js';
import { addDelegationOptions, type DelegationOptions, delegationOf } from './policy-options.js';
import { printAnswer, UsageError } from './print.js';
import { newReferenceFile, readReference } from './references.js';

/** Where a new reference goes. */
interface OutOptions {
  readonly json?: boolean;
  readonly out?: string;
  readonly at?: string;
}

export const AT =
  'where whoever gets it reaches the broker, as `sturdy serve` prints it (default: as this command does)';

type MintOptions = GlobalOptions & DelegationOptions & OutOptions;

export function addMint(program: Command): void {
  addDelegationOptions(program.command('mint <domain> [object]'))
    .description("a reference to an object of a domain, by its id; to the domain's main object without one")
    .option('--out <file>', 'write the reference to this new file, of mode 0600')
    .option('--at <address>', AT)
    .action(async (domain: string, object: string | undefined, _options: object, command: Command) => {
      const options = command.optsWithGlobals<MintOptions>();
      await handing(options, (hand) =>
        asOperator(command, async (operator, { address }) => {
          const { schema } = await operator.schema({ domain });
          const minted = await operator.mint({
            domain,
            ...(object === undefined ? {} : { object }),
            ...delegationOf(options, schema),
          });
          await hand(await newlyMinted(minted, address));
        }),
      );
    });
}

export function addAttenuate(program: Command): void {
  addDelegationOptions(program.command('attenuate <ref>'))
    .description('a weaker reference to the same object, from @FILE, @FILE:NAME or - (standard input)')
    .option('--out <file>', 'write the reference to this new file, of mode 0600')
    .option('--at <address>', AT)
    .action(async (argument: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<MintOptions>();
      const ref = readReference(argument);
      await handing(options, (hand) =>
        connected(ref, patience(options), async (object, { address }) => {
          const { schema } = await object.describe({});
          const minted = await object.attenuate(delegationOf(options, schema));
          await hand(await newlyMinted(minted, address));
        }),
      );
    });
}

/** A secret to hand to whoever asked for it. */
interface ToHand {
  readonly secret: Uint8Array;
  readonly address: SturdyAddress;
  /** The id of its grant. */
  readonly grant: string;
  /** Takes it back, where it cannot be handed. */
  undo?(): PromiseLike<unknown>;
}

async function newlyMinted({ ref, grant }: Minted, address: SturdyAddress): Promise<ToHand> {
  const { info } = await grant.info({});
  return { secret: ref.secret, address, grant: info.id, undo: () => grant.revoke({}) };
}

/**
 * Does `work`, which makes a reference and hands it to whoever asked for it. Where the reference is to be written to a file, there
 * is that file before there is a grant; a grant whose reference cannot be written is revoked.
 */
export async function handing(
  { json = false, out, at }: OutOptions,
  work: (hand: (made: ToHand) => Promise<void>) => Promise<void>,
): Promise<void> {
  const elsewhere = at === undefined ? null : addressFrom(at);
  const file = out === undefined ? null : newReferenceFile(out);
  try {
    await work(async ({ secret, address, grant, undo }) => {
      const ref = SturdyRef.of(secret, elsewhere ?? address);
      try {
        file?.write(ref);
      } catch (error) {
        await undo?.();
        throw error;
      }
      const where = out === undefined ? { ref: ref.format() } : { file: out };
      printAnswer(json, { grant, ...where }, () =>
        out === undefined ? ref.format() : `grant ${escapeControls(grant)}; its reference is in ${out}`,
      );
    });
  } finally {
    file?.close();
  }
}

function addressFrom(text: string): SturdyAddress {
  try {
    return parseAddress(text);
  } catch (error) {
    throw new UsageError(`--at: ${(error as Error).message}`);
  }
}
