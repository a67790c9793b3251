/**
 * The powers: the world as capabilities, for a domain whose configuration grants it them. Each is an implementation of an
 * interface of schema/sturdy.capnp; what a method promises is written there, and the limits that it names are here.
 *
 * The caller is a guest. Nothing that it sends reaches the log unescaped or unbounded, and no error tells it about the
 * broker's machine.
 */

import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { RpcError } from '../rpc/index.js';
import { LineRate } from './line-rate.js';
import { escapeControls, redact } from './redaction.js';
import {
  MAX_LISTING,
  type StorageChange,
  type StorageEntry,
  type StorageQuota,
  type Store,
  StoreError,
} from './store/store.js';

export interface PowersOptions {
  readonly domainId: string;
  readonly domain: string;
  readonly store: Store;
  readonly log: Logger;
  readonly quota?: StorageQuota;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** Of the lines that the domain logs. */
  readonly lines?: LineRate;
}

export interface Powers {
  readonly clock: ClockPower;
  readonly random: RandomPower;
  readonly log: LogPower;
  readonly storage: StoragePower;
}

/** All of them, for one instance of a domain. Which ones it gets is up to the caller. */
export function powers({
  domainId,
  domain,
  store,
  log,
  quota,
  now = Date.now,
  lines,
}: PowersOptions): Powers {
  return {
    clock: new ClockPower(now),
    random: new RandomPower(),
    log: new LogPower(log.child({ domain }), lines ?? new LineRate(LOG_RATE, now)),
    storage: new StoragePower(store, domainId, quota),
  };
}

export class ClockPower {
  constructor(private readonly read: () => number) {}

  /** Whole milliseconds: anything finer would be a better stopwatch than a guest needs to listen to its neighbours. */
  now(): { unixMillis: bigint } {
    return { unixMillis: BigInt(Math.floor(this.read())) };
  }
}

export const MAX_RANDOM_BYTES = 65_536;

export class RandomPower {
  bytes({ count }: { count: number }): { bytes: Uint8Array } {
    if (count > MAX_RANDOM_BYTES) {
      throw new RpcError('failed', `count: ${count} bytes; at most ${MAX_RANDOM_BYTES} are given at a time`, {
        code: 'ERR_RANDOM_COUNT',
      });
    }
    return { bytes: new Uint8Array(randomBytes(count)) };
  }
}

/** Lines a second that a domain may write, where nothing else is set. */
export const LOG_RATE = 100;
/** In UTF-16 units. */
export const MAX_LOG_MESSAGE = 8192;

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];

export class LogPower {
  constructor(
    private readonly log: Logger,
    private readonly lines: LineRate,
  ) {}

  /** @param level a number where the caller's schema is newer than ours */
  write({ level, message }: { level: Level | number; message: string }): Record<string, never> {
    this.#charge();
    const known = LEVELS.find((name) => name === level);
    if (known === undefined) {
      throw new RpcError('failed', `level: expected ${LEVELS.join(', ')}, got ${level}`, {
        code: 'ERR_LOG_LEVEL',
      });
    }
    this.log[known]({ guest: true }, printable(message));
    return {};
  }

  #charge(): void {
    if (this.lines.take()) return;
    const { perSecond, burst } = this.lines;
    throw new RpcError(
      'overloaded',
      `more than ${perSecond} lines a second (${burst} at once) were logged (limits.logLinesPerSecond)`,
      { code: 'ERR_LOG_RATE' },
    );
  }
}

/** Redacted before it is cut, or the first half of a secret would be left; and only so much of it is looked at. */
function printable(message: string): string {
  const looked = message.slice(0, 2 * MAX_LOG_MESSAGE);
  let text = redact(looked);
  // The end of what was looked at may be a part of a secret: longer than any spelling of one is dropped.
  if (looked.length < message.length) text = text.slice(0, -256);
  const cut = text.length > MAX_LOG_MESSAGE || looked.length < message.length;
  return escapeControls(cut ? `${text.slice(0, MAX_LOG_MESSAGE).toWellFormed()}…` : text);
}

/** The limits of Storage. Bytes are of keys and values together. */
export const MAX_STORAGE_KEY_BYTES = 1024;
export const MAX_STORAGE_VALUE_BYTES = 1 << 20;
export const MAX_STORAGE_CHANGES = 4096;
export const MAX_STORAGE_WRITE_BYTES = 16 << 20;
export const MAX_STORAGE_LIST_BYTES = 16 << 20;
/** Of one domain, on their way to disk. */
export const MAX_STORAGE_PENDING_BYTES = 64 << 20;
export const STORAGE_QUOTA: StorageQuota = { bytes: 1 << 30, entries: 1_000_000 };

type Change = { readonly key: string } & ({ readonly put: Uint8Array } | { readonly delete: null });
type Entry = { readonly absent: null } | { readonly value: Uint8Array };

export class StoragePower {
  #pendingBytes = 0;

  constructor(
    private readonly store: Store,
    private readonly domainId: string,
    private readonly quota: StorageQuota = STORAGE_QUOTA,
  ) {}

  get({ key }: { key: string }): { entry: Entry } {
    keyBytes('key', key, 1);
    const value = this.#ask(() => this.store.readStorage(this.domainId, key));
    return { entry: value === null ? { absent: null } : { value } };
  }

  async write({ changes }: { changes: readonly Change[] }): Promise<Record<string, never>> {
    if (changes.length > MAX_STORAGE_CHANGES) {
      throw refused(`changes: ${changes.length} of them; at most ${MAX_STORAGE_CHANGES} are taken at a time`);
    }
    let bytes = 0;
    const checked = changes.map((change, i): StorageChange => {
      const { key } = change;
      bytes += keyBytes(`changes[${i}].key`, key, 1);
      if ('delete' in change) return { key, delete: null };
      if (!('put' in change)) throw refused(`changes[${i}]: expected delete or put`);
      const size = change.put.length;
      if (size > MAX_STORAGE_VALUE_BYTES) {
        throw refused(`changes[${i}].put: ${size} bytes; at most ${MAX_STORAGE_VALUE_BYTES} are allowed`);
      }
      bytes += size;
      return { key, put: change.put };
    });
    if (bytes > MAX_STORAGE_WRITE_BYTES) {
      throw refused(`changes: ${bytes} bytes; at most ${MAX_STORAGE_WRITE_BYTES} are taken at a time`);
    }
    if (this.#pendingBytes + bytes > MAX_STORAGE_PENDING_BYTES) {
      throw new RpcError(
        'overloaded',
        `more than ${MAX_STORAGE_PENDING_BYTES} bytes are on their way to disk`,
        {
          code: 'ERR_STORAGE_PENDING',
        },
      );
    }
    this.#pendingBytes += bytes;
    try {
      await this.store.writeStorage(this.domainId, checked, this.quota);
    } catch (error) {
      throw told(error);
    } finally {
      this.#pendingBytes -= bytes;
    }
    return {};
  }

  list({ prefix, after, limit }: { prefix: string; after: string; limit: number }): {
    entries: StorageEntry[];
  } {
    keyBytes('prefix', prefix, 0);
    keyBytes('after', after, 0);
    const range = {
      prefix,
      after,
      limit: limit === 0 ? MAX_LISTING : Math.min(limit, MAX_LISTING),
      maxBytes: MAX_STORAGE_LIST_BYTES,
    };
    return { entries: this.#ask(() => this.store.listStorage(this.domainId, range)) };
  }

  #ask<T>(question: () => T): T {
    try {
      return question();
    } catch (error) {
      throw told(error);
    }
  }
}

function keyBytes(path: string, key: string, least: number): number {
  const bytes = Buffer.byteLength(key);
  if (bytes < least) throw refused(`${path}: empty; a key has 1 to ${MAX_STORAGE_KEY_BYTES} bytes`);
  if (bytes > MAX_STORAGE_KEY_BYTES) {
    throw refused(`${path}: ${bytes} bytes of UTF-8; at most ${MAX_STORAGE_KEY_BYTES} are allowed`);
  }
  return bytes;
}

function refused(message: string): RpcError {
  return new RpcError('failed', message, { code: 'ERR_STORAGE_LIMIT' });
}

/** What the guest is told about what went wrong in the store; the rest is the cause, which stays here. */
function told(error: unknown): RpcError {
  if (error instanceof StoreError) {
    switch (error.code) {
      case 'ERR_STORE_QUOTA':
        return new RpcError('overloaded', error.message, { code: 'ERR_STORAGE_QUOTA', cause: error });
      case 'ERR_STORE_TOO_LARGE':
        return new RpcError('failed', error.message, { code: 'ERR_STORAGE_LIMIT', cause: error });
      case 'ERR_STORE_CLOSED':
        return new RpcError('disconnected', 'the broker stops', { code: 'ERR_STORAGE_CLOSED', cause: error });
      case 'ERR_STORE_DAMAGED':
        return new RpcError('failed', 'the storage is damaged: its operator has to look at it', {
          code: 'ERR_STORAGE_DAMAGED',
          cause: error,
        });
      default:
    }
  }
  return new RpcError('failed', 'the storage could not be used', { code: 'ERR_STORAGE', cause: error });
}
