#!/usr/bin/env node
/**
 * The command line: `sturdy serve` runs a broker, the other commands talk to one.
 *
 * Answers go to standard output, for a person or, with --json, as JSON; everything else goes to standard error. A sturdyref
 * is given as `@FILE` or `-`, never as an argument: arguments are seen by every user of the machine.
 *
 * Exit codes: 0 done; 1 refused or failed, with the reason; 2 the command line is wrong; 3 nobody answers, or the connection
 * was lost.
 */
import { Command, CommanderError } from 'commander';
import { release } from '../release.js';
import { addAudit } from './audit.js';
import { addCall } from './call.js';
import { addDomains } from './domains.js';
import { addGrants } from './grants.js';
import { addHealth } from './health.js';
import { addAttenuate, addMint } from './mint.js';
import { exitCode, printError } from './print.js';
import { addServe } from './serve.js';
import { addStore } from './store.js';
import { addTiers } from './tiers.js';

const program = new Command('sturdy')
  .description(
    'A capability broker: run code that you do not trust with exactly the authority that you hand it.',
  )
  .version(release())
  .option('--json', 'print answers and errors as JSON')
  .option(
    '--operator <file>',
    'the file with the operator reference (default: operator.ref in the data folder)',
  )
  .option(
    '--timeout <seconds>',
    'how long to wait for the broker (default: 60, health 5); without it, call waits for its results without a limit',
  )
  .option('--config <file>', 'the configuration (default: sturdy.config.ts, .mts, .js, .mjs or .json here)')
  .showHelpAfterError('(sturdy --help tells more)')
  .exitOverride();

const COMMANDS = [
  addServe,
  addHealth,
  addDomains,
  addMint,
  addAttenuate,
  addGrants,
  addCall,
  addAudit,
  addStore,
  addTiers,
];
for (const add of COMMANDS) add(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed what is wrong, or what was asked for.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    printError(error, program.opts()['json'] === true);
    process.exitCode = exitCode(error);
  }
}
