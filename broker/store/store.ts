/**
 * The store as the broker sees it, in the broker's own verbs. An adapter (LMDB here; a database for several brokers) must
 * pass test/store/suite.ts.
 *
 * What every adapter owes:
 * - A promise of something that changes the store resolves only when the change is on disk and survives `kill -9` and
 *   power loss. Record, revocation and audit entry are one transaction.
 * - Grants are written once and never changed; a revocation is a record of its own beside them, and is never removed. So is an
 *   amendment (its policy, its secrets, that it was used up), of which the last one counts and is kept.
 * - Only digests of secrets come in here, and nothing here ever holds a secret.
 * - What is read is checked. A record that is not what was written is refused, never guessed at.
 *
 * Reads are synchronous and see what is on disk; what changes the store is a promise. Times are milliseconds since 1970.
 */

import type { ConstraintOperator, Rate } from '../../client/protocol.js';

/** How deep the tree of grants may grow: a root has depth 1. */
export const MAX_GRANT_DEPTH = 64;

/** The most rows that one listing returns, whatever it is asked for. */
export const MAX_LISTING = 1000;

/** The most secrets of one grant that were replaced and are good still. */
export const MAX_REPLACED_SECRETS = 8;

/** One allowed interface: the id of the interface that declares the methods, and which of them. */
export interface AllowedMethods {
  readonly interface: bigint;
  readonly methods: 'all' | readonly string[];
}

export type ConstraintValue =
  | { readonly text: string }
  | { readonly int: bigint }
  | { readonly float: number }
  | { readonly data: Uint8Array }
  | { readonly bool: boolean };

/** `Policy.Constraint` of sturdy.capnp. */
export interface StoredConstraint {
  readonly interface: bigint;
  readonly method: string;
  readonly field: readonly string[];
  readonly measure: 'value' | 'length';
  readonly operator: ConstraintOperator;
  readonly values: readonly ConstraintValue[];
}

/** `Policy.Rate` of sturdy.capnp. */
export type StoredRate = Required<Rate>;

/** `Policy` of sturdy.capnp. What is not there does not restrict. */
export interface StoredPolicy {
  readonly methods: 'all' | readonly AllowedMethods[];
  /** Dead from this time on. 0: never. */
  readonly expires: number;
  readonly delegable: boolean;
  readonly constraints?: readonly StoredConstraint[];
  /** Calls, and bytes of params and results, in all; 1 or more. What of them is used up is told by Store.reserve. */
  readonly maxCalls?: number;
  readonly maxBytes?: number;
  readonly rates?: readonly StoredRate[];
}

/** What a policy bounds in all. */
export type Bounded = 'calls' | 'bytes';

/** To whom a reference is sealed: `Owner` of sturdy.capnp. */
export type GrantOwner =
  | { readonly kind: 'anyone' }
  | { readonly kind: 'unixUser'; readonly uid: number }
  | { readonly kind: 'certificate'; readonly fingerprint: Uint8Array }
  | { readonly kind: 'domain'; readonly id: string };

/**
 * `object`: to an object, bound by all that binds its parent. `power`: to the power over a grant, its parent or that of the power
 * that it was saved from; it dies by every revocation above it, and is bound by the policies of the powers above it only.
 */
export type GrantKind = 'object' | 'power';

export interface NewGrant {
  /** `object` without one. */
  readonly kind?: GrantKind;
  /** Whether its reference restores once and no more. */
  readonly once?: boolean;
  /** Null: a root, minted by the operator. */
  readonly parent: string | null;
  /** SHA-256 of the secret; null where no reference was made. */
  readonly digest: Uint8Array | null;
  readonly domainId: string;
  /** The domain's name, for listings. */
  readonly domain: string;
  /** The object's id there; empty for the domain's main object. */
  readonly object: string;
  /** The grant's own policy. What binds is this and those of all its ancestors: see Store.lineage. */
  readonly policy: StoredPolicy;
  readonly owner: GrantOwner;
  readonly label: string;
}

/** A secret that another has replaced, and that is good until then. */
export interface ReplacedSecret {
  readonly digest: Uint8Array;
  readonly until: number;
}

/** How a grant came to differ from what was minted. Its `policy` and its `digest` are in the row, as they are now. */
export interface Amendment {
  /** The policy that it was minted with. */
  readonly minted: StoredPolicy;
  /** What its holder may extend its policy to: that of `minted`, until somebody from above says otherwise. */
  readonly bound: StoredPolicy;
  readonly replaced: readonly ReplacedSecret[];
  /** When its reference, which restores once, was used. */
  readonly used: number | null;
}

export interface GrantRow extends NewGrant {
  /** Undefined: it is as it was minted. */
  readonly amended?: Amendment;
  /** As newGrantId makes it. */
  readonly id: string;
  readonly created: number;
  /** When the grant died by a revocation, its own or an ancestor's; null: it did not. Expiry does not show here. */
  readonly revoked: number | null;
}

export interface DomainRow {
  /** Random, made once for a name, never another's. */
  readonly id: string;
  readonly name: string;
  readonly created: number;
}

/** What the configuration has a domain run: to see whether it is another. Digests are SHA-256. */
export interface ConfiguredCode {
  /** Of the text of the program; null: it could not be made. */
  readonly program: Uint8Array | null;
  /** Of the file of the schema; null: it could not be read. */
  readonly schema: Uint8Array | null;
  /** Of the main object. */
  readonly interface: string;
  /** What made the program: another may make another of the same module. */
  readonly bundler: string;
}

/** What a domain was upgraded to, and runs until it is upgraded again or the configuration has another code. */
export interface UpgradedCode {
  /** The text of the program. */
  readonly source: string;
  /** A CodeGeneratorRequest. */
  readonly schema: Uint8Array;
  /** When it was upgraded. */
  readonly since: number;
  /** What the configuration had by then. */
  readonly configured: ConfiguredCode;
}

/** Who does it, for the audit entry of a mint, an amendment or a revoke. */
export interface AuditNote {
  /** The authority behind it: the operator, a grant, the broker itself and why. */
  readonly by: string;
  /** Who is at the other end of the connection it came over: see broker/peer.ts. */
  readonly peer?: string;
}

/** What an amendment does, as the audit log has it: to the policy, to the secret, or to a reference that restores once. */
export const AMENDING_ACTIONS = ['grant.narrow', 'grant.extend', 'grant.rotate', 'grant.use'] as const;
export type AmendingAction = (typeof AMENDING_ACTIONS)[number];

/** What an amendment makes of a policy. */
export interface AmendedPolicy {
  readonly policy: StoredPolicy;
  readonly bound: StoredPolicy;
}

/** Where a walk through a tree of grants goes on, and how far it goes. */
export interface TreeRange {
  /** The last grant of the page before; '': from the top. */
  readonly after: string;
  readonly limit: number;
}

/** What happened, for the audit log. No secret, and no value that a guest made, belongs in here. */
export interface AuditEvent {
  readonly at: number;
  /** `grant.mint`, `grant.attenuate`, an AmendingAction, `grant.revoke`, `grant.restore`, `restore.refuse`, `call.refuse`, `flow.refuse`, `domain.upgrade`, `store.restore`, `store.migrate`. */
  readonly action: string;
  readonly grant?: string;
  /** Of a grant that was minted from another. */
  readonly parent?: string;
  readonly domain?: string;
  /** As AuditNote.by. */
  readonly by?: string;
  /** As AuditNote.peer. */
  readonly peer?: string;
  readonly detail?: string;
}

export interface AuditEntry extends AuditEvent {
  /** From 1, without a gap. */
  readonly sequence: number;
  /** SHA-256, in hexadecimal, of the entry with `previous` in it. */
  readonly hash: string;
  /** The hash of the entry before; 64 zeros in front of the first. */
  readonly previous: string;
}

export type StorageChange =
  | { readonly key: string; readonly put: Uint8Array }
  | { readonly key: string; readonly delete: null };

/** What has to be so for changes to be made: that the key is there or not, or that it has this value. */
export type StorageCheck =
  | { readonly key: string; readonly present: boolean }
  | { readonly key: string; readonly value: Uint8Array };

export interface StorageEntry {
  readonly key: string;
  readonly value: Uint8Array;
}

/** How much storage may have, or has. */
export interface StorageQuota {
  /** Keys and values together. */
  readonly bytes: number;
  readonly entries: number;
}

export interface Store {
  /** Waits for what is being written, then gives the data folder free. Twice is once. */
  close(): Promise<void>;

  /**
   * Adds a grant, with an id and a time of its own. Refused: a digest that is there already, a parent that is unknown or
   * revoked, a tree deeper than MAX_GRANT_DEPTH.
   */
  mintGrant(grant: NewGrant, audit: AuditNote): Promise<GrantRow>;
  /** By the digest of its secret, or of one that was replaced: whether that is good still is for `isGood` to say. */
  findByDigest(digest: Uint8Array): GrantRow | null;
  grant(id: string): GrantRow | null;
  /** The grant, its parent, and so on to the root. Empty if there is no such grant. */
  lineage(id: string): GrantRow[];
  /** In the order of their ids, from behind `after` ('': the first), at most `limit` and MAX_LISTING. */
  grants(after: string, limit: number): GrantRow[];
  /** Direct children, alive and dead, in the order of their ids; all of them without a `limit`. */
  children(parent: string, limit?: number): GrantRow[];
  /**
   * Kills the grant and everything below it, by one record whatever the size of the tree. Gives the ids of those that
   * died by it: none if the grant was dead already, and then nothing is written. `committed` is called right when the
   * revocation is on disk, before its subtree is walked.
   */
  revokeSubtree(id: string, audit: AuditNote, committed?: () => void): Promise<string[]>;
  /**
   * Changes the policy of a grant, and what its holder may extend it to, to what `amend` makes of the row as it is then. Refused:
   * a grant that is unknown or revoked; and whatever `amend` throws. It may be called at any time until this settles.
   */
  amendPolicy(
    id: string,
    amend: (row: GrantRow) => AmendedPolicy,
    audit: AuditNote & { readonly action: 'grant.narrow' | 'grant.extend' },
  ): Promise<GrantRow>;
  /**
   * Gives a grant another secret. Those before it are good for `overlap` milliseconds more at most, whatever they were promised
   * before. Refused: a grant that is unknown or revoked, has no reference, or whose reference was used up; a digest that is there
   * already; more than MAX_REPLACED_SECRETS that are good still.
   */
  rotateSecret(id: string, digest: Uint8Array, overlap: number, audit: AuditNote): Promise<GrantRow>;
  /**
   * Uses up a reference that restores once, by one of its good secrets. False: it was used up before, is revoked, or the secret
   * is not good any more; then nothing is written. Of several at once, one gets true.
   */
  useOnce(id: string, digest: Uint8Array, audit: AuditNote): Promise<boolean>;
  /**
   * A grant and everything below it: parents in front of their children, siblings in the order of their ids, each as its
   * lineage. At most `limit` and MAX_LISTING. Empty where there is no such grant, or `after` is not in its tree.
   */
  subtree(top: string, range: TreeRange): GrantRow[][];
  /** How many direct children are alive, of the first `limit` that were minted. */
  livingChildren(id: string, limit: number): number;

  /**
   * Takes `amount`, or what is left of it, out of the grant's bound of `limit`, for good: nothing gives it back. Gives how much was
   * taken; 0: the bound is used up. On disk when it resolves.
   */
  reserve(id: string, what: Bounded, amount: number, limit: number): Promise<number>;
  /** How much was taken by now. */
  reserved(id: string): Readonly<Record<Bounded, number>>;

  /** The identity of the domain of this name: random, made the first time it is asked for, never another's. */
  domainId(name: string): Promise<string>;
  domains(): DomainRow[];

  /** The id of the grant that stands for a grant of the configuration, by the domain that holds it and its name there. */
  configuredGrant(domainId: string, name: string): string | null;
  setConfiguredGrant(domainId: string, name: string, grantId: string): Promise<void>;

  /** Null: the domain runs what the configuration has it run. */
  upgradedCode(domainId: string): UpgradedCode | null;
  /** Puts it in the place of what was there, and the entry into the audit log, at one instant. */
  setUpgradedCode(domainId: string, code: UpgradedCode | null, event: Omit<AuditEvent, 'at'>): Promise<void>;

  readStorage(domainId: string, key: string): Uint8Array | null;
  /**
   * All changes or none, in their order, at one instant at which all of the checks hold. Null: they are made. Else nothing is, and this
   * is the index of the first check that does not hold. Over the quota: refused with ERR_STORE_QUOTA.
   */
  writeStorage(
    domainId: string,
    changes: readonly StorageChange[],
    quota?: StorageQuota,
    checks?: readonly StorageCheck[],
  ): Promise<number | null>;
  /** What the domain keeps. */
  storageUse(domainId: string): StorageQuota;
  /**
   * In the order of the keys' UTF-8 bytes, from behind `after`, at most `limit` and MAX_LISTING. Values that are
   * larger than `maxBytes` together are refused with ERR_STORE_TOO_LARGE: never a listing cut short in silence.
   */
  listStorage(domainId: string, range: StorageRange): StorageEntry[];

  appendAudit(event: Omit<AuditEvent, 'at'>): Promise<void>;
  /** From behind the sequence number `after`, with the chain checked from each to the next; at most `limit` and MAX_LISTING. */
  audit(after: number, limit: number): AuditEntry[];
  /** The sequence number of the last entry; 0: there is none. */
  lastAudit(): number;
}

export interface StorageRange {
  readonly prefix: string;
  readonly after: string;
  readonly limit: number;
  /** Of keys and values together. */
  readonly maxBytes: number;
}

export type StoreErrorCode =
  /** Another broker, or a restore, holds the data folder. */
  | 'ERR_STORE_HELD'
  /** What is on disk is not what was written. */
  | 'ERR_STORE_DAMAGED'
  /** Written by a version that this one does not know. */
  | 'ERR_STORE_FORMAT'
  /** An older state would bring revoked grants back, and nobody has said that it may. */
  | 'ERR_STORE_UNACKNOWLEDGED'
  /** The process that was to read it did not start. */
  | 'ERR_STORE_UNSCANNED'
  | 'ERR_STORE_CLOSED'
  /** The disk did not take it: nothing of the transaction was acknowledged. */
  | 'ERR_STORE_WRITE'
  | 'ERR_STORE_NOT_FOUND'
  | 'ERR_STORE_EXISTS'
  | 'ERR_STORE_REVOKED'
  | 'ERR_STORE_DEPTH'
  /** The grant has no reference that could have another secret. */
  | 'ERR_STORE_NO_REFERENCE'
  /** Too many replaced secrets of the grant are good still. */
  | 'ERR_STORE_SECRETS'
  | 'ERR_STORE_INVALID'
  | 'ERR_STORE_QUOTA'
  | 'ERR_STORE_TOO_LARGE';

export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: StoreErrorCode;
  /** Of ERR_STORE_QUOTA: what there would be too much of. */
  readonly over: keyof StorageQuota | null;

  constructor(
    code: StoreErrorCode,
    message: string,
    options: { readonly cause?: unknown; readonly over?: keyof StorageQuota } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.over = options.over ?? null;
  }
}
