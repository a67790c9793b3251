/**
 * A domain's storage, as a capability: Storage of schema/sturdy.capnp. What is kept, and the quota, belong to the domain and not to
 * the capability: however many there are, they are the same.
 *
 * No error tells a guest about the broker's machine.
 */
import { RpcError } from '../../rpc/index.js';
import {
  MAX_LISTING,
  type StorageChange,
  type StorageCheck,
  type StorageEntry,
  type StorageQuota,
  type Store,
  StoreError,
} from '../store/store.js';

/** The limits of one call. Bytes are of keys and values together. */
export const MAX_STORAGE_KEY_BYTES = 1024;
export const MAX_STORAGE_VALUE_BYTES = 1 << 20;
export const MAX_STORAGE_CHANGES = 4096;
export const MAX_STORAGE_CHECKS = 4096;
export const MAX_STORAGE_WRITE_BYTES = 16 << 20;
export const MAX_STORAGE_LIST_BYTES = 16 << 20;
/** Of one domain, on their way to disk. */
export const MAX_STORAGE_PENDING_BYTES = 64 << 20;
/** What a domain may keep, where nothing else is set. */
export const STORAGE_QUOTA: StorageQuota = { bytes: 1 << 30, entries: 1_000_000 };

type Change = { readonly key: string } & ({ readonly put: Uint8Array } | { readonly delete: null });
type Check = { readonly key: string } & (
  | { readonly absent: null }
  | { readonly present: null }
  | { readonly value: Uint8Array }
);
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
    await this.#write([], changes);
    return {};
  }

  async transact({
    checks,
    changes,
  }: {
    checks: readonly Check[];
    changes: readonly Change[];
  }): Promise<{ committed: boolean; conflict?: number }> {
    const conflict = await this.#write(checks, changes);
    return conflict === null ? { committed: true } : { committed: false, conflict };
  }

  async #write(checks: readonly Check[], changes: readonly Change[]): Promise<number | null> {
    const size = new CallSize();
    const checked = size.checks(checks);
    const taken = size.changes(changes);
    const { bytes } = size;
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
      return await this.store.writeStorage(this.domainId, taken, this.quota, checked);
    } catch (error) {
      throw told(error);
    } finally {
      this.#pendingBytes -= bytes;
    }
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

  usage(): { bytes: bigint; keys: bigint; maxBytes: bigint; maxKeys: bigint } {
    const { bytes, entries } = this.#ask(() => this.store.storageUse(this.domainId));
    return {
      bytes: BigInt(bytes),
      keys: BigInt(entries),
      maxBytes: BigInt(this.quota.bytes),
      maxKeys: BigInt(this.quota.entries),
    };
  }

  #ask<T>(question: () => T): T {
    try {
      return question();
    } catch (error) {
      throw told(error);
    }
  }
}

/** The size of what one call brings, taken while it is checked. */
class CallSize {
  bytes = 0;

  checks(checks: readonly Check[]): StorageCheck[] {
    atMost('checks', checks, MAX_STORAGE_CHECKS);
    return checks.map((check, i): StorageCheck => {
      const { key } = check;
      this.#key(`checks[${i}].key`, key);
      if ('value' in check) return { key, value: this.#value(`checks[${i}].value`, check.value) };
      if ('absent' in check) return { key, present: false };
      if ('present' in check) return { key, present: true };
      throw refused(`checks[${i}]: expected absent, present or value`);
    });
  }

  changes(changes: readonly Change[]): StorageChange[] {
    atMost('changes', changes, MAX_STORAGE_CHANGES);
    return changes.map((change, i): StorageChange => {
      const { key } = change;
      this.#key(`changes[${i}].key`, key);
      if ('delete' in change) return { key, delete: null };
      if ('put' in change) return { key, put: this.#value(`changes[${i}].put`, change.put) };
      throw refused(`changes[${i}]: expected delete or put`);
    });
  }

  #key(path: string, key: string): void {
    this.#add(keyBytes(path, key, 1));
  }

  #value(path: string, value: Uint8Array): Uint8Array {
    if (value.length > MAX_STORAGE_VALUE_BYTES) {
      throw refused(`${path}: ${value.length} bytes; at most ${MAX_STORAGE_VALUE_BYTES} are allowed`);
    }
    this.#add(value.length);
    return value;
  }

  #add(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes > MAX_STORAGE_WRITE_BYTES) {
      throw refused(`more than ${MAX_STORAGE_WRITE_BYTES} bytes of keys and values are in the call`);
    }
  }
}

function atMost(path: string, list: readonly unknown[], most: number): void {
  if (list.length > most)
    throw refused(`${path}: ${list.length} of them; at most ${most} are taken at a time`);
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
        return new RpcError(
          'overloaded',
          `${error.message} (powers.storage.${error.over === 'entries' ? 'maxKeys' : 'maxBytes'})`,
          {
            code: 'ERR_STORAGE_QUOTA',
            cause: error,
          },
        );
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
