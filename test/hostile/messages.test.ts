/**
 * Messages whose bytes lie about their sizes, in every place of the envelope and of the content, at a Connection: read by a
 * codec, and passed on to another connection unread.
 */
import { describe, expect, it } from 'vitest';
import { HEADROOM } from '../../rpc/envelope.js';
import { MAX_ERROR_MESSAGE } from '../../rpc/error.js';
import { MAX_TRANSFORM } from '../../rpc/limits.js';
import * as layout from '../../rpc/protocol.js';
import { serve } from '../../rpc/serve.js';
import { capabilityOf } from '../../rpc/stub.js';
import { ElementSize, MessageReader } from '../../schema/index.js';
import { call, Pair, payload, quiet, TEST_INTERFACE, TestObject } from '../conformance/vats.js';
import {
  callMessage,
  capabilityPointer,
  farPointer,
  finishMessage,
  HostilePeer,
  listPointer,
  listTag,
  RAW_CALL,
  rawCall,
  resultsMessage,
  segment,
  structPointer,
} from './peer.js';
import { SHAPES, SHAPES_POINTERS, TAKE, TARGET, Taker, takerPeer } from './target.js';

const { byte, bit, composite, eightBytes, pointer, void: voidSize } = ElementSize;

/** The words of a `Shapes` with `word` in the slot of `field`, and `more` behind it, whose first is `to(0)` from there. */
function shapes(field: keyof typeof SHAPES, word: bigint, more: readonly bigint[]): bigint[] {
  const slots = Array.from({ length: SHAPES_POINTERS }, () => 0n);
  slots[SHAPES[field]] = word;
  return [...slots, ...more];
}

/** The offset from the slot of `field` to the word `index` behind the struct. */
function to(field: keyof typeof SHAPES, index: number): number {
  return SHAPES_POINTERS - SHAPES[field] - 1 + index;
}

/** The word of the message at which `more[index]` stands. */
const at = (index: number) => RAW_CALL.rest + SHAPES_POINTERS + index;

interface Case {
  readonly name: string;
  readonly field: keyof typeof SHAPES;
  readonly word: bigint;
  readonly more?: readonly bigint[];
  readonly segments?: readonly Uint8Array[];
  /** What the codec says of it. */
  readonly decoded: RegExp;
}

const OUT_OF_BOUNDS = /a pointer to \d+ words at -?\d+ of a segment of \d+/;
const TOO_MUCH = /limit traversalWords/;
const OVERLAP = /larger than the message it is from/;
const MAX_COUNT = 2 ** 29 - 1;

const CASES: readonly Case[] = [
  {
    name: 'a list whose size times its element size is more than 32 bits',
    field: 'numbers',
    word: listPointer(to('numbers', 0), eightBytes, MAX_COUNT),
    decoded: OUT_OF_BOUNDS,
  },
  {
    name: 'a list of structs whose count times their size is more than 32 bits',
    field: 'items',
    word: listPointer(to('items', 0), composite, 2),
    more: [listTag(2 ** 29, 0xffff, 0xffff), 0n, 0n],
    decoded: /a list of 536870912 structs of 131070 words in 2 words/,
  },
  {
    name: 'a list of structs whose count is negative',
    field: 'items',
    word: listPointer(to('items', 0), composite, 2),
    more: [listTag(-1, 1, 1), 0n, 0n],
    decoded: /a list of 1073741823 structs/,
  },
  {
    name: 'a list of structs that is longer than its message',
    field: 'items',
    word: listPointer(to('items', 0), composite, MAX_COUNT),
    more: [listTag(1, 1, 1), 0n, 0n],
    decoded: OUT_OF_BOUNDS,
  },
  {
    name: 'a list of structs whose tag is a list pointer',
    field: 'items',
    word: listPointer(to('items', 0), composite, 2),
    more: [listPointer(0, byte, 1), 0n, 0n],
    decoded: /tag is not one of a struct/,
  },
  {
    name: '2^29 elements that take no space',
    field: 'voids',
    word: listPointer(to('voids', 0), voidSize, MAX_COUNT),
    decoded: TOO_MUCH,
  },
  {
    name: '2^29 structs that take no space',
    field: 'empties',
    word: listPointer(to('empties', 0), composite, 0),
    more: [listTag(MAX_COUNT, 0, 0)],
    decoded: TOO_MUCH,
  },
  {
    name: '2^29 elements that take no space, read as structs',
    field: 'items',
    word: listPointer(to('items', 0), voidSize, MAX_COUNT),
    decoded: TOO_MUCH,
  },
  {
    name: 'a far pointer into a segment that is not there',
    field: 'text',
    word: farPointer(0xffff_ffff, 0),
    decoded: /a far pointer into segment 4294967295 of a message of \d/,
  },
  {
    name: 'a far pointer to behind the end of its segment',
    field: 'text',
    word: farPointer(0, MAX_COUNT),
    decoded: OUT_OF_BOUNDS,
  },
  {
    name: 'a far pointer to itself',
    field: 'text',
    word: farPointer(0, RAW_CALL.rest + SHAPES.text),
    decoded: /a far pointer that leads to a far pointer/,
  },
  {
    name: 'a far pointer whose landing pad points to before the segment',
    field: 'text',
    word: farPointer(1, 0),
    segments: [segment([listPointer(-5, byte, 8), 0n])],
    decoded: OUT_OF_BOUNDS,
  },
  {
    name: 'a double-far pointer to itself',
    field: 'nested',
    word: farPointer(0, RAW_CALL.rest + SHAPES.nested, true),
    decoded: /a double-far pointer whose landing pad is not a far pointer/,
  },
  {
    name: 'a chain of double-far pointers',
    field: 'nested',
    word: farPointer(1, 0, true),
    segments: [segment([farPointer(1, 2, true), structPointer(0, 0, 1), farPointer(1, 0, true), 0n])],
    decoded: /a double-far pointer whose landing pad is not a far pointer/,
  },
  {
    name: 'a double-far pointer whose landing pad is cut off by the end of the segment',
    field: 'nested',
    word: farPointer(1, 1, true),
    segments: [segment([0n, farPointer(1, 0)])],
    decoded: OUT_OF_BOUNDS,
  },
  {
    name: 'a double-far pointer whose tag has an offset',
    field: 'nested',
    word: farPointer(1, 0, true),
    segments: [segment([farPointer(1, 0), structPointer(1, 0, 1)])],
    decoded: /a double-far pointer with a bad tag/,
  },
  {
    name: 'a double-far pointer to an object behind the end of its segment',
    field: 'nested',
    word: farPointer(1, 0, true),
    segments: [segment([farPointer(1, MAX_COUNT), structPointer(0, 0, 2)])],
    decoded: OUT_OF_BOUNDS,
  },
  {
    name: 'a struct before the beginning of the segment',
    field: 'nested',
    word: structPointer(-(2 ** 29), 0, 2),
    decoded: OUT_OF_BOUNDS,
  },
  {
    name: 'a struct behind the end of the segment',
    field: 'nested',
    word: structPointer(2 ** 29 - 1, 0xffff, 0xffff),
    decoded: OUT_OF_BOUNDS,
  },
  {
    name: 'a list of structs without pointers, read as a list of pointers',
    field: 'texts',
    word: listPointer(to('texts', 0), composite, 2),
    more: [listTag(2, 1, 0), 1n, 2n],
    decoded: /expected a list of pointers, found structs without pointers/,
  },
  {
    name: 'a list of bytes, read as a list of pointers',
    field: 'texts',
    word: listPointer(to('texts', 0), byte, 8),
    more: [0xffff_ffff_ffff_ffffn],
    decoded: /expected a list of pointers, found one of bytes/,
  },
  {
    name: 'a list of bits, read as a list of structs',
    field: 'items',
    word: listPointer(to('items', 0), bit, 64),
    more: [0xffff_ffff_ffff_ffffn],
    decoded: /expected a list of structs, found a list of bits/,
  },
  {
    name: 'a list of pointers, read as a list of bits',
    field: 'bools',
    word: listPointer(to('bools', 0), pointer, 1),
    more: [0n],
    decoded: /expected a list of bits, found one of pointers/,
  },
  {
    name: 'a text of no bytes, which has no NUL',
    field: 'text',
    word: listPointer(to('text', 0), byte, 0),
    decoded: /a text without its NUL at the end/,
  },
  {
    name: 'a text whose last byte is not NUL',
    field: 'text',
    word: listPointer(to('text', 0), byte, 8),
    more: [0x6161_6161_6161_6161n],
    decoded: /a text without its NUL at the end/,
  },
  {
    name: 'a text that is not UTF-8',
    field: 'text',
    word: listPointer(to('text', 0), byte, 3),
    more: [0x00_fffen],
    decoded: /a text that is not valid UTF-8/,
  },
  {
    name: 'a capability where a struct is expected',
    field: 'nested',
    word: capabilityPointer(0),
    decoded: /expected a struct, found a capability/,
  },
  {
    name: 'a pointer of a kind that does not exist',
    field: 'cap',
    word: 7n,
    decoded: /a pointer of an unknown kind/,
  },
  {
    name: 'a struct that is nested in itself',
    field: 'nested',
    word: structPointer(to('nested', 0), 0, 1),
    more: [listPointer(0, composite, 1), listTag(1, 0, 1), listPointer(-2, composite, 1)],
    decoded: /limit nesting/,
  },
  {
    name: 'a list that is in each of its own elements',
    field: 'nested',
    word: structPointer(to('nested', 0), 0, 1),
    more: [
      listPointer(0, composite, 3),
      listTag(3, 0, 1),
      listPointer(-2, composite, 3),
      listPointer(-3, composite, 3),
      listPointer(-4, composite, 3),
    ],
    decoded: /limit (nesting|traversalWords)/,
  },
  {
    name: 'lists of lists that are all the same one',
    field: 'lists',
    word: listPointer(to('lists', 0), pointer, 1000),
    more: [
      ...Array.from({ length: 1000 }, (_, i) => listPointer(999 - i, pointer, 1000)),
      ...Array.from({ length: 1000 }, (_, i) => listPointer(999 - i, byte, 2)),
      0x61n,
    ],
    decoded: TOO_MUCH,
  },
  {
    name: 'texts that are all the same long one',
    field: 'texts',
    word: listPointer(to('texts', 0), pointer, 1000),
    more: [
      ...Array.from({ length: 1000 }, (_, i) => listPointer(999 - i, byte, 80_000)),
      ...Array.from({ length: 10_000 }, (_, i) => (i === 9999 ? 0n : 0x2020_2020_2020_2020n)),
    ],
    decoded: TOO_MUCH,
  },
];

describe.each(CASES)('params with $name', ({ field, word, more = [], segments = [], decoded }) => {
  const content = structPointer(1, 0, SHAPES_POINTERS);
  const say = (peer: HostilePeer, questionId: number) =>
    peer.say(
      rawCall(questionId, {
        content,
        rest: shapes(field, word, more),
        interfaceId: TARGET.id,
        methodId: TAKE,
      }),
      ...segments,
    );

  it('are an exception of the call that they are in', async () => {
    const { peer, taker } = takerPeer();
    say(peer, 1);
    await quiet();
    expect(peer.answerTo(1)).toMatchObject({ type: 'failed', reason: expect.stringMatching(decoded) });
    expect(taker.taken).toEqual([]);
    expect(peer.closed).toBe(null);
    peer.say(callMessage(2, { interfaceId: TARGET.id, methodId: TAKE }));
    await quiet();
    expect(peer.answerTo(2)).toBe('results');
  });

  it('are passed on as what they are, or not at all', async () => {
    const taker = new Taker();
    using stub = serve(TARGET, taker);
    const back = new Pair({ right: capabilityOf(stub).retain() });
    back.links.leftToRight.record = true;
    const peer = new HostilePeer({ bootstrap: back.left.bootstrap() });
    peer.greet();
    await quiet();
    const sent = segments.reduce((bytes, { length }) => bytes + length, 8 * (at(0) + more.length));
    say(peer, 1);
    await quiet();
    expect(peer.answerTo(1)).toMatchObject({
      type: 'failed',
      reason: expect.stringMatching(decoded),
    });
    expect(taker.taken).toEqual([]);
    for (const segments of back.links.leftToRight.trace)
      expect(Buffer.concat(segments).length).toBeLessThanOrEqual(sent + HEADROOM.words * 8);
    expect(peer.closed).toBe(null);
    peer.say(finishMessage(1));
    await quiet();
    expect(back.closed).toEqual({ left: null, right: null });
    peer.connection.close();
    await quiet();
    back.expectEmpty();
  });
});

describe('params that are read in full', () => {
  it('are right where a capability is named that the message does not have', async () => {
    const { peer, taker } = takerPeer();
    peer.say(
      rawCall(1, {
        content: structPointer(1, 0, SHAPES_POINTERS),
        rest: shapes('cap', capabilityPointer(0xffff_ffff), []),
        interfaceId: TARGET.id,
      }),
    );
    await quiet();
    expect(peer.answerTo(1)).toBe('results');
    expect(taker.taken).toMatchObject([{ cap: null }]);
  });

  it('cost no more than the least budget, however many elements without a size they have', async () => {
    const { peer, taker } = takerPeer();
    const rest = (count: number) =>
      shapes('empties', listPointer(to('empties', 0), composite, 0), [listTag(count, 0, 0)]);
    const content = structPointer(1, 0, SHAPES_POINTERS);
    peer.say(rawCall(1, { content, rest: rest(1000), interfaceId: TARGET.id }));
    await quiet();
    expect((taker.taken[0] as { empties: unknown[] }).empties).toHaveLength(1000);
    peer.say(rawCall(2, { content, rest: rest(70_000), interfaceId: TARGET.id }));
    await quiet();
    expect(peer.answerTo(2)).toMatchObject({ reason: expect.stringMatching(TOO_MUCH) });
  });
});

describe('an envelope', () => {
  /** What a Connection that passes calls on sends for `words`, and what it tells the peer. */
  async function relayed(...segments: Uint8Array[]) {
    const far = new TestObject((incoming) => {
      incoming.params.release();
      incoming.return_(payload(0));
    });
    const back = new Pair({ right: far.capability() });
    const peer = new HostilePeer({ bootstrap: back.left.bootstrap() });
    peer.greet();
    await quiet();
    back.links.leftToRight.record = true;
    peer.say(...segments);
    await quiet();
    const calls = back.links.leftToRight.trace
      .map((segments) => new MessageReader(segments).root.struct())
      .filter((root) => root.u16(layout.Message.tag) === layout.Message.call)
      .map((root) => {
        const body = root.pointer(layout.Message.body).struct();
        return { interfaceId: body.u64(layout.Call.interfaceId), methodId: body.u16(layout.Call.methodId) };
      });
    return { peer, back, calls };
  }

  it('whose capability table lies over the rest of it does not change what is called', async () => {
    const from = RAW_CALL.capTable + 1;
    const tables = [
      // The Message's pointer to its body as the tag, and the data of the Call as elements.
      listPointer(RAW_CALL.call - 1 - from, composite, 6),
      // The Call's pointer to its target as the tag, for two elements: the params, and the target.
      listPointer(RAW_CALL.call + 3 - from, composite, 4),
      // The Call's own data as two elements.
      listPointer(RAW_CALL.call - from, eightBytes, 2),
      // The Payload itself.
      listPointer(RAW_CALL.content - from, pointer, 2),
    ];
    for (const capTable of tables) {
      const { peer, back, calls } = await relayed(
        rawCall(0x0003_0001, { capTable, interfaceId: TEST_INTERFACE, methodId: 5 }),
      );
      expect(calls).toEqual([{ interfaceId: TEST_INTERFACE, methodId: 5 }]);
      expect(peer.answerTo(0x0003_0001)).toBe('results');
      expect(back.closed).toEqual({ left: null, right: null });
      peer.say(finishMessage(0x0003_0001));
      peer.connection.close();
      await quiet();
      back.expectEmpty();
    }
  });

  it('whose content is the whole message is passed on as it came, and not copied for ever', async () => {
    const { peer, back, calls } = await relayed(
      rawCall(1, {
        content: structPointer(-RAW_CALL.content, 1, 1),
        interfaceId: TEST_INTERFACE,
      }),
    );
    expect(calls).toEqual([{ interfaceId: TEST_INTERFACE, methodId: 0 }]);
    expect(peer.answerTo(1)).toBe('results');
    expect(back.closed).toEqual({ left: null, right: null });
    peer.connection.close();
    await quiet();
    back.expectEmpty();
  });

  it.each([
    ['of 2^29 elements that take no space', listPointer(0, voidSize, MAX_COUNT), []],
    ['of 2^29 structs that take no space', listPointer(0, composite, 0), [listTag(MAX_COUNT, 0, 0)]],
    ['of more elements than the message has words', listPointer(0, voidSize, 1000), []],
    ['that is longer than the message', listPointer(0, composite, MAX_COUNT), [listTag(1, 1, 1)]],
    ['of bits', listPointer(0, bit, 8), [0xffn]],
    ['that is a struct', structPointer(0, 1, 1), [0n, 0n]],
    ['that is a capability', capabilityPointer(0), []],
    ['in a segment that is not there', farPointer(9, 0), []],
  ] as const)(
    'with a capability table %s is refused by an Abort that says why',
    async (_, capTable, rest) => {
      const { peer, back, calls } = await relayed(
        rawCall(1, { capTable, rest, interfaceId: TEST_INTERFACE }),
      );
      expect(calls).toEqual([]);
      expect(peer.abortReason).toMatch(/\w+ \w+ \w+/);
      expect(peer.closed!.message).toContain(peer.abortReason!);
      await quiet();
      back.expectEmpty();
    },
  );

  it.each([
    ['a text', listPointer(0, byte, 8), [0n]],
    ['behind the end', structPointer(2 ** 29 - 1, 1, 1), []],
    ['a far pointer to a far pointer', farPointer(0, RAW_CALL.targetPointer), []],
    [
      'more steps than are allowed',
      structPointer(0, 1, 1),
      [0n, listPointer(0, composite, 65), listTag(65, 1, 0)],
    ],
    ['2^29 steps that take no space', structPointer(0, 1, 1), [0n, listPointer(0, voidSize, MAX_COUNT)]],
  ] as const)(
    'whose PromisedAnswer is or has %s is refused by an Abort that says why',
    async (_, word, rest) => {
      const offset = RAW_CALL.rest - RAW_CALL.targetPointer - 1;
      const moved = (word & 3n) === 2n ? word : word === 0n ? word : word + (BigInt(offset) << 2n);
      const { peer, back } = await relayed(
        rawCall(1, {
          target: [BigInt(layout.MessageTarget.promisedAnswer) << 32n, moved],
          rest: [...rest, ...Array.from({ length: 65 }, () => 0n)],
        }),
      );
      expect(peer.abortReason).toMatch(/\w+ \w+ \w+/);
      await quiet();
      back.expectEmpty();
    },
  );

  it('may have a transform as long as the limit, into what is not there', async () => {
    const { peer } = takerPeer();
    const path = Array.from({ length: MAX_TRANSFORM }, () => 0xffff);
    peer.say(callMessage(1, { target: { question: 0, path } }));
    expect(peer.answerTo(1)).toMatchObject({ reason: expect.any(String) });
    expect(peer.closed).toBe(null);
    peer.say(callMessage(2, { target: { question: 0, path: [...path, 0] } }));
    expect(peer.abortReason).toContain(`at most ${MAX_TRANSFORM}`);
  });

  it.each([
    ['a root that is a list', [listPointer(0, byte, 8), 0n]],
    ['a root that is a capability', [capabilityPointer(0)]],
    ['a root behind the end', [structPointer(100, 1, 1)]],
    ['a root that is a far pointer to itself', [farPointer(0, 0)]],
    ['a body that is a list', [structPointer(0, 1, 1), 2n, listPointer(0, byte, 8), 0n]],
    ['a body behind the end', [structPointer(0, 1, 1), 2n, structPointer(9, 3, 3)]],
  ] as const)('with %s is refused by an Abort that says why', (_, words) => {
    const { peer } = takerPeer();
    peer.say(segment(words));
    expect(peer.abortReason).toMatch(/a pointer|expected|far pointer/);
  });

  it('of an unknown kind whose body is larger when copied than it is, is not echoed', () => {
    const { peer } = takerPeer();
    const data = listPointer(1, byte, 64);
    // Two pointers to the same list of eight words.
    peer.say(
      segment([
        structPointer(0, 1, 1),
        99n,
        structPointer(0, 0, 2),
        data,
        listPointer(0, byte, 64),
        ...Array(8).fill(0n),
      ]),
    );
    expect(peer.abortReason).toMatch(OVERLAP);
  });
});

describe('a Return', () => {
  /** A peer that was asked one question: the bootstrap, as 0, and a call on it, as 1. */
  function asked() {
    const peer = new HostilePeer();
    const bootstrap = peer.connection.bootstrap();
    const outcome = call(bootstrap, 1);
    return { peer, bootstrap, outcome };
  }

  const exception = (reason: bigint, ...rest: bigint[]) =>
    segment([
      structPointer(0, 1, 1),
      BigInt(layout.Message.return),
      structPointer(0, 2, 1),
      1n | (BigInt(layout.Return.exception) << 48n),
      0n,
      structPointer(0, 1, 2),
      0n,
      reason,
      0n,
      ...rest,
    ]);

  it.each([
    ['a struct', structPointer(1, 1, 0), [0n]],
    ['behind the end', listPointer(100, byte, 9), []],
    ['of no bytes', listPointer(1, byte, 0), []],
    ['without its NUL', listPointer(1, byte, 1), [0x61n]],
    ['not UTF-8', listPointer(1, byte, 2), [0x00ffn]],
    ['2^29 bytes long', listPointer(1, byte, MAX_COUNT), []],
    ['a far pointer to nowhere', farPointer(3, 3), []],
  ] as const)(
    'with an exception whose reason is %s is a failure of that call, with a reason',
    (_, reason, rest) => {
      const { peer, outcome } = asked();
      peer.say(exception(reason, ...rest));
      expect(outcome.error).toMatchObject({
        type: 'failed',
        message: 'the peer gave a reason that is not valid text',
      });
      expect(peer.closed).toBe(null);
    },
  );

  it('with an exception whose reason is very long is cut to what is said of errors', () => {
    const { peer, outcome } = asked();
    const text = Array.from({ length: 100_000 }, (_, i) => (i === 99_999 ? 0n : 0x6161_6161_6161_6161n));
    peer.say(exception(listPointer(1, byte, 800_000), ...text));
    expect(outcome.error!.message).toHaveLength(MAX_ERROR_MESSAGE);
  });

  it('with results that cannot be read fails whoever reads them, and nobody else', async () => {
    const { peer, bootstrap, outcome } = asked();
    expect(() =>
      peer.say(resultsMessage(1, { content: (content) => content.struct(1, 1).pointer(0).setText('text') })),
    ).not.toThrow();
    const notThere = outcome.call.pipelined([0]);
    const onIt = call(notThere, 2);
    expect(onIt.error).toMatchObject({ message: expect.stringContaining('a null capability') });
    expect(peer.closed).toBe(null);
    onIt.call.finish();
    notThere.release();
    outcome.call.finish();
    bootstrap.release();
  });

  it('whose place is looked up again and again stays good: that costs nothing of the budget', () => {
    const inner = new TestObject();
    const object = new TestObject((incoming) => {
      incoming.params.release();
      incoming.return_(payload(1, [inner.capability()]));
    });
    const peer = new HostilePeer({ bootstrap: object.capability() });
    peer.greet().say(callMessage(1));
    const reads = 100_000;
    for (let i = 0; i < reads; i++) {
      peer.say(callMessage(2, { target: { question: 1, path: [0] } }));
      peer.say(finishMessage(2));
      if (i % 1000 === 0) peer.told.length = 0;
    }
    expect(inner.received).toHaveLength(reads);
  });
});

describe('an Abort', () => {
  it.each([
    ['no body', [structPointer(0, 1, 1), 1n, 0n]],
    [
      'a reason behind the end',
      [structPointer(0, 1, 1), 1n, structPointer(0, 1, 2), 0n, listPointer(99, byte, 4), 0n],
    ],
    [
      'a reason that is a struct',
      [structPointer(0, 1, 1), 1n, structPointer(0, 1, 2), 0n, structPointer(0, 1, 0), 0n],
    ],
    ['a type that does not exist', [structPointer(0, 1, 1), 1n, structPointer(0, 1, 0), 0xffff_0000_0000n]],
  ] as const)('with %s ends the connection, as an Abort', (_, words) => {
    const { peer } = takerPeer();
    peer.say(segment(words));
    expect(peer.closed).toMatchObject({ type: 'disconnected', code: 'ERR_RPC_ABORTED' });
    expect(peer.abortReason).toBe(null);
  });

  it('with a body that is a list ends it too, and is answered with why', () => {
    const { peer } = takerPeer();
    peer.say(segment([structPointer(0, 1, 1), 1n, listPointer(0, byte, 8), 0n]));
    expect(peer.abortReason).toBe('expected a struct, found a list');
  });
});
