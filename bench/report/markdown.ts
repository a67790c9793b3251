/** docs/performance.md, made of the last published run; without one, it says what will be measured. */

import { AIMS, outcome } from '../aims.js';
import { LAYERS } from '../layers.js';
import { figure, type Measure, PLACEMENT_TITLES, PLACEMENTS, type Placement, type Run } from '../run.js';
import { SUBJECTS } from '../subjects/all.js';
import type { Role } from '../subjects/subject.js';
import { SAMPLED, WORKLOADS, type Workload, workloadName } from '../workload.js';
import { markdownTable } from './markdown-table.js';
import { boundText, bytesText, ratioText, short, time } from './wording.js';

export function markdownPage(run: Run | null): string {
  return [
    INTRODUCTION,
    machineSection(run),
    aimsSection(run),
    run === null ? '' : earlierSection(run),
    run === null ? '' : PLACEMENTS.map((placement) => figuresSection(run, placement)).join(''),
    run === null ? '' : layersSection(run),
    subjectsSection(),
    METHOD,
  ].join('');
}

const INTRODUCTION = `# Performance

<!-- Made by \`npm run bench -- --publish\`: do not edit it here, but in bench/report/markdown.ts. -->

What a call costs, direct and through a broker, beside bare sockets and beside other ways to call an object in another process.
All of it is measured in one run, side by side, because the same machine gives other numbers on another day: look at the ratios.

\`\`\`
npm run bench
\`\`\`

takes some minutes, prints the ratios, and writes the run and a page of charts into \`dist/bench/last/\`. It installs the peers into
\`bench/node_modules\` the first time, and compiles the one in C++. \`npm run bench -- --quick\` is one short round of what needs
neither. All options are at the top of [bench/main.ts](../bench/main.ts).

`;

function machineSection(run: Run | null): string {
  if (run === null) return '## The last run\n\nNone has been published yet.\n\n';
  const { machine } = run;
  const rows: string[][] = [
    ['date', run.date.slice(0, 16).replace('T', ' ')],
    ['processor', `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB`],
    ['system', machine.system],
    ['Node', machine.node],
    ...Object.entries(machine.versions),
    ['load before', `${machine.loadBefore}${machine.loadBefore < 0.5 ? '' : ': the machine was busy'}`],
    ['rounds', `${run.rounds}, of ${run.seconds} s for each measurement; ${run.took} s in all`],
  ];
  const problems = run.problems.map((problem) => `- Not measured: ${problem}\n`).join('');
  return `## The last run

${table(['', ''], rows)}
The charts: [bench/results/index.html](../bench/results/index.html). The data: [run.json](../bench/results/run.json).
${problems === '' ? '' : `\n${problems}`}
`;
}

function aimsSection(run: Run | null): string {
  const rows = AIMS.map((aim) => {
    const outcomes = PLACEMENTS.map((placement) => {
      const result = outcome(aim, run, placement);
      return result.ratio === null ? result.verdict : `**${result.verdict}**: ${ratioText(result)}`;
    });
    return [aim.what, aim.beside, boundText(aim, 'aim'), boundText(aim, 'beyond'), ...outcomes];
  });
  const titles = PLACEMENTS.map((placement) => PLACEMENT_TITLES[placement]);
  return `## Aims

Ratios of the first column to the second: the median of the rounds, and the lowest and highest of them. Each is given twice: on all
cores, and with every process pinned to one core, where waking a sleeping core does not hide the work. A row that misses its aim
says so.

${table(['what', 'beside', 'aim', 'beyond', ...titles], rows)}
${AIMS.map(({ what, beside, meaning }) => `- **${what}**, beside ${beside}: ${meaning}\n`).join('')}
`;
}

function earlierSection({ earlier = [] }: Run): string {
  if (earlier.length === 0) return '';
  const rows = AIMS.flatMap((aim) =>
    PLACEMENTS.map((placement) => {
      const ratios = earlier.map(({ ratios }) => {
        const ratio = ratios[aim.name]?.[placement];
        return ratio === undefined ? '' : short(ratio);
      });
      return [aim.what, PLACEMENT_TITLES[placement], boundText(aim, 'aim'), ...ratios];
    }),
  );
  const titles = earlier.map(
    ({ date, loadBefore, sturdy, node }) =>
      `${date.slice(0, 16).replace('T', ' ')}, load ${loadBefore}, sturdy ${sturdy}, Node ${node}`,
  );
  return `### The runs before it

The same ratios, in the runs that were published before the last one.

${table(['what', 'where', 'aim', ...titles], rows)}
`;
}

function figuresSection(run: Run, placement: Placement): string {
  if (!run.results.some((result) => result.placement === placement)) return '';
  const measured = SUBJECTS.filter(({ name }) =>
    run.results.some((result) => result.placement === placement && result.subject === name),
  );
  const heading = placement === 'core' ? 'One core' : 'All cores';
  const part = (
    head: string,
    workloads: readonly Workload[],
    say: (subject: string, w: string) => string,
  ) => {
    const titles = workloads.map(
      ({ kind, bytes, depth }) => `${kind === 'chain' ? 'chain' : bytesText(bytes)}, ${depth}`,
    );
    const rows = measured.map(({ name, title, chain }) => {
      const cells = workloads.map((workload) => {
        const said = say(name, workloadName(workload));
        return workload.kind === 'chain' && chain === 'sequential' && said !== '' ? `${said} *` : said;
      });
      return [title, ...cells];
    });
    return `### ${heading}: ${head}\n\n${table(['', ...titles], rows)}\n`;
  };
  const of = (subject: string, workload: string, measure: Measure) =>
    figure(run, placement, { subject, workload, measure });
  const small = WORKLOADS.filter(({ bytes }) => bytes < 1024);
  return [
    part('calls a second', WORKLOADS, (subject, workload) => {
      const found = of(subject, workload, 'rate');
      return found === null ? '' : short(found.median);
    }),
    part('calls a second, lowest to highest round', small, (subject, workload) => {
      const found = of(subject, workload, 'rate');
      return found === null ? '' : `${short(found.low)} to ${short(found.high)}`;
    }),
    part('p50 / p99 of a call', small, (subject, workload) => {
      const [p50, p99] = [of(subject, workload, 'p50'), of(subject, workload, 'p99')];
      return p50 === null || p99 === null ? '' : `${time(p50.median)} / ${time(p99.median)}`;
    }),
    part('CPU time of a call: client + broker + server', small, (subject, workload) => {
      const parts = (['client', 'broker', 'server'] satisfies Role[]).flatMap((role) => {
        const found = of(subject, workload, `cpu ${role}`);
        return found === null ? [] : [time(found.median)];
      });
      return parts.join(' + ');
    }),
  ].join('');
}

function layersSection(run: Run): string {
  const profiles = run.profiles ?? [];
  if (profiles.length === 0) return '';
  const titles = profiles.map(({ subject, role }) => {
    const title = SUBJECTS.find(({ name }) => name === subject)?.title ?? subject;
    return `${title}: ${role}`;
  });
  const spent = profiles.map(({ subject, role, workload }) =>
    figure(run, 'core', { subject, workload, measure: `cpu ${role}` }),
  );
  const rows = LAYERS.filter((layer) => profiles.some(({ shares }) => shares[layer] !== undefined)).map(
    (layer) => {
      const cells = profiles.map(({ shares }, i) => {
        const share = shares[layer];
        if (share === undefined) return '';
        const micros = spent[i] === null ? '' : `, ${time(share * spent[i]!.median)}`;
        return `${Math.round(share * 100)} %${micros}`;
      });
      return [layer, ...cells];
    },
  );
  return `## Where the time goes

Profiles of the processes (\`--cpu-prof\`), of another start of them, at ${profiles[0]!.workload}: what part of the time that a process
is busy goes into each layer, and how much that is of the CPU time of a call that was measured on one core. A locked-down thread
takes no profiler, so the domain's host is missing; the server of the direct subject runs the same code but for the compartment.
The floor of a broker is what the raw frame relay takes for the same frames.

${table(['', ...titles], rows)}
`;
}

function subjectsSection(): string {
  return `## What is measured

${SUBJECTS.map(({ title, what }) => `- **${title}**: ${what}\n`).join('')}
`;
}

const METHOD = `## How it is measured

- **echo** returns its payload, which is compared: its length each time, its bytes once. **Depth** is how many calls are under way at
  a time: with 1, each waits for the one before. The column \`64 B, 256\` is an echo of 64 bytes at depth 256.
- **A chain** is four calls: \`next\` on the object, twice more on what that returns, and an echo of 64 bytes on what the third
  returns. It counts as one call. Subjects marked with * cannot pipeline, and make four round trips.
- Clients and servers are processes of their own on unix sockets, but for the piscina task, whose thread is in its client. The
  load is the same code for all (\`bench/load.ts\`), but for C++, which has a copy of it.
- **Rounds**: the processes of every subject are started once on each placement and run for 6 s before anything is measured. A round
  goes through the workloads, and with each every subject has its turn, while those of the others are idle; whoever is first in one round
  is last in the next. Each turn begins with as long again that is not measured, for what the system has taken from processes that were
  idle, and what has to be compiled again. Ratios are taken within a round, of what was measured within seconds. (In the runs before
  2026-12-01 16:00 a subject had its turn with all workloads together, and a ratio's two sides were up to a minute apart.)
- **Calls a second** counts all calls from the first to the last return. **p50 and p99** are of one call in ${SAMPLED} where more than one
  is under way.
- **CPU time** is read from /proc for each process, all of its threads, before and after a measurement. \`broker\` is the relay for the
  raw frame relay; \`server\` is the domain's host for the brokered rows.
- 256 calls of 1 MiB at a time are not measured: that is as many bytes as one connection may have in flight.
`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return `${markdownTable(head, rows)}\n`;
}
