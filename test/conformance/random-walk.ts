/**
 * A random walk: several vats, random operations and random delays of their links, from a seed.
 *
 * A shadow of the references goes beside the real ones: what object each stands for in the end, whatever it is now. Each
 * call carries the serial number of its reference and its number on it, so that whoever receives it can tell whether it is
 * the object that was meant (the target), and whether it comes after those made before on that reference (E-order).
 */

import { contentBuilder } from '../../rpc/body.js';
import { type Call, type Capability, settled } from '../../rpc/capability.js';
import { Connection } from '../../rpc/connection.js';
import { RpcError } from '../../rpc/error.js';
import { type Dispatcher, type LocalCall, LocalCapability } from '../../rpc/local.js';
import { Payload } from '../../rpc/payload.js';
import { QueuedCapability } from '../../rpc/promised.js';
import { type MemoryPair, memoryPair } from '../../rpc/transport/memory.js';
import { mulberry32 } from '../mulberry32.js';
import { type Recorded, violations } from './oracle.js';
import { copyOf } from './vats.js';
import { decodeMessage } from './wire.js';

export interface WalkOptions {
  readonly vats: number;
  /** Whether vats make tail calls to each other. */
  readonly tailCalls: boolean;
  /** Called with a line for each step: to see what a failing seed does. */
  readonly log?: (line: string) => void;
}

/** One operation, with the numbers that it draws. Each stands for itself, so that a walk can be made smaller. */
export interface Step {
  readonly operation: string;
  readonly seed: number;
}

export interface WalkResult {
  readonly faults: readonly string[];
  readonly calls: number;
  readonly messages: number;
  /** How often each operation was carried out. */
  readonly coverage: Readonly<Record<string, number>>;
}

/** What a reference stands for in the end. A promise's fate is decided when it resolves. */
type Fate =
  | { is: 'object'; object: WalkObject }
  | { is: 'promise'; promise: Promised }
  | { is: 'result'; of: Under; place: number; end: End | null }
  | { is: 'broken' };

type End = Fate & { is: 'object' | 'broken' };

interface Promised {
  readonly name: string;
  fate: Fate | null;
  /** The capability to resolve, while nobody has. */
  capability: QueuedCapability | null;
}

/** A reference that a vat holds, with its own sequence of calls. */
interface Reference {
  readonly capability: Capability;
  readonly fate: Fate;
  readonly sequence: { readonly serial: number /** Calls that were made on it. */; made: number };
}

const WALK_INTERFACE = 0xfeed_0000_0000_0002n;

/** Choices that follow from a seed. */
class Random {
  readonly #draw: () => number;
  constructor(seed: number) {
    this.#draw = mulberry32(seed);
  }
  /** From 0 to below 1. */
  next(): number {
    return this.#draw() / 4294967296;
  }
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

/** What a message says besides capabilities: the reference it was called on, its number on it, and what to do. */
interface Order {
  readonly serial: number;
  readonly number: number;
  /** What the object does with it: answer with the capabilities it was given, keep the call, fail, or pass it on. */
  readonly manner: Manner;
}

const MANNERS = ['answer', 'hold', 'fail', 'tail'] as const;
type Manner = (typeof MANNERS)[number];

function payloadOf(order: Order, capabilities: readonly Capability[]): Payload {
  const message = contentBuilder();
  const struct = message.root.struct(2, capabilities.length);
  struct.setU32(0, order.serial);
  struct.setU32(4, order.number);
  struct.setU32(8, MANNERS.indexOf(order.manner));
  capabilities.forEach((_, i) => {
    struct.pointer(i).setCapability(i);
  });
  return Payload.built(message, capabilities);
}

function orderIn(payload: Payload): Order {
  const struct = payload.content.struct();
  return { serial: struct.u32(0), number: struct.u32(4), manner: MANNERS[struct.u32(8)]! };
}

class WalkObject implements Dispatcher {
  held = 0;

  constructor(
    readonly walk: Walk,
    readonly vat: number,
    readonly name: string,
  ) {}

  capability(): Capability {
    this.held++;
    return new LocalCapability(this);
  }

  dispatch(call: LocalCall): void {
    this.walk.received(this, call);
  }

  dropped(): void {
    this.held--;
  }
}

/** A call under way, and the shadow of what it will return. */
class Under {
  outcome: 'waiting' | 'returned' | 'failed' = 'waiting';
  results: Payload | null = null;
  error: RpcError | null = null;
  inProgress!: ReturnType<Capability['call']>;
  finished = false;

  constructor(
    readonly order: Order,
    readonly target: Fate,
    /** What a tail call goes on to. */
    readonly onward: Fate | null,
    /** What the results' capabilities stand for, if it is answered. */
    readonly fates: readonly Fate[],
  ) {}

  returned(results: Payload): void {
    this.outcome = 'returned';
    this.results = results;
  }

  failed(error: RpcError): void {
    this.error = error;
    this.outcome = 'failed';
  }
}

class Vat {
  readonly references: Reference[] = [];
  readonly promises: Promised[] = [];
  readonly under: Under[] = [];
  readonly held: { call: LocalCall; readonly order: Order }[] = [];

  constructor(readonly index: number) {}
}

interface Wire {
  readonly left: Connection;
  readonly right: Connection;
  readonly pair: MemoryPair;
  readonly traces: { readonly left: Recorded[]; readonly right: Recorded[] };
}

export function walk(options: WalkOptions, steps: readonly Step[]): WalkResult {
  return new Walk(options).run(steps);
}

export function stepsOf(seed: number, count: number): Step[] {
  const random = new Random(seed);
  // Slow links in one walk, quick ones in another.
  const deliver = random.pick([8, 24, 60]);
  const names = Object.entries({ ...WEIGHTS, deliver }).flatMap(([name, weight]) =>
    Array<string>(weight).fill(name),
  );
  return Array.from({ length: count }, () => ({
    operation: random.pick(names),
    seed: random.below(2 ** 32),
  }));
}

/** The fewest of `steps` that still go wrong, as far as leaving out runs of them can tell. */
export function shrink(options: WalkOptions, steps: readonly Step[]): Step[] {
  let left = [...steps];
  for (let run = left.length >> 1, before = left.length; run >= 1; ) {
    for (let start = 0; start < left.length; ) {
      const fewer = [...left.slice(0, start), ...left.slice(start + run)];
      if (walk(options, fewer).faults.length > 0) left = fewer;
      else start += run;
    }
    if (run > 1) run >>= 1;
    else if (left.length === before) break;
    else run = Math.max(1, left.length >> 3);
    if (run === 1) before = left.length;
  }
  return left;
}

/** How often each operation is chosen. */
const WEIGHTS = {
  call: 10,
  pipeline: 8,
  take: 6,
  finish: 5,
  return: 6,
  promise: 3,
  resolve: 3,
  object: 2,
  release: 4,
  settle: 2,
};

class Walk {
  #random = new Random(0);
  readonly #vats: Vat[] = [];
  readonly #wires: Wire[] = [];
  readonly #objects: WalkObject[] = [];
  readonly #fates = new Map<number, Fate>();
  /** The last call that arrived, of each reference. */
  readonly #arrived = new Map<number, number>();
  readonly #faults: string[] = [];
  readonly #coverage: Record<string, number> = {};
  #serials = 0;
  #names = 0;
  #calls = 0;
  #messages = 0;

  constructor(private readonly options: WalkOptions) {
    for (let i = 0; i < options.vats; i++) this.#vats.push(new Vat(i));
    for (let a = 0; a < options.vats; a++) {
      for (let b = a + 1; b < options.vats; b++) this.#connect(a, b);
    }
  }

  #log(line: () => string): void {
    this.options.log?.(line());
  }

  // ---- the vats -----------------------------------------------------------------------------------------------------

  #connect(a: number, b: number): void {
    const pair = memoryPair();
    const traces = { left: [] as Recorded[], right: [] as Recorded[] };
    const end = (side: 'left' | 'right', vat: number) => {
      const transport = pair[side];
      const object = this.#object(vat);
      const bootstrap = object.capability();
      const connection: Connection = new Connection({
        send: (segments, awaited, loan) => {
          this.#messages++;
          traces[side].push({ direction: 'sent', segments: copyOf(segments) });
          this.#log(() => `      vat ${vat} to vat ${vat === a ? b : a}: ${inShort(copyOf(segments))}`);
          transport.send(segments, awaited, loan);
        },
        closed: (reason) => {
          if (!this.#ending) this.#faults.push(`vat ${vat}: the connection was closed: ${reason.message}`);
          transport.close();
        },
        bootstrap,
        peerTakesTailCalls: this.options.tailCalls,
      });
      bootstrap.release();
      transport.start({
        message: (segments, loan = null) => {
          if (connection.closedBy === null) {
            traces[side].push({ direction: 'received', segments: copyOf(segments) });
          }
          connection.receive(segments, loan);
        },
        violated: (reason) => connection.abort(reason),
        closed: (reason) => connection.disconnected(reason),
      });
      return { connection, object };
    };
    const left = end('left', a);
    const right = end('right', b);
    pair.leftToRight.block();
    pair.rightToLeft.block();
    this.#wires.push({ left: left.connection, right: right.connection, pair, traces });
    this.#hold(a, left.connection.bootstrap(), { is: 'object', object: right.object });
    this.#hold(b, right.connection.bootstrap(), { is: 'object', object: left.object });
  }

  #ending = false;

  #object(vat: number): WalkObject {
    const object = new WalkObject(this, vat, `object${this.#names++}@${vat}`);
    this.#objects.push(object);
    return object;
  }

  /** A new reference that `vat` holds; takes the capability over. */
  #hold(vat: number, capability: Capability, fate: Fate): Reference {
    const reference = { capability, fate, sequence: { serial: ++this.#serials, made: 0 } };
    this.#vats[vat]!.references.push(reference);
    this.#fates.set(reference.sequence.serial, fate);
    return reference;
  }

  // ---- what arrives ---------------------------------------------------------------------------------------------------

  received(object: WalkObject, call: LocalCall): void {
    const order = orderIn(call.params);
    this.#log(() => `      ${object.name} receives ${order.serial}#${order.number} (${order.manner})`);
    const fate = this.#fates.get(order.serial);
    const end = fate === undefined ? null : endOf(fate);
    if (end === null || end.is !== 'object' || end.object !== object) {
      this.#faults.push(
        `${object.name} got call ${order.number} of reference ${order.serial}, which is for ${nameOf(end)}`,
      );
    }
    const last = this.#arrived.get(order.serial) ?? 0;
    if (order.number <= last) {
      this.#faults.push(`${object.name} got call ${order.number} of reference ${order.serial} after ${last}`);
    }
    this.#arrived.set(order.serial, order.number);
    const vat = this.#vats[object.vat]!;
    if (order.manner === 'hold') vat.held.push({ call, order });
    else this.#endCall(call, order);
  }

  /** Ends a call in its manner: what it returns is what it was given. */
  #endCall(call: LocalCall, order: Order): void {
    if (order.manner === 'fail') {
      call.params.release();
      call.fail(new RpcError('failed', 'as it was told'));
      return;
    }
    const capabilities = call.params.capabilities.map((capability) => capability!.retain());
    call.params.release();
    if (order.manner === 'tail' && capabilities.length > 0) {
      // On to the first capability, which gets the others. It is a reference of its own, whose shadow was made with the call.
      const [target, ...rest] = capabilities;
      const serial = tailSerial(order);
      call.tailCall(target!, this.#call({ serial, number: 1, manner: 'answer' }, rest));
      target!.release();
      return;
    }
    call.return_(payloadOf(order, capabilities));
  }

  #call(order: Order, capabilities: readonly Capability[]): Call {
    this.#calls++;
    return { interfaceId: WALK_INTERFACE, methodId: 0, params: payloadOf(order, capabilities) };
  }

  // ---- the operations ---------------------------------------------------------------------------------------------------

  /** Each does nothing, and says so, where there is nothing to do it to. */
  readonly #operations: Readonly<Record<string, { act: () => boolean }>> = {
    call: { act: () => this.#actCall() },
    deliver: { act: () => this.#actDeliver() },
    pipeline: { act: () => this.#actPipeline() },
    take: { act: () => this.#actTake() },
    finish: { act: () => this.#actFinish() },
    return: { act: () => this.#actReturn() },
    promise: { act: () => this.#actPromise() },
    resolve: { act: () => this.#actResolve() },
    object: { act: () => this.#actObject() },
    release: { act: () => this.#actRelease() },
    settle: { act: () => this.#actSettle() },
  };

  #actCall(): boolean {
    const vat = this.#random.pick(this.#vats);
    if (vat.references.length === 0) return false;
    const target = this.#random.pick(vat.references);
    const count = this.#random.below(4);
    const manner = MANNERS[[0, 0, 0, 1, 1, 2, 3, 3][this.#random.below(8)]!]!;
    const passed: Reference[] = [];
    for (let i = 0; i < count; i++) passed.push(this.#random.pick(vat.references));
    const order: Order = { serial: target.sequence.serial, number: ++target.sequence.made, manner };
    // What comes back: what was given, or what a tail call's own target was given.
    const tail = manner === 'tail' && passed.length > 0;
    const fates = manner === 'fail' ? [] : passed.slice(tail ? 1 : 0).map(({ fate }) => fate);
    const onward = tail ? passed[0]!.fate : null;
    if (onward !== null) this.#fates.set(tailSerial(order), onward);
    const under = new Under(order, target.fate, onward, fates);
    this.#log(
      () =>
        `vat ${vat.index} calls ${order.serial}#${order.number} (${manner}) for ${nameOf(endOf(target.fate))} with ${passed.map(({ sequence }) => sequence.serial)}`,
    );
    under.inProgress = target.capability.call(
      this.#call(
        order,
        passed.map(({ capability }) => capability.retain()),
      ),
      under,
    );
    vat.under.push(under);
    return true;
  }

  #actDeliver(): boolean {
    const links = this.#wires.flatMap(({ pair }) => [pair.leftToRight, pair.rightToLeft]);
    const ready = links.filter((link) => link.waiting > 0);
    if (ready.length === 0) return false;
    const link = this.#random.pick(ready);
    const count = this.#random.next() < 0.2 ? link.waiting : 1 + this.#random.below(2);
    this.#log(() => `link ${links.indexOf(link)} delivers ${count}`);
    link.step(count);
    return true;
  }

  #actPipeline(): boolean {
    const vat = this.#random.pick(this.#vats);
    const ready = vat.under.filter(({ finished, fates }) => !finished && fates.length > 0);
    if (ready.length === 0) return false;
    const under = this.#random.pick(ready);
    const place = this.#random.below(under.fates.length);
    const reference = this.#hold(vat.index, under.inProgress.pipelined([place]), {
      is: 'result',
      of: under,
      place,
      end: null,
    });
    this.#log(
      () => `vat ${vat.index} pipelines ${reference.sequence.serial} from ${describe(under)}[${place}]`,
    );
    return true;
  }

  #actTake(): boolean {
    const vat = this.#random.pick(this.#vats);
    const ready = vat.under.filter(
      ({ finished, fates, results }) => !finished && results && fates.length > 0,
    );
    if (ready.length === 0) return false;
    const under = this.#random.pick(ready);
    const place = this.#random.below(under.fates.length);
    const capability = under.results!.capabilityAt([place])!.retain();
    const reference = this.#hold(vat.index, capability, under.fates[place]!);
    this.#log(() => `vat ${vat.index} takes ${reference.sequence.serial} from ${describe(under)}[${place}]`);
    return true;
  }

  #actFinish(): boolean {
    const vat = this.#random.pick(this.#vats);
    // One that waits is cancelled; that is rarer.
    const ready = vat.under.filter(
      ({ outcome, finished }) => !finished && (outcome !== 'waiting' || this.#random.next() < 0.1),
    );
    if (ready.length === 0) return false;
    const under = this.#random.pick(ready);
    this.#log(() => `vat ${vat.index} finishes ${describe(under)} (${under.outcome})`);
    this.#finish(vat, under);
    return true;
  }

  #finish(vat: Vat, under: Under): void {
    under.finished = true;
    under.inProgress.finish();
    vat.under.splice(vat.under.indexOf(under), 1);
  }

  #actReturn(): boolean {
    const vat = this.#random.pick(this.#vats);
    if (vat.held.length === 0) return false;
    const [{ call, order }] = vat.held.splice(this.#random.below(vat.held.length), 1) as [Vat['held'][0]];
    this.#log(() => `vat ${vat.index} returns ${order.serial}#${order.number}`);
    this.#endCall(call, order);
    return true;
  }

  #actPromise(): boolean {
    const vat = this.#random.pick(this.#vats);
    const capability = new QueuedCapability();
    const promise: Promised = { name: `promise${this.#names++}`, fate: null, capability };
    vat.promises.push(promise);
    const reference = this.#hold(vat.index, capability.retain(), { is: 'promise', promise });
    this.#log(() => `vat ${vat.index} makes ${promise.name} as ${reference.sequence.serial}`);
    return true;
  }

  #actResolve(): boolean {
    const vat = this.#random.pick(this.#vats);
    if (vat.promises.length === 0) return false;
    const [promise] = vat.promises.splice(this.#random.below(vat.promises.length), 1) as [Promised];
    // To anything but a promise that leads to itself: those are for order.test.ts.
    const candidates = vat.references.filter(({ fate }) => !leadsTo(fate, promise));
    if (candidates.length === 0 || this.#random.next() < 0.1) {
      this.#log(() => `vat ${vat.index} breaks ${promise.name}`);
      promise.fate = { is: 'broken' };
      promise.capability!.reject(new RpcError('failed', 'a promise was broken'));
    } else {
      const to = this.#random.pick(candidates);
      this.#log(() => `vat ${vat.index} resolves ${promise.name} to ${to.sequence.serial}`);
      promise.fate = to.fate;
      promise.capability!.resolve(to.capability.retain());
    }
    promise.capability!.release();
    promise.capability = null;
    return true;
  }

  #actObject(): boolean {
    const vat = this.#random.pick(this.#vats);
    const object = this.#object(vat.index);
    const reference = this.#hold(vat.index, object.capability(), { is: 'object', object });
    this.#log(() => `vat ${vat.index} makes ${object.name} as ${reference.sequence.serial}`);
    return true;
  }

  #actRelease(): boolean {
    const vat = this.#random.pick(this.#vats);
    if (vat.references.length < 3) return false;
    const [reference] = vat.references.splice(this.#random.below(vat.references.length), 1) as [Reference];
    this.#log(() => `vat ${vat.index} releases ${reference.sequence.serial}`);
    reference.capability.release();
    return true;
  }

  /** What a capability has become by now is the same reference, and calls on both keep one order. */
  #actSettle(): boolean {
    const vat = this.#random.pick(this.#vats);
    if (vat.references.length === 0) return false;
    const of = this.#random.pick(vat.references);
    this.#log(() => `vat ${vat.index} settles ${of.sequence.serial}`);
    vat.references.push({ ...of, capability: settled(of.capability).retain() });
    return true;
  }

  // ---- the walk -------------------------------------------------------------------------------------------------------

  run(steps: readonly Step[]): WalkResult {
    try {
      for (const step of steps) {
        if (this.#faults.length > 0) break;
        this.#random = new Random(step.seed);
        if (this.#operations[step.operation]!.act()) {
          this.#coverage[step.operation] = (this.#coverage[step.operation] ?? 0) + 1;
        }
      }
      if (this.#faults.length === 0) this.#shutDown();
    } catch (error) {
      this.#faults.push(`thrown: ${error instanceof Error ? error.stack : error}`);
    }
    return {
      faults: this.#faults,
      calls: this.#calls,
      messages: this.#messages,
      coverage: this.#coverage,
    };
  }

  /** Brings everything to its end, and looks whether it came to the right one and has left nothing behind. */
  #shutDown(): void {
    this.#log(() => 'the end: promises resolve, calls return');
    for (const vat of this.#vats) {
      for (const promise of vat.promises.splice(0)) {
        promise.fate = { is: 'broken' };
        promise.capability!.reject(new RpcError('failed', 'a promise was broken'));
        promise.capability!.release();
      }
    }
    this.#settle();
    for (const vat of this.#vats) for (const under of vat.under) this.#judge(vat, under);
    this.#log(() => 'everything is let go');
    for (const vat of this.#vats) {
      for (const under of [...vat.under]) this.#finish(vat, under);
      for (const { capability } of vat.references.splice(0)) capability.release();
    }
    this.#settle();
    for (const [index, { left, right, traces }] of this.#wires.entries()) {
      for (const [side, connection] of [
        ['left', left],
        ['right', right],
      ] as const) {
        if (!connection.isIdle) {
          this.#faults.push(`wire ${index}, ${side}, holds ${JSON.stringify(connection.dump())}`);
        }
        for (const { invariant, at, what } of violations(traces[side], true)) {
          this.#faults.push(`wire ${index}, ${side}, message ${at}: ${what} (${invariant})`);
        }
      }
    }
    this.#ending = true;
    for (const { left, right } of this.#wires) {
      left.close();
      right.close();
    }
    for (const { held, name } of this.#objects) {
      if (held !== 0) this.#faults.push(`${name} is held by ${held} capabilities at the end`);
    }
  }

  /** Delivers everything, and returns every call that is held, until nothing moves. */
  #settle(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const { pair } of this.#wires) {
        for (const link of [pair.leftToRight, pair.rightToLeft]) {
          while (link.waiting > 0) {
            link.step();
            moved = true;
          }
        }
      }
      for (const { held } of this.#vats) {
        for (const { call, order } of held.splice(0)) {
          this.#endCall(call, order);
          moved = true;
        }
      }
    }
  }

  /** Whether a call that nobody cancelled has come to its end. */
  #judge(vat: Vat, under: Under): void {
    const expected = endOfCall(under);
    if (under.outcome !== expected) {
      this.#faults.push(
        `vat ${vat.index}: call ${describe(under)} for ${nameOf(endOf(under.target))} is ${under.outcome} at the end, not ${expected}${under.error === null ? '' : ` (${under.error.message})`}`,
      );
    }
  }
}

function describe({ order }: Under): string {
  return `${order.serial}#${order.number}`;
}

function tailSerial(order: Order): number {
  return 0x8000_0000 + order.serial * 4096 + order.number;
}

/** Null while nobody can know yet. */
function endOf(fate: Fate): End | null {
  switch (fate.is) {
    case 'promise':
      return fate.promise.fate === null ? null : endOf(fate.promise.fate);
    case 'result': {
      if (fate.end !== null) return fate.end;
      const ended = endOfCall(fate.of);
      if (ended !== null) {
        fate.end = ended === 'failed' ? { is: 'broken' } : endOf(fate.of.fates[fate.place]!);
      }
      return fate.end;
    }
    default:
      return fate;
  }
}

function endOfCall({ order, target, onward }: Under): 'returned' | 'failed' | null {
  for (const fate of onward === null ? [target] : [target, onward]) {
    const end = endOf(fate);
    if (end === null) return null;
    if (end.is === 'broken') return 'failed';
  }
  return order.manner === 'fail' ? 'failed' : 'returned';
}

/**
 * Whether what becomes of `fate` hangs on `promise`, or comes with it in the results of one call: then that must not become
 * this. It would never resolve, or it would be a cycle of references between vats, which nothing collects.
 */
function leadsTo(fate: Fate, promise: Promised, seen = new Set<Fate>()): boolean {
  if (seen.has(fate)) return false;
  seen.add(fate);
  switch (fate.is) {
    case 'promise':
      if (fate.promise === promise) return true;
      return fate.promise.fate !== null && leadsTo(fate.promise.fate, promise, seen);
    case 'result': {
      const { target, onward, fates } = fate.of;
      return [target, ...(onward === null ? [] : [onward]), ...fates].some((each) =>
        leadsTo(each, promise, seen),
      );
    }
    default:
      return false;
  }
}

function nameOf(end: End | null): string {
  if (end === null) return 'a promise';
  return end.is === 'object' ? end.object.name : end.is;
}

/** A message on one line. */
function inShort(segments: readonly Uint8Array[]): string {
  return JSON.stringify(decodeMessage(segments), (key, value) => {
    if (typeof value === 'bigint' || value === false || value === null) return undefined;
    return key === 'content' ? undefined : value;
  }).replaceAll('"', '');
}
