import { describe, expect, it } from 'vitest';
import { MintRate } from '../../broker/mint-rate.js';
import { ownerFromWire } from '../../broker/owner.js';
import { checkedPolicy, EVERYTHING, MAX_POLICY_ENTRIES, policyFromWire } from '../../broker/policy.js';
import { MessageBuilder, NO_CAPABILITIES, sturdySchema } from '../../schema/index.js';

const graph = sturdySchema();
const STORAGE = graph.interface('Storage');

/** What the codec gives for a struct in which the tag of a union, at this offset, has this value. */
function decoded(type: string, value: object, tag: { offset: number; value: number }): never {
  const struct = graph.struct(type);
  const message = new MessageBuilder();
  struct.encode(value, message.root, NO_CAPABILITIES);
  message.view.setUint16(8 + tag.offset, tag.value, true);
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

describe('an owner', () => {
  it('of a kind that is not known is refused, and never read as anyone', () => {
    const offset = graph.struct('Owner').discriminantOffset;
    expect(() => ownerFromWire(decoded('Owner', {}, { offset, value: 9 }))).toThrow(
      'of a kind that this broker does not know',
    );
    expect(ownerFromWire(decoded('Owner', {}, { offset, value: 0 }))).toEqual({ kind: 'anyone' });
  });

  it('is a domain by its id only', () => {
    expect(() => ownerFromWire({ domain: 'ledger' })).toThrow(
      'the id of a domain (DomainInfo.id), not its name',
    );
    expect(() => ownerFromWire({ domain: 'x'.repeat(1_000_000) })).toThrow('the id of a domain');
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
