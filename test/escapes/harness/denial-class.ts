/**
 * What a file of a class of denial of service says: what is tried, and how it has to end. Either the domain is stopped, and
 * the operator is told why; or it goes on, and is told that it may do no more.
 *
 * An attempt is the body of an async function, as in escape-class.ts. Without the wall it has to hang a thread, to fill the
 * memory of a process, or to end one (`bare`); an attempt that is only told returns `true` where it got all that it wanted.
 */

import type { AnyStub, Client, Domains } from '../../broker/running.js';
import type { Rule } from './escape-class.js';
import type { Tier } from './tiers.js';

export interface DenialClass {
  readonly name: string;
  readonly from: string;
  readonly rules: readonly Rule[];
  readonly attempts: Readonly<Record<string, Stopped | Told>>;
}

/** What a program that nothing holds does to the thread or the process that it runs in. */
export type Harm = 'hangs' | 'fills' | 'dies';

/** The domain is ended. */
export interface Stopped {
  readonly body: string;
  /** What the operator reads of the domain. */
  readonly stopped: RegExp;
  readonly bare: Harm;
  readonly limits?: Limits;
  readonly notIn?: Readonly<Partial<Record<Tier, string>>>;
}

/** The domain goes on, and answers afterwards. */
export interface Told {
  /** In the domain; or what clients of it do: 'out' where they got all that they wanted, or what they were told. */
  readonly body?: string;
  drive?(target: Target): Promise<string>;
  /** What the attempt hears, as the message of an error or as an outcome; it never gets all that it wants. */
  readonly told: RegExp;
  /** What the body does without the wall; `gets`, where nobody tells it that it is enough. */
  readonly bare: Harm | 'gets';
  readonly limits?: Limits;
}

export type Limits = NonNullable<Domains[string]['limits']>;

/** Whom an attempt of clients is made on. */
export interface Target {
  readonly main: AnyStub;
  readonly operator: AnyStub;
  connect(): Promise<Client>;
}

export function denialClass(declared: DenialClass): DenialClass {
  return declared;
}
