/**
 * What a client holds of a sturdyref: a capability that outlives the connection. The first call restores the reference; so
 * does the first call after the connection or the object's domain was lost. Calls that were under way then fail with
 * `disconnected`, and so does every capability that came out of it: a program has to see that something was lost.
 */
import {
  type Call,
  type CallInProgress,
  type Capability,
  RenewedCapability,
  type ReturnSink,
} from '../rpc/portable.js';

export class RestoredCapability extends RenewedCapability {
  /** Passed on in a call, it is the broker's own object again, and not one of this program's in front of it. */
  override get resolution(): Capability {
    return this.current();
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    const target = this.current().retain();
    try {
      return target.call(call, {
        returned: (results) => sink.returned(results),
        failed: (error) => {
          // The connection may be well, and the domain behind the broker gone: only calls show that.
          if (error.type === 'disconnected') this.forget(target);
          sink.failed(error);
        },
      });
    } finally {
      target.release();
    }
  }
}
