/** What calls came to, as the walk sees it and as the model says it. */
import { CELL } from './domains.js';
import { type Cap, layers, type Methods, placeOf, type Refusal } from './reference.js';

/** Of an RpcError, what the walk goes by. */
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

/** Policy of sturdy.capnp. */
export function policyOf(methods: Methods, expires: number, delegable: boolean): object {
  return {
    methods: methods === 'all' ? { all: null } : { only: [{ interface: CELL.id, methods: [...methods] }] },
    expires: BigInt(expires),
    delegable,
  };
}

/** Why a call was refused, if it was: null for a failure of another kind. */
export function refusalOf({ type, message }: Failure): Refusal | null {
  if (message.includes('the grant was revoked')) return 'revoked';
  if (message.includes('the grant has expired')) return 'expired';
  if (message.includes('the grant does not allow')) return 'method';
  return type === 'disconnected' ? 'disconnected' : null;
}

/** As a domain says it: `type: message`. */
export function failureIn(text: string): Failure {
  const found = /^(failed|overloaded|disconnected|unimplemented): (.*)$/s.exec(text);
  return { type: found?.[1] ?? '', message: found?.[2] ?? '' };
}

/** For a person: the grants from the outside in, and what is reached. */
export function shown(cap: Cap): string {
  const through = layers(cap).map(({ direction, through: { grant } }) => `${direction} ${grant.id}`);
  return [...through, placeOf(cap)].join(' > ');
}

/** Whether `promise` settles within so many milliseconds. */
export async function within(millis: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), millis);
  });
  const ended = await Promise.race([promise.then(() => true as const), late]);
  clearTimeout(timer);
  return ended;
}
