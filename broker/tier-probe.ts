/** What this machine can give: every tier is tried, as whoever asks, by starting a host in it and a thread in that. */

import { findBubblewrap } from './sandbox/bubblewrap.js';
import { PERMISSION_MODEL } from './sandbox/permission.js';
import { wallsOf } from './sandbox/walls.js';
import { Supervisor } from './supervisor.js';
import { TIERS, type Tier, TierError } from './tier.js';

export interface TierReport {
  readonly tier: Tier;
  readonly available: boolean;
  /** Why it is not available; otherwise empty. */
  readonly reason: string;
  /** What a domain has around it there. */
  readonly walls: readonly string[];
}

export interface MachineReport {
  readonly platform: string;
  readonly node: string;
  /** Whose the trial was. */
  readonly uid: number | null;
  readonly bubblewrap: string | null;
  readonly tiers: readonly TierReport[];
}

export async function probeMachine(): Promise<MachineReport> {
  const quiet = () => {};
  const supervisor = new Supervisor({
    socket: '',
    accept: quiet,
    log: { debug: quiet, info: quiet, warn: quiet },
    warm: 0,
  });
  const tiers: TierReport[] = [];
  for (const tier of TIERS) tiers.push(await probe(tier, supervisor));
  await supervisor.close();
  return {
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    uid: process.getuid?.() ?? null,
    bubblewrap: findBubblewrap(),
    tiers,
  };
}

async function probe(tier: Tier, supervisor: Supervisor): Promise<TierReport> {
  try {
    await supervisor.tryTier(tier);
    return { tier, available: true, reason: '', walls: around(tier) };
  } catch (error) {
    if (!(error instanceof TierError)) throw error;
    return { tier, available: false, reason: error.reason, walls: [] };
  }
}

function around(tier: Tier): string[] {
  if (tier === 'thread') return ['a thread in a host that its trust group shares'];
  const permission = PERMISSION_MODEL ? ["Node's permission model"] : [];
  return ['a host of its own', ...wallsOf(tier), ...permission];
}
