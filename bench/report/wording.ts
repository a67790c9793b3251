/** How the figures of a run are said, on every page alike. */

import type { Aim, Outcome } from '../aims.js';
import type { Figure } from '../run.js';
import { LARGE, type Workload } from '../workload.js';

/** `echo, 64 B, depth 256` */
export function workloadTitle({ kind, bytes, depth }: Workload): string {
  return `${kind === 'chain' ? 'chain of four' : 'echo'}, ${bytesText(bytes)}, depth ${depth}`;
}

export function bytesText(bytes: number): string {
  if (bytes >= LARGE) return `${bytes / LARGE} MiB`;
  return bytes >= 1024 ? `${bytes / 1024} KiB` : `${bytes} B`;
}

/** Three digits: `1.21M`, `86.3k`, `512`, `0.84`. */
export function short(value: number): string {
  if (value >= 999_500) return `${digits(value / 1_000_000)}M`;
  if (value >= 999.5) return `${digits(value / 1000)}k`;
  return digits(value);
}

function digits(value: number): string {
  const places = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(places);
}

/** Microseconds: `8.3 µs`, `1.21 ms`. */
export function time(micros: number): string {
  return micros >= 1000 ? `${digits(micros / 1000)} ms` : `${digits(micros)} µs`;
}

/** `2.31 (2.20 to 2.44)` */
export function spread(figure: Figure, say: (value: number) => string): string {
  const [median, low, high] = [figure.median, figure.low, figure.high].map(say);
  return low === high ? median! : `${median} (${low} to ${high})`;
}

export function ratioText({ ratio }: Outcome): string {
  return ratio === null ? '' : spread(ratio, (value) => `${digits(value)}`);
}

/** `at least 2`, or what it is on each placement where they differ. */
export function boundText(aim: Aim, which: 'aim' | 'beyond'): string {
  const { cores, core } = aim.bounds;
  if (cores[which] === core[which]) return `${aim.sense} ${cores[which]}`;
  return `${aim.sense} ${cores[which]}; on one core ${core[which]}`;
}
