/**
 * The process that bundles one module for the broker and is gone: what reads and parses the text of people whom nobody
 * trusts has none of the broker's memory, files and environment, and can be killed. It is started by broker/bundler.ts, as the
 * leader of a process group, with a `BundleOrder` as JSON in its only argument. It writes the program to its standard output
 * and exits with 0, or the faults, as JSON, and exits with EXIT_FAULTS. When its standard input ends, the broker is gone,
 * and so is the group.
 */

import process from 'node:process';
import { bundle } from './bundle.js';
import { BundleError } from './bundle-error.js';
import { type BundleOrder, EXIT_FAULTS } from './bundle-order.js';

process.stdin.on('error', endGroup).on('close', endGroup).resume();

/** esbuild's own process is in the group as well, and does not notice by itself while it is at work. */
function endGroup(): void {
  process.kill(-process.pid, 'SIGKILL');
}

function say(text: string, exitCode: number): void {
  process.stdout.write(text, () => process.exit(exitCode));
}

const { module, withheld } = JSON.parse(process.argv[2] ?? '') as BundleOrder;
try {
  say(await bundle(module, { withheld }), 0);
} catch (error) {
  if (!(error instanceof BundleError)) throw error;
  say(JSON.stringify(error.faults), EXIT_FAULTS);
}
