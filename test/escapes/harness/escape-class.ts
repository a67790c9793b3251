/**
 * What a file of a class says: a way of getting out, where it comes from, which rule it attacks, and the attempts. A class
 * file declares; how an attempt is run, behind the wall and without it, is said in behind-the-wall.ts and bare.ts.
 *
 * The body of an attempt is that of an async function which returns `true` where it got out. It has `world` and `self` (what
 * a domain has, or naive stand-ins of the same shape where there is no wall) and what `PRELUDE` defines. Whatever else it
 * returns or throws means that it did not.
 */

import type { Bare, BareKind } from './bare.js';
import type { Tier } from './tiers.js';
import type { Wall } from './wall.js';

/** The rules of the wall: README.md of this folder. */
export type Rule = 'R1' | 'R2' | 'R3' | 'R4' | 'R5' | 'R6' | 'R7' | 'R8' | 'R9';

export interface EscapeClass {
  readonly name: string;
  /** The advisory, or the feature of the language or of Node. */
  readonly from: string;
  readonly rules: readonly Rule[];
  /** What counts as having got out. */
  readonly out: string;
  /** Where the attempts get out: without any wall, unless said otherwise. */
  readonly bare?: BareKind;
  /** In which it cannot exist, and why. */
  readonly notIn?: Readonly<Partial<Record<Tier, string>>>;
  /** By their names. */
  readonly attempts: Readonly<Record<string, Attempt>>;
}

export type Attempt = string | SourceAttempt | DrivenAttempt;

/** An attempt that is only text. */
export interface SourceAttempt {
  readonly body: string;
  readonly bare?: BareKind;
  /** What this Node has to have for it. */
  readonly needs?: Feature;
}

/** An attempt that somebody outside of the domain has a part in. */
export interface DrivenAttempt {
  /** 'out', or what held it. */
  behind(wall: Wall): Promise<string>;
  /** Whether it got out. */
  without(bare: Bare): Promise<boolean>;
  readonly needs?: Feature;
}

export interface Feature {
  readonly what: string;
  /** Whether this Node has it. Evaluated by the test; throwing means no. */
  has(): unknown;
}

/** A feature of syntax. */
export function syntax(what: string, sample: string): Feature {
  return { what, has: () => new Function(sample) };
}

/** A feature that is a property somewhere. */
export function builtin(path: string): Feature {
  return {
    what: path,
    has: () =>
      path.split('.').reduce<unknown>((at, name) => Reflect.get(Object(at), name) as unknown, globalThis),
  };
}

export function isThere({ has }: Feature): boolean {
  try {
    return has() !== undefined;
  } catch {
    return false;
  }
}

/** Gives an editor the types of what a class file declares. */
export function escapeClass(declared: EscapeClass): EscapeClass {
  return declared;
}

/** What every attempt may use. */
export const PRELUDE = `
  const isProcess = (it) => typeof it === 'object' && it !== null && typeof it.pid === 'number' && typeof it.version === 'string';
  // Whether code can be made, from this value, that sees Node's process.
  const reaches = (it) => {
    const make = it.constructor.constructor;
    return isProcess(make('return process')());
  };
`;

/** An attempt's body as that of a function which returns a text: 'out' where it got out. */
export function asProgram(body: string): string {
  return `${PRELUDE}
    const got = await (async () => {\n${body}\n})();
    return got === true ? 'out' : 'held: ' + typeof got;`;
}
