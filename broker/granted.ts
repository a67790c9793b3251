/**
 * A grant that the broker holds for a domain, as a live capability: to an object that is restored when it is first called,
 * and again when its domain was restarted in the meantime. Calls wait for that in their order.
 */
import {
  type Capability,
  type ImportedCapability,
  QueuedCapability,
  RenewedCapability,
  settled,
  untilSettled,
} from '../rpc/index.js';
import type { Home } from './home.js';

export class GrantedCapability extends RenewedCapability {
  constructor(
    readonly home: Home,
    object: string,
  ) {
    super(() => QueuedCapability.of(home.restore(object)));
  }

  override get route(): ImportedCapability | null {
    const { known } = this;
    return known === null ? null : settled(known).route;
  }

  /** The object, restored. Borrowed. */
  target(): Promise<Capability> {
    return untilSettled(this.current());
  }
}
