/**
 * Two ways lead through an envelope: that of the usual shape, at fixed offsets, and the general one. Each message here is
 * passed on by a proxy both ways, and what comes out has to be the same bytes; or, where the envelope was written over in place,
 * the same but for where the envelope stands, which has to say the same, field by field. Where nothing in a message overlaps, it
 * has to say what the message said, read by the schema.
 *
 * RELAY_SEED and RELAY_ROUNDS choose others and more; the numbers that were tried are printed.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ReceivedMessage } from '../../rpc/body.js';
import {
  type Call,
  type CallInProgress,
  Capability,
  type ReturnSink,
  settled,
} from '../../rpc/capability.js';
import { Connection } from '../../rpc/connection.js';
import { finishMessage, NOWHERE, PlainEnvelope, releaseMessage, returnMessage } from '../../rpc/envelope.js';
import { FrameReader } from '../../rpc/frame.js';
import { DEFAULT_LIMITS } from '../../rpc/limits.js';
import { readAddress } from '../../rpc/message-target.js';
import * as layout from '../../rpc/protocol.js';
import { AnyPointer, MessageBuilder, MessageReader, type StructReader } from '../../schema/index.js';
import {
  bootstrapMessage,
  callMessage,
  capabilityPointer,
  farPointer,
  listPointer,
  listTag,
  RAW_CALL,
  rawCall,
  segment,
  structPointer,
} from '../hostile/peer.js';
import { peerIn } from '../interop/arrangements.js';
import { receiveLent } from '../lending.js';
import { type Choose, chooser } from '../mulberry32.js';
import { scattered } from '../schema/streams.js';
import { copyOf } from './vats.js';
import { content, decodeMessage, encodeMessage, type WireMessage } from './wire.js';

const SEED = Number(process.env['RELAY_SEED'] ?? 20_040_611);
const ROUNDS = Number(process.env['RELAY_ROUNDS'] ?? 3000);
const INTERFACE = 0xfeed_0000_0000_0001n;

// ---- a proxy ------------------------------------------------------------------------------------------------------

type Kind = 'call' | 'return';

interface PassedOn {
  /** What the message became, towards its receiver, and everything else that was said to either side. */
  readonly onwards: readonly Uint8Array[][];
  readonly back: readonly Uint8Array[][];
  readonly closed: readonly string[];
}

/** Ids of the proxy: a peer calls its export 0, as the question ASKED, and it asks that on as its own question PASSED_ON. */
const ASKED = 77;
const PASSED_ON = 0;
/** What the callee calls the object in its results. */
const RETURNED = 8;

/** Hands on what it is called with, once it has read it, as a policy does that has a constraint. */
class Reader extends Capability {
  constructor(private readonly inner: Capability) {
    super();
  }

  override call(call: Call, sink: ReturnSink): CallInProgress {
    seen.push(Buffer.from(call.params.content.struct().data).toString('hex'));
    return this.inner.call(call, sink);
  }

  protected override dropped(): void {}
}

/** What every Reader has read. */
const seen: string[] = [];

interface Passing {
  /** Whether somebody reads the content on the way. */
  readonly reading?: boolean;
  /** What the question ASKED, which a Call is addressed to a place of, has come to before it: nothing, or an object at its first pointer. */
  readonly asked?: 'running' | 'returned';
}

/** What a proxy makes of `message`: a Call of its export 0, or of a place in ASKED, or a Return of what it asked. */
function passOn(
  kind: Kind,
  message: readonly Uint8Array[],
  { reading = false, asked }: Passing = {},
): PassedOn {
  const said = { caller: [] as Uint8Array[][], callee: [] as Uint8Array[][] };
  const closed: string[] = [];
  const end = (side: keyof typeof said) => ({
    send: (segments: readonly Uint8Array[]) => void said[side].push(copyOf(segments)),
    closed: (reason: Error) => void closed.push(`${side}: ${reason.message}`),
  });
  const callee = new Connection(end('callee'));
  const promise = callee.bootstrap();
  receiveLent(callee, [
    encodeMessage({
      return: {
        answerId: 0,
        results: { content: 0, capTable: [{ senderHosted: 7 }] },
      },
    }),
  ]);
  const pipelined = settled(promise);
  const caller = new Connection({ ...end('caller'), bootstrap: reading ? new Reader(pipelined) : pipelined });
  receiveLent(caller, [bootstrapMessage(9999)]);
  if (kind === 'return' || asked !== undefined)
    receiveLent(caller, [callMessage(ASKED, { interfaceId: INTERFACE })]);
  if (asked === 'returned') {
    const results = { content: content(1, 0), capTable: [{ senderHosted: RETURNED }] };
    receiveLent(callee, [encodeMessage({ return: { answerId: PASSED_ON, results } })]);
  }
  const [forward, backward] =
    kind === 'call' ? (['callee', 'caller'] as const) : (['caller', 'callee'] as const);
  said.caller.length = 0;
  said.callee.length = 0;
  receiveLent(kind === 'call' ? caller : callee, message);
  const passed = { onwards: said[forward].slice(), back: said[backward].slice(), closed: [...closed] };
  promise.release();
  caller.close();
  callee.close();
  return passed;
}

afterEach(() => void vi.restoreAllMocks());

interface Held extends PassedOn {
  /** Whether it has the usual shape, and whether its envelope was written over. */
  readonly usual: boolean;
  readonly reused: boolean;
}

/** What the message becomes on the way of the usual shape, if it has that, after it was held against the general way. */
function held(kind: Kind, message: readonly Uint8Array[], options: Passing = {}): Held {
  const take = vi.spyOn(PlainEnvelope.prototype, 'take');
  const fast = passOn(kind, message, options);
  const usual = take.mock.results.at(-1)?.value !== null;
  take.mockReturnValue(null);
  const general = passOn(kind, message, options);
  take.mockRestore();
  const reused = !isDeepStrictEqual(hex(fast), hex(general));
  if (reused) {
    expect(usual).toBe(true);
    expect(hex({ ...fast, onwards: [] })).toEqual(hex({ ...general, onwards: [] }));
    expect(fast.onwards.length).toBe(general.onwards.length);
    fast.onwards.forEach((segments, i) => {
      expectAlike(kind, message, segments, general.onwards[i]!);
    });
  }
  return { ...fast, usual, reused };
}

/** That a message whose envelope was written over is one with an envelope of its own, which says the same. */
function expectAlike(
  kind: Kind,
  original: readonly Uint8Array[],
  reused: readonly Uint8Array[],
  rebuilt: readonly Uint8Array[],
): void {
  expect(envelopeOf(kind, reused)).toEqual(envelopeOf(kind, rebuilt));
  const now = new PlainEnvelope();
  expect(now.take(reused)).toBe(kind);
  const place = new PlainEnvelope();
  expect(place.take(original)).toBe(kind);
  if (now.promised === NOWHERE && place.promised !== NOWHERE) {
    // What the caller has asked is between it and us.
    const wordsAt = (word: number) => Buffer.from(reused[place.segment]!.subarray(word * 8, word * 8 + 16));
    expect(wordsAt(place.promised)).toEqual(Buffer.alloc(16));
    if (place.path.length > 0) expect(wordsAt(place.steps)).toEqual(Buffer.alloc(16));
  }
  const before = rebuilt.slice(0, -1);
  if (before.length === 0) {
    const own = new PlainEnvelope();
    expect(own.take(rebuilt)).toBe(kind);
    const wordAt = (bytes: Uint8Array, word: number) => Buffer.from(bytes.subarray(word * 8, word * 8 + 8));
    return expect(wordAt(reused[place.segment]!, place.content)).toEqual(wordAt(rebuilt[0]!, own.content));
  }
  const withoutEnvelope = (segments: readonly Uint8Array[]) => {
    const copy = copyOf(segments);
    const erase = (segment: number, start: number, words: number) =>
      copy[segment]!.fill(0, start * 8, (start + words) * 8);
    erase(0, 0, 1);
    erase(place.segment, place.head, kind === 'call' ? 6 : 3);
    if (kind === 'call') erase(place.segment, place.target, 2);
    if (place.promised !== NOWHERE) erase(place.segment, place.promised, 2);
    if (place.path.length > 0) erase(place.segment, place.steps, 2);
    return copy.map((each) => Buffer.from(each).toString('hex'));
  };
  expect(withoutEnvelope(reused)).toEqual(withoutEnvelope(before));
}

/** What the envelope of a message says, read by the schema. */
function envelopeOf(kind: Kind, segments: readonly Uint8Array[]): object {
  const root = new MessageReader(copyOf(segments)).root.struct();
  const body = root.pointer(layout.Message.body).struct();
  const tag = root.u16(layout.Message.tag);
  const data = Buffer.from(body.data).toString('hex');
  if (kind === 'return') return { tag, data };
  const target = body.pointer(layout.Call.target).struct();
  const promised = target.pointer(layout.MessageTarget.body);
  const thirdParty = body.pointer(layout.Call.thirdParty).kind;
  return {
    tag,
    data,
    target: Buffer.from(target.data).toString('hex'),
    promised: promised.kind === 'null' ? null : readAddress(promised.struct()),
    thirdParty,
  };
}

/** The Calls among `messages`, read by the general way. */
function callsOf(messages: readonly Uint8Array[][]): StructReader[] {
  return messages
    .map((segments) => new MessageReader(segments).root.struct())
    .filter((message) => message.u16(layout.Message.tag) === layout.Message.call)
    .map((message) => message.pointer(layout.Message.body).struct());
}

function hex({ onwards, back, closed }: PassedOn): object {
  const messages = (all: readonly Uint8Array[][]) =>
    all.map((segments) => segments.map((each) => Buffer.from(each).toString('hex')).join('|'));
  return { onwards: messages(onwards), back: messages(back), closed };
}

/** What a message says of what is to reach its receiver, read by the schema. */
function meaning(message: WireMessage): object {
  const { call, return: returned } = message;
  const payload = call?.params ?? returned?.results;
  const any = payload?.content as AnyPointer | null | undefined;
  return {
    ...(call && { interfaceId: call.interfaceId, methodId: call.methodId }),
    capabilities: payload?.capTable?.length ?? 0,
    content: Buffer.from(encodeMessage({ call: { params: { content: any ?? null } } })).toString('hex'),
  };
}

// ---- messages -----------------------------------------------------------------------------------------------------

/** Content as a peer may build it, with capabilities 0 to `capabilities - 1` in it. */
function randomContent(choose: Choose, capabilities: number): AnyPointer | null {
  const builder = new MessageBuilder();
  let left = 12;
  const fill = (into: ReturnType<MessageBuilder['pointerAt']>, depth: number): void => {
    const form = left-- <= 0 || depth > 4 ? 5 : choose(7);
    if (form <= 1) {
      const [words, pointers] = [choose(4), choose(4)];
      const struct = into.struct(words, pointers);
      for (let i = 0; i < words; i++) struct.setU64(i * 8, BigInt(choose(2 ** 32)) * 0x1_0000_0001n);
      for (let i = 0; i < pointers; i++) fill(struct.pointer(i), depth + 1);
    } else if (form === 2) {
      into.setData(Uint8Array.from({ length: choose(40) }, () => choose(256)));
    } else if (form === 3) {
      const count = choose(4);
      const list = into.structList(count, 1, 1);
      for (let i = 0; i < count; i++) {
        list.struct(i).setU32(0, choose(2 ** 32));
        fill(list.struct(i).pointer(0), depth + 1);
      }
    } else if (form === 4 && capabilities > 0) {
      into.setCapability(choose(capabilities));
    } else if (form === 6) {
      // A list of numbers, where a later schema may have structs, or of nothing.
      into.list(([0, 1, 3, 4, 5] as const)[choose(5)]!, choose(9));
    }
  };
  fill(builder.root, 0);
  const root = builder.asReader().root;
  return root.kind === 'null' ? null : AnyPointer.read(root, { decode: (index) => index });
}

const DESCRIPTORS = [
  () => ({ none: null }),
  (choose: Choose) => ({ senderHosted: choose(9) }),
  (choose: Choose) => ({ senderPromise: 20 + choose(9) }),
  (choose: Choose) => ({ receiverHosted: choose(3) }),
  (choose: Choose) => ({
    receiverAnswer: { questionId: [9999, ASKED, 5, 0][choose(4)], transform: transform(choose) },
  }),
  (choose: Choose) => ({ thirdPartyHosted: { vineId: 40 + choose(5) } }),
] as const;

const transform = (choose: Choose) =>
  Array.from({ length: choose(3) }, () =>
    choose(3) === 0 ? { noop: null } : { getPointerField: choose(3) },
  );

/** A message that nothing is wrong with, whatever it says. */
function randomMessage(kind: Kind, choose: Choose, promised: object | null = null): WireMessage {
  const capabilities = choose(3) === 0 ? 1 + choose(4) : 0;
  const capTable = Array.from({ length: capabilities }, () =>
    DESCRIPTORS[choose(DESCRIPTORS.length)]!(choose),
  );
  const payload = { content: randomContent(choose, capabilities), ...(capabilities > 0 && { capTable }) };
  if (kind === 'return') {
    return {
      return: {
        answerId: PASSED_ON,
        releaseParamCaps: choose(2) === 0,
        noFinishNeeded: choose(2) === 0,
        results: payload,
      },
    };
  }
  const target =
    promised !== null
      ? { promisedAnswer: promised }
      : choose(4) > 0
        ? { importedCap: 0 }
        : { promisedAnswer: { questionId: 9999, transform: choose(2) === 0 ? [] : [{ noop: null }] } };
  return {
    call: {
      questionId: choose(50),
      target,
      interfaceId: choose(4) === 0 ? BigInt(choose(2 ** 32)) : INTERFACE,
      methodId: choose(9),
      noPromisePipelining: choose(2) === 0,
      onlyPromisePipeline: choose(6) === 0,
      params: payload,
    },
  };
}

/** A Call whose pointers lead anywhere in it: any two of its parts may overlap. */
function overlapping(choose: Choose): Uint8Array[] {
  const words = 13 + choose(12);
  const anywhere = (at: number) => choose(words) - at - 1;
  const shapes: readonly (readonly [number, number])[] = [
    [1, 1],
    [3, 3],
    [0, 2],
    [1, 0],
    [choose(5), choose(5)],
  ];
  const struct = (at: number) => structPointer(anywhere(at), ...shapes[choose(shapes.length)]!);
  const list = (at: number) => listPointer(anywhere(at), choose(8), choose(8));
  const pointer = (at: number): bigint => {
    switch (choose(6)) {
      case 0:
        return 0n;
      case 1:
        return capabilityPointer(choose(3));
      case 2:
        return farPointer(choose(2), choose(words), choose(4) === 0);
      case 3:
        return struct(at);
      default:
        return list(at);
    }
  };
  const call = new BigUint64Array(
    rawCall(choose(4), {
      content: pointer(RAW_CALL.content),
      capTable: choose(2) === 0 ? 0n : list(RAW_CALL.capTable),
      interfaceId: INTERFACE,
      methodId: choose(3),
      target: [choose(2) === 0 ? 0n : 1n << 32n, choose(2) === 0 ? 0n : pointer(RAW_CALL.targetPointer)],
      rest: Array.from({ length: words - 13 }, (_, i) =>
        choose(3) === 0
          ? listTag(choose(4), choose(3), choose(3))
          : choose(2) === 0
            ? pointer(RAW_CALL.rest + i)
            : BigInt(choose(5)) | (BigInt(choose(5)) << 32n),
      ),
    }).slice().buffer,
  );
  // The parts themselves, now and then: the Message's body, the Call's target and its params, of the shape they should have.
  for (const [at, data, pointers] of [
    [2, 3, 3],
    [6, 1, 1],
    [7, 0, 2],
  ] as const) {
    if (choose(4) === 0) call[at] = structPointer(anywhere(at), data, pointers);
  }
  const first = new Uint8Array(call.buffer);
  return choose(5) === 0 ? [first, segment([pointer(0), pointer(1), pointer(2)])] : [first];
}

/** The same message, now and then behind a segment of its own for its root. */
function behindRoot(segments: Uint8Array[], choose: Choose): Uint8Array[] {
  if (choose(3) > 0) return segments;
  const root = new BigUint64Array([farPointer(1, 0), ...Array.from({ length: choose(3) }, () => 0n)]);
  return [new Uint8Array(root.buffer), ...segments];
}

/** A Call to a place in ASKED, the parts of which may lie over each other. */
function overlappingPromised(choose: Choose): Uint8Array[] {
  const steps = choose(2);
  // The interface may be read as a PromisedAnswer, too: written over as one, the Call would be of another interface.
  const isAsked = choose(2) === 0;
  const words = new BigUint64Array(
    rawCall(choose(4), {
      content: choose(3) === 0 ? structPointer(choose(30) - 15, choose(3), choose(3)) : 0n,
      interfaceId: isAsked ? BigInt(ASKED) : INTERFACE,
      methodId: choose(3),
      target: [
        1n << 32n,
        structPointer(isAsked && choose(2) === 0 ? RAW_CALL.call - RAW_CALL.targetPointer : 2, 1, 1),
      ],
      rest: [
        BigInt(ASKED),
        steps === 0 ? 0n : listPointer(0, 7, 1),
        listTag(1, 1, 0),
        1n | (BigInt(choose(3)) << 16n),
        ...Array.from({ length: choose(8) }, () => BigInt(choose(4)) | (1n << 32n)),
      ],
    }).slice().buffer,
  );
  const anywhere = (at: number) => choose(words.length) - at - 1;
  for (const [at, data, pointers] of [
    [2, 3, 3],
    [6, 1, 1],
    [7, 0, 2],
    [10, 1, 1],
  ] as const) {
    if (choose(4) === 0) words[at] = structPointer(anywhere(at), data, pointers);
  }
  if (steps > 0 && choose(4) === 0) words[14] = listPointer(anywhere(14), 7, 1);
  return [new Uint8Array(words.buffer)];
}

// ---- what must hold -----------------------------------------------------------------------------------------------

describe('an envelope that is read at fixed offsets', () => {
  it('is passed on as the general way does it, and says what it said', () => {
    const choose = chooser(SEED);
    const counts = { usual: 0, reused: 0, general: 0, segments: 0, refused: 0 };
    for (let i = 0; i < ROUNDS; i++) {
      const kind = choose(2) === 0 ? 'call' : 'return';
      const written = encodeMessage(randomMessage(kind, choose));
      const message = choose(2) === 0 ? [written] : scattered(written, choose);
      const { onwards, closed, usual, reused } = held(kind, message, { reading: choose(3) === 0 });
      counts[usual ? 'usual' : 'general']++;
      if (reused) counts.reused++;
      counts.segments += message.length;
      // A name that stands for nothing (a question that was never asked, say) may be refused; otherwise it went on.
      const passed = onwards.map(decodeMessage).find((each) => kind in each);
      if (passed === undefined || closed.length > 0) counts.refused++;
      else if (kind === 'call' || passed['return'].results !== undefined) {
        expect(meaning(passed)).toEqual(meaning(decodeMessage(message)));
      }
    }
    console.log(`${ROUNDS} generated messages (seed ${SEED}): ${JSON.stringify(counts)}`);
    expect(counts.usual).toBeGreaterThan(ROUNDS / 10);
    expect(counts.reused).toBeGreaterThan(ROUNDS / 20);
    expect(counts.reused).toBeLessThan(counts.usual);
    expect(counts.refused).toBeLessThan(ROUNDS / 2);
  });

  it('is passed on as the general way does it, whatever overlaps in it', () => {
    const choose = chooser(SEED + 1);
    const counts = { usual: 0, reused: 0, read: 0, general: 0, passed: 0, aborted: 0 };
    for (let i = 0; i < ROUNDS; i++) {
      const reading = choose(2) === 0;
      seen.length = 0;
      const { onwards, closed, usual, reused } = held('call', behindRoot(overlapping(choose), choose), {
        reading,
      });
      counts[usual ? 'usual' : 'general']++;
      if (reused) counts.reused++;
      if (reused && reading) counts.read++;
      if (closed.length > 0) counts.aborted++;
      for (const call of callsOf(onwards)) {
        counts.passed++;
        // Whatever lay over it: what is called is what the Call said, and it is addressed to the callee's own capability.
        expect(call.u32(layout.Call.questionId)).toBe(PASSED_ON);
        expect(call.pointer(layout.Call.target).struct().u32(layout.MessageTarget.importedCapId)).toBe(7);
        if (reading) {
          // Who read it on the way read what its receiver does.
          const content = call.pointer(layout.Call.params).struct().pointer(layout.Payload.content);
          expect(new Set(seen)).toEqual(new Set([Buffer.from(content.struct().data).toString('hex')]));
        }
      }
    }
    console.log(`${ROUNDS} overlapping layouts (seed ${SEED + 1}): ${JSON.stringify(counts)}`);
    expect(counts.usual).toBeGreaterThan(0);
    expect(counts.read).toBeGreaterThan(0);
    expect(counts.passed).toBeGreaterThan(ROUNDS / 20);
  });

  it.each(['running', 'returned'] as const)(
    'is passed on as the general way does it where it is addressed to a place in an answer that is %s',
    (asked) => {
      const choose = chooser(SEED + 2);
      const counts = { usual: 0, reused: 0, general: 0 };
      for (let i = 0; i < ROUNDS; i++) {
        const field = choose(asked === 'running' ? 20 : 1);
        const step = { getPointerField: field };
        const transform = [[step], [step], [{ noop: null }, step], [step, { noop: null }]][choose(4)]!;
        const written = encodeMessage(randomMessage('call', choose, { questionId: ASKED, transform }));
        const message = choose(2) === 0 ? [written] : scattered(written, choose);
        const { onwards, usual, reused } = held('call', message, { asked, reading: choose(4) === 0 });
        counts[usual ? 'usual' : 'general']++;
        if (reused) counts.reused++;
        const passed = onwards.map(decodeMessage).find((each) => 'call' in each);
        // It goes on unless it names capabilities that there are not, and then to the same place of what was asked on.
        if (passed === undefined) continue;
        expect(meaning(passed)).toEqual(meaning(decodeMessage(message)));
        expect(passed['call'].target).toEqual(
          asked === 'running'
            ? { promisedAnswer: { questionId: PASSED_ON, transform: [step] } }
            : { importedCap: RETURNED },
        );
      }
      console.log(
        `${ROUNDS} Calls to an answer that is ${asked} (seed ${SEED + 2}): ${JSON.stringify(counts)}`,
      );
      expect(counts.usual).toBeGreaterThan(ROUNDS / 10);
      expect(counts.reused).toBeGreaterThan(ROUNDS / 20);
    },
  );

  it('is passed on as the general way does it, whatever overlaps in one that is addressed to a place in an answer', () => {
    const choose = chooser(SEED + 3);
    const counts = { usual: 0, reused: 0, general: 0, passed: 0, aborted: 0 };
    for (let i = 0; i < ROUNDS; i++) {
      const asked = choose(2) === 0 ? 'running' : 'returned';
      const { onwards, closed, usual, reused } = held(
        'call',
        behindRoot(overlappingPromised(choose), choose),
        { asked },
      );
      counts[usual ? 'usual' : 'general']++;
      if (reused) counts.reused++;
      if (closed.length > 0) counts.aborted++;
      for (const call of callsOf(onwards)) {
        counts.passed++;
        // What has returned is over with, and its id free.
        expect(call.u32(layout.Call.questionId)).toBe(asked === 'running' ? PASSED_ON + 1 : PASSED_ON);
        // It is addressed to what the callee gave or was asked, and never to what the caller has asked, or laid there.
        const target = call.pointer(layout.Call.target).struct();
        if (target.u16(layout.MessageTarget.tag) === layout.MessageTarget.promisedAnswer) {
          const promised = target.pointer(layout.MessageTarget.body).struct();
          expect(readAddress(promised).questionId).toBe(PASSED_ON);
        } else expect([7, RETURNED]).toContain(target.u32(layout.MessageTarget.importedCapId));
      }
    }
    console.log(`${ROUNDS} overlapping Calls to an answer (seed ${SEED + 3}): ${JSON.stringify(counts)}`);
    expect(counts.reused).toBeGreaterThan(ROUNDS / 20);
    expect(counts.reused).toBeLessThan(counts.usual);
    expect(counts.passed).toBeGreaterThan(ROUNDS / 20);
  });

  it('is all of a Finish, a Release and a canceled Return, and says what the schema says', () => {
    const choose = chooser(SEED + 4);
    const plain = new PlainEnvelope();
    const kinds = { finish: 0, release: 0, return: 0, general: 0 };
    for (let i = 0; i < ROUNDS; i++) {
      const [id, count, flag, other] = [choose(2 ** 32), choose(2 ** 32), choose(2) === 0, choose(2) === 0];
      const written = [
        { finish: { questionId: id, releaseResultCaps: flag, requireEarlyCancellationWorkaround: other } },
        { release: { id, referenceCount: count } },
        { return: { answerId: id, releaseParamCaps: flag, noFinishNeeded: other, canceled: null } },
      ][choose(3)]!;
      const bytes = encodeMessage(written);
      const kind = plain.take(choose(2) === 0 ? [bytes] : scattered(bytes, choose));
      kinds[(kind as 'finish' | null) ?? 'general']++;
      if (kind === null) continue;
      expect(Object.keys(written)).toEqual([kind]);
      expect(plain).toMatchObject({
        id,
        ...(kind === 'finish' && { keepResultCaps: !flag }),
        ...(kind === 'release' && { referenceCount: count }),
        ...(kind === 'return' && {
          tag: layout.Return.canceled,
          keepParamCaps: !flag,
          noFinishNeeded: other,
        }),
      });
    }
    console.log(`${ROUNDS} short messages (seed ${SEED + 4}): ${JSON.stringify(kinds)}`);
    for (const times of Object.values(kinds)) expect(times).toBeGreaterThan(ROUNDS / 20);
  });

  it('is what is written as one: a Finish, a Release and a Return that says nothing but how it ended', () => {
    const [id, count] = [0x8765_4321, 0xfedc_ba98];
    const read = (bytes: Uint8Array) => decodeMessage([bytes]);
    for (const keep of [true, false])
      expect(read(finishMessage(id, keep))).toEqual({
        finish: { questionId: id, releaseResultCaps: !keep, requireEarlyCancellationWorkaround: false },
      });
    expect(read(releaseMessage(id, count))).toEqual({ release: { id, referenceCount: count } });
    for (const [tag, name] of [
      [layout.Return.canceled, 'canceled'],
      [layout.Return.resultsSentElsewhere, 'resultsSentElsewhere'],
    ] as const)
      expect(read(returnMessage(id, tag))).toEqual({
        return: { answerId: id, releaseParamCaps: false, noFinishNeeded: false, [name]: null },
      });
  });

  it('keeps its method when an element of the capability table lies over the data of the Call', () => {
    // As a descriptor, the first word of the Call is a senderHosted capability with the id 0; written over in place with the
    // id that it is exported under, which could be 7, that would be the method 7.
    const { onwards } = held('call', [
      rawCall(1, {
        capTable: listPointer(RAW_CALL.call - RAW_CALL.capTable - 1, 5, 1),
        interfaceId: INTERFACE,
        methodId: 0,
      }),
    ]);
    expect(decodeMessage(onwards[0]!)['call']).toMatchObject({ interfaceId: INTERFACE, methodId: 0 });
  });

  it('keeps its interface when a step of its target lies over the data of the Call', () => {
    // As a list of one step, the first two words of the Call are a tag and a getPointerField.
    const interfaceId = 1n | (0xfeed_cafen << 32n);
    const { onwards, reused } = held(
      'call',
      [
        rawCall(4, {
          interfaceId,
          methodId: 1,
          target: [1n << 32n, structPointer(2, 1, 1)],
          rest: [BigInt(ASKED), listPointer(RAW_CALL.call - (RAW_CALL.rest + 1) - 1, 7, 1)],
        }),
      ],
      { asked: 'running' },
    );
    expect(reused).toBe(false);
    expect(decodeMessage(onwards[0]!)['call']).toMatchObject({
      interfaceId,
      target: { promisedAnswer: { questionId: PASSED_ON, transform: [{ getPointerField: 0 }] } },
    });
  });

  it('does not pass on the id of a receiverHosted capability that was never exported', () => {
    const forged = encodeMessage({
      call: {
        questionId: 1,
        target: { importedCap: 0 },
        interfaceId: INTERFACE,
        // The callee has exported a capability 7 to the proxy. This caller knows nothing of it.
        params: { content: content(1, 0), capTable: [{ receiverHosted: 7 }] },
      },
    });
    const { onwards } = held('call', [forged]);
    const [call, resolve] = onwards.map(decodeMessage);
    expect(call!['call'].params.capTable).toEqual([
      expect.objectContaining({ senderPromise: expect.anything() }),
    ]);
    expect(resolve!['resolve']).toMatchObject({
      exception: { reason: expect.stringMatching(/does not exist/) },
    });
  });

  describe('that content lies over', () => {
    const ID = 0x0bad_cafe;
    const message = rawCall(ID, {
      content: structPointer(RAW_CALL.call - RAW_CALL.content - 1, 3, 3),
      interfaceId: INTERFACE,
      methodId: 3,
    });
    const contentOf = (segments: readonly Uint8Array[]) => {
      const call = new MessageReader(segments).root.struct().pointer(layout.Message.body).struct();
      return call.pointer(layout.Call.params).struct().pointer(layout.Payload.content).struct();
    };

    it('is not read by it: a policy reads what the receiver will, and no ids', () => {
      seen.length = 0;
      const { onwards, usual, reused } = held('call', [message], { reading: true });
      expect({ usual, reused }).toEqual({ usual: true, reused: false });
      const content = contentOf(onwards[0]!);
      expect([content.u32(0), content.u16(4), content.u64(8)]).toEqual([0, 0, 0n]);
      expect(new Set(seen)).toEqual(new Set([Buffer.from(content.data).toString('hex')]));
    });

    it('is written over where nobody reads it: a receiver finds there the ids that it was sent', () => {
      const { onwards, reused } = held('call', [message]);
      expect(reused).toBe(true);
      expect(contentOf(onwards[0]!).u32(0)).toBe(PASSED_ON);
    });

    it.each([true, false])('keeps the ids of the caller from the receiver (reading: %s)', (reading) => {
      for (const segments of held('call', [message], { reading }).onwards)
        expect(Buffer.concat(segments).includes(Buffer.from([0xfe, 0xca, 0xad, 0x0b]))).toBe(false);
    });
  });

  it('is written over once: what is sent again is a copy, and so is what is called otherwise', () => {
    const received = () => {
      const segments = copyOf([rawCall(1, { content: 0n, interfaceId: INTERFACE, methodId: 3 })]);
      const plain = new PlainEnvelope();
      expect(plain.take(segments)).toBe('call');
      const body = ReceivedMessage.of(segments, DEFAULT_LIMITS);
      body.enclosedBy(plain);
      return { body, segments };
    };
    const terms = { id: 5, toYourself: false, noPromisePipelining: true, onlyPromisePipeline: false };
    const to = { kind: 'imported', id: 9 } as const;
    const { body, segments } = received();
    expect(body.reuseForCall(terms, INTERFACE, 3, to)).toBe(true);
    const bytes = copyOf(segments);
    expect(body.reuseForCall(terms, INTERFACE, 3, to)).toBe(false);
    expect(body.compose().before).toEqual([]);
    expect(body.content.kind).toBe('null');
    expect(segments).toEqual(bytes);
    expect(received().body.reuseForCall(terms, INTERFACE, 4, to)).toBe(false);
    expect(received().body.reuseForCall(terms, INTERFACE + 1n, 3, to)).toBe(false);
    expect(received().body.reuseForReturn(5, true)).toBe(false);
  });

  it.each([
    ['is written over at each', 'written over', 1],
    ['is written over at each that reads the content', 'read', 1],
    [
      'has a segment of its own at each that goes the general way, and is copied into one now and then',
      'rebuilt',
      8,
    ],
  ])('goes on through as many proxies as there are, and %s', (_title, how, segments) => {
    let message: Uint8Array[] = [
      encodeMessage({
        call: {
          questionId: 1,
          target: { importedCap: 0 },
          interfaceId: INTERFACE,
          params: { content: content(42) },
        },
      }),
    ];
    const before = meaning(decodeMessage(message));
    let most = 0;
    for (let hop = 0; hop < 40; hop++) {
      const reading = how === 'read';
      if (how === 'rebuilt') vi.spyOn(PlainEnvelope.prototype, 'take').mockReturnValue(null);
      const [next] = (how === 'rebuilt' ? passOn('call', message) : held('call', message, { reading }))
        .onwards;
      expect(meaning(decodeMessage(next!))).toEqual(before);
      most = Math.max(most, next!.length);
      const call = new MessageReader(next!).root.struct().pointer(layout.Message.body).struct();
      call.pointer(layout.Call.target).struct().data.fill(0); // The next proxy exports it as 0 again.
      message = next!;
    }
    expect(most).toBe(segments);
  });
});

// ---- peers in other languages -------------------------------------------------------------------------------------

describe.each(['C++', 'Python'] as const)('messages of a peer in %s', (language) => {
  it('are passed on both ways alike, and say what they said', async (context) => {
    const peers = { theirs: await peerIn[language](), ours: await peerIn.Node() };
    if ('missing' in peers.theirs) {
      if (process.env['CI']) throw new Error(peers.theirs.missing);
      return context.skip(peers.theirs.missing);
    }
    const commands = {
      theirs: peers.theirs.command,
      ours: (peers.ours as { command: readonly string[] }).command,
    };
    const recorded = [
      ...(await conversation(commands.theirs, commands.ours)),
      ...(await conversation(commands.ours, commands.theirs)),
    ];
    const counts = { messages: recorded.length, calls: 0, returns: 0, usual: 0, reused: 0, refused: 0 };
    const alike = new Map<string, number>();
    for (const message of recorded) {
      const kind = readdressed(message);
      if (kind === null) continue;
      const shape = [kind, ...message.map(({ length }) => length)].join();
      const before = alike.get(shape) ?? 0;
      if (before >= MOST_ALIKE) continue;
      alike.set(shape, before + 1);
      counts[kind === 'call' ? 'calls' : 'returns']++;
      const { onwards, closed, usual, reused } = held(kind, message);
      if (usual) counts.usual++;
      if (reused) counts.reused++;
      const passed = onwards.map(decodeMessage).find((each) => kind in each);
      if (passed === undefined || closed.length > 0) counts.refused++;
      else if (kind === 'call' || passed['return'].results !== undefined) {
        expect(meaning(passed)).toEqual(meaning(decodeMessage(message)));
      }
    }
    console.log(`recorded with a peer in ${language}: ${JSON.stringify(counts)}`);
    expect(counts.calls).toBeGreaterThan(50);
    expect(counts.returns).toBeGreaterThan(50);
    expect(counts.reused).toBeGreaterThan(20);
  }, 300_000);
});

/** Of each kind and size: a stream has thousands that differ in a number. */
const MOST_ALIKE = 40;

/** Large ones are no different, and take long to compare. */
const LARGEST = 64 * 1024;

/** The Calls and Returns of the interop list, between a client and a server of these commands, both ways. */
async function conversation(client: readonly string[], server: readonly string[]): Promise<Uint8Array[][]> {
  const folder = await mkdtemp(join(tmpdir(), 'sturdy-envelope-'));
  const inner = join(folder, 'inner');
  const outer = join(folder, 'outer');
  const messages: Uint8Array[][] = [];
  const served = spawn(server[0]!, [...server.slice(1), 'serve', inner], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let tee: Server | null = null;
  try {
    await ready(served);
    tee = createServer((left) => {
      const right = createConnection({ path: inner });
      for (const [from, to] of [
        [left, right],
        [right, left],
      ] as const) {
        const reader = new FrameReader(DEFAULT_LIMITS);
        let readable = true;
        from.on('data', (chunk: Buffer) => {
          to.write(new Uint8Array(chunk));
          try {
            // What the list sends to be refused is refused here, too.
            if (readable)
              reader.push(new Uint8Array(chunk), (message) => void messages.push(copyOf(message)));
          } catch {
            readable = false;
          }
        });
        from.on('error', () => to.destroy()).on('end', () => to.end());
      }
    }).listen(outer);
    await once(tee, 'listening');
    const refs = join(folder, 'refs');
    await writeFile(refs, `peer sturdy+unix://${outer}#${Buffer.from('peer').toString('base64url')}\n`);
    await new Promise((resolve) =>
      execFile(client[0]!, [...client.slice(1), 'check', refs, 'other'], { timeout: 120_000 }, resolve),
    );
    return messages.filter((message) => message.reduce((sum, { length }) => sum + length, 0) <= LARGEST);
  } finally {
    tee?.close();
    if (served.exitCode === null && served.signalCode === null) {
      const exit = once(served, 'exit');
      served.kill('SIGKILL');
      await exit;
    }
    await rm(folder, { recursive: true, force: true });
  }
}

async function ready(child: ChildProcess): Promise<void> {
  let said = '';
  for await (const text of child.stdout!.setEncoding('utf8')) {
    said += text;
    if (/^ready$/m.test(said)) return;
  }
  throw new Error('the server ended before it was ready');
}

/** Has a recorded message name what the proxy knows; null for one that is neither a Call nor a Return with results. */
function readdressed(message: readonly Uint8Array[]): Kind | null {
  const root = new MessageReader(message).root.struct();
  const body = () => root.pointer(layout.Message.body).struct();
  const write = (data: Uint8Array, at: number, value: number) =>
    new DataView(data.buffer, data.byteOffset, data.length).setUint32(at, value, true);
  switch (root.u16(layout.Message.tag)) {
    case layout.Message.call: {
      const target = body().pointer(layout.Call.target).struct();
      if (target.u16(layout.MessageTarget.tag) !== layout.MessageTarget.importedCap) return null;
      if (target.data.length > 0) write(target.data, layout.MessageTarget.importedCapId, 0);
      return 'call';
    }
    case layout.Message.return: {
      if (body().u16(layout.Return.tag) !== layout.Return.results) return null;
      write(body().data, layout.Return.answerId, PASSED_ON);
      return 'return';
    }
    default:
      return null;
  }
}
