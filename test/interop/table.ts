/** The table of docs/interop.md, made of what the clients printed. */

import { markdownTable } from '../../bench/report/markdown-table.js';
import { type Arrangement, nameOf, WAYS } from './arrangements.js';
import { CHECKS } from './checks.js';

/** How one check went. */
export type Outcome =
  | { readonly is: 'ok' }
  | { readonly is: 'cannot'; readonly why: string }
  | { readonly is: 'not ok'; readonly why: string };

/** What one client printed. */
export interface Ran {
  readonly arrangement: Arrangement;
  /** Language and library. */
  readonly client: string;
  readonly server: string;
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

export function read(arrangement: Arrangement, lines: readonly string[]): Ran {
  const rest = (prefix: string) => lines.find((line) => line.startsWith(prefix))?.slice(prefix.length);
  const outcomes = Object.keys(CHECKS).map((check): [string, Outcome] => {
    if (lines.includes(`ok ${check}`)) return [check, { is: 'ok' }];
    const cannot = rest(`cannot ${check}: `);
    if (cannot !== undefined) return [check, { is: 'cannot', why: cannot }];
    const nothing = `it printed nothing of this check, but: ${lines.slice(0, 100).join('\n')}`;
    return [check, { is: 'not ok', why: rest(`not ok ${check}: `) ?? nothing }];
  });
  return {
    arrangement,
    client: rest('client: ') ?? '',
    server: rest('server: ') ?? '',
    outcomes: new Map(outcomes),
  };
}

/** The page, which says the same for the same outcomes. */
export function page(runs: readonly Ran[]): string {
  const reasons: string[] = [];
  const cell = (outcome: Outcome): string => {
    if (outcome.is === 'ok') return 'ok';
    if (outcome.is === 'not ok') return '**not ok**';
    if (!reasons.includes(outcome.why)) reasons.push(outcome.why);
    return `cannot [${reasons.indexOf(outcome.why) + 1}]`;
  };
  const sections = Object.entries(WAYS).map(([way, title]) => {
    const columns = runs.filter(({ arrangement }) => arrangement.way === way);
    const rows = Object.keys(CHECKS).map((check) => [
      check,
      ...columns.map(({ outcomes }) => cell(outcomes.get(check)!)),
    ]);
    return `## ${title}\n\n${markdownTable(['', ...columns.map((ran) => nameOf(ran.arrangement))], rows)}`;
  });
  const versions = [...new Set(runs.flatMap(({ client, server }) => [client, server]))]
    .map((version) => version.split(', '))
    .sort(([one = ''], [other = '']) => (one < other ? -1 : 1));
  return `${[
    INTRODUCTION,
    markdownTable(['', 'library'], versions),
    ...sections,
    '## What cannot be done, and why',
    reasons.map((why, i) => `${i + 1}. ${why}`).join('\n'),
    '## What each check is',
    markdownTable(['check', ''], Object.entries(CHECKS)),
    CLOSING,
  ].join('\n\n')}\n`;
}

const INTRODUCTION = `# Interoperation

<!-- Made by \`npm run interop:table\` of what was run. Edit test/interop/table.ts instead. -->

One list of checks, run by a client in each language against a server in each language: directly, with a broker between
them and a domain of it, and with a broker between two clients that are strangers to each other. The programs stand in
[test/interop/](../test/interop/), with the schema that all of them serve, and are run with the rest of the suite, which
fails where this page says something else than what came out. Client → server; what ran:`;

const CLOSING = `A broker's own interfaces (grants, attenuation, revocation, what happens when a domain is stopped) are checked by clients
of their own in Python and C++, over unix sockets and TCP: \`client.py\` and \`client.c++\` beside the others. Clients in all
five languages restore, save, attenuate and revoke in the example of [clients.md](clients.md). How the programs in Go are
built, and what they avoid, is in [clients/go.md](clients/go.md).`;
