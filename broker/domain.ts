/**
 * One domain: started when it is needed, ended when it is told to or when its thread dies, and tried again after a pause
 * when it fails. One that may sleep is ended when it is idle, and what others hold of it wakes it. The home of its objects.
 */
import type { Logger } from 'pino';
import {
  Budgets,
  type CallContext,
  type CallOptions,
  type CallSignal,
  type Capability,
  capabilityOf,
  causeOf,
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
import type { Entrance, Expected, Line } from './admission.js';
import { type Clock, SYSTEM_CLOCK } from './clock.js';
import type { DomainConfig } from './config.js';
import { CpuShare } from './cpu-share.js';
import type { Home, Identity } from './home.js';
import { Idleness } from './idleness.js';
import { inConfiguration, type LimitInUse, limitsInUse } from './limits-in-use.js';
import type { LineRate } from './line-rate.js';
import { ownership } from './ownership.js';
import { type ClientPace, DomainPace, Lane } from './pace.js';
import { Restarts } from './restarts.js';
import type { Placement, Supervisor } from './supervisor.js';
import type { Tier } from './tier.js';
import { WakingCapability } from './waking.js';

/** Calls that each client may have in flight here in any case. */
const CLIENT_SHARE = 8;

/** How long a domain may take from when it has a thread to its `ready`, in milliseconds. */
const START_LIMIT = 30_000;

/** How long to wait for the reason of a thread's end, when its connection has ended already. In milliseconds. */
const END_REASON_WAIT = 500;

/** A domain that failed is tried again after this, doubled each time, up to the longest. In milliseconds. */
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 30_000;

/** A domain that ran for so long has recovered: its failures are forgotten. */
const RECOVERED = 10_000;

/** What the shell is given: Program of schema/domain.capnp. The stubs in `grants` are this instance's own. */
export interface Program {
  readonly source: string;
  /** CodeGeneratorRequests with every interface that it speaks. */
  readonly schemas: readonly Uint8Array[];
  readonly grants: readonly { name: string; interfaceId: bigint; cap: Stub }[];
}

export interface DomainOptions {
  readonly id: string;
  readonly name: string;
  readonly config: DomainConfig;
  readonly graph: SchemaGraph;
  readonly schema: Uint8Array;
  /** The program and the grants for a new instance. */
  program(): Promise<Program>;
  readonly supervisor: Supervisor;
  readonly entrance: Entrance;
  /** Of the lines that it logs. */
  readonly lines: LineRate;
  readonly log: Logger;
  readonly clock?: Clock;
}

/** A running thread. */
interface Instance {
  readonly session: Session;
  readonly restorer: Stub & {
    restore(params: { object: Uint8Array }, options: CallOptions): PromiseLike<unknown> & { cap: Stub };
  };
  readonly since: number;
  readonly line: Line;
  /** Where it is put to sleep when it is idle. */
  readonly idleness: Idleness | null;
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
  readonly graph: SchemaGraph;
  readonly schema: Uint8Array;
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
    this.graph = options.graph;
    this.schema = options.schema;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#restarts = new Restarts(restartsPerMinute, () => this.#clock.now());
    this.#log = options.log.child({ domain: options.name });
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
    if (end instanceof ImportedCapability && end.successor instanceof WakingCapability) {
      const { home, isGone, identity } = end.successor;
      return home === this && !isGone ? identity : null;
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
    const ready = this.#start(end.signal);
    this.#state = { is: 'starting', ready, end };
    ready.then(
      (instance) => {
        if (this.#state.is === 'starting') this.#state = { is: 'running', instance };
        this.#detail = '';
        void instance.session.closed.then((reason) => this.#disconnected(instance, reason.message));
        this.#log.info({ starts: this.#starts, host: this.#placement?.hostPid }, 'domain started');
      },
      (error: unknown) => {
        if (end.signal.aborted) this.#stopped((end.signal.reason as Error).message);
        else
          this.#failed(RpcError.from(causeOf(RpcError.from(error))).message, this.#failures + 1, this.#fault);
      },
    );
    return ready;
  }

  /** One try. Whatever it is at, it is over at once when `end` is aborted, and rejects with the reason of that. */
  async #start(end: AbortSignal): Promise<Instance> {
    this.#starts++;
    const { promise: entered, fulfil: enter, reject: refuse } = deferred<Instance>();
    // A late refusal, after it has settled or when nobody waits, is nobody's business.
    entered.catch(() => {});
    end.addEventListener('abort', () => refuse(end.reason as Error), { once: true });
    let program: Program | null = null;
    let expected: Expected | null = null;
    let timer: NodeJS.Timeout | undefined;
    let placement: Placement | null = null;
    try {
      const made = await this.#program(entered);
      program = made;
      const { limits, tier, group, trusted } = this.#options.config;
      const line = { imports: limits.exports, bytesQueued: limits.queuedMiB * 1024 * 1024 };
      expected = this.#options.entrance.expect(this.name, line, (session, seen) => {
        // Nobody is let in to a start that is over.
        entered.catch(() => session.close('its start was given up'));
        return this.#admit(session, seen, made, enter, refuse);
      });
      const placed = await this.#options.supervisor.start({
        domain: this.name,
        tier,
        group: group ?? (trusted ? 'trusted' : `domain:${this.name}`),
        limits: {
          heapMebibytes: limits.heapMiB,
          offHeapMebibytes: limits.offHeapMiB,
          turnMillis: limits.turnMillis,
        },
        cpu: this.#cpu,
        token: expected.token,
        signal: end,
        onEnd: (reason) => {
          refuse(new Error(reason));
          this.#ended(placed, reason);
        },
      });
      placement = placed;
      this.#placement = placed;
      // Neither clock runs while the domain waits for its turn, for a host or for a thread.
      expected.begin();
      timer = setTimeout(() => refuse(new Error(`it was not ready within ${START_LIMIT} ms`)), START_LIMIT);
      return await entered;
    } catch (cause) {
      const { message } = RpcError.from(cause);
      await placement?.terminate(end.aborted ? message : 'the start failed').catch(() => {});
      this.#placement = null;
      throw this.#unavailable(message, cause);
    } finally {
      clearTimeout(timer);
      expected?.withdraw();
      if (program !== null) disposeGrants(program);
    }
  }

  /** The program for this try, unless it is given up before there is one. */
  async #program(entered: Promise<Instance>): Promise<Program> {
    this.#fault = null;
    const making = this.#options.program().catch((cause: unknown) => {
      if (cause instanceof RpcError) throw cause;
      // What it says may name files of this machine: that is for the operator, and not for whoever restores a reference.
      this.#fault = RpcError.from(cause).message;
      throw new Error("its program cannot be made; the broker's log says why", { cause });
    });
    try {
      // Nobody enters without a program: this is only how the start is given up.
      return await Promise.race([making, entered as Promise<never>]);
    } catch (error) {
      // One that comes too late is nobody's.
      making.then(disposeGrants, () => {});
      throw error;
    }
  }

  #admit(
    session: Session,
    line: Line,
    program: Program,
    enter: (instance: Instance) => void,
    refuse: (error: Error) => void,
  ) {
    let loaded = false;
    // Its host knows better why, and says so in a moment.
    void session.closed.then((reason) =>
      setTimeout(() => refuse(new Error(`its connection ended: ${reason.message}`)), END_REASON_WAIT).unref(),
    );
    return {
      load: async () => {
        if (loaded) throw new RpcError('failed', 'the program was loaded already');
        loaded = true;
        return {
          program: {
            name: this.name,
            source: program.source,
            schemas: program.schemas,
            mainInterface: this.mainInterface.id,
            grants: program.grants,
          },
        };
      },
      ready: async ({ restorer }: { restorer: Stub }) => {
        const kept = restorer.dup() as Instance['restorer'];
        const idleness = this.#idleness(session, kept, line);
        if (idleness !== null) void session.closed.then(() => idleness.stop());
        enter({ session, restorer: kept, since: this.#clock.now(), line, idleness });
      },
      failed: ({ message }: { message: string }) => refuse(new Error(message)),
      own: ({ cap }: { cap: Stub | null }, { signal }: CallContext) => ownership(cap, this, signal),
    };
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
      isWaking: () => [...this.#wakers.values()].some(({ isWaking }) => isWaking),
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

  /** The connection of the running instance is gone: its host says why in a moment, or nothing. */
  #disconnected(instance: Instance, reason: string): void {
    if (this.#state.is !== 'running' || this.#state.instance !== instance) return;
    const placement = this.#placement;
    const { promise: told, fulfil: resolve } = deferred<string>();
    this.#endReason = resolve;
    const timer = setTimeout(() => resolve(`its connection ended: ${reason}`), END_REASON_WAIT);
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
    if (this.#placement === placement) this.#placement = null;
    this.#endReason?.(reason);
    const state = this.#state;
    if (state.is !== 'running') return;
    this.#settleEnd(state.instance, reason);
    state.instance.session.close(`domain ${this.name} ended: ${reason}`);
  }

  #settleEnd(instance: Instance, reason: string): void {
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

function disposeGrants({ grants }: Program): void {
  for (const { cap } of grants) cap[Symbol.dispose]();
}
