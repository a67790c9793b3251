import { describe, expect, it } from 'vitest';
import { MintRate } from '../../../broker/mint-rate.js';
import { ownerFromWire } from '../../../broker/owner.js';
import { checkedPolicy, MAX_POLICY_ENTRIES } from '../../../broker/policy/checked-policy.js';
import { conjunction, EVERYTHING } from '../../../broker/policy/conjunction.js';
import { MAX_CONSTRAINTS, writtenConstraint } from '../../../broker/policy/constraint.js';
import { policyFromWire, policyToWire, samePolicy } from '../../../broker/policy/policy-wire.js';
import { parseRate, rateText } from '../../../broker/policy/rate.js';
import { bytesText, parseBytes } from '../../../broker/policy/size.js';
import type { StoredPolicy } from '../../../broker/store/store.js';
import { MessageBuilder, NO_CAPABILITIES, sturdySchema } from '../../../schema/index.js';

const graph = sturdySchema();
const STORAGE = graph.interface('Storage');

/** What the codec gives for a struct in which the tag of a union, at this offset, has this value. */
function decoded(type: string, value: object, tag: { offset: number; value: number }): never {
  const struct = graph.struct(type);
  const message = new MessageBuilder();
  struct.encode(value, message.root, NO_CAPABILITIES);
  const { buffer, byteOffset } = message.segment();
  new DataView(buffer, byteOffset).setUint16(8 + tag.offset, tag.value, true);
  return struct.decode(message.asReader().root, NO_CAPABILITIES) as never;
}

describe('a policy', () => {
  it('that names a method that the schema does not have is refused, by name', () => {
    const policy = { ...EVERYTHING, methods: [{ interface: STORAGE.id, methods: ['destroy'] }] };
    expect(() => checkedPolicy(policy, graph)).toThrow(
      'policy: Storage has no method destroy; it has get, write, list',
    );
  });

  it('is kept without repetitions', () => {
    const methods = [
      { interface: STORAGE.id, methods: ['get', 'get'] },
      { interface: STORAGE.id, methods: ['list', 'get'] },
    ];
    expect(checkedPolicy({ ...EVERYTHING, methods }, graph).methods).toEqual([
      { interface: STORAGE.id, methods: ['get', 'list'] },
    ]);
  });

  it('is of bounded length', () => {
    const names = Array.from({ length: MAX_POLICY_ENTRIES }, () => 'get');
    const policy = { ...EVERYTHING, methods: [{ interface: STORAGE.id, methods: names }] };
    expect(() => checkedPolicy(policy, graph)).toThrow(`at most ${MAX_POLICY_ENTRIES}`);
  });

  it('with a restriction of a kind that is not known is refused, and never read as none', () => {
    const { at } = graph.struct('Policy').fields.find(({ name }) => name === 'methods')!;
    const offset = at.kind === 'group' ? at.group.discriminantOffset : Number.NaN;
    const policy = decoded('Policy', {}, { offset, value: 7 });
    expect(() => policyFromWire(policy)).toThrow('policy.methods: a restriction of a kind');
    const allowed = decoded(
      'Policy.Allowed',
      { interface: STORAGE.id, methods: ['get'] },
      { offset: graph.struct('Policy.Allowed').discriminantOffset, value: 7 },
    );
    expect(() => policyFromWire({ methods: { only: [allowed] } })).toThrow('policy.methods.only[0]');
  });
});

const constraint = (text: string) => writtenConstraint(text, graph);

/** Says everything that a policy can say. */
const FULL: StoredPolicy = {
  methods: [{ interface: STORAGE.id, methods: ['get', 'list'] }],
  expires: 5,
  delegable: false,
  constraints: [
    constraint('Storage.get.key prefix in/'),
    constraint('Storage.list.limit in [1, 2, 4294967295]'),
    constraint('Storage.write.changes.length<=3'),
    constraint('Operator.mint.policy.maxCalls<=18446744073709551615'),
    constraint('Operator.mint.policy.expires>=-5'),
    constraint('Operator.mint.sealFor.certificate==AAEC'),
    constraint('Operator.mint.policy.delegable==false'),
    constraint('Log.write.level in [debug, info]'),
  ],
  maxCalls: 7,
  maxBytes: Number.MAX_SAFE_INTEGER,
  rates: [{ calls: 10, perMillis: 1000, burst: 20 }],
};

describe('what a policy says of params, counts and rates', () => {
  it('comes back from the wire as it went there', () => {
    const type = graph.struct('Policy');
    const message = new MessageBuilder();
    type.encode(policyToWire(FULL), message.root, NO_CAPABILITIES);
    const back = policyFromWire(type.decode(message.asReader().root, NO_CAPABILITIES));
    expect(back).toEqual(FULL);
    expect(checkedPolicy(back, graph)).toEqual(FULL);
    expect(samePolicy(back, FULL)).toBe(true);
  });

  it('is nothing where it is left out, or says nothing', () => {
    for (const policy of [null, {}, { constraints: [], rates: [], maxCalls: 0n, maxBytes: 0n }])
      expect(policyFromWire(policy)).toEqual(EVERYTHING);
    const nothing = { ...EVERYTHING, constraints: [], rates: [], maxCalls: 0 };
    expect(samePolicy(nothing, EVERYTHING)).toBe(true);
    expect(checkedPolicy(nothing, graph)).toEqual(EVERYTHING);
    expect(samePolicy({ ...EVERYTHING, maxCalls: 1 }, EVERYTHING)).toBe(false);
  });

  it('that is of a kind that is not known is refused, and never read as none', () => {
    const good = policyToWire(FULL).constraints![0]!;
    const policyWith = (change: object) => ({ constraints: [good, { ...good, ...change }] });
    // What the codec gives for an enumerant that the schema does not know, and for such a member of a union.
    for (const [change, where] of [
      [{ measure: 2 }, 'policy.constraints[1].measure'],
      [{ operator: 8 }, 'policy.constraints[1].operator'],
      [{ operator: 'toString' }, 'policy.constraints[1].operator'],
      [{ values: [{ text: 'a' }, {}] }, 'policy.constraints[1].values[1]'],
    ] as const) {
      expect(() => policyFromWire(policyWith(change) as never)).toThrow(`${where}: a restriction of a kind`);
    }
    const type = graph.struct('Policy.Constraint');
    const { at } = type.fields.find(({ name }) => name === 'operator')!;
    const tag = { offset: at.kind === 'slot' ? at.offset * 2 : Number.NaN, value: 99 };
    const unknown = decoded('Policy.Constraint', good, tag);
    expect(() => policyFromWire({ constraints: [unknown] })).toThrow('policy.constraints[0].operator');
    const value = decoded(
      'Policy.Constraint.Value',
      { text: 'a' },
      {
        offset: graph.struct('Policy.Constraint.Value').discriminantOffset,
        value: 77,
      },
    );
    expect(() => policyFromWire({ constraints: [{ ...good, values: [value] }] })).toThrow('values[0]');
  });

  it('is bounded', () => {
    const many = Array.from({ length: MAX_CONSTRAINTS + 1 }, () => constraint('Storage.get.key == a'));
    expect(() => checkedPolicy({ ...EVERYTHING, constraints: many }, graph)).toThrow(
      '65 constraints; at most 64',
    );
    const values = Array.from({ length: MAX_POLICY_ENTRIES + 1 }, () => ({ text: 'a' }));
    const long = { ...constraint('Storage.get.key in [a]'), values };
    expect(() => checkedPolicy({ ...EVERYTHING, constraints: [long] }, graph)).toThrow(
      '1001 entries; at most 1000',
    );
    for (const bound of [2n ** 53n, 2n ** 64n - 1n]) {
      expect(() => policyFromWire({ maxCalls: bound })).toThrow('policy.maxCalls: expected at most 2^53 - 1');
      expect(() => policyFromWire({ maxBytes: bound })).toThrow('policy.maxBytes: expected at most 2^53 - 1');
    }
  });

  it.each([
    [{ calls: 0, perMillis: 1, burst: 1 }, 'policy.rates[0].calls: expected 1 or more, found 0'],
    [{ calls: 1, perMillis: 0, burst: 1 }, 'policy.rates[0].perMillis: expected 1 or more'],
    [{ calls: 1, perMillis: 1 }, 'policy.rates[0].burst: expected 1 or more, found 0'],
    [
      { calls: 1, perMillis: 86_400_000, burst: 2 },
      'policy.rates[0]: a burst of 2 would take longer than a day',
    ],
  ])('is no rate that cannot be kept: %j', (rate, reason) => {
    expect(() => checkedPolicy(policyFromWire({ rates: [rate] }), graph)).toThrow(reason);
  });

  it('adds up down the tree: all constraints and rates, and the lower of two bounds', () => {
    const [a, b] = [constraint('Storage.get.key prefix a'), constraint('Storage.list.limit<=10')];
    const [fast, slow] = [parseRate('10/s')!, parseRate('1/s')!];
    const all = conjunction([
      { ...EVERYTHING, constraints: [a], maxCalls: 10, rates: [fast] },
      EVERYTHING,
      { ...EVERYTHING, constraints: [a, b], maxCalls: 20, maxBytes: 5, rates: [slow, fast] },
    ]);
    expect(all).toEqual({
      ...EVERYTHING,
      constraints: [a, b],
      maxCalls: 10,
      maxBytes: 5,
      rates: [fast, slow],
    });
    expect(conjunction([FULL, EVERYTHING])).toEqual(FULL);
    expect(conjunction([])).toEqual(EVERYTHING);
  });
});

describe('rates and sizes in text', () => {
  it.each([
    ['10/s', { calls: 10, perMillis: 1000, burst: 10 }, '10/s:10'],
    ['10/s:20', { calls: 10, perMillis: 1000, burst: 20 }, '10/s:20'],
    ['1/d:1', { calls: 1, perMillis: 86_400_000, burst: 1 }, '1/d:1'],
    ['3/250ms', { calls: 3, perMillis: 250, burst: 3 }, '3/250ms:3'],
  ])('are read and written: %s', (text, rate, shown) => {
    expect(parseRate(text)).toEqual(rate);
    expect(rateText(rate)).toBe(shown);
    expect(parseRate(shown)).toEqual(rate);
  });

  it.each([
    '',
    '10',
    '10/',
    '/s',
    '0/s',
    '10/s:0',
    '10/w',
    '1.5/s',
    '-1/s',
    '10/s:20:30',
    '10/s ',
    '9999999999/s',
  ])('are no rate: %j', (text) => expect(parseRate(text)).toBe(null));

  it.each([
    ['4096', 4096, '4KiB'],
    ['10MiB', 10 * 1024 ** 2, '10MiB'],
    ['1', 1, '1'],
    ['1025', 1025, '1025'],
    ['2TiB', 2 * 1024 ** 4, '2TiB'],
  ])('are sizes: %s', (text, bytes, shown) => {
    expect(parseBytes(text)).toBe(bytes);
    expect(bytesText(bytes)).toBe(shown);
  });

  it.each(['', '0', '-1', '10MB', '1.5KiB', '10 MiB', '9999999999TiB', '99999999999999999'])(
    'are no size: %j',
    (text) => expect(parseBytes(text)).toBe(null),
  );
});

describe('an owner', () => {
  it('of a kind that is not known is refused, and never read as anyone', () => {
    const offset = graph.struct('Owner').discriminantOffset;
    expect(() => ownerFromWire(decoded('Owner', {}, { offset, value: 9 }), false)).toThrow(
      'of a kind that this broker does not know',
    );
    expect(ownerFromWire(decoded('Owner', {}, { offset, value: 0 }), false)).toEqual({ kind: 'anyone' });
  });

  it('is a certificate by its fingerprint, where there are connections that show one', () => {
    const certificate = new Uint8Array(32).fill(7);
    expect(ownerFromWire({ certificate }, true)).toEqual({ kind: 'certificate', fingerprint: certificate });
    expect(() => ownerFromWire({ certificate }, false)).toThrow(
      'this broker has no TLS listener (listen.tls)',
    );
    expect(() => ownerFromWire({ certificate: new Uint8Array(20) }, true)).toThrow('32 bytes, not of 20');
  });

  it('is a domain by its id only', () => {
    expect(() => ownerFromWire({ domain: 'ledger' }, false)).toThrow(
      'the id of a domain (DomainInfo.id), not its name',
    );
    expect(() => ownerFromWire({ domain: 'x'.repeat(1_000_000) }, false)).toThrow('the id of a domain');
  });
});

describe('the rate of minting below a root', () => {
  it('is overloaded after a burst, for that root alone, and recovers', () => {
    const rate = new MintRate();
    let now = 1_000_000;
    for (let i = 0; i < 1000; i++) rate.take('one', now);
    expect(() => rate.take('one', now)).toThrow('try again later');
    rate.take('two', now);
    now += 1000;
    for (let i = 0; i < 100; i++) rate.take('one', now);
    expect(() => rate.take('one', now)).toThrow('try again later');
  });
});
