/** The row of a grant as a test needs it: of anyone, to the object of the domain `ledger`, with nothing that restricts it. */
import { EVERYTHING } from '../../broker/policy/conjunction.js';
import type { GrantRow, StoredPolicy } from '../../broker/store/store.js';

export function grantRow(
  id: string,
  {
    policy = {},
    domain = 'ledger',
    parent = null,
  }: { policy?: Partial<StoredPolicy>; domain?: string; parent?: string | null } = {},
): GrantRow {
  return {
    id,
    parent,
    digest: null,
    domainId: domain,
    domain,
    object: '',
    policy: { ...EVERYTHING, ...policy },
    owner: { kind: 'anyone' },
    label: '',
    created: 0,
    revoked: null,
  };
}
