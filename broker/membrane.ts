/**
 * The membrane of a grant, towards one holder: what stands between a domain (inside) and whoever holds the grant (outside).
 *
 * It is deep: whatever passes out through it, as a result or as an argument of a callback, is under the grant. What a
 * holder passes in is bound to the grant's life, but not to its method list. And coming home is not amplification: a
 * capability that went out under a grant stays under it when it comes back, even to the domain that made it, for what
 * the domain does with it is the holder's doing: it may keep it, and hand it to somebody else. What a holder passed in
 * and gets back is its own again.
 *
 * When the grant dies, everything that came through it is let go of at once, whether its holder holds on to it or not.
 *
 * Where there are flow labels, nothing passes that they forbid: a call with such a capability in its params is not made, results
 * with one are withheld, and a promise that becomes one breaks. So whoever may not have it hears nothing of it.
 *
 * It decides on the bytes it forwards, and forwards at once: a call is under way towards its target when `call` returns, or in
 * the line of its grant, where what it is counted by has to be reserved on disk first.
 */
import {
  BrokenCapability,
  type Call,
  type CallInProgress,
  Capability,
  type ImportedCapability,
  Payload,
  type Relay,
  type ReturnSink,
  RpcError,
  settled,
} from '../rpc/index.js';
import { NOWHERE } from './bag.js';
import {
  against,
  type Crossing,
  type Direction,
  type Forbidden,
  forbidden,
  NO_SOURCES,
  type Sources,
} from './flow/crossing.js';
import { ScreenedPromise } from './flow/screened-promise.js';
import type { Cuttable, LiveGrant } from './live-grant.js';
import { MembranedCall, RelayedCall } from './membraned-call.js';
import type { Lane } from './pace.js';
import type { Peer } from './peer.js';
import { IN_LINE, type Verdict } from './policy/verdict.js';
import { type Passage, WaitingCall } from './waiting-call.js';

/** What the broker does itself for what passed out: it answers saving and attenuating, and keeps an audit log. */
export interface MembraneServices {
  /** Whether calls of this interface are the broker's. */
  answers(interfaceId: bigint): boolean;
  /** Whether no holder may call this interface at all: it is between the domain and the broker. */
  conceals(interfaceId: bigint): boolean;
  /** A capability that answers for `capability`: a new reference. */
  serviceFor(capability: MembranedCapability): Capability;
  /** Told of every call by a holder that its grant refuses, or whose results it withholds: for the audit log. */
  refused(membrane: Membrane, refusal: RpcError): void;
  /** What flow labels say of a membrane; null: nothing, for there are none, or it is the broker's own object. */
  crossing(grant: LiveGrant, peer: Peer | null): Crossing | null;
  /** Told of every capability that did not pass by that. */
  flowRefused(membrane: Membrane, what: Forbidden): void;
}

export class Membrane {
  readonly #wrapped: Record<Direction, Map<Capability, MembranedCapability | ScreenedPromise>> = {
    out: new Map(),
    in: new Map(),
  };
  readonly crossing: Crossing | null;

  constructor(
    readonly grant: LiveGrant,
    readonly services: MembraneServices,
    /** Told whenever nothing is wrapped by it any more. */
    private readonly idle: () => void = () => {},
    /** What its holder has in flight inside. Null: there is no bound. */
    readonly lane: Lane | null = null,
    /** Its holder, for the audit log. Null: the broker itself. */
    readonly peer: Peer | null = null,
  ) {
    this.crossing = services.crossing(grant, peer);
  }

  /** Whether anything is wrapped by it. */
  get inUse(): boolean {
    return this.#wrapped.out.size + this.#wrapped.in.size > 0;
  }

  /** Passes a capability out, to the holder. Takes the reference over and gives a new one. */
  outward(capability: Capability): Capability {
    const end = settled(capability);
    if (end instanceof MembranedCapability && end.membrane === this) {
      // A holder's own, which comes back; or one that is out already.
      return exchange(capability, end.direction === 'in' ? end.inner : end);
    }
    return this.#wrap(exchange(capability, end), 'out');
  }

  /** Passes a capability in, to the domain. Takes the reference over and gives a new one. */
  inward(capability: Capability): Capability {
    const end = settled(capability);
    if (end instanceof MembranedCapability && end.membrane === this) return exchange(capability, end);
    return this.#wrap(exchange(capability, end), 'in');
  }

  #wrap(inner: Capability, direction: Direction): Capability {
    if (inner.brokenBy !== null) return inner;
    const dead = this.grant.dead();
    if (dead !== null) {
      inner.release();
      return new BrokenCapability(dead);
    }
    const known = this.#wrapped[direction].get(inner);
    if (known !== undefined) {
      inner.release();
      return known.retain();
    }
    if (this.#forbids(inner, direction)) {
      inner.release();
      return new BrokenCapability(forbidden(null));
    }
    const wrapped =
      inner.isPromise && this.crossing?.screens(direction) === true
        ? this.#screen(inner, direction)
        : new MembranedCapability(this, inner, direction);
    this.#wrapped[direction].set(inner, wrapped);
    return wrapped;
  }

  /** What wraps `inner` is gone. */
  left(inner: Capability, direction: Direction): void {
    this.#wrapped[direction].delete(inner);
    if (!this.inUse) this.idle();
  }

  #screen(promise: Capability, direction: Direction): ScreenedPromise {
    const screened: ScreenedPromise = new ScreenedPromise(promise, {
      pass: (resolved) => (direction === 'out' ? this.outward(resolved) : this.inward(resolved)),
      left: () => {
        this.grant.leave(screened);
        this.left(promise, direction);
      },
    });
    this.grant.enter(screened);
    return screened;
  }

  /** Whether flow labels keep `capability` from passing that way; then it is known to whom it may concern. */
  #forbids(capability: Capability, direction: Direction): boolean {
    if (this.crossing === null || capability.brokenBy !== null) return false;
    const found = this.crossing.forbids(sourcesOf(capability), direction);
    if (found !== null) this.services.flowRefused(this, found);
    return found !== null;
  }

  /** Whether they keep a capability of `payload` from passing. */
  forbidsPassing({ capabilities }: Payload, direction: Direction): boolean {
    if (this.crossing === null) return false;
    return capabilities.some((each) => each !== null && this.#forbids(settled(each), direction));
  }

  /** The payload with every capability passed on. Takes `payload` over. */
  pass(payload: Payload, direction: Direction): Payload {
    if (payload.capabilities.length === 0) return payload;
    const capabilities = payload.capabilities.map((capability) => {
      if (capability === null) return null;
      return direction === 'out' ? this.outward(capability.retain()) : this.inward(capability.retain());
    });
    payload.release();
    return new Payload(payload.body, capabilities);
  }
}

/** Whoever a capability came from, as far as membranes know: not whose connection it is on. */
function sourcesOf(settledCapability: Capability): Sources {
  return settledCapability instanceof MembranedCapability ? settledCapability.sources : NO_SOURCES;
}

/** A reference to `to`, for one to `from`, on which it depends. */
function exchange(from: Capability, to: Capability): Capability {
  if (from === to) return from;
  to.retain();
  from.release();
  return to;
}

export class MembranedCapability extends Capability implements Cuttable, Passage {
  readonly is = 'capability';
  place = NOWHERE;
  /** Everybody that it came from, by their flow labels. */
  readonly sources: Sources;
  #inner: Capability;
  /** Calls on it that wait in the line of the grant. */
  #inLine = 0;
  #resolution: Capability | null = null;
  #hasLeft = false;
  /** Who waits for the resolution of a promise, with the ways to leave it. */
  #waiting: Map<() => void, () => void> | null = null;

  /** Takes over the reference to `inner`. */
  constructor(
    readonly membrane: Membrane,
    inner: Capability,
    readonly direction: Direction,
  ) {
    super();
    this.#inner = inner;
    const { crossing } = membrane;
    const sources = sourcesOf(inner);
    this.sources = crossing === null ? sources : crossing.sources(sources, direction);
    membrane.grant.enter(this);
  }

  /** What is wrapped; broken once the grant is dead. Borrowed. */
  get inner(): Capability {
    return this.#inner;
  }

  override get isPromise(): boolean {
    return this.#inner.isPromise;
  }

  override get resolution(): Capability | null {
    // Calls on what it becomes would overtake those that wait.
    if (this.#resolution === null && this.#inLine === 0 && this.#inner.resolution !== null) {
      const resolved = settled(this.#inner).retain();
      this.#resolution =
        this.direction === 'out' ? this.membrane.outward(resolved) : this.membrane.inward(resolved);
    }
    return this.#resolution;
  }

  override onResolution(listener: () => void): () => void {
    this.#waiting ??= new Map();
    const waiting = this.#waiting;
    const told = () => {
      if (this.#inLine === 0 && waiting.delete(listener)) listener();
    };
    waiting.set(listener, () => {});
    if (this.#inner.resolution === null) waiting.set(listener, this.#inner.onResolution(told));
    return () => {
      waiting.get(listener)?.();
      waiting.delete(listener);
    };
  }

  /** The grant is dead: lets go of what was wrapped, though its holder may hold on to this. */
  cut(reason: RpcError): void {
    const inner = this.#inner;
    const waiting = [...(this.#waiting ?? [])];
    this.#waiting?.clear();
    this.#leave();
    this.#inner = new BrokenCapability(reason);
    // Of a promise that has not resolved it becomes the resolution; one that has goes through its own wrapper.
    if (inner.isPromise) this.#resolution ??= this.#inner.retain();
    for (const [listener, leave] of waiting) {
      leave();
      listener();
    }
    inner.release();
  }

  #leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.membrane.grant.leave(this);
    this.membrane.left(this.#inner, this.direction);
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    const { grant, services } = this.membrane;
    if (
      call.params.capabilities.length > 0 &&
      this.membrane.forbidsPassing(call.params, against(this.direction))
    ) {
      call.params.discard();
      return BrokenCapability.failing(forbidden('params'), sink);
    }
    const isOut = this.direction === 'out';
    const isService = isOut && services.answers(call.interfaceId);
    const refusal: Verdict = !isOut
      ? grant.refusesCallback(call)
      : services.conceals(call.interfaceId)
        ? new RpcError('unimplemented', 'this interface is between a domain and the broker')
        : this.#told(isService ? grant.dead() : grant.refuses(call));
    if (refusal === IN_LINE) return this.#wait(call, sink);
    if (refusal !== null) {
      call.params.discard();
      return BrokenCapability.failing(refusal, sink);
    }
    if (isService) {
      const service = services.serviceFor(this);
      const inProgress = service.call(call, sink);
      service.release();
      return inProgress;
    }
    return this.forward(call, sink);
  }

  /** Hands on a call that may pass. */
  forward(call: Call, sink: ReturnSink): CallInProgress {
    const { grant, lane } = this.membrane;
    const number = this.direction === 'out' && lane !== null ? lane.enter() : 0;
    if (number === null) {
      grant.giveBack(call.params.body.bytes);
      call.params.discard();
      const why = `domain ${grant.row.domain} has as many calls in flight as it may (limits.callsInFlight)`;
      return BrokenCapability.failing(new RpcError('overloaded', why, { code: 'ERR_DOMAIN_BUSY' }), sink);
    }
    return MembranedCall.make(this, call, sink, number);
  }

  override get relaysTo(): ImportedCapability | null {
    return this.#inner.route;
  }

  override relay(call: Call, target: ImportedCapability): Relay | null {
    const { membrane, direction } = this;
    const { grant, services, lane } = membrane;
    const { interfaceId } = call;
    const isOut = direction === 'out';
    if (isOut && (services.answers(interfaceId) || services.conceals(interfaceId))) return null;
    if ((isOut ? grant.refuses(call) : grant.refusesCallback(call)) !== null) return null;
    const number = isOut && lane !== null ? lane.enter() : 0;
    if (number === null) {
      grant.giveBack(call.params.body.bytes);
      return null;
    }
    return new RelayedCall(membrane, direction, target, call.hints?.noPromisePipelining === true, number);
  }

  #wait(call: Call, sink: ReturnSink): CallInProgress {
    const { grant } = this.membrane;
    // The holder may let go of it when it has called.
    this.retain();
    this.#inLine++;
    const { waiting, inProgress } = WaitingCall.join(call, sink, grant.line, this);
    grant.enter(waiting);
    return inProgress;
  }

  judge(call: Call): Verdict {
    const isCallback = this.direction === 'in';
    const verdict = this.membrane.grant.judgeAgain(call, isCallback);
    return isCallback ? verdict : this.#told(verdict);
  }

  /** The verdict on a call by the holder. */
  #told(verdict: Verdict): Verdict {
    if (verdict instanceof RpcError) this.membrane.services.refused(this.membrane, verdict);
    return verdict;
  }

  ended(waiting: WaitingCall): void {
    this.membrane.grant.leave(waiting);
    const listeners = this.#waiting;
    if (--this.#inLine === 0 && this.#inner.resolution !== null && listeners !== null)
      for (const listener of [...listeners.keys()]) if (listeners.delete(listener)) listener();
    this.release();
  }

  protected override dropped(): void {
    this.#leave();
    this.#resolution?.release();
    this.#inner.release();
  }
}
