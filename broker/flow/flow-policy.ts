/**
 * The flow policy: from whom capabilities may pass to whom, by their labels alone.
 *
 * A capability is a channel both ways: what is passed to a method flows to its object, and what it returns flows to the caller. So
 * by itself the lattice lets one pass between equal labels only. Whatever else is to pass, the configuration allows in so many
 * words, and takes it upon itself that one of the two directions is not looked at.
 */
import type { GrantOwner } from '../store/store.js';
import type { FlowConfig } from './flow-config.js';
import { dominates, type FlowLabel, flowLabel, type WrittenLabel } from './flow-label.js';

/** By what a client comes. */
export type ListenerKind = 'unix' | 'tcp' | 'tls' | 'webSocket';

export class FlowPolicy {
  /** Every label that somebody can have. */
  readonly #labels = new Map<string, FlowLabel>();
  readonly #domains = new Map<string, FlowLabel>();
  readonly #lowest: FlowLabel;
  readonly #pairs = new Set<string>();

  /** `domains`: the label of each, by its name. Both were checked: see flow-config.ts. */
  constructor(
    private readonly config: FlowConfig,
    domains: Readonly<Record<string, WrittenLabel>>,
  ) {
    this.#lowest = this.#known({ level: config.levels[0]!, categories: [] });
    for (const [name, label] of Object.entries(domains)) this.#domains.set(name, this.#known(label));
    const { certificates, ...listeners } = config.clients;
    for (const label of [...Object.values(listeners), ...Object.values(certificates)])
      if (label !== undefined) this.#known(label);
    for (const each of config.allow) {
      if (typeof each !== 'string')
        this.#pairs.add(pair(flowLabel(each.from, config.levels), flowLabel(each.to, config.levels)));
    }
  }

  /** Of equal labels there is one. */
  #known(written: WrittenLabel): FlowLabel {
    const label = flowLabel(written, this.config.levels);
    const known = this.#labels.get(label.text);
    if (known !== undefined) return known;
    this.#labels.set(label.text, label);
    return label;
  }

  /** Null: it is no domain, but the broker itself. */
  ofDomain(name: string): FlowLabel | null {
    return this.#domains.get(name) ?? null;
  }

  /** A certificate says more than the listener. */
  ofClient(listener: ListenerKind, holder: GrantOwner): FlowLabel {
    const { certificates, ...listeners } = this.config.clients;
    const shown =
      holder.kind === 'certificate'
        ? certificates[Buffer.from(holder.fingerprint).toString('hex')]
        : undefined;
    const written = shown ?? listeners[listener];
    return written === undefined ? this.#lowest : this.#known(written);
  }

  /** Whether what comes from `from` may pass to `to`. */
  permits(from: FlowLabel, to: FlowLabel): boolean {
    const { allow } = this.config;
    return (
      from.text === to.text ||
      (allow.includes('upward') && dominates(to, from)) ||
      (allow.includes('downward') && dominates(from, to)) ||
      this.#pairs.has(pair(from, to))
    );
  }

  /** Whether `from` may have been passed something that may not pass to `to`. */
  screens(from: FlowLabel, to: FlowLabel): boolean {
    return [...this.#labels.values()].some((each) => this.permits(each, from) && !this.permits(each, to));
  }
}

function pair(from: FlowLabel, to: FlowLabel): string {
  return `${from.text} > ${to.text}`;
}
