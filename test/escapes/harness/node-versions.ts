/**
 * The versions of Node that the walls have to hold on: the one that runs this, and others, from npm's packages of their
 * binaries, in a folder beside the tests that git ignores.
 */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ROOT } from '../../../examples/ledger/place.js';

export const MAJORS = [20, 22, 24, 26] as const;
export type Major = (typeof MAJORS)[number];

const FOLDER = join(ROOT, 'test/escapes/.nodes');
const PACKAGE = `node-${process.platform}-${process.arch}`;

/** The binary of a version, where it is here already: null otherwise. */
export function installed(major: Major): string | null {
  if (Number(process.versions.node.split('.')[0]) === major) return process.execPath;
  const binary = join(FOLDER, `node-${major}/bin/node`);
  return existsSync(binary) ? binary : null;
}

/** The binary of a version, installed where it is not here yet. Throws where npm cannot get it. */
export function install(major: Major): string {
  const known = installed(major);
  if (known !== null) return known;
  mkdirSync(FOLDER, { recursive: true });
  const unpacked = mkdtempSync(join(FOLDER, 'unpacking-'));
  try {
    const [{ filename }] = JSON.parse(
      execFileSync('npm', ['pack', '--json', '--pack-destination', unpacked, `${PACKAGE}@${major}`], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    ).slice(-1) as [{ filename: string }];
    execFileSync('tar', ['-xzf', join(unpacked, filename), '-C', unpacked]);
    renameSync(join(unpacked, 'package'), join(FOLDER, `node-${major}`));
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
  return installed(major)!;
}
