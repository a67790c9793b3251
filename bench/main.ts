/**
 * The command line of the bench: `npm run bench -- [OPTIONS]`.
 *
 *   --rounds N       how often each subject has its turn (default 3)
 *   --seconds S      for each measurement (default 0.25)
 *   --only A,B       these subjects and no others, by the names of their files in bench/subjects
 *   --workloads A,B  these workloads and no others, as they are named in run.json: "echo 64 256"
 *   --quick          one short round of a few subjects that need nothing installed: does the bench work?
 *   --out FOLDER     where run.json and index.html go (default dist/bench/last)
 *   --publish        make bench/results and docs/performance.md of this run, too
 *   --report FILE    measure nothing: make the pages of this run.json
 *   --profile FOLDER have every process in Node write a CPU profile there when it ends (it slows them down)
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { aimLines, earlierRuns } from './aims.js';
import { thisMachine } from './machine.js';
import { nodeFlags } from './node-processes.js';
import { available } from './peers.js';
import { BENCH, ROOT } from './place.js';
import { profiled } from './profiles.js';
import { htmlPage } from './report/html.js';
import { markdownPage } from './report/markdown.js';
import { measure } from './rounds.js';
import type { Run } from './run.js';
import { SUBJECTS } from './subjects/all.js';
import { QUICK_WORKLOADS, WORKLOADS, type Workload, workloadName } from './workload.js';

const QUICK_SUBJECTS = ['raw', 'relay', 'direct', 'brokered'];

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    workloads: { type: 'string' },
    quick: { type: 'boolean', default: false },
    out: { type: 'string', default: join(ROOT, 'dist/bench/last') },
    publish: { type: 'boolean', default: false },
    report: { type: 'string' },
    profile: { type: 'string' },
  },
});

const run = options.report === undefined ? await newRun() : readRun(options.report);
if (run === null) throw new Error(`--report: there is no ${options.report}`);
write(options.out, run);
if (options.publish) {
  const results = join(BENCH, 'results');
  const before = readRun(join(results, 'run.json'));
  const published =
    before === null || before.date === run.date ? run : { ...run, earlier: earlierRuns(before) };
  write(results, published);
  writeFileSync(join(ROOT, 'docs/performance.md'), markdownPage(published));
}
for (const line of aimLines(run)) console.log(line);
for (const problem of run.problems) console.error(`not measured: ${problem}`);
console.log(
  `the run is in ${join(options.out, 'run.json')}, its charts in ${join(options.out, 'index.html')}`,
);
if (run.problems.length > 0) process.exitCode = 1;

/** The run in this file; null where there is no such file. */
function readRun(file: string): Run | null {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Run) : null;
}

async function newRun(): Promise<Run> {
  const rounds = positive('rounds', options.rounds ?? (options.quick ? '1' : '3'));
  const seconds = positive('seconds', options.seconds ?? (options.quick ? '0.02' : '0.25'));
  if (!Number.isInteger(rounds)) throw new Error('--rounds: expected a whole number');
  if (options.profile !== undefined) nodeFlags.push('--cpu-prof', `--cpu-prof-dir=${options.profile}`);

  const machine = thisMachine();
  const began = Date.now();
  const { subjects, placements, problems } = await available(chosen());
  const measured = await measure({
    subjects,
    placements,
    rounds,
    workloads: workloads(),
    seconds,
    warmSeconds: options.quick ? 0.05 : 6,
    progress: (line) => console.error(`${Math.round((Date.now() - began) / 1000)} s  ${line}`),
  });
  const profiles = await profiled(subjects, options.quick ? 0.1 : 3);
  return {
    format: 1,
    date: new Date(began).toISOString(),
    took: Math.round((Date.now() - began) / 1000),
    machine,
    rounds,
    seconds,
    results: measured.results,
    profiles,
    problems: [...problems, ...measured.problems],
  };
}

function chosen(): typeof SUBJECTS {
  if (options.only !== undefined) {
    return options.only.split(',').map((name) => {
      const found = SUBJECTS.find((subject) => subject.name === name);
      if (found !== undefined) return found;
      throw new Error(
        `--only: there is no ${name}; there are ${SUBJECTS.map((each) => each.name).join(', ')}`,
      );
    });
  }
  return options.quick ? SUBJECTS.filter(({ name }) => QUICK_SUBJECTS.includes(name)) : SUBJECTS;
}

function workloads(): readonly Workload[] {
  if (options.workloads === undefined) return options.quick ? QUICK_WORKLOADS : WORKLOADS;
  return options.workloads.split(',').map((name) => {
    const found = WORKLOADS.find((workload) => workloadName(workload) === name);
    if (found !== undefined) return found;
    throw new Error(`--workloads: there is no ${name}; there are ${WORKLOADS.map(workloadName).join(', ')}`);
  });
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0))
    throw new Error(`--${name}: expected a number greater than 0, got ${JSON.stringify(text)}`);
  return value;
}

function write(folder: string, result: Run): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'run.json'), `${JSON.stringify(result)}\n`);
  writeFileSync(join(folder, 'index.html'), htmlPage(result));
}
