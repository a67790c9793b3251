/** A domain's limits with what is used of them, for its operator: by the names, and in the units, of its configuration. */

import type { DomainConfig } from './config.js';

export type LimitInUse = { readonly name: string; readonly limit: number } & (
  | { readonly unknown: null }
  | { readonly used: number }
);

/** What is used now. null or undefined where it is not known. */
export interface InUse {
  readonly heapBytes: number | null | undefined;
  readonly offHeapBytes: number | null | undefined;
  /** Of one processor. */
  readonly cpuShare: number;
  readonly callsInFlight: number;
  readonly exports: number;
  readonly bytesQueued: number;
  /** In this second. */
  readonly logLines: number;
  /** In the last minute. */
  readonly restarts: number;
}

const MEBIBYTE = 1024 * 1024;

export function limitsInUse(limits: DomainConfig['limits'], use: InUse): LimitInUse[] {
  const used: Record<keyof DomainConfig['limits'], number | null | undefined> = {
    heapMiB: inMebibytes(use.heapBytes),
    offHeapMiB: inMebibytes(use.offHeapBytes),
    turnMillis: null,
    cpuShare: use.cpuShare,
    cpuWindowMillis: null,
    callsInFlight: use.callsInFlight,
    exports: use.exports,
    queuedMiB: inMebibytes(use.bytesQueued),
    logLinesPerSecond: use.logLines,
    restartsPerMinute: use.restarts,
  };
  return Object.entries(limits).map(([name, limit]) => {
    const known = used[name as keyof typeof used];
    return { name, limit, ...(typeof known === 'number' ? { used: known } : { unknown: null }) };
  });
}

const inMebibytes = (bytes: number | null | undefined): number | null =>
  typeof bytes === 'number' ? bytes / MEBIBYTE : null;

/**
 * Why a connection ended, in the words of the configuration: what the broker imports is what the domain exports.
 *
 * @param reason as Connection and StreamTransport give it
 */
export function inConfiguration(reason: string): string {
  return reason
    .replaceAll('(limit imports)', '(limits.exports)')
    .replaceAll('(limit bytesQueued)', '(limits.queuedMiB)');
}
