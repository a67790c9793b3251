/** How a grant is shown to a person, and how a command line names one. */
import type { GrantInfo, Owner, Policy } from '../../client/index.js';
import { constraintText } from '../policy/constraint-text.js';
import { policyFromWire } from '../policy/policy-wire.js';
import { rateText } from '../policy/rate.js';
import { bytesText } from '../policy/size.js';
import { connected } from './connected.js';
import { type GlobalOptions, patience } from './operator.js';
import { jsonText } from './print.js';
import { readReference } from './references.js';

/** The id of the grant that is named by its id or by its reference (@FILE, @FILE:NAME or -), which is restored for that. */
export async function grantId(argument: string, options: GlobalOptions): Promise<string> {
  if (!/^[@-]/.test(argument)) return argument;
  const ref = readReference(argument);
  return connected(ref, patience(options), async (object) => (await object.describe({})).grant);
}

/** With what has become of a reference that restores once. */
export function stateOf({ state, reference }: GrantInfo): string {
  return reference === 'once' || reference === 'used' ? `${state}, ${reference}` : state;
}

export function objectOf({ domain, object }: GrantInfo): string {
  return object === '' ? domain : `${domain}/${object}`;
}

/** What is left of a count: of a policy that is a grant's. */
type Counted = Pick<GrantInfo, 'callsLeft' | 'bytesLeft'>;

export function allowed(policy: Policy, counted?: Counted): string {
  const { methods, expires = 0n, delegable } = policy;
  const names = methods?.only?.flatMap((each) => each.methods ?? `all of 0x${each.interface?.toString(16)}`);
  const parts = [names === undefined ? 'all' : names.length === 0 ? 'nothing' : names.join(',')];
  parts.push(...bounds(policy, counted));
  if (expires !== 0n) parts.push(`until ${new Date(Number(expires)).toISOString()}`);
  if (delegable === false) parts.push('not delegable');
  return parts.join('; ');
}

function bounds(policy: Policy, counted?: Counted): string[] {
  let stored: ReturnType<typeof policyFromWire>;
  try {
    stored = policyFromWire({ ...policy, methods: { all: null } });
  } catch {
    // A broker that is newer than this.
    return ['under restrictions that this version cannot show'];
  }
  const { constraints = [], maxCalls, maxBytes, rates = [] } = stored;
  return [
    ...constraints.map((each) => `where ${constraintText(each)}`),
    ...(maxCalls === undefined ? [] : [`at most ${maxCalls} calls${left(counted?.callsLeft)}`]),
    ...(maxBytes === undefined
      ? []
      : [`at most ${bytesText(maxBytes)}${left(counted?.bytesLeft, ' bytes')}`]),
    ...rates.map(rateText),
  ];
}

function left(count: bigint | undefined, unit = ''): string {
  return count === undefined ? '' : ` (${count}${unit} left)`;
}

export function ownerText(owner: Owner): string {
  if (owner.domain !== undefined) return `domain ${owner.domain}`;
  if (owner.unixUser !== undefined) return `uid ${owner.unixUser}`;
  if (owner.certificate !== undefined) return `certificate ${Buffer.from(owner.certificate).toString('hex')}`;
  return owner.anyone === undefined ? jsonText(owner) : 'anyone';
}
