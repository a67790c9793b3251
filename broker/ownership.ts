/**
 * Whose object is behind a capability that a domain was passed, and what the grants that it came through allow: the answer
 * to Admission.own. It names the object and never gives it.
 */
import { type CallSignal, capabilityOf, type Stub, untilSettled } from '../rpc/index.js';
import { GrantedCapability } from './granted.js';
import type { Home } from './home.js';
import { MembranedCapability } from './membrane.js';
import { conjunction } from './policy/conjunction.js';
import { policyToWire } from './policy/policy-wire.js';
import type { StoredPolicy } from './store/store.js';

export async function ownership(cap: Stub | null, domain: Home, signal?: CallSignal): Promise<object> {
  if (cap === null) return { result: { foreign: null } };
  using held = cap.dup();
  const policies: StoredPolicy[] = [];
  let current = await untilSettled(capabilityOf(held), signal);
  while (current instanceof MembranedCapability) {
    const { grant } = current.membrane;
    const dead = grant.dead();
    if (dead !== null) throw dead;
    if (current.direction === 'out') policies.push(...grant.policies);
    current = await untilSettled(current.inner, signal);
  }
  if (current.brokenBy !== null) throw current.brokenBy;
  if (current instanceof GrantedCapability && current.home === domain) current = await current.target();
  const identity = await domain.identify(current, signal);
  if (identity === null || !identity.persistent) return { result: { foreign: null } };
  return {
    result: {
      mine: {
        object: new TextEncoder().encode(identity.object),
        interfaceId: identity.interfaceId,
        policy: policyToWire(conjunction(policies)),
      },
    },
  };
}
