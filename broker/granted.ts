/**
 * A grant that the broker holds for a domain, as a live capability: to an object that is restored when it is first called,
 * and again when its domain was restarted in the meantime. Calls wait for that in their order.
 */
import {
  type Call,
  type CallInProgress,
  Capability,
  QueuedCapability,
  RemoteCapability,
  type ReturnSink,
  RpcError,
  settled,
} from '../rpc/index.js';
import type { Home } from './home.js';

export class GrantedCapability extends Capability {
  #target: Capability | null = null;

  constructor(
    readonly home: Home,
    readonly object: string,
  ) {
    super();
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    return this.#restored().call(call, sink);
  }

  /** The object, restored. Borrowed. */
  async target(): Promise<Capability> {
    const target = this.#restored();
    while (settled(target).isPromise)
      await new Promise<void>((resolve) => settled(target).onResolution(resolve));
    return settled(target);
  }

  #restored(): Capability {
    const known = this.#target;
    if (known !== null && !isGone(settled(known))) return known;
    known?.release();
    const promise = new QueuedCapability();
    this.#target = promise.retain();
    this.home.restore(this.object).then(
      (capability) => {
        promise.resolve(capability);
        promise.release();
      },
      (error: unknown) => {
        promise.reject(RpcError.from(error));
        promise.release();
      },
    );
    return promise;
  }

  protected override dropped(): void {
    this.#target?.release();
    this.#target = null;
  }
}

function isGone(capability: Capability): boolean {
  return (
    capability.brokenBy !== null ||
    (capability instanceof RemoteCapability && capability.connection.closedBy !== null)
  );
}
