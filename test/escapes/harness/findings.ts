/**
 * What a run found, class by class and tier by tier: one file of JSON for each test file and version of Node, in the folder
 * that the environment names in ESCAPES_FINDINGS. The matrix makes its table of them.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Chapter } from './classes.js';
import type { Rule } from './escape-class.js';
import type { Latency, Phase } from './steady-client.js';
import type { Tier } from './tiers.js';

export interface Finding {
  readonly chapter: Chapter;
  /** The class file. */
  readonly file: string;
  readonly name: string;
  readonly from: string;
  readonly rules: readonly Rule[];
  readonly tier: Tier;

  readonly outcome: 'held' | 'out' | 'not applicable';
  /** How many attempts were made. */
  readonly attempts: number;
  /** By attempt: what held it, or why it was not made. */
  readonly reasons: Readonly<Record<string, string>>;
  /** Of a class of denial, by attempt: what a steady client of another domain saw. */
  readonly waits?: Readonly<Record<string, Readonly<Record<Phase, Latency>>>>;
}

export interface Run {
  readonly node: string;
  readonly v8: string;
  readonly findings: readonly Finding[];
  /** What else was measured. */
  readonly figures: Readonly<Record<string, unknown>>;
}

export class Findings {
  readonly #findings: Finding[] = [];
  readonly #figures: Record<string, unknown> = {};

  constructor(private readonly part: string) {}

  add(finding: Finding): void {
    this.#findings.push(finding);
  }

  figure(name: string, value: unknown): void {
    this.#figures[name] = value;
  }

  /** Nothing, unless the environment says where. */
  write(): void {
    const folder = process.env['ESCAPES_FINDINGS'];
    if (folder === undefined) return;
    mkdirSync(folder, { recursive: true });
    const { node, v8 } = process.versions;
    const run: Run = { node, v8, findings: this.#findings, figures: this.#figures };
    writeFileSync(join(folder, `node-${node}-${this.part}.json`), `${JSON.stringify(run, null, 1)}\n`);
  }
}
