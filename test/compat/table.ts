/** The page docs/compatibility.md, made of what the programs did. */
import { markdownTable } from '../../bench/report/markdown-table.js';

/** How one program went in a domain. */
export interface Ran {
  /** The package that it is about, as npm has it. */
  readonly name: string;
  readonly version: string;
  readonly what: string;
  /** Null: it gave in the domain what it gives in plain Node. */
  readonly cannot: string | null;
}

export function page(runs: readonly Ran[]): string {
  const works = runs.filter(({ cannot }) => cannot === null);
  const rest = runs.filter(({ cannot }) => cannot !== null);
  return `# Packages of npm in a domain

<!-- Made by \`npm run compat:table\` of what was run. Edit test/compat/table.ts instead. -->

A domain is bundled with what it imports, and sees standard JavaScript, frozen, and its grants: no module of Node's, no
network, no clock and no randomness. These packages were loaded in a domain, each as it is on npm, and given real work.
What came out had to be, byte for byte, what the same program gives in plain Node. The programs stand in
[test/compat/programs/](../test/compat/programs/), one for each, and are run with the rest of the suite, which fails
where this page says something else than what came out.

${works.length} of ${runs.length} do their work.

${markdownTable(
  ['package', 'version', 'what it does there'],
  works.map(({ name, version, what }) => [name, version, what]),
)}

## What cannot be done, and why

${markdownTable(
  ['package', 'version', 'what it would do', 'why it cannot'],
  rest.map(({ name, version, what, cannot }) => [name, version, what, cannot!]),
)}
`;
}
