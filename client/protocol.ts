/**
 * The public protocol in TypeScript, for programs that call it: schema/sturdy.capnp is the reference, and this says the
 * same.
 */
import type { Pending, Stub } from '../rpc/index.js';
import { sturdySchema } from '../schema/index.js';

type Nothing = Record<never, never>;

export interface Policy {
  readonly methods?: { readonly all?: null; readonly only?: readonly Allowed[] };
  /** Milliseconds since 1970; 0: never. */
  readonly expires?: bigint;
  readonly delegable?: boolean;
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
}

export interface Grant extends Stub {
  info(params: Nothing): Pending<{ info: GrantInfo }>;
  attenuate(params: DelegationParams): Pending<Minted>;
  revoke(params: Nothing): Pending<{ revoked: number }>;
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
}

export interface Operator extends Stub {
  domains(params: Nothing): Pending<{ domains: readonly DomainInfo[] }>;
  start(params: { domain: string }): Pending<Nothing>;
  stop(params: { domain: string }): Pending<Nothing>;
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
}

/** What every capability that comes from a broker answers besides its own interface. The caller disposes it. */
export function delegable(stub: Stub): Delegable {
  return stub.as<Delegable>(sturdySchema().interface('Delegable'));
}
