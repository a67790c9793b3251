/** The page docs/walls.md: what runs of the matrix have found, class by class, tier by tier, version by version. */

import { CHAPTERS, type Chapter } from './classes.js';
import type { Finding, Run } from './findings.js';
import type { Phase } from './steady-client.js';
import { TIERS, type Tier } from './tiers.js';

const ALL: Readonly<Record<Chapter, string>> = { ...CHAPTERS, denial: 'Denial of service' };

export function page(runs: readonly Run[]): string {
  const versions = [...new Set(runs.map(({ node }) => node))].sort((a, b) => major(a) - major(b));
  const rows = Object.keys(ALL).flatMap((chapter) => chapterRows(chapter as Chapter, runs, versions));
  return `${HEAD}
${counted(runs, versions)}

${rows.join('\n')}

${notApplicable(runs)}
${figures(runs, versions)}`;
}

const HEAD = `# The walls, tried

What hostile code tries to get out of a domain, or to take its host, its neighbours or the broker down, and what became of it.
\`npm run test:matrix\` makes every attempt in every [tier](domains.md) and on every version of Node below, and writes this page. Each
attempt is made without the wall as well, in a bare thread or a plain context of \`node:vm\`, and has to succeed there.

A class is one file in \`test/escapes/\`, which says what its attempts are, where they come from, which
[rule](../test/escapes/README.md) they attack, and what counts as having got out. A number is how many attempts were held; \`–\`
means that none of them can exist there, for a reason that stands at the end, and \`?\` that it was not run there.
`;

const major = (version: string): number => Number(version.split('.')[0]);

function counted(runs: readonly Run[], versions: readonly string[]): string {
  const classes = new Set(runs.flatMap(({ findings }) => findings.map(({ file }) => file))).size;
  const lines = versions.map((version) => {
    const findings = runs.filter(({ node }) => node === version).flatMap((run) => run.findings);
    const attempts = findings.reduce((sum, { attempts }) => sum + attempts, 0);
    const out = findings.filter(({ outcome }) => outcome === 'out').length;
    return `| ${version} | ${attempts} | ${out === 0 ? 'none' : `**${out} classes**`} |`;
  });
  return `${classes} classes.

| Node | attempts, all tiers | got out |
| ---- | ------------------: | ------- |
${lines.join('\n')}`;
}

function chapterRows(chapter: Chapter, runs: readonly Run[], versions: readonly string[]): string[] {
  const files = [
    ...new Set(
      runs.flatMap(({ findings }) =>
        findings.filter((each) => each.chapter === chapter).map(({ file }) => file),
      ),
    ),
  ].sort();
  if (files.length === 0) return [];
  const heads = TIERS.map((tier) => `${tier} ${versions.map(major).join(' / ')}`);
  return [
    `## ${ALL[chapter]}`,
    '',
    `| class | from | rules | ${heads.join(' | ')} |`,
    `| ----- | ---- | ----- | ${TIERS.map(() => '---').join(' | ')} |`,
    ...files.map((file) => row(file, runs, versions)),
    '',
  ];
}

function row(file: string, runs: readonly Run[], versions: readonly string[]): string {
  const find = (tier: Tier, version: string): Finding | undefined =>
    runs
      .filter(({ node }) => node === version)
      .flatMap(({ findings }) => findings)
      .find((each) => each.file === file && each.tier === tier);
  const any = runs.flatMap(({ findings }) => findings).find((each) => each.file === file)!;
  const cells = TIERS.map((tier) => versions.map((version) => cell(find(tier, version))).join(' / '));
  const name = `[${any.name}](../test/escapes/${file})`;
  return `| ${name} | ${any.from.replaceAll('|', '\\|')} | ${any.rules.join(', ')} | ${cells.join(' | ')} |`;
}

function cell(finding: Finding | undefined): string {
  if (finding === undefined) return '?';
  if (finding.outcome === 'not applicable') return '–';
  return finding.outcome === 'out' ? '**out**' : `${finding.attempts}`;
}

function notApplicable(runs: readonly Run[]): string {
  const lines = new Map<string, Set<string>>();
  for (const { node, findings } of runs) {
    for (const { name, tier, outcome, reasons } of findings) {
      const wholly = outcome === 'not applicable' ? Object.values(reasons) : [];
      const partly = Object.entries(reasons)
        .filter(([, reason]) => reason.startsWith('not applicable: '))
        .map(([attempt, reason]) => `“${attempt}”: ${reason.slice('not applicable: '.length)}`);
      for (const reason of [...wholly, ...partly]) {
        // What holds for all classes of a tier is said once.
        const line = wholly.includes(reason) ? reason : `${name}: ${reason}`;
        lines.set(line, (lines.get(line) ?? new Set()).add(`${tier} ${major(node)}`));
      }
    }
  }
  if (lines.size === 0) return '';
  const all = [...lines].sort(([a], [b]) => a.localeCompare(b));
  return `## Not applicable

${all.map(([line, where]) => `- ${line} (${[...where].join(', ')})`).join('\n')}
`;
}

/** What a steady client saw: class by class, the longest that one of its calls took while it was attacked. */
function figures(runs: readonly Run[], versions: readonly string[]): string {
  const waits = (tier: Tier | null, version: string, file: string | null, phase: Phase): number[] =>
    runs
      .filter(({ node }) => node === version)
      .flatMap(({ findings }) => findings)
      .filter((each) => (tier === null || each.tier === tier) && (file === null || each.file === file))
      .flatMap((each) => Object.values(each.waits ?? {}).map((wait) => wait[phase].longest));
  const longest = (all: number[]): string => (all.length === 0 ? '–' : `${Math.round(Math.max(...all))}`);
  const all = runs.flatMap(({ findings }) => findings).filter(({ waits }) => waits !== undefined);
  const names = new Map(all.map(({ file, name }) => [file, name]));
  if (names.size === 0) return '';
  const attacks = (version: string) => waits(null, version, null, 'during').length;
  const phases = (['before', 'during', 'after'] as const).map(
    (phase) => (version: string) => longest(waits(null, version, null, phase)),
  );
  const heads = TIERS.map((tier) => `${tier} ${versions.map(major).join(' / ')}`);
  return `## A steady client

While each attack of the last chapter went on, a client called a domain in another host every 100 ms. Every call was answered. The
longest that one of them took, in milliseconds, over all attacks, with the client, the broker and all hosts on the machine that ran
the tests, which may have had other work:

| Node | attacks | before | during | after |
| ---- | ------: | -----: | -----: | ----: |
${versions.map((version) => `| ${version} | ${attacks(version)} | ${phases.map((phase) => phase(version)).join(' | ')} |`).join('\n')}

The same during the attacks of each class:

| class | ${heads.join(' | ')} |
| ----- | ${TIERS.map(() => '---').join(' | ')} |
${[...names]
  .sort()
  .map(([file, name]) => {
    const cells = TIERS.map((tier) =>
      versions.map((version) => longest(waits(tier, version, file, 'during'))).join(' / '),
    );
    return `| ${name} | ${cells.join(' | ')} |`;
  })
  .join('\n')}
`;
}
