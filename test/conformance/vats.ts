/**
 * Vats in memory for the conformance tests: objects that record what arrives, and links that can be blocked, stepped and
 * cut, or real sockets. Every test that makes vats here ends, whether it says so or not, by showing that every table of
 * every vat is empty, that no object is held by anybody, that no connection ended that was not meant to, and that what
 * each end sent is what rpc.capnp says (oracle.ts).
 */
import { afterEach, expect } from 'vitest';
import { contentBuilder } from '../../rpc/body.js';
import type { CallInProgress, Capability } from '../../rpc/capability.js';
import { Connection, type ConnectionOptions } from '../../rpc/connection.js';
import type { RpcError } from '../../rpc/error.js';
import { type Dispatcher, type LocalCall, LocalCapability } from '../../rpc/local.js';
import { Payload } from '../../rpc/payload.js';
import { type MemoryPair, memoryPair } from '../../rpc/transport/memory.js';
import type { Transport } from '../../rpc/transport/transport.js';
import { open, through } from '../transport/ends.js';
import { INVARIANTS, type Recorded, violations } from './oracle.js';
import { decodeMessage, encodeMessage, type WireMessage } from './wire.js';

export const TEST_INTERFACE = 0xfeed_0000_0000_0001n;

/** As it is now. */
export function copyOf(segments: readonly Uint8Array[]): Uint8Array[] {
  return segments.map((segment) => Uint8Array.from(segment));
}

/** A payload of one number and capabilities, whose references it takes over: capability i at the pointer i. */
export function payload(value: number, capabilities: readonly (Capability | null)[] = []): Payload {
  const message = contentBuilder();
  const struct = message.root.struct(1, capabilities.length);
  struct.setU32(0, value);
  capabilities.forEach((capability, i) => {
    if (capability !== null) struct.pointer(i).setCapability(i);
  });
  return Payload.built(message, capabilities);
}

export function numberOf(content: Payload): number {
  return content.content.struct().u32(0);
}

/** An object that does with a call what `handle` says; by default it echoes the params' number. */
export class TestObject implements Dispatcher {
  readonly received: number[] = [];
  readonly pending: LocalCall[] = [];
  alive = true;
  /** Capabilities to it that are held somewhere. */
  held = 0;

  constructor(private readonly handle: (call: LocalCall, object: TestObject) => void = echo) {
    objects.push(this);
  }

  dispatch(call: LocalCall): void {
    this.received.push(numberOf(call.params));
    this.handle(call, this);
  }

  dropped(): void {
    this.held--;
    this.alive = false;
  }

  /** A new capability to it. */
  capability(): LocalCapability {
    this.held++;
    return new LocalCapability(this);
  }
}

export function echo(call: LocalCall): void {
  const value = numberOf(call.params);
  call.params.release();
  call.return_(payload(value));
}

/** Keeps the call, to be ended by the test. */
export function hold(call: LocalCall, object: TestObject): void {
  object.pending.push(call);
}

/** The outcome of a call, as the test sees it. */
export class Outcome {
  value: number | null = null;
  error: RpcError | null = null;
  results: Payload | null = null;
  call!: CallInProgress;

  returned(results: Payload): void {
    this.results = results;
    this.value = numberOf(results);
    this.#listener?.();
  }

  failed(error: RpcError): void {
    this.error = error;
    this.#listener?.();
  }

  #listener: (() => void) | null = null;

  /** Calls `listener` when the call has its outcome. Not before `call()` has given this. */
  whenDone(listener: () => void): void {
    if (this.done) listener();
    else this.#listener = listener;
  }

  get done(): boolean {
    return this.value !== null || this.error !== null;
  }

  /** A new reference to the result's capability `i`. */
  capability(i = 0): Capability {
    return this.results!.capabilityAt([i])!.retain();
  }
}

/** Calls `target` with a number and capabilities, whose references it takes over. */
export function call(
  target: Capability,
  value: number,
  capabilities: readonly (Capability | null)[] = [],
  methodId = 0,
): Outcome {
  const outcome = new Outcome();
  outcome.call = target.call(
    { interfaceId: TEST_INTERFACE, methodId, params: payload(value, capabilities) },
    outcome,
  );
  return outcome;
}

/** Lets calls and capabilities go, in the order in which they are given. */
export function drop(...held: readonly (Outcome | Capability)[]): void {
  for (const each of held) {
    if (each instanceof Outcome) each.call.finish();
    else each.release();
  }
}

// ---- vats -------------------------------------------------------------------------------------------------------------

export type VatOptions = Omit<ConnectionOptions, 'send' | 'closed' | 'bootstrap'>;

/** One end of a connection, and the trace of everything that it sends and takes. */
class End {
  readonly connection: Connection;
  readonly trace: Recorded[] = [];
  readonly counts = { sent: 0, received: 0 };
  closed: RpcError | null = null;

  /** Takes over the reference to `bootstrap`. */
  constructor(transport: Transport, bootstrap: Capability | undefined, options: VatOptions) {
    this.connection = new Connection({
      ...options,
      send: (segments, awaited, loan) => {
        this.counts.sent++;
        this.trace.push({ direction: 'sent', segments: copyOf(segments) });
        transport.send(segments, awaited, loan);
      },
      closed: (reason) => {
        this.closed = reason;
        transport.close();
      },
      bootstrap: bootstrap ?? null,
    });
    bootstrap?.release();
    transport.start({
      message: (segments, loan = null) => {
        this.counts.received++;
        if (this.connection.closedBy === null) {
          this.trace.push({ direction: 'received', segments: copyOf(segments) });
        }
        this.connection.receive(segments, loan);
      },
      violated: (reason) => this.connection.abort(reason),
      closed: (reason) => this.connection.disconnected(reason),
    });
  }

  /** What it did wrong, in words. */
  faults(name: string, endMayBeClosed: boolean): string[] {
    const faults: string[] = [];
    const { connection } = this;
    if (!endMayBeClosed && this.closed !== null) faults.push(`${name} was closed: ${this.closed.message}`);
    for (const [table, size] of Object.entries(connection.tables)) {
      if (size !== 0) faults.push(`${name} has ${size} ${table} left: ${JSON.stringify(connection.dump())}`);
    }
    for (const { invariant, at, what } of violations(this.trace, this.closed === null)) {
      faults.push(`${name}, message ${at}: ${what} (${invariant}: "${INVARIANTS[invariant]}")`);
    }
    return faults;
  }
}

interface Vats {
  /** Nothing of it is on its way. */
  readonly still: boolean;
  readonly activity: number;
  faults(): string[];
  end(): void;
}

const made: Vats[] = [];
const objects: TestObject[] = [];
/** What is left of the transports of a test when their vats have ended. */
const closing: (() => Promise<void>)[] = [];

export interface PairOptions extends VatOptions {
  /** The bootstrap capabilities, whose references it takes over. */
  readonly left?: Capability;
  readonly right?: Capability;
}

/** Two connected vats. */
export class Pair implements Vats {
  readonly left: Connection;
  readonly right: Connection;
  readonly ends: { readonly left: End; readonly right: End };
  /** Set by a test in which the connection ends. */
  mayClose = false;
  readonly #transports: { readonly left: Transport; readonly right: Transport };

  constructor(
    { left, right, ...options }: PairOptions = {},
    transports: { readonly left: Transport; readonly right: Transport } = memoryPair(),
  ) {
    this.#transports = transports;
    this.ends = {
      left: new End(transports.left, left, options),
      right: new End(transports.right, right, options),
    };
    this.left = this.ends.left.connection;
    this.right = this.ends.right.connection;
    made.push(this);
  }

  /** The links of a pair in memory. */
  get links(): MemoryPair {
    if (!('cut' in this.#transports)) throw new Error('only the links of a pair in memory can be held');
    return this.#transports as MemoryPair;
  }

  get closed(): { left: RpcError | null; right: RpcError | null } {
    return { left: this.ends.left.closed, right: this.ends.right.closed };
  }

  get still(): boolean {
    const { left, right } = this.ends;
    // What a blocked link holds stays there, the news of an end too.
    const mayHold = 'cut' in this.#transports;
    if (left.closed !== null || right.closed !== null) {
      return (mayHold && this.mayClose) || (left.closed !== null && right.closed !== null);
    }
    if (mayHold) return true;
    return left.counts.sent === right.counts.received && right.counts.sent === left.counts.received;
  }

  get activity(): number {
    const { left, right } = this.ends;
    return left.counts.sent + left.counts.received + right.counts.sent + right.counts.received;
  }

  /** Every table of both vats is empty, and neither connection has ended. */
  expectEmpty(): void {
    expect(this.closed).toEqual({ left: null, right: null });
    expect({ left: this.left.tables, right: this.right.tables }).toEqual({ left: EMPTY, right: EMPTY });
  }

  /** Checks it now and not at the end, in a test that makes a great many. */
  forget(): void {
    expect(this.faults()).toEqual([]);
    made.splice(made.indexOf(this), 1);
  }

  /** Lets what a test holds back go on. */
  unblock(): void {
    if (!('cut' in this.#transports)) return;
    this.links.leftToRight.unblock();
    this.links.rightToLeft.unblock();
  }

  faults(): string[] {
    return [
      ...this.ends.left.faults('left', this.mayClose),
      ...this.ends.right.faults('right', this.mayClose),
    ];
  }

  end(): void {
    this.left.close();
    this.right.close();
  }
}

export const EMPTY = { questions: 0, answers: 0, exports: 0, imports: 0, embargoes: 0 };

/** One vat whose peer is the test itself: it says what it likes, message by message. */
export class ScriptedPeer implements Vats {
  readonly vat: End;
  readonly still = true;
  mayClose = false;
  readonly #told: WireMessage[] = [];
  #receive: ((segments: Uint8Array[]) => void) | null = null;

  constructor({ vat: bootstrap, ...options }: VatOptions & { readonly vat?: Capability } = {}) {
    this.vat = new End(
      {
        start: (receiver) => {
          this.#receive = (segments) => receiver.message(segments);
        },
        send: (segments) => void this.#told.push(decodeMessage(copyOf(segments))),
        close() {},
      },
      bootstrap,
      options,
    );
    made.push(this);
  }

  get connection(): Connection {
    return this.vat.connection;
  }

  say(...messages: readonly WireMessage[]): void {
    for (const message of messages) this.#receive!([encodeMessage(message)]);
  }

  /** What the vat has said since this was last asked. */
  async hears(): Promise<WireMessage[]> {
    await quiet();
    return this.#told.splice(0);
  }

  get activity(): number {
    return this.vat.counts.sent + this.vat.counts.received;
  }

  faults(): string[] {
    return this.vat.faults('the vat', this.mayClose);
  }

  end(): void {
    this.connection.close();
  }
}

/** Lets everything that can be delivered be delivered: nothing has moved for several turns, and nothing is on a socket. */
export async function quiet(): Promise<void> {
  const activity = () => made.reduce((sum, vats) => sum + vats.activity, 0);
  let last = -1;
  for (let turns = 0; turns < 12; ) {
    await new Promise((resolve) => setImmediate(resolve));
    const now = activity();
    turns = now === last && made.every((vats) => vats.still) ? turns + 1 : 0;
    last = now;
  }
}

afterEach(async ({ task }) => {
  const vats = made;
  for (const each of vats) if (each instanceof Pair) each.unblock();
  const failed = task.result?.state === 'fail';
  // A test that failed may have left anything; what it left would only hide why.
  const faults: string[] = [];
  if (!failed) {
    await quiet();
    faults.push(...vats.flatMap((each) => each.faults()));
  }
  for (const each of vats) each.end();
  if (!failed) await quiet();
  await Promise.all(closing.splice(0).map((close) => close()));
  const networked = vats.length > 0;
  made.length = 0;
  for (const object of objects.splice(0)) {
    if (!failed && networked && object.held !== 0)
      faults.push(`an object is held by ${object.held} capabilities at the end`);
  }
  expect(faults).toEqual([]);
});

// ---- transports -------------------------------------------------------------------------------------------------------

/** Where a scenario runs that does not hold messages back. */
export interface TransportKind {
  readonly name: string;
  pair(options?: PairOptions): Promise<Pair>;
}

export const TRANSPORTS: readonly TransportKind[] = [
  { name: 'memory', pair: async (options) => new Pair(options) },
  ...(['unix', 'tcp', 'tls', 'websocket', 'wss', 'port'] as const).map((name) => ({
    name,
    pair: async (options?: PairOptions) => {
      const { near, far, close } = await open(name);
      closing.push(close);
      return new Pair(options, { left: near, right: far! });
    },
  })),
  ...(['descriptor', 'standard'] as const).map((name) => ({
    name,
    pair: async (options?: PairOptions) => {
      const { near, far, close } = through(name);
      closing.push(close);
      return new Pair(options, { left: near, right: far });
    },
  })),
];
