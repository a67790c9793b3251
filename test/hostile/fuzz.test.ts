/**
 * A fuzzer with a time limit: traces of real scenarios are recorded, mutated, and said to a Connection with real objects
 * behind it, and to one that passes calls on to another. In the suite it begins from the same seed each time, so that the suite says the
 * same on every machine; `FUZZ_SEED=random` (or a number) and `FUZZ_SECONDS` are for finding more.
 */
import { randomInt } from 'node:crypto';
import { expect, it } from 'vitest';
import { Budgets } from '../../rpc/budget.js';
import type { Capability } from '../../rpc/capability.js';
import { RpcError } from '../../rpc/error.js';
import { DEFAULT_LIMITS } from '../../rpc/limits.js';
import type { LocalCall } from '../../rpc/local.js';
import { QueuedCapability } from '../../rpc/promised.js';
import { serve } from '../../rpc/serve.js';
import { capabilityOf } from '../../rpc/stub.js';
import { call, EMPTY, type Outcome, Pair, payload, TestObject } from '../conformance/vats.js';
import { mutatedTrace, Random } from './fuzz.js';
import { HostilePeer } from './peer.js';
import { TARGET, Taker } from './target.js';

const FUZZ_SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 8);
const FUZZ_SEED = process.env['FUZZ_SEED'] ?? '11';
/** Of the suite's own seed; others run until their time is up. */
const FUZZ_RUNS = process.env['FUZZ_SEED'] === undefined ? 1500 : Number.POSITIVE_INFINITY;

/** Lets what is under way in memory come to its end: a message there and one back for each turn. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Far above what any message of these traces takes, loaded machine or not: what is looked for has no end. */
const MESSAGE_MILLIS = 5_000;

const LIMITS = { ...DEFAULT_LIMITS, answers: 64, exports: 64, imports: 64, embargoes: 8, questions: 64 };

/**
 * An object whose methods do, by their number, what objects do with capabilities. Everything it keeps is let go by `dispose`,
 * and the world that it is in must be empty then.
 */
class Behaviour extends TestObject {
  readonly #kept: Capability[] = [];
  readonly #promises: QueuedCapability[] = [];
  readonly #held: LocalCall[] = [];
  readonly #outcomes: Outcome[] = [];
  readonly #inners: TestObject[] = [];
  #disposed = false;

  constructor() {
    super((incoming) => this.#handle(incoming));
  }

  override dispatch(incoming: LocalCall): void {
    this.#handle(incoming);
  }

  #handle(incoming: LocalCall): void {
    const given = incoming.params.capabilities.filter((capability) => capability !== null);
    // What waited for something that was held may come after the end.
    switch (this.#disposed ? 1 : incoming.methodId % 8) {
      case 0: // Gives back what it got.
        incoming.return_(
          payload(
            1,
            given.map((capability) => capability.retain()),
          ),
        );
        break;
      case 1: {
        // Gives an object.
        const inner = new TestObject(() => {});
        inner.dispatch = (call) => {
          call.params.release();
          call.return_(payload(2));
        };
        this.#inners.push(inner);
        incoming.return_(payload(1, [inner.capability()]));
        break;
      }
      case 2: // Keeps what it got.
        this.#kept.push(...given.map((capability) => capability.retain()));
        incoming.return_(payload(1));
        break;
      case 3: // Calls what it got, with itself as an argument where there is one.
        for (const capability of given) this.#outcomes.push(call(capability, 3, [capability.retain()]));
        incoming.return_(payload(1));
        break;
      case 4: {
        // Gives a promise.
        const promise = new QueuedCapability();
        this.#promises.push(promise);
        incoming.return_(payload(1, [promise.retain()]));
        break;
      }
      case 5: {
        // Makes one of its promises what it got, or breaks it.
        const promise = this.#promises.shift();
        const [replacement] = given;
        if (promise !== undefined) {
          if (replacement === undefined) promise.reject(new RpcError('failed', 'broken'));
          else promise.resolve(replacement.retain());
          promise.release();
        }
        incoming.return_(payload(1));
        break;
      }
      case 6: // Waits.
        this.#held.push(incoming);
        return;
      default: // Fails; and lets one go that waits.
        this.#letGo();
        incoming.fail(new RpcError('failed', 'as it does'));
    }
    incoming.params.release();
  }

  /** Ends the call that has waited longest. */
  #letGo(): boolean {
    const held = this.#held.shift();
    held?.params.release();
    held?.return_(payload(1));
    return held !== undefined;
  }

  dispose(): void {
    this.#disposed = true;
    while (this.#letGo());
    for (const promise of this.#promises.splice(0)) {
      promise.reject(new RpcError('failed', 'over'));
      promise.release();
    }
    for (const { call: made } of this.#outcomes.splice(0)) made.finish();
    for (const capability of this.#kept.splice(0)) capability.release();
  }

  get leaked(): number {
    return this.#inners.filter(({ alive }) => alive).length;
  }
}

/** Two vats, each of which does to the other what the methods above are good for: what left said is recorded. */
async function recorded(random: Random): Promise<Uint8Array[]> {
  const [left, right] = [new Behaviour(), new Behaviour()];
  const pair = new Pair({ left: left.capability(), right: right.capability() });
  pair.links.leftToRight.record = true;
  const mine = left.capability();
  const held: Capability[] = [pair.left.bootstrap()];
  const promises: QueuedCapability[] = [];
  const outcomes: Outcome[] = [];
  for (let step = 0; step < 24; step++) {
    const args: Capability[] = [];
    for (let i = random.below(3); i > 0; i--) {
      if (random.chance(3)) {
        const promise = new QueuedCapability();
        promises.push(promise);
        args.push(promise.retain());
      } else args.push(random.chance(2) ? mine.retain() : random.pick(held).retain());
    }
    const outcome = call(random.pick(held), step, args, random.below(8));
    outcomes.push(outcome);
    if (random.chance(2)) held.push(outcome.call.pipelined([random.below(2)]));
    if (random.chance(3)) await quiet();
    if (random.chance(4)) {
      const promise = promises.shift();
      if (random.chance(4)) promise?.reject(new RpcError('failed', 'no'));
      else promise?.resolve(random.chance(2) ? mine.retain() : random.pick(held).retain());
      promise?.release();
    }
    if (random.chance(4) && held.length > 1) held.splice(1 + random.below(held.length - 1), 1)[0]!.release();
    if (random.chance(3) && outcomes.length > 0)
      outcomes.splice(random.below(outcomes.length), 1)[0]!.call.finish();
  }
  await quiet();
  const trace = pair.links.leftToRight.trace.map(([segment]) => segment!);
  for (const { call: made } of outcomes) made.finish();
  for (const capability of held) capability.release();
  for (const promise of promises) {
    promise.reject(new RpcError('failed', 'over'));
    promise.release();
  }
  mine.release();
  left.dispose();
  right.dispose();
  await quiet();
  // What was resolved at random may be a cycle, which lasts as long as the connection.
  pair.mayClose = true;
  pair.left.close();
  return trace;
}

/** Says `messages` to `peer`, and holds it against what must be so whatever is said. */
async function say(messages: readonly Uint8Array[][], peer: HostilePeer, random: Random): Promise<number> {
  let said = 0;
  for (const segments of messages) {
    const before = performance.now();
    peer.say(...segments);
    said++;
    expect(performance.now() - before).toBeLessThan(MESSAGE_MILLIS);
    const { questions, answers, exports, imports, embargoes } = peer.connection.tables;
    expect(answers).toBeLessThanOrEqual(2 * LIMITS.answers);
    expect(exports).toBeLessThanOrEqual(LIMITS.exports);
    expect(imports).toBeLessThanOrEqual(LIMITS.imports);
    expect(questions).toBeLessThanOrEqual(LIMITS.questions);
    expect(embargoes).toBeLessThanOrEqual(LIMITS.questions);
    if (peer.closed !== null) break;
    if (random.chance(6)) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(peer.ends).toBeLessThanOrEqual(1);
  if (peer.closed !== null) {
    expect(peer.closed.code, peer.closed.message).not.toBe('ERR_RPC_INTERNAL');
    if (peer.closed.code !== 'ERR_RPC_ABORTED') {
      expect(peer.abortReason).toMatch(/\w+ \w+/);
      expect(peer.closed.message).toContain(peer.abortReason!);
    }
  }
  return said;
}

/** Real objects behind the connection. */
async function withObjects(messages: readonly Uint8Array[][], random: Random): Promise<number> {
  const object = new Behaviour();
  const budgets = new Budgets();
  const peer = new HostilePeer({
    bootstrap: object.capability(),
    limits: LIMITS,
    accounts: budgets.accounts(),
  });
  const theirs = peer.connection.bootstrap();
  const outcomes = [call(theirs, 1, [object.capability()]), call(theirs, 2)];
  const said = await say(messages, peer, random);
  peer.connection.close();
  await quiet();
  for (const outcome of outcomes) {
    // Results that cannot be read are an outcome, too.
    expect(outcome.done || outcome.results !== null).toBe(true);
    outcome.call.finish();
  }
  theirs.release();
  object.dispose();
  await quiet();
  expect(peer.connection.tables).toEqual(EMPTY);
  expect(object.leaked).toBe(0);
  return said;
}

/** A connection that passes everything on to another, where real objects are. */
async function withProxy(messages: readonly Uint8Array[][], random: Random): Promise<number> {
  const object = new Behaviour();
  const back = new Pair({ right: object.capability() });
  const peer = new HostilePeer({ bootstrap: back.left.bootstrap(), limits: LIMITS });
  const said = await say(messages, peer, random);
  await quiet();
  // Whatever was said, the connection behind it has not noticed.
  expect(back.closed).toEqual({ left: null, right: null });
  peer.connection.close();
  await quiet();
  object.dispose();
  await quiet();
  expect(back.closed).toEqual({ left: null, right: null });
  expect(peer.connection.tables).toEqual(EMPTY);
  // A cycle of references through several vats is collected by nobody, and a mutated trace makes one now and then. What is left
  // lasts as long as the connection behind the proxy, and never longer.
  const { left, right } = back;
  if ([left, right].every(({ tables }) => Object.values(tables).every((entries) => entries === 0))) {
    back.expectEmpty();
  } else {
    remainders++;
    back.mayClose = true;
    left.close();
    await quiet();
    expect([left.tables, right.tables]).toEqual([EMPTY, EMPTY]);
  }
  return said;
}

/** Objects with a schema, which read the mutated content by their codecs. */
async function withCodec(messages: readonly Uint8Array[][], random: Random): Promise<number> {
  using stub = serve(TARGET, new Taker());
  const peer = new HostilePeer({ bootstrap: capabilityOf(stub).retain(), limits: LIMITS });
  const said = await say(messages, peer, random);
  peer.connection.close();
  await quiet();
  expect(peer.connection.tables).toEqual(EMPTY);
  return said;
}

/** Runs through a proxy that left something behind it, as long as the connection lasted. */
let remainders = 0;

const WORLDS = [withObjects, withProxy, withCodec];

it(
  'mutated traces end in an answer or an Abort with a reason, and leave nothing behind',
  async () => {
    const seed = FUZZ_SEED === 'random' ? randomInt(2 ** 32) : Number(FUZZ_SEED);
    console.log(`fuzz: FUZZ_SEED=${seed}`);
    const recording = new Random(seed);
    const traces: Uint8Array[][] = [];
    for (let i = 0; i < 12; i++) traces.push(await recorded(recording));
    const began = performance.now();
    let runs = 0;
    let messages = 0;
    while (runs < FUZZ_RUNS && performance.now() - began < FUZZ_SECONDS * 1000) {
      const random = new Random((seed + ++runs) >>> 0);
      const said = mutatedTrace(random.pick(traces), traces, random);
      try {
        messages += await random.pick(WORLDS)(said, random);
      } catch (error) {
        throw new Error(`run ${runs} of FUZZ_SEED=${seed}`, { cause: error });
      }
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(
      `fuzz: ${runs} runs, ${messages} messages in ${seconds} s, ${remainders} times something was left behind a proxy`,
    );
    expect(remainders).toBeLessThanOrEqual(2 + runs / 50);
    expect(runs).toBeGreaterThan(0);
  },
  FUZZ_SECONDS * 1000 + 60_000,
);
