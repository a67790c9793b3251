/** What a policy says, in the reference model: lists of methods, an expiry, and whether more may be minted. */

export const METHODS = [
  'read',
  'write',
  'hold',
  'open',
  'keep',
  'kept',
  'ask',
  'askKept',
  'echo',
  'peer',
] as const;
export type Method = (typeof METHODS)[number];

export interface Policy {
  readonly methods: 'all' | ReadonlySet<Method>;
  /** 0: never. */
  readonly expires: number;
  readonly delegable: boolean;
}

export const EVERYTHING: Policy = { methods: 'all', expires: 0, delegable: true };

/** What both allow. */
export function both(a: Policy, b: Policy): Policy {
  const expiries = [a.expires, b.expires].filter((each) => each !== 0);
  return {
    methods:
      a.methods === 'all' && b.methods === 'all'
        ? 'all'
        : new Set(METHODS.filter((method) => allows(a, method) && allows(b, method))),
    expires: expiries.length === 0 ? 0 : Math.min(...expiries),
    delegable: a.delegable && b.delegable,
  };
}

export function allows({ methods }: Policy, method: Method): boolean {
  return methods === 'all' || methods.has(method);
}

/** For comparing, and for a person. */
export function policyText(policy: Policy): string {
  const allowed = policy.methods === 'all' ? 'all' : METHODS.filter((method) => allows(policy, method));
  return `${allowed}; expires ${policy.expires}; ${policy.delegable ? '' : 'not '}delegable`;
}
