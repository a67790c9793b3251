/** A run of the bench as it is kept: JSON, from which every page is made. */

import type { Shares } from './layers.js';
import type { Machine } from './machine.js';
import type { Role } from './subjects/subject.js';

/** `cores`: every process where the system puts it. `core`: all of them on one. */
export type Placement = 'cores' | 'core';
export const PLACEMENTS: readonly Placement[] = ['cores', 'core'];
export const PLACEMENT_TITLES: Readonly<Record<Placement, string>> = {
  cores: 'all cores',
  core: 'one core',
};

export interface Run {
  readonly format: 1;
  /** When it began, as ISO 8601. */
  readonly date: string;
  /** How long it took, in seconds. */
  readonly took: number;
  readonly machine: Machine;
  readonly rounds: number;
  /** For each measurement. */
  readonly seconds: number;
  readonly results: readonly Result[];
  /** Where the time of some processes went. Not of those of the rounds: a profiler slows a process down. */
  readonly profiles?: readonly Profile[];
  /** What was not measured, and why. */
  readonly problems: readonly string[];
  /** What came out of the runs that were published before it, the last first. */
  readonly earlier?: readonly EarlierRun[];
}

export interface EarlierRun {
  readonly date: string;
  /** The version of Sturdy, and of Node. */
  readonly sturdy: string;
  readonly node: string;
  readonly loadBefore: number;
  /** The median ratio of each aim, by its name, on each placement; those that were measured. */
  readonly ratios: Readonly<Record<string, Partial<Record<Placement, number>>>>;
}

export interface Result {
  readonly placement: Placement;
  readonly subject: string;
  /** By `workloadName`. */
  readonly workload: string;
  /** One a round, in their order; null where it failed. */
  readonly samples: readonly (Sample | null)[];
}

export interface Sample {
  /** Calls (or chains) a second. */
  readonly rate: number;
  /** In microseconds. */
  readonly p50: number;
  readonly p99: number;
  /** CPU time of each process for one call, in microseconds. */
  readonly cpu: Readonly<Partial<Record<Role, number>>>;
}

export interface Profile {
  readonly subject: string;
  readonly role: Role;
  /** By `workloadName`. */
  readonly workload: string;
  readonly shares: Shares;
}

/** The median of the rounds, and how far they went apart. */
export interface Figure {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Null where there is nothing. */
export function figureOf(values: readonly number[]): Figure | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
  return { median, low: sorted[0]!, high: sorted[sorted.length - 1]! };
}

/** One number of a sample. */
export type Measure = 'rate' | 'p50' | 'p99' | `cpu ${Role}`;

export function measureOf(sample: Sample, measure: Measure): number | undefined {
  if (measure === 'rate' || measure === 'p50' || measure === 'p99') return sample[measure];
  return sample.cpu[measure.slice('cpu '.length) as Role];
}

/** What stands on one side of a ratio. */
export interface Term {
  readonly subject: string;
  readonly workload: string;
  readonly measure: Measure;
}

function samplesOf(run: Run, placement: Placement, subject: string, workload: string): Result['samples'] {
  return (
    run.results.find(
      (each) => each.placement === placement && each.subject === subject && each.workload === workload,
    )?.samples ?? []
  );
}

export function figure(run: Run, placement: Placement, term: Term): Figure | null {
  const values = samplesOf(run, placement, term.subject, term.workload).map((sample) =>
    sample === null ? undefined : measureOf(sample, term.measure),
  );
  return figureOf(values.filter((value) => value !== undefined));
}

/** The ratio in each round, and the median of those. */
export function ratio(run: Run, placement: Placement, over: Term, under: Term): Figure | null {
  const above = samplesOf(run, placement, over.subject, over.workload);
  const below = samplesOf(run, placement, under.subject, under.workload);
  const ratios: number[] = [];
  for (const [round, sample] of above.entries()) {
    const other = below[round];
    if (!sample || !other) continue;
    const [a, b] = [measureOf(sample, over.measure), measureOf(other, under.measure)];
    if (a !== undefined && b !== undefined && b > 0) ratios.push(a / b);
  }
  return figureOf(ratios);
}
