/** What calls came to, as a run sees it. */
import { inspect } from 'node:util';
import { CELL } from './domains.js';
import type { Policy } from './reference/policy.js';
import type { Refusal } from './reference/reference.js';

/** Of an RpcError, what a run goes by. */
export interface Failure {
  readonly type: string;
  readonly message: string;
}

/** One of both. */
export interface Outcome<T> {
  readonly value?: T;
  readonly error?: Failure;
}

/** The results of Cell.ask; of Cell.read and write, the first two. */
export interface Asked {
  readonly place: string;
  readonly number: number;
  readonly refused: string;
}

/** Policy of sturdy.capnp, as far as the model speaks it. */
export interface WirePolicy {
  readonly methods: {
    readonly all?: null;
    readonly only?: readonly {
      readonly interface: bigint;
      readonly all?: null;
      readonly methods?: readonly string[];
    }[];
  };
  readonly expires: bigint;
  readonly delegable: boolean;
}

export function policyToWire({ methods, expires, delegable }: Policy): WirePolicy {
  return {
    methods: methods === 'all' ? { all: null } : { only: [{ interface: CELL.id, methods: [...methods] }] },
    expires: BigInt(expires),
    delegable,
  };
}

export function policyFromWire({ methods, expires, delegable }: WirePolicy): Policy {
  const only = methods.only?.flatMap(({ methods: names }) => names ?? []);
  return {
    methods: only === undefined ? 'all' : new Set(only as never[]),
    expires: Number(expires),
    delegable,
  };
}

/** Why a call was refused, if it was: null for a failure of another kind. */
export function refusalOf({ type, message }: Failure): Refusal | null {
  if (message.includes('the grant was revoked')) return 'revoked';
  if (message.includes('the grant has expired')) return 'expired';
  if (message.includes('the grant does not allow')) return 'method';
  if (message.includes('by the flow policy')) return 'flow';
  return type === 'disconnected' ? 'disconnected' : null;
}

/** As a domain says it: `type: message`. */
export function failureIn(text: string): Failure {
  const found = /^(failed|overloaded|disconnected|unimplemented): (.*)$/s.exec(text);
  return { type: found?.[1] ?? '', message: found?.[2] ?? '' };
}

/** What `promise` comes to; `seen` gets all that its error could show. */
export async function outcomeOf<T>(
  promise: PromiseLike<T>,
  seen: (bytes: Buffer) => void,
): Promise<Outcome<T>> {
  try {
    return { value: await promise };
  } catch (error) {
    seen(Buffer.from(inspect(error, { depth: 6 })));
    const { type, message } = error as Failure;
    return { error: { type, message } };
  }
}
