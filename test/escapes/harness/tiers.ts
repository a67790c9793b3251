/** The tiers of isolation, and which of them this broker on this machine can give. */

import { parseConfig } from 'sturdy/broker';

export const TIERS = ['thread', 'process', 'sandbox'] as const;
export type Tier = (typeof TIERS)[number];

/** Why a domain cannot be configured with this tier; null where it can. */
export function refusalOf(tier: Tier): string | null {
  const domain = { module: 'x.ts', schema: 'x.cgr', interface: 'X', tier };
  try {
    parseConfig({ data: 'data', listen: { unix: 'x.sock' }, domains: { x: domain } }, '/');
    return null;
  } catch (error) {
    return (error as Error).message.replace(/^.*?: domains\.x\.tier: /s, '');
  }
}
