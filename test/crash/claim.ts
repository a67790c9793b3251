/** What has to hold however the broker ends. The crash test kills it at any instant, and asks every claim after each start. */
import type { BrokerSession, Operator } from '../../client/index.js';

/** The operator's connection to a broker that may be killed at any time. */
export interface Client {
  readonly session: BrokerSession;
  readonly operator: Operator;
}

export interface Claim {
  /** Does things without end, several at a time, until the broker is gone: rejects then. Calls `acknowledged` for each that was. */
  work(client: Client, acknowledged: () => void): Promise<void>;
  /** Throws where something that was acknowledged is not so, or something is so that nobody asked for. */
  check(client: Client): Promise<void>;
  /** How much was acknowledged, and checked, so far. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Whole numbers from 0 to below `below`. */
export type Dice = (below: number) => number;

export class ClaimBroken extends Error {
  override readonly name = 'ClaimBroken';
}

/** Whether the broker was killed under the call. */
export function isGone(error: unknown): boolean {
  return (error as { type?: unknown }).type === 'disconnected';
}
