import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CodecError,
  EnumType,
  InterfaceType,
  MessageBuilder,
  MessageError,
  MessageReader,
  NO_CAPABILITIES,
  NO_DISCRIMINANT,
  SchemaError,
  SchemaGraph,
  StructType,
  sturdySchema,
} from '../../schema/index.js';
import { decode, encode, everything, requestOf, thrownBy } from './schemas.js';
import { framed, scattered, unframed } from './streams.js';
import { listPointer, segment, structPointer, tag, wordsOf } from './words.js';

const request = requestOf('everything');

/** What `capnp compile` wrote, in one segment. */
const requestWords = inOneSegment(request);
function inOneSegment(bytes: Uint8Array): bigint[] {
  const message = new MessageBuilder();
  message.root.copy(new MessageReader(unframed(bytes)[0]!).root);
  return wordsOf(message.segment());
}

describe('a name', () => {
  it('finds the interface, struct, enum or constant that it is of, by its short name or its id', () => {
    expect(everything.interface('Listener')).toBeInstanceOf(InterfaceType);
    expect(everything.struct('Transfer.Line')).toBeInstanceOf(StructType);
    expect(everything.enum('Color')).toBeInstanceOf(EnumType);
    expect(everything.constant('tiny')).toBe(-128);
    for (const type of [everything.interface('Echo'), everything.struct('Point'), everything.enum('Color')]) {
      expect(everything.has(type.id)).toBe(true);
    }
    const { id } = everything.struct('Point');
    expect(everything.struct(id)).toBe(everything.struct('Point'));
    expect(everything.struct('Point')).toBe(everything.struct('Point'));
  });

  it('that is not there is told with those that are', () => {
    expect(thrownBy(() => everything.interface('Lisener'))).toEqual(
      new SchemaError('the schema has no interface "Lisener"; it has Echo, Listener'),
    );
    expect(() => everything.enum('Colour')).toThrow('the schema has no enum "Colour"; it has Color');
    expect(() => everything.struct('')).toThrow(/^the schema has no struct ""; it has Box, Bush, Chain, /);
    expect(() => everything.constant('Point')).toThrow(
      /^the schema has no const "Point"; it has boxed, byte, /,
    );
    expect(thrownBy(() => everything.interface('Lisener'))).toMatchObject({ code: 'ERR_SCHEMA' });
    const enums = SchemaGraph.load(requestOf('evolution'));
    expect(() => enums.interface('Listener')).toThrow('the schema has no interface "Listener"; it has none');
  });

  it('of another kind is not there', () => {
    expect(() => everything.interface('Point')).toThrow('the schema has no interface "Point"');
    expect(() => everything.struct('Color')).toThrow('the schema has no struct "Color"');
    expect(() => everything.struct(everything.enum('Color').id)).toThrow(
      /^the schema has no struct 0x[0-9a-f]{16};/,
    );
    expect(() => everything.interface(0x1234n)).toThrow(
      'the schema has no interface 0x0000000000001234; it has',
    );
    // A group is no struct that stands by itself.
    const { at } = everything.struct('Everything').fields.find(({ name }) => name === 'place')!;
    if (at.kind !== 'group') throw new Error('place is no group');
    expect(() => everything.struct(at.group.id)).toThrow(SchemaError);
    expect(everything.names('struct').filter((name) => name.startsWith('Everything'))).toEqual([
      'Everything',
    ]);
  });

  it('of what every object has is one like any other', () => {
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(() => everything.struct(name)).toThrow(`the schema has no struct "${name}"; it has Box,`);
    }
    expect(everything.enum('Color').number('constructor')).toBe(2);
    expect(everything.enum('Color').number('toString')).toBe(undefined);
    expect(everything.interface('Listener').method('toString')).toBe(undefined);
  });

  it('that two nodes have is refused, with the ids to choose from', () => {
    // The same schema with other ids: as of two files that name the same things.
    const other = [...requestWords];
    const ids = new Map<bigint, bigint>();
    for (const name of ['Point', 'Color'] as const) {
      const { id } = name === 'Point' ? everything.struct(name) : everything.enum(name);
      ids.set(id, id ^ 1n);
    }
    const renamed = framed([[segment(...other.map((word) => ids.get(word) ?? word))]]);
    const both = SchemaGraph.load([request, renamed]);
    const id = everything.struct('Point').id;
    const message = (thrownBy(() => both.struct('Point')) as Error).message;
    expect(message).toBe(
      `the schema has 2 times the struct Point: name one by its id: ` +
        [id, id ^ 1n].map((each) => `0x${each.toString(16)} (test/schema/everything.capnp:Point)`).join(', '),
    );
    expect(both.struct(id ^ 1n).id).toBe(id ^ 1n);
    expect(both.names('enum')).toEqual(['Color', 'Color']);
  });

  it('can be looked up without end', () => {
    const graph = SchemaGraph.load(request);
    const { id } = graph.interface('Listener');
    for (let i = 0; i < 100_000; i++) {
      graph.interface('Listener');
      graph.interface(id);
    }
    for (let i = 0; i < 10_000; i++) graph.constant('data');
    expect(graph.names()).toEqual(['Echo', 'Listener']);
  });
});

describe('a struct type', () => {
  it('has its fields in the order of the text, with their places', () => {
    expect(everything.struct('Transfer.Line').fields).toMatchObject([
      {
        name: 'amount',
        discriminant: NO_DISCRIMINANT,
        at: { kind: 'slot', offset: 0, type: { kind: 'int64' } },
      },
      { name: 'memo', at: { offset: 0, type: { kind: 'text' } } },
      { name: 'tags', at: { offset: 1, type: { kind: 'list', element: { kind: 'text' } } } },
      { name: 'grid', at: { type: { kind: 'list', element: { kind: 'list', element: { kind: 'int8' } } } } },
      { name: 'cash', discriminant: 0, at: { type: { kind: 'void' } } },
      { name: 'account', discriminant: 1, at: { type: { kind: 'text' } } },
      { name: 'detail', discriminant: NO_DISCRIMINANT, at: { kind: 'group', group: { isGroup: true } } },
    ]);
  });
});

describe('an interface type', () => {
  it('has its methods, and those that it inherits', () => {
    const listener = everything.interface('Listener');
    const echo = everything.interface('Echo');
    expect(listener.methods.map(({ name, id }) => [name, id])).toEqual([
      ['heard', 0],
      ['silence', 1],
      ['play', 2],
      ['generic', 3],
    ]);
    expect(echo.allMethods().map(({ name }) => name)).toEqual([
      'echo',
      'heard',
      'silence',
      'play',
      'generic',
    ]);
    expect([echo.extends(listener.id), listener.extends(echo.id)]).toEqual([true, false]);
    expect(echo.method('silence')).toBe(listener.methods[1]);
    expect(echo.methodById(listener.id, 2)?.results).toBe(everything.struct('Names'));
    expect(echo.methodById(listener.id, 4)).toBe(undefined);
    expect(listener.methodById(echo.id, 0)).toBe(undefined);
  });

  it('has the types of its brand in its methods', () => {
    const bound = (name: string) => {
      const { at } = everything.struct('Free').fields.find((field) => field.name === name)!;
      if (at.kind !== 'slot' || at.type.kind !== 'interface') throw new Error(`${name} is no interface`);
      return at.type.interface;
    };
    const ofText = bound('echo').method('echo')!;
    const value = ofText.results.fields.map(({ name, at }) => [name, at.kind === 'slot' && at.type.kind]);
    expect(value).toEqual([
      ['value', 'text'],
      ['again', 'interface'],
    ]);
    expect(ofText.results.fields[1]).toMatchObject({ at: { type: { interface: bound('echo') } } });
    const free = everything.interface('Echo').method('echo')!;
    expect(free.params.fields).toMatchObject([{ name: 'value', at: { type: { kind: 'anyPointer' } } }]);
    const generic = everything.interface('Listener').method('generic')!;
    expect(generic.params.fields).toMatchObject([{ name: 'value', at: { type: { kind: 'anyPointer' } } }]);
  });
});

describe('several requests', () => {
  it('are one graph, whose parts know each other by their ids', () => {
    const graph = SchemaGraph.load([request, requestOf('evolution')]);
    expect(graph.names('enum')).toEqual(['Color', 'NewColor', 'OldColor']);
    expect(graph.names('interface')).toEqual(['Echo', 'Listener']);
    expect(sturdySchema().names('interface').length).toBeGreaterThan(2);
  });

  it('may say the same twice', () => {
    expect(SchemaGraph.load([request, request]).names('struct')).toEqual(everything.names('struct'));
  });
});

describe('what is no CodeGeneratorRequest', () => {
  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['a byte', new Uint8Array(1)],
    ['four bytes', new Uint8Array(4)],
    ['text', new TextEncoder().encode('struct Point { x @0 :Int32; }')],
    ['zeros', new Uint8Array(64)],
    ['ones', new Uint8Array(64).fill(0xff)],
    ['a table of 2^32 segments', Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0)],
    ['a segment of 32 GB', Uint8Array.of(0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff)],
    ['a message without a root', framed([[segment()]])],
    ['a message of something else', framed([[encode(everything.struct('Point'), { x: 1, y: 2 })]])],
    [
      'a message of many texts',
      framed([[encode(everything.struct('Everything'), { text: 'x', texts: ['a'] })]]),
    ],
  ])('is refused: %s', (_, bytes) => {
    const error = thrownBy(() => SchemaGraph.load(bytes));
    expect(error).toBeInstanceOf(SchemaError);
    expect((error as Error).message).toMatch(/^not a CodeGeneratorRequest: /);
    expect(thrownBy(() => SchemaGraph.load([request, bytes]))).toBeInstanceOf(SchemaError);
  });

  it('is refused where it is cut off, at every byte', () => {
    for (let length = 0; length < request.length; length += length < 64 ? 1 : 997) {
      expect(thrownBy(() => SchemaGraph.load(request.subarray(0, length)))).toEqual(
        new SchemaError(`not a CodeGeneratorRequest: ${length} bytes, in which its message is not complete`),
      );
    }
  });

  it('is refused before it has become large: nodes that take no space, or are shared', () => {
    const most = 2 ** 29 - 1;
    const nothing = [structPointer(0, 0, 2), listPointer(1, 7, 0), 0n, tag(most, 0, 0)];
    expect(() => SchemaGraph.load(framed([[segment(...nothing)]]))).toThrow(/limit traversalWords/);
    // 300 structs whose fields are the same 1000.
    const nodes = Array.from({ length: 300 }, (_, i) => {
      const isStruct = 1n << 32n;
      return [BigInt(i), isStruct, 0n, 0n, 0n, 0n, 0n, 0n, listPointer((299 - i) * 9, 7, 1000)];
    });
    const fields = [tag(1000, 1, 0), ...new Array<bigint>(1000).fill(0n)];
    const shared = [
      structPointer(0, 0, 1),
      listPointer(0, 7, 2700),
      tag(300, 5, 4),
      ...nodes.flat(),
      ...fields,
    ];
    expect(() => SchemaGraph.load(framed([[segment(...shared)]]))).toThrow(/limit traversalWords/);
  });

  it('is taken, where it is in many segments, like one in one', () => {
    let seed = 7;
    const choose = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return (seed >> 8) % below;
    };
    const graph = SchemaGraph.load(framed([scattered(segment(...requestWords), choose)]));
    expect(graph.names('struct')).toEqual(everything.names('struct'));
    for (const name of everything.names('const')) {
      expect(graph.constant(name)).toEqual(everything.constant(name));
    }
    for (const name of ['Defaults', 'Everything']) {
      expect(decode(graph.struct(name), [])).toEqual(decode(everything.struct(name), []));
    }
  });

  it('is not looked at again when its bytes change later', () => {
    const bytes = new Uint8Array(request);
    const graph = SchemaGraph.load(bytes);
    bytes.fill(0xff);
    expect(graph.constant('grid')).toEqual(everything.constant('grid'));
    expect(decode(graph.struct('Defaults'), [])).toEqual(decode(everything.struct('Defaults'), []));
  });
});

describe('a request that was tampered with', () => {
  function replaced(change: (words: bigint[]) => void): SchemaGraph {
    const words = [...requestWords];
    change(words);
    return SchemaGraph.load(framed([[segment(...words)]]));
  }

  /** The request with another text in the place of one that is as long. */
  function renamed(from: string, to: string): SchemaGraph {
    const bytes = Buffer.from(request);
    for (let at = bytes.indexOf(`${from}\0`); at >= 0; at = bytes.indexOf(`${from}\0`, at + 1))
      bytes.write(to, at);
    return SchemaGraph.load(bytes);
  }

  it('so that a name is no name is refused where it would become a property', () => {
    const evil = '__proto__';
    const graph = renamed('satellite', evil);
    const text = `the schema has the name "${evil}"; letters and digits are allowed`;
    expect(() => decode(graph.struct('Everything'), [])).toThrow(new SchemaError(text));
    expect(() => renamed('deepGreen', 'deep.gree').enum('Color')).toThrow(SchemaError);
    expect(() => renamed('silence', 'silen e').interface('Listener').methods).toThrow(SchemaError);
  });

  it('so that it lacks what it refers to is refused by the id of that', () => {
    const { id } = everything.struct('Point');
    // The nodes come first: it is the node that has another id now, and not who refers to it.
    const graph = replaced((words) => {
      words[words.indexOf(id)] = 0x1111_1111_1111_1111n;
    });
    expect(() => encode(graph.struct('Everything'), {})).toThrow(
      `the schema refers to 0x${id.toString(16)}, which it does not contain`,
    );
  });

  it('so that pointers are of another kind is refused, and keeps nobody busy', () => {
    const original = inOneSegment(requestOf('evolution'));
    const lists = [...original.keys()].filter((i) => (original[i]! & 3n) === 1n && original[i]! >> 35n > 0n);
    for (const at of lists.filter((_, i) => i % 11 === 0)) {
      for (const kind of [0n, 3n]) {
        const words = [...original];
        words[at] = (words[at]! & ~3n) | kind;
        try {
          exercise(SchemaGraph.load(framed([[segment(...words)]])));
        } catch (error) {
          expectTyped(error);
        }
      }
    }
  });

  it.each([
    { name: 'everything', numRuns: 15 },
    { name: 'evolution', numRuns: 80 },
  ] as const)(
    'in any way is refused, or is a schema with which nothing else can happen: $name',
    ({ name, numRuns }) => {
      const original = inOneSegment(requestOf(name));
      const place = fc.nat(original.length - 1);
      const change = fc.tuple(
        place,
        fc.oneof(
          fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => () => value),
          place.map((i) => () => original[i]!),
          fc.constantFrom(0n, 1n, 2n ** 64n - 1n, 0xffff_ffffn, 0xffffn << 32n).map((value) => () => value),
          fc.nat(63).map((bit) => (old: bigint) => old ^ (1n << BigInt(bit))),
          fc.bigInt({ min: -3n, max: 3n }).map((by) => (old: bigint) => BigInt.asUintN(64, old + by)),
        ),
      );
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), (changes) => {
          const words = [...original];
          for (const [at, to] of changes) words[at] = to(words[at]!);
          try {
            exercise(SchemaGraph.load(framed([[segment(...words)]])));
          } catch (error) {
            expectTyped(error);
          }
        }),
        { numRuns },
      );
    },
  );

  function expectTyped(error: unknown): void {
    if (error instanceof SchemaError || error instanceof CodecError || error instanceof MessageError) return;
    throw error;
  }

  /** Everything that there is, used once. */
  function exercise(graph: SchemaGraph): void {
    const attempt = (use: () => unknown) => {
      try {
        use();
      } catch (error) {
        expectTyped(error);
      }
    };
    for (const name of graph.names('const')) attempt(() => graph.constant(name));
    for (const name of graph.names('enum')) attempt(() => graph.enum(name));
    for (const name of graph.names()) {
      attempt(() => graph.interface(name).allMethods());
      attempt(() => graph.interface(name).extends(5n));
    }
    for (const name of graph.names('struct')) {
      attempt(() => {
        const type = graph.struct(name);
        const message = new MessageBuilder();
        type.encode({}, message.root, NO_CAPABILITIES);
        type.decode(
          new MessageReader([message.segment()], { traversalWords: 2000, nesting: 16 }).root,
          NO_CAPABILITIES,
        );
        type.pipelineFields();
      });
    }
  }
});
