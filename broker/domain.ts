/**
 * One domain: started when it is needed, ended when it is told to or when its thread dies, and tried again after a pause
 * when it fails. One that may sleep is ended when it is idle, and what others hold of it wakes it. The home of its objects.
 */
import type { Logger } from 'pino';
import {
  Budgets,
  type CallOptions,
  type CallSignal,
  type Capability,
  capabilityOf,
  deferred,
  ImportedCapability,
  RemoteCapability,
  RpcError,
  type Session,
  type Stub,
  settled,
  stubFor,
  untilSettled,
} from '../rpc/index.js';
import { type InterfaceType, type SchemaGraph, sturdySchema } from '../schema/index.js';
import type { Entrance, Line } from './admission.js';
import { type Clock, SYSTEM_CLOCK } from './clock.js';
import type { DomainConfig } from './config.js';
import { CpuShare } from './cpu-share.js';
import { HandOver } from './hand-over.js';
import type { Home, Identity } from './home.js';
import { Idleness } from './idleness.js';
import { endReasonWait, type Instance, StartFailure, startInstance, startReason } from './instance.js';
import { inConfiguration, type LimitInUse, limitsInUse } from './limits-in-use.js';
import type { LineRate } from './line-rate.js';
import { ownership } from './ownership.js';
import { type ClientPace, DomainPace, Lane } from './pace.js';
import { Restarts } from './restarts.js';
import type { Placement, Supervisor } from './supervisor.js';
import type { Tier } from './tier.js';
import type { Code, Version } from './version.js';
import { WakingCapability } from './waking.js';

/** Calls that each client may have in flight here in any case. */
const CLIENT_SHARE = 8;

/** A domain that failed is tried again after this, doubled each time, up to the longest. In milliseconds. */
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 30_000;

/** A domain that ran for so long has recovered: its failures are forgotten. */
const RECOVERED = 10_000;

export interface DomainOptions {
  readonly id: string;
  readonly name: string;
  readonly config: DomainConfig;
  /** What it runs to begin with. */
  readonly version: Version;
  readonly supervisor: Supervisor;
  readonly entrance: Entrance;
  /** Of the lines that it logs. */
  readonly lines: LineRate;
  readonly log: Logger;
  readonly clock?: Clock;
}

type State =
  | { readonly is: 'stopped' | 'asleep' }
  /** `end` is how the start is given up. */
  | { readonly is: 'starting'; readonly ready: Promise<Instance>; readonly end: AbortController }
  | { readonly is: 'running'; readonly instance: Instance }
  /** Its connection is gone; its host is about to say why. */
  | { readonly is: 'ending'; readonly ended: Promise<void> }
  | { readonly is: 'failed'; readonly until: number };

export class Domain implements Home {
  readonly id: string;
  readonly name: string;
  #version: Version;
  readonly #options: DomainOptions;
  readonly #budgets: Budgets;
  readonly #pace = new DomainPace();
  readonly #log: Logger;
  readonly #clock: Clock;
  /** Of all its instances: one that has used up its share is not started again at once. */
  readonly #cpu: CpuShare;
  readonly #restarts: Restarts;
  #state: State = { is: 'stopped' };
  #placement: Placement | null = null;
  #starts = 0;
  /** How often another version was tried. */
  #upgrades = 0;
  #wakes = 0;
  #failures = 0;
  /** What others hold of its objects since it slept, by their ids. Not owned. */
  readonly #wakers = new Map<string, WakingCapability>();
  /** For the operator. */
  #detail = '';
  /** What of it is told to whoever asks for one of its objects. */
  #reason = '';
  /** Why its program could not be made, in full. */
  #fault: string | null = null;
  /** How the next try is given up. */
  #retry: (() => void) | null = null;
  #closing = false;

  constructor(options: DomainOptions) {
    this.#options = options;
    const { callsInFlight, cpuShare, cpuWindowMillis, restartsPerMinute } = options.config.limits;
    this.#cpu = new CpuShare(cpuShare, cpuWindowMillis);
    this.#budgets = new Budgets({ calls: { share: CLIENT_SHARE, pool: callsInFlight } });
    this.id = options.id;
    this.name = options.name;
    this.#version = options.version;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#restarts = new Restarts(restartsPerMinute, () => this.#clock.now());
    this.#log = options.log.child({ domain: options.name });
  }

  get graph(): SchemaGraph {
    return this.#version.graph;
  }

  get schema(): Uint8Array {
    return this.#version.schema;
  }

  get info(): {
    id: string;
    name: string;
    state: State['is'];
    detail: string;
    starts: number;
    hostPid: number;
    wakes: number;
    idleMillis: bigint;
    tier: Tier;
    limits: LimitInUse[];
    code: { program: string; origin: Code['origin']; since: bigint };
  } {
    const state = this.#state;
    const idleness = state.is === 'running' ? state.instance.idleness : null;
    const kept = idleness === null || idleness.keptBy === '' ? '' : `it could sleep, but ${idleness.keptBy}`;
    return {
      id: this.id,
      name: this.name,
      state: state.is === 'ending' ? 'stopped' : state.is,
      detail: this.#detail === '' ? kept : this.#detail,
      starts: this.#starts,
      hostPid: this.#placement?.hostPid ?? 0,
      wakes: this.#wakes,
      idleMillis: BigInt(idleness?.idleMillis ?? 0),
      tier: this.#options.config.tier,
      limits: this.#limits(),
      code: this.#code(),
    };
  }

  #code(): { program: string; origin: Code['origin']; since: bigint } {
    const { program, origin, since } = this.#version.code;
    return {
      program: program === null ? '' : Buffer.from(program).toString('hex'),
      origin,
      since: BigInt(since),
    };
  }

  #limits(): LimitInUse[] {
    const running = this.#state.is === 'running' ? this.#state.instance : null;
    const connection = running?.session.connection;
    const use = this.#placement?.use;
    return limitsInUse(this.#options.config.limits, {
      heapBytes: use?.heapBytes,
      offHeapBytes: use?.offHeapBytes,
      cpuShare: this.#cpu.used,
      callsInFlight: connection?.callsAwaited ?? 0,
      exports: connection?.tables.imports ?? 0,
      bytesQueued: running?.line.bytesQueued() ?? 0,
      logLines: this.#options.lines.lines,
      restarts: this.#restarts.recent,
    });
  }

  lane(client: ClientPace): Lane {
    return new Lane(this.#budgets.accounts().calls, this.#pace, client);
  }

  /** Of its main object. */
  get mainInterface(): InterfaceType {
    return this.graph.interface(this.#options.config.interface);
  }

  // ---- the home of its objects ----------------------------------------------------------------------------------

  async restore(object: string, signal?: CallSignal): Promise<Capability> {
    const instance = await this.running();
    signal?.throwIfAborted();
    const pending = instance.restorer.restore(
      { object: new TextEncoder().encode(object) },
      signal === undefined ? {} : { signal },
    );
    const { cap } = (await pending) as { cap: Stub | null };
    if (cap === null) {
      throw new RpcError('failed', `domain ${this.name} has no object ${JSON.stringify(object)}`, {
        code: 'ERR_DOMAIN_NO_OBJECT',
      });
    }
    using stub = cap;
    await this.#checkOwn(capabilityOf(stub), instance, signal);
    return capabilityOf(stub).retain();
  }

  /** Where there are flow labels, what is restored of a domain is its own: what others passed to it may not go where that may. */
  async #checkOwn(capability: Capability, { session }: Instance, signal?: CallSignal): Promise<void> {
    if (this.#options.config.label === undefined) return;
    const end = await untilSettled(capability, signal);
    if (end instanceof RemoteCapability && end.connection === session.connection) return;
    throw new RpcError('failed', `domain ${this.name} has no such object of its own`, {
      code: 'ERR_DOMAIN_NO_OBJECT',
    });
  }

  async identify(capability: Capability, signal?: CallSignal): Promise<Identity | null> {
    const state = this.#state;
    const end = settled(capability);
    const successor =
      end instanceof ImportedCapability && end.successor !== null ? settled(end.successor) : null;
    if (successor instanceof WakingCapability) {
      const { home, isGone, identity } = successor;
      return home === this && !isGone ? identity : null;
    }
    // Where it waits to be handed over, it is asked when that is done.
    if (successor?.isPromise === true) {
      await this.#upgrading?.over;
      return this.identify(capability, signal);
    }
    if (state.is !== 'running' || !(end instanceof RemoteCapability)) return null;
    if (end.connection !== state.instance.session.connection) return null;
    using identified = stubFor(end.retain(), sturdySchema().interface('Identified')) as Stub & {
      identify(
        params: object,
        options: CallOptions,
      ): Promise<{ object: Uint8Array; interfaceId: bigint; persistent: boolean }>;
    };
    const { object, interfaceId, persistent } = await identified.identify(
      {},
      signal === undefined ? {} : { signal },
    );
    if (!this.graph.has(interfaceId)) return null;
    // An id is saved as text, and is to be the same bytes again: no byte order mark may be dropped from it.
    const id = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(object);
    if (Buffer.compare(new TextEncoder().encode(id), object) !== 0) return null;
    return { object: id, interfaceId, persistent };
  }

  // ---- its life ---------------------------------------------------------------------------------------------------

  /** The running instance; starts one if there is none. Rejects with `disconnected`, naming the domain and the reason. */
  running(): Promise<Instance> {
    const state = this.#state;
    if (this.#closing) return Promise.reject(this.#unavailable('the broker stops'));
    // Who asks while it is being stopped gets another instance.
    if (this.#stopping !== null) return this.#stopping.then(() => this.running());
    if (this.#upgrading !== null) return this.#upgrading.over.then(() => this.running());
    if (state.is === 'running') return Promise.resolve(state.instance);
    if (state.is === 'starting') return state.ready;
    if (state.is === 'ending') return state.ended.then(() => this.running());
    if (state.is === 'failed' && this.#clock.now() < state.until) {
      return Promise.reject(
        this.#unavailable(
          `${this.#reason}; tried ${this.#failures} times, again in ${state.until - this.#clock.now()} ms`,
        ),
      );
    }
    if (state.is === 'asleep') this.#wakes++;
    if (state.is === 'failed') this.#restarts.add();
    const end = new AbortController();
    const ready = this.#start(this.#version, end.signal, (placement) => {
      this.#placement = placement;
    });
    this.#state = { is: 'starting', ready, end };
    ready.then(
      (instance) => {
        if (this.#state.is === 'starting') this.#run(instance);
      },
      (error: unknown) => {
        this.#placement = null;
        if (end.signal.aborted) this.#stopped((end.signal.reason as Error).message);
        else this.#failed(startReason(error), this.#failures + 1, this.#fault);
      },
    );
    return ready;
  }

  /** Nothing that an old instance is at may keep a new one from its host, or take that with it. */
  get #group(): string {
    const { group, trusted } = this.#options.config;
    if (group !== undefined) return group;
    if (trusted) return 'trusted';
    return this.#upgrades === 0 ? `domain:${this.name}` : `domain:${this.name}:${this.#upgrades}`;
  }

  #run(instance: Instance): void {
    this.#placement = instance.placement;
    this.#state = { is: 'running', instance };
    this.#detail = '';
    void instance.session.closed.then((reason) => this.#disconnected(instance, reason));
    this.#log.info({ starts: this.#starts, host: instance.placement.hostPid }, 'domain started');
  }

  /** One try of this version. `placed` is told of its thread. */
  async #start(
    { program }: Version,
    end: AbortSignal,
    placed: (placement: Placement) => void,
  ): Promise<Instance> {
    this.#starts++;
    this.#fault = null;
    const { config, supervisor, entrance } = this.#options;
    try {
      return await startInstance(
        {
          name: this.name,
          group: this.#group,
          config,
          mainInterface: this.mainInterface.id,
          supervisor,
          entrance,
          cpu: this.#cpu,
          program,
          now: () => this.#clock.now(),
          idleness: (session, restorer, line) => this.#idleness(session, restorer, line),
          own: ({ cap }, { signal }) => ownership(cap, this, signal),
          placed,
          ended: (placement, reason) => this.#ended(placement, reason),
        },
        end,
      );
    } catch (cause) {
      if (cause instanceof StartFailure) this.#fault = cause.fault;
      throw this.#unavailable(
        RpcError.from(cause).message,
        cause instanceof StartFailure ? cause.cause : cause,
      );
    }
  }

  /** The watch over whether an instance is idle, where it is to sleep then. */
  #idleness(session: Session, restorer: Stub, line: Line): Idleness | null {
    const { idleMillis } = this.#options.config;
    if (idleMillis === undefined) return null;
    return new Idleness({
      session,
      restorer: settled(capabilityOf(restorer)),
      traffic: () => line.traffic(),
      idleMillis,
      identify: (capability) => this.identify(capability),
      isOwn: ({ row: { owner } }) => owner.kind === 'domain' && owner.id === this.id,
      isWaking: () => this.#upgrading !== null || [...this.#wakers.values()].some(({ isWaking }) => isWaking),
      onIdle: (held) => {
        const state = this.#state;
        if (state.is === 'running' && state.instance.session === session) this.#sleep(state.instance, held);
      },
    });
  }

  /** Ends an instance that is idle. In this turn, whatever others hold of it gets something in its place that wakes it. */
  #sleep({ session }: Instance, held: ReadonlyMap<ImportedCapability, Identity>): void {
    if (this.#stopping !== null) return;
    for (const each of held.keys()) each.retain();
    for (const [id, waker] of this.#wakers) {
      // One that a crash has broken stays so, and is nobody's successor.
      if (waker.isGone) this.#wakers.delete(id);
      else waker.sleep();
    }
    for (const [each, identity] of held) {
      each.succeed(this.#waker(identity));
      each.release();
    }
    this.#restingState = 'asleep';
    session.close(`domain ${this.name} sleeps`);
    void this.#stop('it was idle');
  }

  /** The upgrade that is under way, and how it is given up. */
  #upgrading: { readonly over: Promise<void>; readonly end: AbortController } | null = null;

  /**
   * Has the domain run another version. Whoever restores an object of it, or calls one that has an id, waits meanwhile. Calls that
   * are under way at the instance that runs may go on for so many milliseconds; then those that are left are cut, as soon as the
   * new instance is there: `cut` of them. When it is, and before it is sent anything, `commit` is called. Rejects where it cannot be
   * started, or that fails: then everything goes on as before.
   */
  async upgrade(
    version: Version,
    drainMillis: number,
    commit: (cut: number) => Promise<void>,
  ): Promise<{ cut: number }> {
    if (this.#closing) throw this.#unavailable('the broker stops');
    if (this.#upgrading !== null) {
      throw new RpcError('failed', `domain ${this.name} is being upgraded already`, {
        code: 'ERR_DOMAIN_UPGRADING',
      });
    }
    await this.#stopping;
    if (this.#state.is === 'starting') await this.#state.ready.catch(() => {});
    if (this.#state.is === 'ending') await this.#state.ended;
    const { promise: over, fulfil: done } = deferred<void>();
    const end = new AbortController();
    this.#upgrading = { over, end };
    try {
      return await this.#replace(version, drainMillis, commit, end.signal);
    } finally {
      this.#upgrading = null;
      done();
    }
  }

  async #replace(
    version: Version,
    drainMillis: number,
    commit: (cut: number) => Promise<void>,
    end: AbortSignal,
  ): Promise<{ cut: number }> {
    const running = this.#state.is === 'running' ? this.#state.instance : null;
    const handOver =
      running === null
        ? null
        : new HandOver({
            session: running.session,
            restorer: settled(capabilityOf(running.restorer)),
            identify: (capability) => this.identify(capability),
          });
    let next: Instance;
    let cut = 0;
    try {
      cut = (await handOver?.drained(drainMillis, end)) ?? 0;
      this.#upgrades++;
      next = await this.#start(version, end, () => {});
      await commit(cut).catch(async (error) => {
        await discard(next, `domain ${this.name} was not upgraded`);
        throw error;
      });
    } catch (error) {
      handOver?.giveBack();
      throw error;
    }
    this.#version = version;
    this.#failures = 0;
    this.#retry?.();
    this.#retry = null;
    this.#run(next);
    // In this turn: what has woken before is found again at the new instance, and so is what waits.
    for (const waker of this.#wakers.values()) if (!waker.isGone && !waker.isWaking) waker.sleep();
    handOver?.passOn((identity) => this.#waker(identity));
    if (running !== null) await discard(running, `domain ${this.name} was upgraded`);
    this.#log.info({ cut }, 'domain upgraded');
    return { cut };
  }

  /** What wakes the domain for the object of this id: a new reference. */
  #waker(identity: Identity): WakingCapability {
    const known = this.#wakers.get(identity.object);
    if (known !== undefined) return known.retain();
    const made = new WakingCapability(this, identity, () => {
      if (this.#wakers.get(identity.object) === made) this.#wakers.delete(identity.object);
    });
    this.#wakers.set(identity.object, made);
    return made;
  }

  /** Records a failure and sets the pause before the next try: `doublings` times the first. */
  #failed(reason: string, doublings: number, fault: string | null = null): void {
    this.#failures++;
    const usual = doublings === 0 ? 0 : Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (doublings - 1));
    const { restMillis: restarts } = this.#restarts;
    const pause = Math.max(usual, this.#cpu.restMillis, restarts);
    const why = restarts === 0 ? '' : `, and it was restarted ${this.#restarts}`;
    this.#reason = inConfiguration(reason) + why;
    this.#detail = fault === null ? this.#reason : fault + why;
    this.#state = { is: 'failed', until: this.#clock.now() + pause };
    this.#log.error({ failures: this.#failures, pause }, `domain failed: ${this.#detail}`);
    if (this.#options.config.start === 'eager' && !this.#closing && this.#stopping === null) {
      this.#retry = this.#clock.after(pause, () => void this.running().catch(() => {}));
    }
  }

  /** The connection of the running instance is gone, for this reason if its host knows no better one. */
  #disconnected(instance: Instance, reason: RpcError): void {
    if (this.#state.is !== 'running' || this.#state.instance !== instance) return;
    const { placement } = instance;
    const { promise: told, fulfil: resolve } = deferred<string>();
    this.#endReason = resolve;
    const timer = setTimeout(() => resolve(`its connection ended: ${reason.message}`), endReasonWait(reason));
    const ended = told.then(async (why) => {
      clearTimeout(timer);
      this.#endReason = null;
      await placement?.terminate(why).catch(() => {});
      if (this.#placement === placement) this.#placement = null;
      this.#settleEnd(instance, why);
    });
    this.#state = { is: 'ending', ended };
  }

  #endReason: ((reason: string) => void) | null = null;

  /** The thread is gone, says its host. */
  #ended(placement: Placement, reason: string): void {
    // One that was replaced, or that was to replace it, is none of its life's.
    if (this.#placement !== placement) return;
    this.#placement = null;
    this.#endReason?.(reason);
    const state = this.#state;
    if (state.is !== 'running' || state.instance.placement !== placement) return;
    this.#settleEnd(state.instance, reason);
    state.instance.session.close(`domain ${this.name} ended: ${reason}`);
  }

  #settleEnd(instance: Instance, reason: string): void {
    // Another may have taken its place meanwhile.
    if (this.#state.is === 'running' && this.#state.instance !== instance) return;
    if (this.#clock.now() - instance.since > RECOVERED) this.#failures = 0;
    if (this.#stopping !== null) this.#stopped(reason);
    // One that ran may be started again at once, for the first time.
    else this.#failed(`it ended: ${reason}`, this.#failures);
  }

  #stopped(reason: string): void {
    this.#state = { is: this.#restingState };
    this.#detail = reason;
    this.#log.info(`domain stopped: ${reason}`);
  }

  /** The stop that is under way. */
  #stopping: Promise<void> | null = null;
  /** What it will be when that is done. */
  #restingState: 'stopped' | 'asleep' = 'stopped';

  /**
   * Ends the thread, if there is one, and a start, if one is under way. Live capabilities to its objects break; its
   * references stay good.
   */
  stop(reason: string): Promise<void> {
    this.#restingState = 'stopped';
    const error = new RpcError('disconnected', `domain ${this.name} ended: ${reason}`, {
      code: 'ERR_DOMAIN_GONE',
    });
    for (const waker of [...this.#wakers.values()]) waker.break(error);
    this.#wakers.clear();
    return this.#stop(reason);
  }

  #stop(reason: string): Promise<void> {
    this.#stopping ??= this.#end(reason).finally(() => {
      this.#stopping = null;
    });
    return this.#stopping;
  }

  async #end(reason: string): Promise<void> {
    this.#retry?.();
    this.#retry = null;
    if (this.#upgrading !== null) {
      this.#upgrading.end.abort(new Error(reason));
      await this.#upgrading.over;
    }
    if (this.#state.is === 'starting') {
      const { end, ready } = this.#state;
      end.abort(new Error(reason));
      await ready.catch(() => {});
    }
    if (this.#state.is === 'ending') await this.#state.ended;
    const placement = this.#placement;
    if (placement !== null) {
      await placement.terminate(reason);
      this.#ended(placement, reason);
      await this.#untilSettled();
    }
    this.#state = { is: this.#restingState };
  }

  async #untilSettled(): Promise<void> {
    if (this.#state.is === 'ending') await this.#state.ended;
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.stop('the broker stops');
  }

  #unavailable(reason: string, cause?: unknown): RpcError {
    const type = cause instanceof RpcError && cause.type === 'overloaded' ? 'overloaded' : 'disconnected';
    return new RpcError(type, `domain ${this.name} cannot be started: ${reason}`, {
      code: 'ERR_DOMAIN_UNAVAILABLE',
      cause,
    });
  }
}

/** Ends an instance that is none of a domain's life. */
async function discard({ idleness, session, placement }: Instance, reason: string): Promise<void> {
  idleness?.stop();
  session.close(reason);
  await placement.terminate(reason).catch(() => {});
}
