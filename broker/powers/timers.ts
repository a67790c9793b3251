/**
 * Timers, as a capability: Timers of schema/sturdy.capnp. They belong to the capability that they were asked of, and end with it:
 * none outlives its domain, or the grant of the power to it. How many are alive is bounded for all capabilities of a domain together.
 */
import {
  type CallContext,
  capabilityOf,
  isGone,
  RpcError,
  type Stub,
  serve,
  settled,
} from '../../rpc/index.js';
import { sturdySchema } from '../../schema/index.js';

export interface TimerLimits {
  readonly maxTimers: number;
  readonly minMillis: number;
}

/** The longest time that a timer of Node's can be set to. */
export const MAX_TIMER_MILLIS = 2 ** 31 - 1;

/** Of one domain: how many timers are alive. */
export class LivingTimers {
  #alive = 0;

  constructor(readonly limits: TimerLimits) {}

  get alive(): number {
    return this.#alive;
  }

  enter(): void {
    const { maxTimers } = this.limits;
    if (this.#alive >= maxTimers) {
      throw new RpcError('overloaded', `${maxTimers} timers are alive (powers.timers.maxTimers)`, {
        code: 'ERR_TIMERS_ALIVE',
      });
    }
    this.#alive++;
  }

  leave(): void {
    this.#alive--;
  }
}

type Alarm = Stub & { fired(): Promise<unknown> };

interface TimerParams {
  readonly millis: number;
  readonly callback: Alarm | null;
}

export class TimersPower {
  readonly #timers = new Set<RunningTimer>();
  #gone = false;

  constructor(private readonly living: LivingTimers) {}

  after(params: TimerParams, context: CallContext): { timer: Stub } {
    return this.#start(params, false, context);
  }

  every(params: TimerParams, context: CallContext): { timer: Stub } {
    return this.#start(params, true, context);
  }

  #start({ millis, callback }: TimerParams, repeats: boolean, context: CallContext): { timer: Stub } {
    const { minMillis } = this.living.limits;
    if (millis < minMillis || millis > MAX_TIMER_MILLIS) {
      const setting = millis < minMillis ? ' (powers.timers.minMillis)' : '';
      throw new RpcError(
        'failed',
        `millis: ${millis}; expected ${minMillis} to ${MAX_TIMER_MILLIS}${setting}`,
        { code: 'ERR_TIMER_MILLIS' },
      );
    }
    if (callback === null) {
      throw new RpcError('failed', 'callback: missing; expected a capability to call', {
        code: 'ERR_TIMER_CALLBACK',
      });
    }
    if (this.#gone) throw new RpcError('disconnected', 'the timers are gone', { code: 'ERR_TIMERS_GONE' });
    this.living.enter();
    const timer = new RunningTimer(millis, callback.dup() as Alarm, repeats, () => {
      this.#timers.delete(timer);
      this.living.leave();
    });
    this.#timers.add(timer);
    return { timer: context.use(serve(sturdySchema().interface('Timers.Timer'), timer)) };
  }

  /** The last reference to the power is gone. */
  [Symbol.dispose](): void {
    this.#gone = true;
    for (const timer of [...this.#timers]) timer.cancel();
  }
}

class RunningTimer {
  #handle: NodeJS.Timeout | null;
  #calling = false;

  constructor(
    millis: number,
    private readonly callback: Alarm,
    private readonly repeats: boolean,
    private readonly ended: () => void,
  ) {
    const fire = () => void this.#fire();
    this.#handle = repeats ? setInterval(fire, millis) : setTimeout(fire, millis);
    this.#handle.unref();
  }

  cancel(): Record<string, never> {
    const handle = this.#handle;
    if (handle === null) return {};
    this.#handle = null;
    clearTimeout(handle);
    this.callback[Symbol.dispose]();
    this.ended();
    return {};
  }

  async #fire(): Promise<void> {
    // A callback that takes its time is not called a second time meanwhile.
    if (this.#calling) return;
    this.#calling = true;
    // What it throws is the domain's own affair. That it is broken shows by itself.
    await this.callback.fired().catch(() => {});
    this.#calling = false;
    if (this.#handle === null) return;
    if (!this.repeats || isGone(settled(capabilityOf(this.callback)))) this.cancel();
  }
}
