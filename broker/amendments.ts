/**
 * What becomes of a grant's policy when somebody with power over it narrows or extends it. No amplification:
 *
 * - Each grant has a bound: what it was minted with, until somebody from above says otherwise.
 * - Its holder moves the policy within the bound. What the holder narrowed, the holder can give back.
 * - From above (the power over its parent, or the operator's), both are set. What was narrowed from above, the holder cannot give
 *   back; and what is extended from above can be no more than the parent has, for every policy above binds as well, always.
 *
 * Both are conjunctions, so that whatever a policy can say, this holds. What was counted, calls and bytes, is no part of a policy:
 * it stays counted.
 */
import { checkLength } from './policy/checked-policy.js';
import { conjunction } from './policy/conjunction.js';
import type { AmendedPolicy, GrantRow, StoredPolicy } from './store/store.js';

export type AmendmentKind = 'narrow' | 'extend';

/**
 * `asked` was checked against the schema.
 * @throws RpcError where what comes of it is too long for a policy.
 */
export function amendedPolicy(
  kind: AmendmentKind,
  row: GrantRow,
  asked: StoredPolicy,
  fromAbove: boolean,
): AmendedPolicy {
  const made = together(kind, row, asked, fromAbove);
  checkLength(made.policy);
  checkLength(made.bound);
  return made;
}

function together(
  kind: AmendmentKind,
  { policy, amended }: GrantRow,
  asked: StoredPolicy,
  fromAbove: boolean,
): AmendedPolicy {
  const bound = amended?.bound ?? policy;
  if (kind === 'narrow') {
    return {
      policy: conjunction([policy, asked]),
      bound: fromAbove ? conjunction([bound, asked]) : bound,
    };
  }
  return fromAbove ? { policy: asked, bound: asked } : { policy: conjunction([bound, asked]), bound };
}
