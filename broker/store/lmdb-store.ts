/**
 * The store in a folder of this machine, in one LMDB file. The default, for one broker.
 *
 * The folder is the broker's own (mode 0700), and locked against a second one. How it is opened, see store-folder.ts.
 */

import { chmodSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AuditChain, auditKey, readEntry } from './audit-entry.js';
import { lockFolder } from './folder-lock.js';
import { FORMATS, type Formats } from './format.js';
import { isGood, rotated } from './grant-secrets.js';
import {
  ancestry,
  keyOf,
  notFound,
  type Source,
  type StoredAmendment,
  type StoredGrant,
  subtree,
  text,
} from './grant-tree.js';
import { isId, newDomainId, newGrantId } from './id.js';
import { LmdbTables, type Transaction } from './lmdb-tables.js';
import { pack, unpack } from './record.js';
import { appendEntry, type Root, readRoot, writeRoot } from './root-record.js';
import {
  type AmendedPolicy,
  type AmendingAction,
  type AuditEntry,
  type AuditEvent,
  type AuditNote,
  type Bounded,
  type DomainRow,
  type GrantRow,
  MAX_GRANT_DEPTH,
  MAX_LISTING,
  type NewGrant,
  type StorageChange,
  type StorageCheck,
  type StorageEntry,
  type StorageQuota,
  type StorageRange,
  type Store,
  StoreError,
  type TreeRange,
  type UpgradedCode,
} from './store.js';
import { examineFolder, markClosed, openRoot, STORE_FILE } from './store-folder.js';

/** How many grants of a revoked tree are walked before the event loop gets its turn. */
const WALK_STEP = 1000;

interface StoredDomain {
  readonly name: string;
  readonly created: number;
  /** Of its storage; `bytes` counts keys and values. */
  entries: number;
  bytes: number;
}

export interface LmdbStoreOptions {
  /** The clock, in milliseconds since 1970. */
  readonly now?: () => number;
  /** Told when the whole store begins to be scanned, because it is not as it was closed. */
  readonly scanning?: () => void;
  readonly formats?: Formats;
}

export class LmdbStore implements Store {
  readonly #tables: LmdbTables;
  readonly #folder: string;
  readonly #release: () => Promise<void>;
  readonly #now: () => number;
  #closed: Promise<void> | null = null;

  private constructor(tables: LmdbTables, folder: string, release: () => Promise<void>, now: () => number) {
    this.#tables = tables;
    this.#folder = folder;
    this.#release = release;
    this.#now = now;
  }

  /**
   * Opens the store in `folder`, or makes it.
   * @throws StoreError ERR_STORE_HELD, ERR_STORE_DAMAGED, ERR_STORE_FORMAT
   */
  static async open(folder: string, options: LmdbStoreOptions = {}): Promise<LmdbStore> {
    const { now = Date.now, scanning = () => {}, formats = FORMATS } = options;
    const where = resolve(folder);
    mkdirSync(where, { recursive: true, mode: 0o700 });
    const lock = await lockFolder(where);
    let tables: LmdbTables | undefined;
    try {
      const before = await examineFolder(where, scanning, formats);
      const path = join(where, STORE_FILE);
      tables = new LmdbTables(path);
      // The folder may have been there before, open to others.
      for (const file of [path, `${path}-lock`]) chmodSync(file, 0o600);
      await openRoot(tables, where, now(), before, formats);
      return new LmdbStore(tables, where, lock.release, now);
    } catch (error) {
      await tables?.close();
      await lock.release();
      throw error;
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#tables.settled();
    try {
      const root = rootOf(this.#tables);
      await this.#tables.close();
      await markClosed(this.#folder, root);
    } catch {
      // It stays as one that was not closed, and is scanned when it is opened again.
    }
    await this.#tables.close();
    await this.#release();
  }

  mintGrant(grant: NewGrant, note: AuditNote): Promise<GrantRow> {
    return this.#tables.transact((transaction) => {
      const { kind, once, parent, digest, domainId, domain, object, policy, owner, label } = grant;
      const created = this.#now();
      const id = newGrantId(created);
      if (transaction.get('grants', text(id)) !== undefined) throw exists(`the grant ${id}`);
      if (digest !== null && digest.length !== 32) throw invalid('the digest of a secret has 32 bytes');
      if (digest !== null && transaction.get('digests', digest) !== undefined) throw exists('the reference');
      const root = rootOf(transaction);
      if (parent !== null) {
        let depth = 1;
        for (const ancestor of ancestry(transaction, parent)) {
          if (ancestor.revoked !== null) {
            throw new StoreError(
              'ERR_STORE_REVOKED',
              `the parent ${parent} is revoked; nothing can be minted from it`,
            );
          }
          depth += 1;
        }
        if (depth > MAX_GRANT_DEPTH) {
          throw new StoreError('ERR_STORE_DEPTH', `a grant has at most ${MAX_GRANT_DEPTH - 1} ancestors`);
        }
        transaction.put('children', text(parent + id), Buffer.alloc(0));
        root.counts.children += 1;
      }
      if (digest !== null) {
        transaction.put('digests', digest, text(id));
        root.counts.digests += 1;
      }
      const stored: StoredGrant = {
        id,
        ...(kind === 'power' ? { kind } : {}),
        ...(once === true ? { once } : {}),
        parent,
        digest,
        domainId,
        domain,
        object,
        policy,
        owner,
        label,
        created,
      };
      transaction.put('grants', text(id), pack(stored));
      root.counts.grants += 1;
      const action = parent === null ? 'grant.mint' : 'grant.attenuate';
      const from = parent === null ? {} : { parent };
      appendEntry(transaction, root, { at: created, action, grant: id, ...from, domain, ...note });
      writeRoot(transaction, root);
      return { ...stored, revoked: null };
    });
  }

  findByDigest(digest: Uint8Array): GrantRow | null {
    const id = digest.length === 32 ? this.#tables.get('digests', digest) : undefined;
    if (id === undefined) return null;
    const row = this.grant(id.toString());
    if (row === null)
      throw new StoreError('ERR_STORE_DAMAGED', `the grant ${id} is missing, but not its digest`);
    return row;
  }

  grant(id: string): GrantRow | null {
    return this.lineage(id)[0] ?? null;
  }

  lineage(id: string): GrantRow[] {
    if (this.#tables.get('grants', keyOf(id)) === undefined) return [];
    return ancestry(this.#tables, id);
  }

  grants(after: string, limit: number): GrantRow[] {
    const range = { ...(after === '' ? {} : { after: keyOf(after) }), limit: bounded(limit) };
    return Array.from(this.#tables.range('grants', range), ([key]) => this.grant(key.toString())!);
  }

  children(parent: string, limit?: number): GrantRow[] {
    const range = limit === undefined ? {} : { limit };
    return Array.from(this.#childIds(parent, range), (id) => this.#known(id));
  }

  async revokeSubtree(id: string, note: AuditNote, committed?: () => void): Promise<string[]> {
    const died = await this.#tables.transact((transaction) => {
      if (transaction.get('grants', keyOf(id)) === undefined) throw notFound(`grant ${id}`);
      const { revoked, domain } = ancestry(transaction, id)[0]!;
      if (revoked !== null) return false;
      const at = this.#now();
      const root = rootOf(transaction);
      transaction.put('revocations', text(id), pack({ at }));
      root.counts.revocations += 1;
      appendEntry(transaction, root, { at, action: 'grant.revoke', grant: id, domain, ...note });
      writeRoot(transaction, root);
      return true;
    });
    // Nothing can be minted or revoked below it any more, so the tree stands still while it is walked.
    if (!died) return [];
    committed?.();
    return this.#walk(id);
  }

  amendPolicy(
    id: string,
    amend: (row: GrantRow) => AmendedPolicy,
    note: AuditNote & { readonly action: AmendingAction },
  ): Promise<GrantRow> {
    return this.#tables.transact((transaction) => {
      const row = living(transaction, id);
      const { policy, bound } = amend(row);
      return this.#amend(transaction, row, { policy, bound }, note);
    });
  }

  rotateSecret(id: string, digest: Uint8Array, overlap: number, note: AuditNote): Promise<GrantRow> {
    return this.#tables.transact((transaction) => {
      const row = living(transaction, id);
      if (digest.length !== 32) throw invalid('the digest of a secret has 32 bytes');
      if (transaction.get('digests', digest) !== undefined) throw exists('the reference');
      const { replaced, dropped } = rotated(row, overlap, this.#now());
      const root = rootOf(transaction);
      for (const old of dropped) transaction.remove('digests', old);
      transaction.put('digests', digest, text(id));
      root.counts.digests += 1 - dropped.length;
      writeRoot(transaction, root);
      return this.#amend(transaction, row, { digest, replaced }, { action: 'grant.rotate', ...note });
    });
  }

  useOnce(id: string, digest: Uint8Array, note: AuditNote): Promise<boolean> {
    return this.#tables.transact((transaction) => {
      const [row] = ancestry(transaction, id);
      const at = this.#now();
      if (row?.once !== true || row.revoked !== null || !isGood(row, digest, at)) return false;
      this.#amend(transaction, row, { used: at }, { action: 'grant.use', ...note });
      return true;
    });
  }

  /** Writes down what is different now, and who made it so. */
  #amend(
    transaction: Transaction,
    row: GrantRow,
    change: Partial<Omit<StoredAmendment, 'entry'>>,
    note: AuditNote & { readonly action: AmendingAction },
  ): GrantRow {
    const { id, domain, policy, digest, amended } = row;
    const key = text(id);
    const root = rootOf(transaction);
    if (transaction.get('amendments', key) === undefined) root.counts.amendments += 1;
    const made: StoredAmendment = {
      policy,
      bound: amended?.bound ?? policy,
      digest,
      replaced: amended?.replaced ?? [],
      used: amended?.used ?? null,
      ...change,
      entry: root.counts.audit + 1,
    };
    transaction.put('amendments', key, pack(made));
    appendEntry(transaction, root, { at: this.#now(), grant: id, domain, ...note });
    writeRoot(transaction, root);
    return ancestry(transaction, id)[0]!;
  }

  subtree(top: string, range: TreeRange): GrantRow[][] {
    const childIds = (parent: string, after: string) => this.#childIds(parent, { after });
    return subtree(this.#tables, childIds, top, { ...range, limit: bounded(range.limit) });
  }

  livingChildren(id: string, limit: number): number {
    if (this.grant(id)?.revoked !== null) return 0;
    let living = 0;
    for (const child of this.#childIds(id, { limit })) {
      if (this.#tables.get('revocations', text(child)) === undefined) living += 1;
    }
    return living;
  }

  reserve(id: string, what: Bounded, amount: number, limit: number): Promise<number> {
    return this.#tables.transact((transaction) => {
      if (transaction.get('grants', keyOf(id)) === undefined) throw notFound(`grant ${id}`);
      const before = reservedOf(transaction, id);
      const taken = Math.max(0, Math.min(amount, limit - before[what]));
      if (taken === 0) return 0;
      if (transaction.get('reserved', text(id)) === undefined) {
        const root = rootOf(transaction);
        root.counts.reserved += 1;
        writeRoot(transaction, root);
      }
      transaction.put('reserved', text(id), pack({ ...before, [what]: before[what] + taken }));
      return taken;
    });
  }

  reserved(id: string): Record<Bounded, number> {
    return reservedOf(this.#tables, id);
  }

  domainId(name: string): Promise<string> {
    return this.#tables.transact((transaction) => {
      const key = named('', name);
      const known = transaction.get('domainNames', key)?.toString();
      if (known !== undefined) {
        domainOf(transaction, known);
        return known;
      }
      const id = newDomainId();
      const stored: StoredDomain = { name, created: this.#now(), entries: 0, bytes: 0 };
      transaction.put('domainNames', key, text(id));
      transaction.put('domains', text(id), pack(stored));
      const root = rootOf(transaction);
      root.counts.domainNames += 1;
      root.counts.domains += 1;
      writeRoot(transaction, root);
      return id;
    });
  }

  domains(): DomainRow[] {
    return Array.from(this.#tables.range('domains', {}), ([key, payload]) => {
      const { name, created } = unpack<StoredDomain>(payload);
      return { id: key.toString(), name, created };
    });
  }

  configuredGrant(domainId: string, name: string): string | null {
    return this.#tables.get('configured', named(domainId, name))?.toString() ?? null;
  }

  setConfiguredGrant(domainId: string, name: string, grantId: string): Promise<void> {
    return this.#tables.transact((transaction) => {
      const key = named(domainId, name);
      if (transaction.get('grants', keyOf(grantId)) === undefined) throw notFound(`grant ${grantId}`);
      if (transaction.get('configured', key) === undefined) {
        const root = rootOf(transaction);
        root.counts.configured += 1;
        writeRoot(transaction, root);
      }
      transaction.put('configured', key, text(grantId));
    });
  }

  upgradedCode(domainId: string): UpgradedCode | null {
    const payload = this.#tables.get('upgrades', keyOf(domainId));
    return payload === undefined ? null : unpack<UpgradedCode>(payload);
  }

  setUpgradedCode(domainId: string, code: UpgradedCode | null, event: Omit<AuditEvent, 'at'>): Promise<void> {
    return this.#tables.transact((transaction) => {
      domainOf(transaction, domainId);
      const key = text(domainId);
      const root = rootOf(transaction);
      const before = transaction.get('upgrades', key) === undefined ? 0 : 1;
      if (code !== null) transaction.put('upgrades', key, pack(code));
      else if (before === 1) transaction.remove('upgrades', key);
      root.counts.upgrades += (code === null ? 0 : 1) - before;
      appendEntry(transaction, root, { at: this.#now(), ...event });
      writeRoot(transaction, root);
    });
  }

  readStorage(domainId: string, key: string): Uint8Array | null {
    const value = this.#tables.get('storage', storageKey(domainId, key));
    return value === undefined ? null : new Uint8Array(value);
  }

  writeStorage(
    domainId: string,
    changes: readonly StorageChange[],
    quota?: StorageQuota,
    checks: readonly StorageCheck[] = [],
  ): Promise<number | null> {
    return this.#tables.transact((transaction) => {
      const domain = domainOf(transaction, domainId);
      const conflict = checks.findIndex((check) => !holds(transaction, domainId, check));
      if (conflict !== -1) return conflict;
      const before = { entries: domain.entries, bytes: domain.bytes };
      for (const change of changes) {
        const key = storageKey(domainId, change.key);
        const keyBytes = key.length - ID_LENGTH;
        const old = transaction.get('storage', key);
        if (old !== undefined) {
          domain.entries -= 1;
          domain.bytes -= keyBytes + old.length;
        }
        if ('put' in change) {
          domain.entries += 1;
          domain.bytes += keyBytes + change.put.length;
          transaction.put('storage', key, change.put);
        } else if (old !== undefined) {
          transaction.remove('storage', key);
        }
      }
      if (quota !== undefined) checkQuota(quota, before, domain);
      transaction.put('domains', text(domainId), pack(domain));
      return null;
    });
  }

  storageUse(domainId: string): StorageQuota {
    const { bytes, entries } = domainOf(this.#tables, domainId);
    return { bytes, entries };
  }

  listStorage(domainId: string, { prefix, after, limit, maxBytes }: StorageRange): StorageEntry[] {
    const within = storageKey(domainId, prefix);
    const behind = storageKey(domainId, after);
    // From behind `after` if that lies within the prefix or behind it; else from the prefix on, itself included.
    const from = after !== '' && Buffer.compare(behind, within) >= 0 ? { after: behind } : { from: within };
    const entries: StorageEntry[] = [];
    let bytes = 0;
    for (const [key, value] of this.#tables.range('storage', { ...from, limit: bounded(limit) })) {
      if (!key.subarray(0, within.length).equals(within)) break;
      bytes += key.length - ID_LENGTH + value.length;
      if (bytes > maxBytes) {
        throw new StoreError(
          'ERR_STORE_TOO_LARGE',
          `the first ${entries.length + 1} entries are larger than ${maxBytes} bytes together; list fewer at a time`,
        );
      }
      entries.push({ key: key.subarray(ID_LENGTH).toString(), value: new Uint8Array(value) });
    }
    return entries;
  }

  appendAudit(event: Omit<AuditEvent, 'at'>): Promise<void> {
    return this.#tables.transact((transaction) => {
      const root = rootOf(transaction);
      appendEntry(transaction, root, { at: this.#now(), ...event });
      writeRoot(transaction, root);
    });
  }

  audit(after: number, limit: number): AuditEntry[] {
    const entries: AuditEntry[] = [];
    const behind = Math.min(Math.max(0, Math.trunc(after)), Number.MAX_SAFE_INTEGER);
    const last = this.#tables.get('audit', auditKey(behind));
    const chain = new AuditChain(behind, last && readEntry(auditKey(behind), last).hash);
    for (const record of this.#tables.range('audit', { after: auditKey(behind), limit: bounded(limit) })) {
      const entry = readEntry(...record);
      const wrong = chain.follow(entry);
      if (wrong !== null) throw new StoreError('ERR_STORE_DAMAGED', `the audit log is broken: ${wrong}`);
      entries.push(entry);
    }
    return entries;
  }

  lastAudit(): number {
    return rootOf(this.#tables).counts.audit;
  }

  #known(id: string): GrantRow {
    const row = this.grant(id);
    if (row === null)
      throw new StoreError('ERR_STORE_DAMAGED', `the grant ${id} is missing, but its parent names it`);
    return row;
  }

  /** In their order, from behind `after`. */
  *#childIds(parent: string, { after = '', ...limit }: { after?: string; limit?: number } = {}) {
    if (!isId(parent)) return;
    const range = { after: text(parent + after), end: text(`${parent}~`), ...limit };
    for (const [key] of this.#tables.range('children', range)) yield key.subarray(ID_LENGTH).toString();
  }

  async #walk(top: string): Promise<string[]> {
    const ids = [top];
    for (let at = 0; at < ids.length; at++) {
      for (const child of this.#childIds(ids[at]!)) {
        if (this.#tables.get('revocations', text(child)) === undefined) ids.push(child);
      }
      if (at % WALK_STEP === WALK_STEP - 1) await new Promise((resolve) => setImmediate(resolve));
    }
    return ids;
  }
}

function rootOf(source: Source): Root {
  const root = readRoot(source);
  if (root === undefined)
    throw new StoreError('ERR_STORE_DAMAGED', 'the root record of the store is missing');
  return root;
}

function reservedOf(source: Source, id: string): Record<Bounded, number> {
  const payload = source.get('reserved', keyOf(id));
  return payload === undefined ? { calls: 0, bytes: 0 } : unpack<Record<Bounded, number>>(payload);
}

/** The grant of this id, which is not revoked. */
function living(source: Source, id: string): GrantRow {
  if (source.get('grants', keyOf(id)) === undefined) throw notFound(`grant ${id}`);
  const row = ancestry(source, id)[0]!;
  if (row.revoked !== null) throw new StoreError('ERR_STORE_REVOKED', `the grant ${id} is revoked`);
  return row;
}

function domainOf(source: Source, id: string): StoredDomain {
  const payload = source.get('domains', keyOf(id));
  if (payload === undefined) throw notFound(`domain of the id ${id}`);
  return unpack<StoredDomain>(payload);
}

function holds(source: Source, domainId: string, check: StorageCheck): boolean {
  const found = source.get('storage', storageKey(domainId, check.key));
  if ('present' in check) return check.present === (found !== undefined);
  return found !== undefined && Buffer.compare(found, check.value) === 0;
}

function checkQuota(
  quota: StorageQuota,
  before: { entries: number; bytes: number },
  domain: StoredDomain,
): void {
  // What makes the storage smaller is always taken, or a domain that is over a lowered quota could not clean up.
  if (domain.bytes > quota.bytes && domain.bytes > before.bytes) {
    throw new StoreError(
      'ERR_STORE_QUOTA',
      `the storage would have ${domain.bytes} bytes; ${quota.bytes} are allowed`,
      { over: 'bytes' },
    );
  }
  if (domain.entries > quota.entries && domain.entries > before.entries) {
    throw new StoreError(
      'ERR_STORE_QUOTA',
      `the storage would have ${domain.entries} entries; ${quota.entries} are allowed`,
      { over: 'entries' },
    );
  }
}

const ID_LENGTH = 26;
const LONGEST_KEY = 1024;

function storageKey(domainId: string, key: string): Buffer {
  const bytes = text(domainId + key);
  if (domainId.length !== ID_LENGTH) throw notFound(`domain of the id ${domainId}`);
  if (bytes.length > ID_LENGTH + LONGEST_KEY)
    throw invalid(`a key of storage has at most ${LONGEST_KEY} bytes`);
  return bytes;
}

/** The key of what a person gave a name to, a domain or a grant of the configuration. */
function named(domainId: string, name: string): Buffer {
  const bytes = text(name);
  if (bytes.length === 0 || bytes.length > LONGEST_KEY) throw invalid(`a name has 1 to ${LONGEST_KEY} bytes`);
  return Buffer.concat([text(domainId), bytes]);
}

function bounded(limit: number): number {
  return Math.min(Math.max(0, Math.trunc(limit)), MAX_LISTING);
}

function exists(what: string): StoreError {
  return new StoreError('ERR_STORE_EXISTS', `${what} is there already`);
}

function invalid(message: string): StoreError {
  return new StoreError('ERR_STORE_INVALID', message);
}
