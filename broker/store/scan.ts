/**
 * Reads a whole store and says what in it is not as it was written: every record's checksum, the counts of the root record,
 * every reference between two tables in both directions, the chain of the audit log and what it says of mints, amendments and
 * revocations; and, in a file that nobody writes to, its list of free pages. It holds one record at a time, however large the store is.
 *
 * For a process of its own (store-process.ts): a damaged file can end whoever reads it.
 */

import { AuditChain, auditKey, hashEntry, readEntry } from './audit-entry.js';
import { NO_HASH } from './audit-line.js';
import { checkFormat } from './format.js';
import { pagesFault } from './free-pages.js';
import type { StoredAmendment, StoredGrant } from './grant-tree.js';
import { TABLES, type Table } from './lmdb-tables.js';
import { unpack, unseal } from './record.js';
import { type Counted, type Root, readRoot } from './root-record.js';
import { Snapshot } from './snapshot.js';
import {
  AMENDING_ACTIONS,
  type AuditEntry,
  MAX_GRANT_DEPTH,
  type StoreError,
  type UpgradedCode,
} from './store.js';

/** So many findings are told; of more, how many there were. */
const MAX_FINDINGS = 20;

const ID_LENGTH = 26;

/** An entry of the audit log, by its number and its hash. */
export interface Anchor {
  readonly sequence: number;
  readonly hash: string;
}

export interface ScanReport {
  /** Which store it is. */
  readonly id: string;
  readonly format: number;
  /** Of each table. */
  readonly records: Readonly<Record<string, number>>;
  /** The last entry of the audit log; `at` is null where there is none. */
  readonly audit: Anchor & { readonly at: number | null };
}

export interface ScanOptions {
  /** An entry that somebody noted before. */
  readonly known?: Anchor;
  /** The audit log and nothing else: the first thing that is wrong with it ends the scan. */
  readonly only?: 'audit';
  /** Nobody writes to the file: which of its pages are free is looked at, too. */
  readonly alone?: true;
  /** Which store it has to be, and what its audit log had: it may have more by now, but not less, and nothing else. */
  readonly expected?: { readonly id: string; readonly audit?: Anchor };
}

export type ScanOutcome =
  | { readonly report: ScanReport }
  /** `more`: how many were found beyond those told. */
  | { readonly findings: readonly string[]; readonly more: number };

/** `reading` is told which table is read next. @throws StoreError */
export async function scan(
  path: string,
  options: ScanOptions,
  reading: (table: string) => void,
): Promise<ScanOutcome> {
  reading('root');
  const snapshot = new Snapshot(path);
  // In one turn, so that all of it is of one moment.
  const outcome = new Scan(snapshot, reading).run(path, options);
  await snapshot.close();
  if (options.alone !== true || 'findings' in outcome) return outcome;
  reading('its pages');
  const fault = pagesFault(path);
  return fault === null ? outcome : { findings: [fault], more: 0 };
}

class Scan {
  readonly #findings: string[] = [];
  readonly #records: Partial<Record<Table, number>> = {};
  #more = 0;

  constructor(
    private readonly snapshot: Snapshot,
    private readonly reading: (table: string) => void,
  ) {}

  run(path: string, { only, expected, known }: ScanOptions): ScanOutcome {
    let root: Root | undefined;
    try {
      root = readRoot(this.snapshot);
    } catch (error) {
      if ((error as StoreError).code === 'ERR_STORE_FORMAT') throw error;
      return { findings: [(error as Error).message], more: 0 };
    }
    if (root === undefined) {
      const records = TABLES.reduce((sum, table) => sum + this.snapshot.count(table), 0);
      return { findings: [`its root record is missing (${records} other records were found)`], more: 0 };
    }
    checkFormat(root.format, path);
    if (expected !== undefined && expected.id !== root.id) {
      const found = `it is not the one that was made there: it is ${root.id}, and store.json names ${expected.id}`;
      return { findings: [found], more: 0 };
    }
    if (only === undefined) {
      for (const table of TABLES) if (table !== 'audit') this.#table(table, root);
    }
    const last = this.#audit(root, only !== 'audit');
    // Where something is damaged, that may be the reason.
    if (this.#findings.length > 0) return { findings: this.#findings, more: this.#more };
    if (expected?.audit !== undefined) {
      const { sequence } = expected.audit;
      if (sequence > root.counts.audit) {
        this.#found(
          `it is older than it was when it was last opened or closed: its audit log ends with entry ${root.counts.audit}, ` +
            `and had ${sequence}. What was revoked since would be alive again`,
        );
      } else if (!this.#has(expected.audit)) {
        this.#found(
          `entry ${sequence} of its audit log is not the one that was there when it was last opened or closed`,
        );
      }
    }
    if (known !== undefined && !this.#has(known))
      this.#found(`entry ${known.sequence} of its audit log is not the one that is known`);
    if (this.#findings.length > 0) return { findings: this.#findings, more: this.#more };
    const { id, format, counts } = root;
    return {
      report: {
        id,
        format,
        records: only === undefined ? this.#records : { audit: counts.audit },
        audit: { sequence: counts.audit, hash: last?.hash ?? NO_HASH, at: last?.at ?? null },
      },
    };
  }

  #found(what: string): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(what);
    else this.#more += 1;
  }

  /** Every record of the table that is whole. The order of the keys is what keeps a damaged tree from being walked for ever. */
  *#whole(table: Table): Generator<[key: Buffer, payload: Buffer]> {
    this.reading(table);
    let previous: Buffer | null = null;
    let count = 0;
    for (const [key, record] of this.snapshot.records(table)) {
      if (previous !== null && Buffer.compare(previous, key) >= 0) {
        this.#found(`table ${table} is not in its order`);
        break;
      }
      previous = key;
      count += 1;
      let payload: Buffer;
      try {
        payload = unseal(table, key, record);
      } catch (error) {
        this.#found((error as Error).message);
        continue;
      }
      yield [key, payload];
    }
    this.#records[table] = count;
    const said = this.snapshot.count(table);
    if (said !== count) this.#found(`table ${table} says that it has ${said} records, and has ${count}`);
  }

  #table(table: Exclude<Table, 'audit'>, root: Root): void {
    const check = this.#checks[table];
    for (const [key, payload] of this.#whole(table)) {
      try {
        check(key, payload);
      } catch (error) {
        // A record that it refers to is damaged: that is found where it lies.
        this.#found(`table ${table}: ${(error as Error).message}`);
      }
    }
    if (table === 'storage') this.#endOfStorage();
    this.#counted(table, root);
  }

  #counted(table: Table, root: Root): void {
    const expected = table === 'root' ? 1 : root.counts[table as Counted];
    const count = this.#records[table]!;
    if (expected !== undefined && count !== expected) {
      this.#found(`table ${table} has ${count} records where ${expected} were written`);
    }
  }

  // ---- each table -------------------------------------------------------------------------------------------------

  readonly #checks: Record<Exclude<Table, 'audit'>, (key: Buffer, payload: Buffer) => void> = {
    root: () => {},
    grants: (key, payload) => this.#grant(key.toString(), unpack<StoredGrant>(payload)),
    digests: (key, payload) => {
      if (!this.#digestsOf(payload.toString()).some((digest) => key.equals(digest))) {
        this.#found(
          `the digest 0x${key.toString('hex')} stands for the grant ${payload}, which is not its own`,
        );
      }
    },
    children: (key) => {
      const [parent, id] = [key.subarray(0, ID_LENGTH).toString(), key.subarray(ID_LENGTH).toString()];
      if (this.#grantOf(id)?.parent !== parent)
        this.#found(`the grant ${id} stands below ${parent}, which is not its parent`);
    },
    revocations: (key) => {
      if (!this.snapshot.has('grants', key)) this.#found(`the grant ${key} was revoked, and is missing`);
    },
    amendments: (key, payload) => this.#amendment(key.toString(), unpack<StoredAmendment>(payload)),
    reserved: (key, payload) => {
      if (!this.snapshot.has('grants', key))
        this.#found(`the grant ${key} has reserved calls, and is missing`);
      const taken = Object.values(unpack<Record<string, unknown>>(payload));
      if (!taken.every((count) => Number.isSafeInteger(count) && (count as number) >= 0))
        this.#found(`what the grant ${key} has reserved is not a count`);
    },
    domainNames: (key, payload) => {
      const domain = this.snapshot.get('domains', payload);
      if (domain === undefined || unpack<{ name: string }>(domain).name !== key.toString())
        this.#found(`the domain ${payload} is missing, but not its name, or has another`);
    },
    domains: (key, payload) => {
      const { name } = unpack<{ name: string }>(payload);
      if (this.snapshot.get('domainNames', Buffer.from(name))?.equals(key) !== true)
        this.#found(`the name of the domain ${key} is missing, or is another's`);
    },
    configured: (_key, payload) => {
      if (!this.snapshot.has('grants', payload))
        this.#found(`the grant ${payload} of the configuration is missing`);
    },
    upgrades: (key, payload) => {
      if (!this.snapshot.has('domains', key)) this.#found(`the domain ${key} was upgraded, and is missing`);
      const { source, schema, since, configured } = unpack<Partial<UpgradedCode>>(payload);
      const isWhole =
        typeof source === 'string' && schema instanceof Uint8Array && Number.isSafeInteger(since);
      if (!isWhole || typeof configured?.interface !== 'string')
        this.#found(`what the domain ${key} was upgraded to is no program with a schema`);
    },
    storage: (key, payload) => this.#stored(key, payload),
  };

  #grantOf(id: string): StoredGrant | undefined {
    const payload = this.snapshot.get('grants', Buffer.from(id));
    return payload === undefined ? undefined : unpack<StoredGrant>(payload);
  }

  #amendmentOf(id: string): StoredAmendment | undefined {
    const payload = this.snapshot.get('amendments', Buffer.from(id));
    return payload === undefined ? undefined : unpack<StoredAmendment>(payload);
  }

  /** Those that lead to the grant of this id: of its secret, and of those that were replaced. */
  #digestsOf(id: string): readonly Uint8Array[] {
    const amendment = this.#amendmentOf(id);
    const present = amendment === undefined ? this.#grantOf(id)?.digest : amendment.digest;
    return [present, ...(amendment?.replaced ?? []).map(({ digest }) => digest)].filter(
      (each) => each != null,
    );
  }

  #amendment(id: string, { policy, bound, digest, used, entry }: StoredAmendment): void {
    const grant = this.#grantOf(id);
    if (grant === undefined) return this.#found(`the grant ${id} was amended, and is missing`);
    if (policy?.methods === undefined || bound?.methods === undefined)
      this.#found(`the amendment of the grant ${id} has no policy, or no bound`);
    if ((digest === null) !== (grant.digest === null))
      this.#found(`the amendment of the grant ${id} gives it a reference, or takes it away`);
    if (used !== null && (!Number.isSafeInteger(used) || grant.once !== true))
      this.#found(`the reference of the grant ${id} was used up, and is not one that restores once`);
    const payload = Number.isSafeInteger(entry) ? this.snapshot.get('audit', auditKey(entry)) : undefined;
    const told = payload === undefined ? undefined : readEntry(auditKey(entry), payload);
    if (told?.grant !== id || !amends(told))
      this.#found(`the audit log does not tell of the amendment of the grant ${id}`);
  }

  #grant(id: string, grant: StoredGrant): void {
    if (grant.id !== id) this.#found(`the grant ${id} is stored as ${grant.id}`);
    const { parent, domainId } = grant;
    if (this.#digestsOf(id).some((digest) => this.snapshot.get('digests', digest)?.toString() !== id))
      this.#found(`a digest of the grant ${id} is missing, or stands for another`);
    if (parent === null) return;
    if (!this.snapshot.has('children', Buffer.from(parent + id)))
      this.#found(`the grant ${id} is missing below its parent ${parent}`);
    let above: string | null = parent;
    for (let depth = 1; above !== null; depth++) {
      const ancestor = this.#grantOf(above);
      if (ancestor === undefined)
        return this.#found(`the grant ${above}, above ${id} (${domainId}), is missing`);
      if (depth >= MAX_GRANT_DEPTH) return this.#found(`the grant ${id} has too many above it`);
      above = ancestor.parent;
    }
  }

  /** The domain whose storage is being read, and how much of it there was: records lie in the order of the domains. */
  #domain = { id: '', entries: 0, bytes: 0 };
  #domainsWithStorage = 0;

  #stored(key: Buffer, payload: Buffer): void {
    const id = key.subarray(0, ID_LENGTH).toString();
    if (id !== this.#domain.id) {
      this.#endOfDomain();
      this.#domain = { id, entries: 0, bytes: 0 };
    }
    this.#domain.entries += 1;
    this.#domain.bytes += key.length - ID_LENGTH + payload.length;
  }

  #endOfDomain(): void {
    const { id, entries, bytes } = this.#domain;
    if (id === '') return;
    const payload = this.snapshot.get('domains', Buffer.from(id));
    if (payload === undefined) return this.#found(`the domain ${id} is missing, but not its storage`);
    this.#domainsWithStorage += 1;
    const said = unpack<{ entries: number; bytes: number }>(payload);
    if (said.entries !== entries || said.bytes !== bytes) {
      this.#found(
        `the storage of the domain ${id} has ${entries} entries of ${bytes} bytes where ` +
          `${said.entries} of ${said.bytes} bytes were written`,
      );
    }
  }

  #endOfStorage(): void {
    try {
      this.#endOfDomain();
      let expected = 0;
      for (const [key, record] of this.snapshot.records('domains')) {
        if (unpack<{ entries: number }>(unseal('domains', key, record)).entries > 0) expected += 1;
      }
      if (expected !== this.#domainsWithStorage)
        this.#found(`${this.#domainsWithStorage} domains have storage where ${expected} had`);
    } catch (error) {
      this.#found(`table storage: ${(error as Error).message}`);
    }
  }

  // ---- the audit log ----------------------------------------------------------------------------------------------

  /** `compared`: with the grants and the revocations, too. Gives the last entry. */
  #audit(root: Root, compared: boolean): AuditEntry | undefined {
    const chain = new AuditChain();
    let last: AuditEntry | undefined;
    const told = { grants: 0, revocations: 0 };
    for (const [key, payload] of this.#whole('audit')) {
      const entry = readEntry(key, payload);
      const wrong = chain.follow(entry);
      if (wrong !== null) {
        this.#found(`the audit log is broken: ${wrong}`);
        return undefined;
      }
      last = entry;
      if (compared) this.#entry(entry, told);
      else if (this.#findings.length > 0) return undefined;
    }
    this.#counted('audit', root);
    if (chain.hash !== Buffer.from(root.auditHead).toString('hex'))
      this.#found('the last entry of the audit log is not the one that was written last');
    if (compared) {
      for (const [table, count] of Object.entries(told) as [Counted, number][]) {
        if (root.counts[table] !== count)
          this.#found(`the audit log tells of ${count} ${table} where ${root.counts[table]} were written`);
      }
    }
    return last;
  }

  #entry(entry: AuditEntry, told: { grants: number; revocations: number }): void {
    const { sequence, action, grant } = entry;
    if (grant === undefined) return;
    if (amends(entry)) {
      // The last one counts: it is of this entry, or of a later one.
      const last = this.#lastAmended(grant);
      if (last === undefined || last < sequence)
        this.#found(`the amendment of ${grant} (audit entry ${sequence}) is missing`);
    }
    if (action === 'grant.mint' || action === 'grant.attenuate') {
      told.grants += 1;
      if (!this.snapshot.has('grants', Buffer.from(grant)))
        this.#found(`the grant ${grant} was minted (audit entry ${sequence}), and is missing`);
    }
    if (action === 'grant.revoke') {
      told.revocations += 1;
      if (!this.snapshot.has('revocations', Buffer.from(grant)))
        this.#found(`the revocation of ${grant} (audit entry ${sequence}) is missing`);
    }
  }

  /** The audit entry of the last amendment. */
  #lastAmended(grant: string): number | undefined {
    try {
      return this.#amendmentOf(grant)?.entry;
    } catch {
      // A record that is damaged: that is found where it lies.
      return Number.MAX_SAFE_INTEGER;
    }
  }

  #has({ sequence, hash }: Anchor): boolean {
    if (sequence === 0) return hash === NO_HASH;
    const payload = this.snapshot.get('audit', auditKey(sequence));
    return payload !== undefined && hashEntry(sequence, payload).toString('hex') === hash;
  }
}

function amends({ action }: AuditEntry): boolean {
  return (AMENDING_ACTIONS as readonly string[]).includes(action);
}
