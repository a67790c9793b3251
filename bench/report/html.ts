/** The page with the charts of a run: one file, which loads nothing, for light and dark. */

import { AIMS, outcome } from '../aims.js';
import { figure, type Measure, PLACEMENT_TITLES, PLACEMENTS, type Placement, type Run } from '../run.js';
import { SUBJECTS } from '../subjects/all.js';
import type { Role, Subject } from '../subjects/subject.js';
import { LARGE, MEDIUM, SMALL, type Workload, workloadName } from '../workload.js';
import { type Bar, barChart, escaped } from './chart.js';
import { boundText, ratioText, short, time, workloadTitle } from './wording.js';

const ROLES: readonly Role[] = ['client', 'broker', 'server'];

export function htmlPage(run: Run): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sturdy: the message path, measured</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>The message path, measured</h1>
<p>${escaped(`${run.date.slice(0, 10)}, on ${run.machine.cpu}, ${run.machine.cores} cores, Node ${run.machine.node}, ${run.machine.system}.`)}
${escaped(`Medians of ${run.rounds} interleaved rounds; a thin line spans all of them. What each subject is and how it is measured: docs/performance.md.`)}</p>
<p class="legend"><span class="ours">Sturdy</span><span class="yardstick">yardstick</span><span class="peer">peer</span></p>
${busy(run)}
<h2>Aims</h2>
${aimsTable(run)}
${PLACEMENTS.filter((placement) => run.results.some((result) => result.placement === placement))
  .map((placement) => placementCharts(run, placement))
  .join('\n')}
</main>
</body>
</html>
`;
}

function busy(run: Run): string {
  if (run.machine.loadBefore < 0.5) return '';
  return `<p class="warning">${escaped(`The machine was busy when the run began (load ${run.machine.loadBefore}): these numbers say little.`)}</p>`;
}

function aimsTable(run: Run): string {
  const rows = AIMS.map((aim) => {
    const cells = PLACEMENTS.map((placement) => {
      const result = outcome(aim, run, placement);
      return `<td><span class="verdict ${result.verdict.replace(' ', '-')}">${result.verdict}</span> ${escaped(ratioText(result))}</td>`;
    });
    return `<tr><th scope="row">${escaped(aim.what)} <small>beside ${escaped(aim.beside)}</small></th><td>${boundText(aim, 'aim')}</td><td>${boundText(aim, 'beyond')}</td>${cells.join('')}</tr>`;
  });
  return `<div class="wide"><table><thead><tr><th>ratio</th><th>aim</th><th>beyond</th>${PLACEMENTS.map((placement) => `<th>${PLACEMENT_TITLES[placement]}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function placementCharts(run: Run, placement: Placement): string {
  const title =
    placement === 'core'
      ? 'Every process on one core'
      : 'On all cores, each process where the system puts it';
  const rates: Workload[] = [
    { kind: 'echo', bytes: SMALL, depth: 1 },
    { kind: 'echo', bytes: SMALL, depth: 16 },
    { kind: 'echo', bytes: SMALL, depth: 256 },
    { kind: 'chain', bytes: SMALL, depth: 1 },
    { kind: 'chain', bytes: SMALL, depth: 256 },
  ];
  const payloads: Workload[] = [
    { kind: 'echo', bytes: MEDIUM, depth: 256 },
    { kind: 'echo', bytes: LARGE, depth: 16 },
  ];
  const charts = [
    ...rates.map((workload) =>
      chart(`Calls a second: ${workloadTitle(workload)}`, bars(run, placement, workload, 'rate', short)),
    ),
    chart('p50 of one call at a time, 64 B', bars(run, placement, rates[0]!, 'p50', time)),
    chart('p99 of one call at a time, 64 B', bars(run, placement, rates[0]!, 'p99', time)),
    chart(
      'CPU time of a call, 64 B, depth 256, by process',
      cpuBars(run, placement, rates[2]!),
      '<p class="legend"><span class="client">client</span><span class="broker">broker or relay</span><span class="server">server or host</span></p>',
    ),
    ...payloads.map((workload) =>
      chart(
        `Payload bytes a second, one way: ${workloadTitle(workload)}`,
        bars(run, placement, workload, 'rate', (rate) => `${short(rate * workload.bytes)}B`),
      ),
    ),
  ];
  return `<h2>${title}</h2>\n${charts.join('\n')}`;
}

function chart(title: string, all: readonly Bar[], legend = ''): string {
  if (all.length === 0) return '';
  return `<figure><figcaption>${escaped(title)}</figcaption>${legend}${barChart(title, all)}</figure>`;
}

function bars(
  run: Run,
  placement: Placement,
  workload: Workload,
  measure: Measure,
  say: (value: number) => string,
): Bar[] {
  return SUBJECTS.flatMap((subject) => {
    const found = figure(run, placement, {
      subject: subject.name,
      workload: workloadName(workload),
      measure,
    });
    if (found === null) return [];
    const title = `${labelOf(subject, workload)}: ${say(found.median)} (${say(found.low)} to ${say(found.high)})`;
    return [
      {
        label: labelOf(subject, workload),
        segments: [{ value: found.median, class: subject.side, title }],
        range: found,
        text: say(found.median),
      },
    ];
  });
}

function cpuBars(run: Run, placement: Placement, workload: Workload): Bar[] {
  return SUBJECTS.flatMap((subject) => {
    const segments = ROLES.flatMap((role) => {
      const found = figure(run, placement, {
        subject: subject.name,
        workload: workloadName(workload),
        measure: `cpu ${role}`,
      });
      if (found === null) return [];
      return [
        { value: found.median, class: role, title: `${subject.title}, ${role}: ${time(found.median)}` },
      ];
    });
    if (segments.length === 0) return [];
    const sum = segments.reduce((total, { value }) => total + value, 0);
    return [{ label: subject.title, segments, text: time(sum) }];
  });
}

function labelOf(subject: Subject, { kind }: Workload): string {
  return kind === 'chain' && subject.chain === 'sequential' ? `${subject.title} (one by one)` : subject.title;
}

const STYLE = `
:root { color-scheme: light dark; --page: #fff; --text: #1d2127; --quiet: #5b6470; --line: #d5dae0;
  --ours: #2563c9; --yardstick: #9aa3ae; --peer: #c98a2b; --client: #3f8f8a; --broker: #2563c9; --server: #8a5fb5;
  --good: #1a7f42; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --text: #e4e7eb; --quiet: #9aa4b0; --line: #343b44;
  --ours: #6ea0f5; --yardstick: #6d7682; --peer: #d9a550; --client: #5bb5af; --broker: #6ea0f5; --server: #b08ddb;
  --good: #5cc384; --bad: #f0857d; } }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { margin-top: 3rem; font-size: 1.25rem; }
small { color: var(--quiet); font-weight: normal; display: block; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .4rem .7rem .4rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--quiet); font-weight: normal; } tbody th { font-weight: 500; }
.verdict { font-weight: 600; } .met, .beyond { color: var(--good); } .missed, .warning { color: var(--bad); }
.not-measured { color: var(--quiet); font-weight: normal; }
figure { margin: 2rem 0 0; } figcaption { font-weight: 600; margin-bottom: .4rem; }
svg { display: block; width: 100%; height: auto; font: 12.5px system-ui, sans-serif; }
svg text { fill: var(--text); dominant-baseline: central; } svg .label { text-anchor: end; }
svg .value { font-variant-numeric: tabular-nums; fill: var(--quiet); }
svg .axis, svg .range { fill: none; stroke: var(--line); } svg .range { stroke: var(--text); opacity: .6; }
.legend span { margin-right: 1.2rem; color: var(--quiet); }
.legend span::before { content: ""; display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
.legend .ours::before { background: var(--ours); } svg .ours { fill: var(--ours); }
.legend .yardstick::before { background: var(--yardstick); } svg .yardstick { fill: var(--yardstick); }
.legend .peer::before { background: var(--peer); } svg .peer { fill: var(--peer); }
.legend .client::before { background: var(--client); } svg .client { fill: var(--client); }
.legend .broker::before { background: var(--broker); } svg .broker { fill: var(--broker); }
.legend .server::before { background: var(--server); } svg .server { fill: var(--server); }
`;
