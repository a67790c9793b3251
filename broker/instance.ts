/**
 * One instance of a domain's program: from the try to start it to the connection of its thread. A start is over at once when it is
 * given up, and leaves nothing behind. What becomes of an instance that runs is its domain's business.
 */
import {
  type CallContext,
  type CallOptions,
  causeOf,
  deferred,
  RpcError,
  type Session,
  type Stub,
} from '../rpc/index.js';
import type { Entrance, Expected, Line } from './admission.js';
import type { DomainConfig } from './config.js';
import type { CpuShare } from './cpu-share.js';
import type { Idleness } from './idleness.js';
import type { Placement, Supervisor } from './supervisor.js';

/** How long a domain may take from when it has a thread to its `ready`, in milliseconds. */
const START_LIMIT = 30_000;

/** How long a host may take to say why its thread has ended, on a busy machine, in milliseconds. */
const END_REASON_WAIT = 2_000;

/** How long to wait for a better reason of an instance's end than that of its connection's end, in milliseconds. */
export function endReasonWait(reason: RpcError): number {
  // A link that is gone says nothing, and its host knows more in a moment. What one end has against the other is the reason.
  for (let error: unknown = reason; error instanceof RpcError; error = causeOf(error))
    if (error.type !== 'disconnected') return 0;
  return END_REASON_WAIT;
}

/** What the shell is given: Program of schema/domain.capnp. The stubs in `grants` are this instance's own. */
export interface Program {
  readonly source: string;
  /** CodeGeneratorRequests with every interface that it speaks. */
  readonly schemas: readonly Uint8Array[];
  readonly grants: readonly { name: string; interfaceId: bigint; cap: Stub }[];
}

/** A running thread. */
export interface Instance {
  readonly session: Session;
  readonly restorer: Stub & {
    restore(params: { object: Uint8Array }, options: CallOptions): PromiseLike<unknown> & { cap: Stub };
  };
  readonly since: number;
  readonly line: Line;
  /** Where it is put to sleep when it is idle. */
  readonly idleness: Idleness | null;
  readonly placement: Placement;
}

/** What an instance is before its thread is known. */
type Entered = Omit<Instance, 'placement'>;

export interface StartOptions {
  readonly name: string;
  /** Domains of one group may share a host. */
  readonly group: string;
  readonly config: DomainConfig;
  readonly mainInterface: bigint;
  readonly supervisor: Supervisor;
  readonly entrance: Entrance;
  /** What it uses of the processor is charged here. */
  readonly cpu: CpuShare;
  /** Makes the program for it. */
  program(): Promise<Program>;
  now(): number;
  idleness(session: Session, restorer: Stub, line: Line): Idleness | null;
  own(params: { cap: Stub | null }, context: CallContext): Promise<object>;
  /** It has a thread. */
  placed(placement: Placement): void;
  /** Its thread is gone, started or not. */
  ended(placement: Placement, reason: string): void;
}

/** Why a start came to nothing. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';

  constructor(
    message: string,
    /** The same in full, which may name files of this machine; null: there is no more to say. */
    readonly fault: string | null,
    options: { readonly cause: unknown },
  ) {
    super(message, options);
  }
}

/** One try. Whatever it is at, it is over at once when `end` is aborted, and rejects with StartFailure, by the reason of that. */
export async function startInstance(options: StartOptions, end: AbortSignal): Promise<Instance> {
  const { promise: entered, fulfil: enter, reject: refuse } = deferred<Entered>();
  // A late refusal, after it has settled or when nobody waits, is nobody's business.
  entered.catch(() => {});
  end.addEventListener('abort', () => refuse(end.reason as Error), { once: true });
  let program: Program | null = null;
  let expected: Expected | null = null;
  let timer: NodeJS.Timeout | undefined;
  let placement: Placement | null = null;
  try {
    const made = await programFor(options, entered);
    program = made;
    const { limits, tier } = options.config;
    const bounds = { imports: limits.exports, bytesQueued: limits.queuedMiB * 1024 * 1024 };
    expected = options.entrance.expect(options.name, bounds, (session, line) => {
      // Nobody is let in to a start that is over.
      entered.catch(() => session.close('its start was given up'));
      return admission(options, { session, line, program: made, enter, refuse });
    });
    const placed = await options.supervisor.start({
      domain: options.name,
      tier,
      group: options.group,
      limits: {
        heapMebibytes: limits.heapMiB,
        offHeapMebibytes: limits.offHeapMiB,
        turnMillis: limits.turnMillis,
      },
      cpu: options.cpu,
      token: expected.token,
      signal: end,
      onEnd: (reason) => {
        refuse(new Error(reason));
        options.ended(placed, reason);
      },
    });
    placement = placed;
    options.placed(placed);
    // Neither clock runs while the domain waits for its turn, for a host or for a thread.
    expected.begin();
    timer = setTimeout(() => refuse(new Error(`it was not ready within ${START_LIMIT} ms`)), START_LIMIT);
    return { ...(await entered), placement: placed };
  } catch (cause) {
    const { message } = RpcError.from(cause);
    await placement?.terminate(end.aborted ? message : 'the start failed').catch(() => {});
    throw new StartFailure(message, cause instanceof ProgramFault ? cause.fault : null, { cause });
  } finally {
    clearTimeout(timer);
    expected?.withdraw();
    if (program !== null) disposeGrants(program);
  }
}

/** What is wrong with a program names files of this machine: that is for the operator, and not for whoever restores a reference. */
class ProgramFault extends Error {
  readonly fault: string;

  constructor(cause: unknown) {
    super("its program cannot be made; the broker's log says why", { cause });
    this.fault = RpcError.from(cause).message;
  }
}

/** The program for this try, unless it is given up before there is one. */
async function programFor({ program }: StartOptions, entered: Promise<Entered>): Promise<Program> {
  const making = program().catch((cause: unknown) => {
    throw cause instanceof RpcError ? cause : new ProgramFault(cause);
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

function disposeGrants({ grants }: Program): void {
  for (const { cap } of grants) cap[Symbol.dispose]();
}

interface Entering {
  readonly session: Session;
  readonly line: Line;
  readonly program: Program;
  enter(instance: Entered): void;
  refuse(error: Error): void;
}

/** What the thread is given that has shown its token. */
function admission(options: StartOptions, { session, line, program, enter, refuse }: Entering) {
  let loaded = false;
  void session.closed.then((reason) =>
    setTimeout(
      () => refuse(new Error(`its connection ended: ${reason.message}`)),
      endReasonWait(reason),
    ).unref(),
  );
  return {
    load: async () => {
      if (loaded) throw new RpcError('failed', 'the program was loaded already');
      loaded = true;
      const { source, schemas, grants } = program;
      return {
        program: { name: options.name, source, schemas, mainInterface: options.mainInterface, grants },
      };
    },
    ready: async ({ restorer }: { restorer: Stub }) => {
      const kept = restorer.dup() as Instance['restorer'];
      const idleness = options.idleness(session, kept, line);
      if (idleness !== null) void session.closed.then(() => idleness.stop());
      enter({ session, restorer: kept, since: options.now(), line, idleness });
    },
    failed: ({ message }: { message: string }) => refuse(new Error(message)),
    own: options.own,
  };
}

/** What a failed start says, without what its layers have added. */
export function startReason(error: unknown): string {
  return RpcError.from(causeOf(RpcError.from(error))).message;
}
