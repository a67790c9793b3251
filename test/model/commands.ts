/** The runs of the model test, for fast-check: sequences of operations, each of which follows from its name and one number. */
import fc from 'fast-check';
import { Random } from '../hostile/fuzz.js';
import { extend, narrow, rotate } from './operations/amending.js';
import { burst, call, drop, giveUp, hold, pipelined } from './operations/calling.js';
import { checkListing, checkNothingLeft, listing } from './operations/checking.js';
import {
  crash,
  disconnect,
  expire,
  expireUnderCall,
  kill,
  killAmid,
  restart,
  sleepAndWake,
  stopDomain,
} from './operations/ending.js';
import { attenuate, describe, mint, save, saveUndelegable } from './operations/minting.js';
import type { Operation } from './operations/operation.js';
import { ask, askKept, echo, echoOrder, keep, kept, open, peer } from './operations/passing.js';
import { forge, restore, restoreOnceRace, restoreSome } from './operations/restoring.js';
import { drain, drainLate, revoke, revokeRace } from './operations/revoking.js';
import type { Reference } from './reference/reference.js';
import { System } from './system.js';
import type { Tally } from './tally.js';
import { Trial } from './trial.js';

export const OPERATIONS: readonly Operation[] = [
  call,
  burst,
  pipelined,
  hold,
  giveUp,
  drop,
  open,
  echo,
  echoOrder,
  peer,
  ask,
  keep,
  kept,
  askKept,
  mint,
  attenuate,
  save,
  saveUndelegable,
  describe,
  restore,
  restoreOnceRace,
  forge,
  narrow,
  extend,
  rotate,
  revoke,
  revokeRace,
  drain,
  drainLate,
  expire,
  expireUnderCall,
  listing,
  disconnect,
  sleepAndWake,
  crash,
  stopDomain,
  restart,
  kill,
  killAmid,
];

type Command = fc.AsyncCommand<Reference, Trial>;

class Doing implements Command {
  constructor(
    readonly operation: Operation,
    readonly choices: number,
  ) {}

  check(model: Readonly<Reference>): boolean {
    return this.operation.can?.(model as Reference) ?? true;
  }

  async run(_model: Reference, trial: Trial): Promise<void> {
    trial.tally.operation(this.operation.name);
    trial.note(`-- ${this}`);
    await this.operation.run(trial, new Random(this.choices));
  }

  toString(): string {
    return `${this.operation.name} (${this.choices})`;
  }
}

/**
 * A run that fails is made smaller by leaving commands out. What a command chose stays as it is: every try costs a broker, and another
 * choice tells less than a shorter run.
 */
export function sequences(mostCommands: number, replayPath?: string): fc.Arbitrary<Iterable<Command>> {
  const choices = fc.noShrink(fc.nat({ max: 2 ** 31 - 1 }));
  const command = fc.oneof(
    ...OPERATIONS.map((operation) => ({
      weight: operation.weight,
      arbitrary: choices.map((choice): Command => new Doing(operation, choice)),
    })),
  );
  return fc.commands([command], {
    maxCommands: mostCommands,
    size: 'max',
    ...(replayPath !== undefined && { replayPath }),
  });
}

/** The broker that runs are made against, one after the other: to start one takes longer than a run. */
export class Runs {
  #system: System | null = null;

  constructor(readonly tally: Tally) {}

  /** Rejects at the first difference, saying which, and how it came to that. The next run gets another broker then. */
  async check(commands: Iterable<Command>): Promise<void> {
    const system = await this.#started();
    try {
      const trial = await Trial.begin(system, this.tally);
      await restoreSome(trial, new Random(0));
      await fc.asyncModelRun(() => ({ model: trial.reference, real: trial }), commands);
      await checkNothingLeft(trial);
      await checkListing(trial);
      await trial.look();
      await trial.leaveAll();
    } catch (error) {
      this.#system = null;
      await system.remove();
      throw error;
    }
  }

  async #started(): Promise<System> {
    if (this.#system !== null) return this.#system;
    const system = await System.make(this.tally.seen);
    this.#system = system;
    await system.start();
    this.tally.secrets.push(await system.operatorSecret());
    return system;
  }

  /** Ends the broker, and notes what it has written. */
  async end(): Promise<void> {
    const system = this.#system;
    if (system === null) return;
    await system.stop();
    this.tally.seen.push(...(await system.stored()));
    await system.remove();
  }
}
