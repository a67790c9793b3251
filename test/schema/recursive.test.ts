import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { MessageBuilder, SchemaGraph } from '../../schema/index.js';

const graph = SchemaGraph.load(readFileSync(fileURLToPath(new URL('recursive.cgr', import.meta.url))));
const NONE = {
  encode: () => {
    throw new Error('there are no capabilities here');
  },
  decode: () => null,
};

/** What is read of `value` after it was written as the struct `name`. */
function copied(name: string, value: object): unknown {
  const type = graph.struct(name);
  const message = new MessageBuilder();
  type.encode(value, message.root, NONE);
  return type.decode(message.asReader().root, NONE);
}

describe('a struct that can hold itself', () => {
  it('is null where it is left out', () => {
    expect(copied('Chain', { name: 'a', next: { name: 'b' } })).toEqual({
      name: 'a',
      next: { name: 'b', next: null },
    });
    expect(copied('Even', { odd: {} })).toEqual({ odd: { even: null } });
    expect(copied('Holder', {})).toEqual({ chain: null, type: { number: null } });
  });

  it('can be given as null, as it is read', () => {
    const read = copied('Chain', { name: 'a', next: null });
    expect(read).toEqual({ name: 'a', next: null });
    expect(copied('Chain', read as object)).toEqual(read);
  });

  it('is null in the member that is active by default', () => {
    expect(copied('Stack', { top: { value: 1, rest: { empty: null } } })).toEqual({
      top: { value: 1, rest: { empty: null } },
    });
    expect(copied('Stack', { top: { value: 1 } })).toEqual({ top: { value: 1, rest: null } });
  });

  it('has its default where that comes to an end', () => {
    expect(copied('Type', { list: {} })).toEqual({ list: { number: null } });
    expect(() => copied('Type', { list: null as never })).toThrow('expected an object, got null');
  });
});
