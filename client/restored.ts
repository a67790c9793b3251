/**
 * What a client holds of a sturdyref: a capability that outlives the connection. The first call restores the reference; so
 * does the first call after the connection or the object's domain was lost. Calls that were under way then fail with
 * `disconnected`, and so does every capability that came out of it: a program has to see that something was lost.
 */
import {
  type Call,
  type CallInProgress,
  type Capability,
  type Payload,
  RenewedCapability,
  type ReturnSink,
  type RpcError,
} from '../rpc/portable.js';

export class RestoredCapability extends RenewedCapability {
  /** Passed on in a call, it is the broker's own object again, and not one of this program's in front of it. */
  override get resolution(): Capability {
    return this.current();
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    const target = this.current().retain();
    try {
      return target.call(call, new Watched(this, target, sink));
    } finally {
      target.release();
    }
  }

  /** A call on `target` has failed. */
  failed(target: Capability, { type }: RpcError): void {
    // The connection may be well, and the domain behind the broker gone: only calls show that.
    if (type === 'disconnected') this.forget(target);
  }
}

class Watched implements ReturnSink {
  constructor(
    private readonly restored: RestoredCapability,
    private readonly target: Capability,
    private readonly sink: ReturnSink,
  ) {}

  returned(results: Payload): void {
    this.sink.returned(results);
  }

  failed(error: RpcError): void {
    this.restored.failed(this.target, error);
    this.sink.failed(error);
  }
}
