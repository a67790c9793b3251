/**
 * The public protocol in TypeScript, for programs that call it: schema/sturdy.capnp is the reference, and this says the
 * same.
 */
import type { Pending, Stub } from '../rpc/portable.js';
import { sturdySchema } from '../schema/index.js';

type Nothing = Record<never, never>;

export interface Policy {
  readonly methods?: { readonly all?: null; readonly only?: readonly Allowed[] };
  /** Milliseconds since 1970; 0: never. */
  readonly expires?: bigint;
  readonly delegable?: boolean;
  /** What the params of methods have to be. All of them hold. */
  readonly constraints?: readonly Constraint[];
  /** Calls in all; 0: no bound. */
  readonly maxCalls?: bigint;
  /** Bytes of params and results in all; 0: no bound. */
  readonly maxBytes?: bigint;
  /** All of them hold. */
  readonly rates?: readonly Rate[];
}

export interface Constraint {
  /** The id of the interface that declares the method: `type.id`. */
  readonly interface?: bigint;
  readonly method?: string;
  /** The names from the params down to the field. */
  readonly field?: readonly string[];
  /** A number, here and in `operator`, is one that this version does not know. */
  readonly measure?: 'value' | 'length' | number;
  readonly operator?: ConstraintOperator | number;
  readonly values?: readonly ConstraintValue[];
}

export type ConstraintOperator =
  | 'equal'
  | 'oneOf'
  | 'less'
  | 'atMost'
  | 'greater'
  | 'atLeast'
  | 'prefix'
  | 'within';

/** One of them. For an enum, the name of the enumerant as `text`. */
export interface ConstraintValue {
  readonly text?: string;
  readonly integer?: bigint;
  readonly unsigned?: bigint;
  readonly float?: number;
  readonly data?: Uint8Array;
  readonly bool?: boolean;
}

/** `burst` calls at once after a pause, and `calls` in `perMillis` from then on. */
export interface Rate {
  readonly calls?: number;
  readonly perMillis?: number;
  readonly burst?: number;
}

export interface Allowed {
  /** The id of the interface that declares the methods: `type.id`. */
  readonly interface?: bigint;
  readonly all?: null;
  readonly methods?: readonly string[];
}

export interface Owner {
  readonly anyone?: null;
  readonly unixUser?: number;
  readonly certificate?: Uint8Array;
  readonly domain?: string;
}

/** What stands for a grant until somebody is given it: `SturdyRef.of(ref.secret, address)` makes a reference of it. */
export interface Minted {
  readonly ref: { readonly secret: Uint8Array };
  readonly grant: Grant;
}

export interface DelegationParams {
  readonly policy?: Policy;
  readonly label?: string;
  readonly sealFor?: Owner;
  /** Whether the reference restores once and no more. */
  readonly once?: boolean;
}

export interface Delegable extends Stub {
  save(params: { sealFor?: Owner }): Pending<{ sturdyRef: { secret: Uint8Array } }>;
  attenuate(params: DelegationParams): Pending<Minted & { cap: Stub }>;
  describe(params: Nothing): Pending<{
    interfaceId: bigint;
    schema: Uint8Array;
    policy: Policy;
    /** The id of the grant that it came through: no authority. */
    grant: string;
  }>;
  saveOnce(params: { sealFor?: Owner }): Pending<{ sturdyRef: { secret: Uint8Array } }>;
}

export interface Grant extends Stub {
  info(params: Nothing): Pending<{ info: GrantInfo }>;
  attenuate(params: DelegationParams): Pending<Minted>;
  /** `drain`: for how many milliseconds calls that were forwarded already may go on. Default 0. */
  revoke(params: { drain?: number }): Pending<{ revoked: number; cut: number; ended: boolean }>;
  narrow(params: { policy?: Policy }): Pending<{ policy: Policy }>;
  extend(params: { policy?: Policy }): Pending<{ policy: Policy }>;
  /** `overlap`: for how many milliseconds the secrets before stay good. Default 0. */
  rotate(params: { overlap?: number }): Pending<{ ref: { secret: Uint8Array } }>;
  child(params: { id: string }): Pending<{ grant: Grant }>;
  save(params: { sealFor?: Owner }): Pending<{ sturdyRef: { secret: Uint8Array } }>;
}

export interface GrantInfo {
  readonly id: string;
  readonly parent: string;
  readonly label: string;
  readonly domain: string;
  readonly object: string;
  readonly policy: Policy;
  readonly owner: Owner;
  readonly created: bigint;
  readonly state: 'live' | 'revoked' | 'expired';
  readonly children: number;
  readonly kind: 'object' | 'power';
  readonly reference: 'none' | 'lasting' | 'once' | 'used';
  readonly bound: Policy;
  /** Until when a secret that was replaced is good still; 0: none is. */
  readonly overlap: bigint;
  readonly capabilities: number;
  readonly calls: number;
  /** What there is left of the policy's own maxCalls and maxBytes, where it has them. */
  readonly callsLeft: bigint;
  readonly bytesLeft: bigint;
}

export interface Operator extends Stub {
  domains(params: Nothing): Pending<{ domains: readonly DomainInfo[] }>;
  start(params: { domain: string }): Pending<Nothing>;
  stop(params: { domain: string }): Pending<Nothing>;
  /** Absolute paths; without them, the files of the configuration. `drain` in milliseconds. */
  upgrade(params: {
    domain: string;
    module?: string;
    schema?: string;
    drain?: number;
  }): Pending<{ cut: number }>;
  mint(params: DelegationParams & { domain: string; object?: string }): Pending<Minted>;
  grants(params: { after?: string; limit?: number }): Pending<{ grants: readonly GrantInfo[] }>;
  grant(params: { id: string }): Pending<{ grant: Grant }>;
  health(params: Nothing): Pending<{
    ready: boolean;
    uptimeMillis: bigint;
    connections: number;
    detail: string;
  }>;
  schema(params: { domain: string }): Pending<{ interfaceId: bigint; schema: Uint8Array }>;
  audit(params: { after?: bigint; limit?: number }): Pending<{
    entries: readonly AuditEntry[];
    last: bigint;
  }>;
  tree(params: { id: string; after?: string; limit?: number }): Pending<{ nodes: readonly GrantNode[] }>;
}

/** Of the texts, those that say nothing of the action are empty. */
export interface AuditEntry {
  readonly sequence: bigint;
  /** Milliseconds since 1970. */
  readonly at: bigint;
  readonly action: string;
  readonly grant: string;
  readonly parent: string;
  readonly domain: string;
  readonly by: string;
  readonly peer: string;
  readonly detail: string;
  readonly previous: Uint8Array;
  readonly hash: Uint8Array;
}

export interface GrantNode {
  readonly depth: number;
  readonly info: GrantInfo;
}

export interface DomainInfo {
  readonly id: string;
  readonly name: string;
  readonly state: 'stopped' | 'starting' | 'running' | 'failed' | 'asleep';
  readonly detail: string;
  readonly starts: number;
  readonly hostPid: number;
  /** How often it was started from its sleep since the broker started. */
  readonly wakes: number;
  /** Of one that is put to sleep when it is idle: for how long nothing has come from it or gone to it. */
  readonly idleMillis: bigint;
  /** How it is isolated. */
  readonly tier: string;
  /** Its limits, each in the unit of its name, with what is used of them where that is known. */
  readonly limits: readonly LimitInUse[];
  /** What it runs, or will when it is started. */
  readonly code: DomainCode;
}

export interface DomainCode {
  /** The SHA-256 of its program, in hexadecimal; empty: it was not made yet. */
  readonly program: string;
  readonly origin: 'configuration' | 'upgrade';
  /** When it was upgraded to it, or its program was made; 0: it was not yet. */
  readonly since: bigint;
}

export type LimitInUse = { readonly name: string; readonly limit: number } & (
  | { readonly unknown: null }
  | { readonly used: number }
);

/** What every capability that comes from a broker answers besides its own interface. The caller disposes it. */
export function delegable(stub: Stub): Delegable {
  return stub.as<Delegable>(sturdySchema().interface('Delegable'));
}
