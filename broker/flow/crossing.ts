/**
 * What a membrane asks about flow labels: it stands between a domain (inside) and the holder of a grant (outside), each with a
 * label, and says which capabilities may pass, out or in.
 *
 * What counts is everybody that a capability came from: whose object it is, and each who handed it on. It arrives only where all
 * of them may pass capabilities to; so nobody can launder what another may not have. Whoever is refused is told that, and
 * not why: the labels of others are the operator's to know, and stand in the audit log.
 */
import { RpcError } from '../../rpc/index.js';
import type { FlowLabel } from './flow-label.js';
import type { FlowPolicy } from './flow-policy.js';

/** Which way a capability goes through a membrane. */
export type Direction = 'out' | 'in';

export function against(direction: Direction): Direction {
  return direction === 'out' ? 'in' : 'out';
}

/** The labels of everybody that a capability came from, but for the one who passes it on now. */
export type Sources = ReadonlySet<FlowLabel>;

export const NO_SOURCES: Sources = new Set();

/** What may not pass, from which label to which. */
export interface Forbidden {
  readonly from: FlowLabel;
  readonly to: FlowLabel;
}

interface Way {
  readonly from: FlowLabel;
  readonly to: FlowLabel;
  readonly permitted: boolean;
  /** Whether `from` can have had something of somebody else that may not pass: then each capability is looked at. */
  readonly screens: boolean;
}

export class Crossing {
  readonly #ways: Record<Direction, Way>;

  constructor(
    private readonly policy: FlowPolicy,
    inside: FlowLabel,
    outside: FlowLabel,
  ) {
    const way = (from: FlowLabel, to: FlowLabel): Way => ({
      from,
      to,
      permitted: policy.permits(from, to),
      screens: policy.screens(from, to),
    });
    this.#ways = { out: way(inside, outside), in: way(outside, inside) };
  }

  /** Which label keeps a capability with these sources from passing that way; null: it may pass. */
  forbids(sources: Sources, direction: Direction): Forbidden | null {
    const { from, to, permitted, screens } = this.#ways[direction];
    if (!permitted) return { from, to };
    if (!screens) return null;
    for (const source of sources) if (!this.policy.permits(source, to)) return { from: source, to };
    return null;
  }

  /** Whether a promise that passes that way may become what may not. */
  screens(direction: Direction): boolean {
    return this.#ways[direction].screens;
  }

  /** The sources of what passes that way. */
  sources(sources: Sources, direction: Direction): Sources {
    const { from } = this.#ways[direction];
    return sources.has(from) ? sources : new Set([...sources, from]);
  }
}

/** The same words for everybody, whatever the labels are. */
export function forbidden(what: 'params' | 'results' | null): RpcError {
  const which = what === null ? 'the capability' : `a capability in the ${what}`;
  return new RpcError('failed', `${which} may not pass here, by the flow policy of the broker`, {
    code: 'ERR_FLOW',
  });
}
