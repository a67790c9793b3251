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
import {
  ask,
  askKept,
  askPromise,
  echo,
  echoOrder,
  keep,
  kept,
  open,
  peer,
  peerEarly,
} from './operations/passing.js';
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
  peerEarly,
  ask,
  askPromise,
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

/** The brokers that runs are made against, one after the other: to start one takes longer than a run. */
export class Runs {
  /** One without flow labels, and one with them. */
  readonly #systems = new Map<boolean, System>();

  constructor(readonly tally: Tally) {}

  /** Rejects at the first difference, saying which, and how it came to that. The next run gets another broker then. */
  async check(labelled: boolean, commands: Iterable<Command>): Promise<void> {
    const system = await this.#started(labelled);
    try {
      const trial = await Trial.begin(system, this.tally);
      await restoreSome(trial, new Random(0));
      await fc.asyncModelRun(() => ({ model: trial.reference, real: trial }), commands);
      await checkNothingLeft(trial);
      await checkListing(trial);
      await trial.look();
      await trial.leaveAll();
    } catch (error) {
      this.#systems.delete(labelled);
      await system.remove();
      throw error;
    }
  }

  async #started(labelled: boolean): Promise<System> {
    const known = this.#systems.get(labelled);
    if (known !== undefined) return known;
    const system = await System.make(this.tally.seen, labelled);
    this.#systems.set(labelled, system);
    await system.start();
    this.tally.secrets.push(await system.operatorSecret());
    return system;
  }

  /** Ends the brokers, and notes what they have written. */
  async end(): Promise<void> {
    for (const system of this.#systems.values()) {
      await system.stop();
      this.tally.seen.push(...(await system.stored()));
      await system.remove();
    }
  }
}
