/** The tiers of isolation, and which of them this machine can give: as the operator is told, by `sturdy tiers`. */

import { execFileSync } from 'node:child_process';
import { CLI } from '../../../examples/ledger/place.js';

export const TIERS = ['thread', 'process', 'sandbox'] as const;
export type Tier = (typeof TIERS)[number];

interface Report {
  readonly tiers: readonly { readonly tier: Tier; readonly available: boolean; readonly reason: string }[];
}

/** Why this machine cannot give a tier; null where it can. */
export function refusals(): ReadonlyMap<Tier, string | null> {
  const { tiers } = JSON.parse(
    execFileSync(process.execPath, [CLI, 'tiers', '--json'], { encoding: 'utf8' }),
  ) as Report;
  return new Map(tiers.map(({ tier, available, reason }) => [tier, available ? null : reason]));
}

/** The tiers that are asked for. What is tried without a wall is tried with the first of all tiers. */
export const ASKED: readonly Tier[] = TIERS.filter((tier) =>
  (process.env['ESCAPES_TIERS'] ?? TIERS.join()).split(',').includes(tier),
);
export const WITHOUT_WALLS = ASKED.includes('thread');
