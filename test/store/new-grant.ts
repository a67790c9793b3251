/** What is minted by tests of the store, where it does not matter what. */
import type { NewGrant } from '../../broker/store/store.js';

export function grantOf(domainId: string, more: Partial<NewGrant> = {}): NewGrant {
  return {
    parent: null,
    digest: null,
    domainId,
    domain: 'ledger',
    object: 'alice',
    policy: { methods: 'all', expires: 0, delegable: true },
    owner: { kind: 'anyone' },
    label: 'a label',
    ...more,
  };
}
