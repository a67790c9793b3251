/** `sturdy domains`: the domains of the broker; to start, to stop and to upgrade them. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { DomainCode, DomainInfo, Operator } from '../../client/index.js';
import { asOperator, type GlobalOptions, patience } from './operator.js';
import { millisOf } from './policy-options.js';
import { printAnswer, table, UsageError } from './print.js';

export function addDomains(program: Command): void {
  const domains = program.command('domains').description('list the domains; start, stop or upgrade one');
  domains
    .command('list', { isDefault: true })
    .description('every domain with its state')
    .action(async (_options: object, command: Command) => {
      const { json = false } = command.optsWithGlobals<GlobalOptions>();
      const { domains: all } = await asOperator(command, (operator) => operator.domains({}));
      printAnswer(json, all, () => listing(all));
    });
  domains
    .command('start <domain>')
    .description('start it, if it is not running')
    .action(act((operator, domain) => operator.start({ domain })));
  domains
    .command('stop <domain>')
    .description('end its thread; references to it stay good')
    .action(act((operator, domain) => operator.stop({ domain })));
  addUpgrade(domains);
}

type UpgradeOptions = GlobalOptions & {
  readonly module?: string;
  readonly schema?: string;
  readonly drain?: string;
};

function addUpgrade(domains: Command): void {
  domains
    .command('upgrade <domain>')
    .description('have it run its module as it is now, or another; references to it stay good')
    .option(
      '--module <file>',
      'the module, on the machine of the broker (default: that of the configuration)',
    )
    .option('--schema <file>', 'its schema, likewise')
    .option('--drain <span>', 'how long calls may go on that are under way: 30s, 5m (default: 10s)')
    .action(async (domain: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<UpgradeOptions>();
      const { json = false, module, schema } = options;
      const drain = options.drain === undefined ? 0 : millisOf(options.drain);
      if (drain === null)
        throw new UsageError(`--drain: expected a span such as 30s, found ${options.drain}`);
      const answer = await asOperator(
        command,
        (operator) =>
          operator.upgrade({
            domain,
            drain,
            ...(module !== undefined && { module: resolve(module) }),
            ...(schema !== undefined && { schema: resolve(schema) }),
          }),
        patience(options) + drain / 1000,
      );
      const { cut } = answer;
      printAnswer(json, answer, () =>
        cut === 0
          ? `${domain} was upgraded`
          : `${domain} was upgraded; ${cut} ${cut === 1 ? 'call' : 'calls'} cut that had not ended in time`,
      );
    });
}

function listing(domains: readonly DomainInfo[]): string {
  return table(
    ['NAME', 'TIER', 'STATE', 'STARTS', 'WAKES', 'HOST', 'CODE', 'DETAIL'],
    domains.map(({ name, tier, state, starts, wakes, hostPid, code, detail }) => [
      name,
      tier,
      state,
      `${starts}`,
      `${wakes}`,
      hostPid === 0 ? '-' : `${hostPid}`,
      codeShown(code),
      detail,
    ]),
  );
}

/** As much of the digest as tells one program from another to a person. */
const DIGEST_SHOWN = 12;

function codeShown({ program, origin, since }: DomainCode): string {
  const digest = program === '' ? '-' : program.slice(0, DIGEST_SHOWN);
  return origin === 'configuration' ? digest : `${digest} upgraded ${new Date(Number(since)).toISOString()}`;
}

/** Does `action` to one domain, and prints what it is then. */
function act(action: (operator: Operator, domain: string) => PromiseLike<object>) {
  return async (domain: string, _options: object, command: Command) => {
    const { json = false } = command.optsWithGlobals<GlobalOptions>();
    const info = await asOperator(command, async (operator) => {
      await action(operator, domain);
      return (await operator.domains({})).domains.find(({ name }) => name === domain)!;
    });
    printAnswer(json, info, () => listing([info]));
  };
}
