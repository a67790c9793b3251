/** `sturdy domains`: the domains of the broker; to start and to stop them. */
import type { Command } from 'commander';
import type { DomainInfo, Operator } from '../../client/index.js';
import { asOperator, type GlobalOptions } from './operator.js';
import { printAnswer, table } from './print.js';

export function addDomains(program: Command): void {
  const domains = program.command('domains').description('list the domains; start or stop one');
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
}

function listing(domains: readonly DomainInfo[]): string {
  return table(
    ['NAME', 'TIER', 'STATE', 'STARTS', 'WAKES', 'HOST', 'DETAIL'],
    domains.map(({ name, tier, state, starts, wakes, hostPid, detail }) => [
      name,
      tier,
      state,
      `${starts}`,
      `${wakes}`,
      hostPid === 0 ? '-' : `${hostPid}`,
      detail,
    ]),
  );
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
