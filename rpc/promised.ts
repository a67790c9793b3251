/**
 * Promises: capabilities that will turn out to be others.
 *
 * `PromisedCapability` is what they have in common: one resolution, told once. `QueuedCapability` is the one that is
 * kept on this side: it holds calls back until it is resolved, then lets them go in their order. An embargo is a
 * QueuedCapability too. `LocalPipelines` are the promises that were pipelined from a call on this side.
 */
import {
  BrokenCapability,
  type Call,
  type CallInProgress,
  Capability,
  type ReturnSink,
  settled,
} from './capability.js';
import { RpcError } from './error.js';
import { MAX_PROMISE_CHAIN } from './limits.js';
import { type Path, Places } from './places.js';

export abstract class PromisedCapability extends Capability {
  #resolution: Capability | null = null;
  /** Who is to be told: nearly always one. */
  #listener: (() => void) | null = null;
  #listeners: Set<() => void> | null = null;
  /** How many promises in a row have become this one. */
  #behind = 0;

  override get resolution(): Capability | null {
    return this.#resolution;
  }

  override get isPromise(): boolean {
    return true;
  }

  override onResolution(listener: () => void): () => void {
    if (this.#listener === null && this.#listeners === null) {
      this.#listener = listener;
      return () => {
        if (this.#listener === listener) this.#listener = null;
      };
    }
    // Held by the way to leave, too: who leaves while others are being told is not told any more.
    this.#listeners ??= new Set();
    const listeners = this.#listeners;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Where calls go while this is unresolved, if that is another capability of this side. Borrowed. */
  get meanwhile(): Capability | null {
    return null;
  }

  /** Whether calls on `target` would come to this. */
  protected isBehind(target: Capability): boolean {
    for (let end: Capability | null = settled(target); end !== null; ) {
      if (end === this) return true;
      const next: Capability | null = end instanceof PromisedCapability ? end.meanwhile : null;
      end = next === null ? null : settled(next);
    }
    return false;
  }

  /** Records what this has become, taking over the reference, and tells the listeners. Once only. */
  protected become(replacement: Capability): void {
    if (this.#resolution !== null) throw new Error('a promise was resolved twice');
    // Letting the replacement go may let the last holder of this go, before it has become anything.
    this.retain();
    if (this.isBehind(replacement)) {
      replacement.release();
      this.#resolution = new BrokenCapability(selfResolution());
    } else if (replacement instanceof PromisedCapability && this.#behind >= MAX_PROMISE_CHAIN) {
      replacement.release();
      this.#resolution = new BrokenCapability(tooLong());
    } else {
      if (replacement instanceof PromisedCapability) {
        replacement.#behind = Math.max(replacement.#behind, this.#behind + 1);
      }
      this.#resolution = replacement;
    }
    const first = this.#listener;
    const listeners = this.#listeners;
    this.#listener = null;
    this.#listeners = null;
    first?.();
    if (listeners !== null) for (const listener of listeners) listener();
    this.release();
  }

  protected override dropped(): void {
    this.#listener = null;
    this.#listeners = null;
    this.#resolution?.release();
  }
}

function selfResolution(): RpcError {
  return new RpcError('failed', 'a promise was resolved to itself', { code: 'ERR_RPC_SELF_RESOLUTION' });
}

function tooLong(): RpcError {
  return new RpcError(
    'overloaded',
    `more than ${MAX_PROMISE_CHAIN} promises in a row became one another (limit MAX_PROMISE_CHAIN)`,
    { code: 'ERR_RPC_PROMISE_CHAIN' },
  );
}

/** How many calls may wait in one promise. */
const QUEUE_LIMIT = 65_536;

/** A promise kept on this side. Calls wait in it and go on in their order when it resolves. */
export class QueuedCapability extends PromisedCapability {
  #queue: Set<QueuedCall> | null = null;
  #resolved = false;

  /** `abandoned` is told when the last reference goes before the promise was resolved. */
  constructor(private readonly abandoned: (() => void) | null = null) {
    super();
  }

  /** A promise of what `coming` gives, which is a new reference, or of the error with which it fails. */
  static of(coming: Promise<Capability>): QueuedCapability {
    const promise = new QueuedCapability();
    const settle = promise.retain();
    coming
      .then(
        (capability) => settle.resolve(capability),
        (error: unknown) => settle.reject(RpcError.from(error)),
      )
      .finally(() => settle.release());
    return promise;
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    const resolution = this.resolution;
    if (resolution !== null) return resolution.call(call, sink);
    this.#queue ??= new Set();
    const queue = this.#queue;
    if (queue.size >= QUEUE_LIMIT) {
      call.params.release();
      const error = new RpcError('overloaded', `${QUEUE_LIMIT} calls wait already for a promise to resolve`, {
        code: 'ERR_RPC_QUEUE_FULL',
      });
      return BrokenCapability.failing(error, sink);
    }
    // A waiting call keeps the promise alive: its caller may well hold on to nothing but the call.
    this.retain();
    const queued = new QueuedCall(call, sink, () => {
      if (queue.delete(queued)) this.release();
    });
    queue.add(queued);
    return queued;
  }

  /** Lets the waiting calls go to `target` and takes over the reference. Later calls stay behind them. */
  resolve(target: Capability): void {
    if (this.#resolved) throw new Error('a promise was resolved twice');
    this.#resolved = true;
    this.retain();
    const looped = this.isBehind(target);
    const destination = looped ? new BrokenCapability(selfResolution()) : target;
    // A call that is let go may make another one on this promise: that one joins the end of the queue.
    const queue = this.#queue;
    if (queue !== null)
      for (const call of queue) {
        queue.delete(call);
        call.forward(destination);
        this.release();
      }
    if (looped) target.release();
    this.become(destination);
    this.release();
  }

  reject(error: RpcError): void {
    this.resolve(new BrokenCapability(error));
  }

  protected override dropped(): void {
    if (!this.#resolved) this.abandoned?.();
    super.dropped();
  }
}

/** A call that waits for its target. */
class QueuedCall implements CallInProgress {
  #state: 'waiting' | 'forwarding' | 'forwarded' | 'cancelled' = 'waiting';
  #forwarded: CallInProgress | null = null;
  #sink: ReturnSink | null;
  readonly #pipelines = new LocalPipelines(() => this.#cancelIfUnwanted());

  constructor(
    private readonly call: Call,
    sink: ReturnSink,
    private readonly leaveQueue: () => void,
  ) {
    this.#sink = sink;
  }

  forward(target: Capability): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'forwarding';
    const forwarded = target.call(this.call, {
      answer: this.#sink?.answer,
      returned: (results) => this.#sink?.returned(results),
      failed: (error) => this.#sink?.failed(error),
    });
    this.#forwarded = forwarded;
    this.#state = 'forwarded';
    this.#pipelines.resolve((path) => forwarded.pipelined(path));
    if (this.#sink === null) forwarded.finish();
  }

  pipelined(path: Path): Capability {
    return this.#forwarded?.pipelined(path) ?? this.#pipelines.pipelined(path);
  }

  finish(): void {
    if (this.#sink === null) return;
    this.#sink = null;
    if (this.#state === 'forwarded') this.#forwarded?.finish();
    else this.#cancelIfUnwanted();
  }

  #cancelIfUnwanted(): void {
    if (this.#state !== 'waiting' || this.#sink !== null || !this.#pipelines.empty) return;
    this.#state = 'cancelled';
    this.call.params.release();
    this.leaveQueue();
  }
}

/**
 * The capabilities pipelined from a call that has not returned, one for each path, so that calls on one path stay in
 * order. They are not owned here: each belongs to its holders, and when the last holder lets go it leaves.
 */
export class LocalPipelines {
  #promises: Places<QueuedCapability> | null = null;

  /** `idle` is told when the last of them was let go. */
  constructor(private readonly idle: () => void) {}

  get empty(): boolean {
    return this.#promises === null || this.#promises.size === 0;
  }

  pipelined(path: Path): Capability {
    this.#promises ??= new Places();
    const promises = this.#promises;
    const known = promises.get(path);
    if (known !== undefined) return known.retain();
    const promise = new QueuedCapability(() => {
      promises.delete(path);
      if (promises.size === 0) this.idle();
    });
    promises.add(path, promise);
    return promise;
  }

  /** Resolves each with what `find` gives for its path: a new reference. */
  resolve(find: (path: Path) => Capability): void {
    if (this.#promises === null) return;
    const promises = this.#promises.entries();
    this.#promises = null;
    // A call that is let go may hand back the last reference to another of them.
    for (const { value } of promises) value.retain();
    for (const { path, value } of promises) {
      value.resolve(find(path));
      value.release();
    }
  }
}
