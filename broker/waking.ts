/**
 * What takes the place of a persistent object while its domain sleeps: the first call wakes the domain and has the object
 * restored by its id; that call and those that come behind it wait for that, and go on in their order.
 *
 * A wake that fails fails the calls that waited for it; the next call tries again. Once awake, this is a live capability like
 * any other: when the domain ends otherwise than by going to sleep, it is broken, and stays so.
 */
import {
  BrokenCapability,
  type Call,
  type CallInProgress,
  Capability,
  goneBy,
  type ImportedCapability,
  QueuedCapability,
  type ReturnSink,
  type RpcError,
  settled,
} from '../rpc/index.js';
import type { Home, Identity } from './home.js';

export class WakingCapability extends Capability {
  #state:
    | { readonly is: 'asleep' }
    | { readonly is: 'waking' | 'awake'; readonly target: Capability }
    | { readonly is: 'broken'; readonly by: BrokenCapability } = { is: 'asleep' };

  /** `left` is told when nobody holds this any more. */
  constructor(
    readonly home: Home,
    readonly identity: Identity,
    private readonly left: () => void,
  ) {
    super();
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    const state = this.#state;
    if (state.is === 'broken') return state.by.call(call, sink);
    return (state.is === 'asleep' ? this.#wake() : state.target).call(call, sink);
  }

  override get route(): ImportedCapability | null {
    const state = this.#state;
    return state.is === 'awake' ? settled(state.target).route : null;
  }

  #wake(): Capability {
    const coming = this.home.restore(this.identity.object);
    const target = QueuedCapability.of(coming);
    this.#state = { is: 'waking', target };
    const waits = () => this.#state.is === 'waking' && this.#state.target === target;
    coming.then(
      () => {
        if (waits()) this.#state = { is: 'awake', target };
      },
      () => {
        if (waits()) this.sleep();
      },
    );
    return target;
  }

  /** Whether it is live no more: its domain ended otherwise than by going to sleep. */
  get isGone(): boolean {
    return this.brokenBy !== null;
  }

  override get brokenBy(): RpcError | null {
    const state = this.#state;
    if (state.is === 'broken') return state.by.brokenBy;
    return state.is === 'awake' ? goneBy(settled(state.target)) : null;
  }

  get isWaking(): boolean {
    return this.#state.is === 'waking';
  }

  /** The domain goes to sleep. */
  sleep(): void {
    const state = this.#state;
    if (state.is !== 'waking' && state.is !== 'awake') return;
    this.#state = { is: 'asleep' };
    state.target.release();
  }

  /** Has every call fail with `error` from now on. */
  break(error: RpcError): void {
    this.sleep();
    if (this.#state.is === 'asleep') this.#state = { is: 'broken', by: new BrokenCapability(error) };
  }

  protected override dropped(): void {
    this.sleep();
    this.left();
  }
}
