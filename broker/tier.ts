/**
 * The isolation tiers: how much of a domain's own its host process is. Which tier a domain has is its operator's choice; a tier that this
 * machine cannot give is refused with the reason, and no other is given in its place.
 */

import type { SpawnOptions } from 'node:child_process';

export const TIERS = ['thread', 'process', 'sandbox'] as const;

/**
 * `thread`: a host that the domains of a trust group share. `process`: a host of its own, with bounded memory. `sandbox`: a host of its
 * own that sees nothing of the machine.
 */
export type Tier = (typeof TIERS)[number];

/** What the domain of a host of its own may use there, in MiB. */
export interface HostMemory {
  readonly heapMebibytes: number;
  readonly offHeapMebibytes: number;
}

/** How a host process is started. */
export interface Launch {
  readonly command: readonly string[];
  /** The environment, and whose process it is where it is not the broker's user's. */
  readonly options: Pick<SpawnOptions, 'env' | 'uid' | 'gid'>;
  /** What the command reads from descriptor 5 before it becomes the host. */
  readonly feed: Uint8Array | null;
  /** Whether Node is not the process that is started, but the only descendant at the end of a line of them. */
  readonly wrapped: boolean;
}

/** A tier cannot be given on this machine. */
export class TierError extends Error {
  override readonly name = 'TierError';
  readonly code = 'ERR_TIER';
  constructor(
    readonly tier: Tier,
    readonly reason: string,
    options: { readonly cause?: unknown } = {},
  ) {
    super(`the tier '${tier}' cannot be given on this machine: ${reason}`, options);
  }
}
