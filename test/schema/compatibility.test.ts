/** What a schema may become while programs that know the old one go on: every change to one is made in its text, and compiled. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { incompatibilities } from '../../schema/compatibility.js';
import { SchemaGraph } from '../../schema/index.js';
import { compile, toolMissing } from './capnp-tool.js';
import { everything } from './schemas.js';

const SHOP = `@0xf0c2a57b3e9d1846;

interface Named { name @0 () -> (name :Text); }
interface Closable { close @0 (); }
interface Watcher { changed @0 (item :Item); }

interface Shop extends(Named, Closable) {
  buy @0 (item :Item, amount :UInt32 = 1, note :Text = "none") -> (receipt :Receipt);
  watch @1 (watcher :Watcher, boxed :Box(Item)) -> ();
  upload @2 (part :Data) -> stream;
  find @3 Query -> (items :List(Item));
}

enum Color { red @0; green @1; blue @2; }
struct Box(T) { value @0 :T; }

struct Item {
  id @0 :UInt64;
  weight @1 :Float64 = 2.5;
  color @2 :Color = green;
  colors @3 :List(Color);
  isGood @4 :Bool = true;
  size :group { width @5 :Int16; height @6 :Int16 = 4; }
  parent @7 :Item;
}

struct Receipt {
  number @0 :UInt32;
  numbers @1 :List(Int32) = [1, 2];
  item @2 :Item = (id = 7, color = blue);
  seal @3 :Data = 0x"01 02";
  union {
    cash @4 :UInt16;
    card @5 :Text;
    free @6 :Void;
  }
  place :union { street @7 :Text; web @8 :Text; }
}

struct Query { text @0 :Text; from @1 :UInt32; }
`;

let folder: string;
let number = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sturdy-compatibility-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function graphOf(text: string): SchemaGraph {
  const file = join(folder, `shop-${number++}.capnp`);
  writeFileSync(file, text);
  return SchemaGraph.load(new Uint8Array(compile(file)));
}

type Edit = readonly [from: string, to: string];

function edited(text: string, edits: readonly Edit[]): string {
  return edits.reduce((all, [from, to]) => {
    // A change that changes nothing would be allowed without being one.
    expect(all.split(from)).toHaveLength(2);
    return all.replace(from, () => to);
  }, text);
}

const faultsOf = (...edits: Edit[]) => incompatibilities(graphOf(SHOP), graphOf(edited(SHOP, edits)));

// What is refused where CI has no tool is said in tool.test.ts.
describe.skipIf(toolMissing !== null)('a schema', () => {
  it('can take its own place', () => {
    expect(faultsOf()).toEqual([]);
    expect(incompatibilities(everything, everything)).toEqual([]);
  });

  it.each<{ what: string; edits: Edit[] }>([
    { what: 'a field', edits: [['parent @7 :Item;', 'parent @7 :Item; more @8 :Text = "x";']] },
    {
      what: 'a field of a group',
      edits: [['height @6 :Int16 = 4;', 'height @6 :Int16 = 4; depth @8 :Int8;']],
    },
    { what: 'a group', edits: [['parent @7 :Item;', 'parent @7 :Item; age :group { days @8 :Int8; }']] },
    { what: 'a union', edits: [['parent @7 :Item;', 'parent @7 :Item; union { a @8 :Int8; b @9 :Text; }']] },
    { what: 'a member of a union', edits: [['free @6 :Void;', 'free @6 :Void; cheque @9 :Item;']] },
    { what: 'an enumerant', edits: [['blue @2;', 'blue @2; black @3;']] },
    { what: 'a method', edits: [['upload @2', 'sell @4 (item :Item) -> (); upload @2']] },
    { what: 'a param', edits: [['note :Text = "none"', 'note :Text = "none", rush :Bool = true']] },
    { what: 'a result', edits: [['(receipt :Receipt)', '(receipt :Receipt, rest :UInt32)']] },
    { what: 'an interface', edits: [['enum Color', 'interface More { more @0 (); } enum Color']] },
    {
      what: 'a superclass',
      edits: [
        ['extends(Named, Closable)', 'extends(Named, Closable, Sized)'],
        ['enum Color', 'interface Sized { size @0 () -> (size :UInt32); } enum Color'],
      ],
    },
    {
      what: 'a superclass between it and one that it had',
      edits: [
        ['extends(Named, Closable)', 'extends(Titled, Closable)'],
        ['enum Color', 'interface Titled extends(Named) { title @0 () -> (title :Text); } enum Color'],
      ],
    },
    {
      what: 'a name of its own for params',
      edits: [
        ['upload @2 (part :Data)', 'upload @2 Part'],
        ['enum Color', 'struct Part { part @0 :Data; } enum Color'],
      ],
    },
    {
      what: 'a constant, and the same default by its name',
      edits: [
        ['(id = 7, color = blue)', '.seventh'],
        ['enum Color', 'const seventh :Item = (id = 7, color = blue, weight = 2.5); enum Color'],
      ],
    },
    {
      what: 'another name of a struct',
      edits: [
        ['struct Query', 'struct Search'],
        ['@3 Query', '@3 Search'],
      ],
    },
    {
      what: 'another order of the text',
      edits: [['width @5 :Int16; height @6 :Int16 = 4;', 'height @6 :Int16 = 4; width @5 :Int16;']],
    },
  ])('may have $what more', ({ edits }) => {
    expect(faultsOf(...edits)).toEqual([]);
  });

  it.each<{ what: string; edits: Edit[]; faults: string[] }>([
    {
      what: 'a field was removed',
      edits: [['from @1 :UInt32;', '']],
      faults: ['params of Shop.find: field from was removed'],
    },
    {
      what: 'a field was renamed',
      edits: [['number @0', 'numero @0']],
      faults: ['struct Receipt: field number was removed'],
    },
    {
      what: 'a field of a group was removed',
      edits: [['height @6', 'tallness @6']],
      faults: ['struct Item.size: field height was removed'],
    },
    {
      what: 'a group became a struct',
      edits: [
        ['size :group { width @5 :Int16; height @6 :Int16 = 4; }', 'size @5 :Query;'],
        ['parent @7', 'parent @6'],
      ],
      faults: [
        'struct Item: field size was a group and is a field of its own',
        'struct Item: field parent was moved, from slot 1 to slot 2',
      ],
    },
    {
      what: 'a field moved into a group',
      edits: [['parent @7 :Item;', 'above :group { parent @7 :Item; }']],
      faults: ['struct Item: field parent was removed'],
    },
    {
      what: 'the type of a field changed',
      edits: [['number @0 :UInt32', 'number @0 :Int32']],
      faults: ['struct Receipt: field number was UInt32 and is Int32'],
    },
    {
      what: 'a Text became Data',
      edits: [['(part :Data)', '(part :Text)']],
      faults: ['params of Shop.upload: field part was Data and is Text'],
    },
    {
      what: 'the elements of a list changed',
      edits: [['List(Int32) = [1, 2]', 'List(Int64) = [1, 2]']],
      faults: ['struct Receipt: field numbers was List(Int32) and is List(Int64)'],
    },
    {
      what: 'a struct became a capability',
      edits: [['parent @7 :Item', 'parent @7 :Shop']],
      faults: ['struct Item: field parent was Item and is Shop'],
    },
    {
      what: 'a capability became one of another interface',
      edits: [['watcher :Watcher', 'watcher :Closable']],
      faults: ['params of Shop.watch: field watcher was Watcher and is Closable'],
    },
    {
      what: 'what a generic type is of changed',
      edits: [['Box(Item)', 'Box(Text)']],
      faults: ['struct Box: field value was Item and is Text'],
    },
    {
      what: 'ordinals were swapped',
      edits: [['text @0 :Text; from @1 :UInt32;', 'text @1 :Text; from @2 :UInt32; in @0 :UInt32;']],
      faults: ['params of Shop.find: field from was moved, from slot 0 to slot 1'],
    },
    {
      what: 'the default of a number changed',
      edits: [['amount :UInt32 = 1', 'amount :UInt32 = 2']],
      faults: ['params of Shop.buy: field amount has another default'],
    },
    {
      what: 'the default of a float was dropped',
      edits: [['Float64 = 2.5', 'Float64']],
      faults: ['struct Item: field weight has another default'],
    },
    {
      what: 'the default of a Bool changed',
      edits: [['Bool = true', 'Bool = false']],
      faults: ['struct Item: field isGood has another default'],
    },
    {
      what: 'the default of an enum changed',
      edits: [['Color = green', 'Color = red']],
      faults: [
        'struct Item: field color has another default',
        'struct Receipt: field item has another default',
      ],
    },
    {
      what: 'the default of a Text changed',
      edits: [['"none"', '"some"']],
      faults: ['params of Shop.buy: field note has another default'],
    },
    {
      what: 'the default of a Data was dropped',
      edits: [[' = 0x"01 02"', '']],
      faults: ['struct Receipt: field seal has another default'],
    },
    {
      what: 'the default of a list changed',
      edits: [['[1, 2]', '[1, 3]']],
      faults: ['struct Receipt: field numbers has another default'],
    },
    {
      what: 'the default of a struct changed',
      edits: [['(id = 7,', '(id = 8,']],
      faults: ['struct Receipt: field item has another default'],
    },
    {
      what: 'a method was removed',
      edits: [['find @3 Query -> (items :List(Item));', '']],
      faults: ['method Shop.find was removed'],
    },
    {
      what: 'methods were renumbered',
      edits: [
        ['watch @1', 'watch @2'],
        ['upload @2', 'upload @1'],
      ],
      faults: ['method Shop.watch was @1 and is @2', 'method Shop.upload was @2 and is @1'],
    },
    {
      what: 'a param was removed',
      edits: [[', note :Text = "none"', '']],
      faults: ['params of Shop.buy: field note was removed'],
    },
    {
      what: 'the params are another struct',
      edits: [['@3 Query', '@3 Item']],
      faults: ['params of Shop.find: field text was removed', 'params of Shop.find: field from was removed'],
    },
    {
      what: 'the results changed',
      edits: [['(receipt :Receipt)', '(receipt :Text)']],
      faults: ['results of Shop.buy: field receipt was Receipt and is Text'],
    },
    {
      what: 'a method streams no more',
      edits: [['-> stream', '-> ()']],
      faults: ['method Shop.upload is no streaming one any more'],
    },
    {
      what: 'a method became a streaming one',
      edits: [['-> (items :List(Item))', '-> stream']],
      faults: ['method Shop.find became a streaming one'],
    },
    {
      what: 'a member of a union was removed',
      edits: [['free @6 :Void', 'gratis @6 :Void']],
      faults: ['struct Receipt: field free was removed'],
    },
    {
      what: 'a member of a union has another number',
      edits: [
        ['card @5 :Text', 'card @6 :Text'],
        ['free @6 :Void', 'free @5 :Void'],
      ],
      faults: [
        'struct Receipt: field card was member 1 of the union and is member 2 of the union',
        'struct Receipt: field free was member 2 of the union and is member 1 of the union',
      ],
    },
    {
      what: 'a field moved into a union',
      edits: [['text @0 :Text;', 'union { text @0 :Text; words @2 :List(Text); }']],
      faults: ['params of Shop.find: field text was not in a union and is member 0 of the union'],
    },
    {
      what: 'a union became fields',
      edits: [['place :union {', 'place :group {']],
      faults: [
        'struct Receipt.place has no union any more',
        'struct Receipt.place: field street was member 0 of the union and is not in a union',
        'struct Receipt.place: field web was member 1 of the union and is not in a union',
        'struct Receipt.place: field web was moved, from slot 4 to slot 5',
      ],
    },
    {
      what: 'an enumerant was removed',
      edits: [
        ['blue @2;', ''],
        ['color = blue', 'color = red'],
      ],
      faults: ['enum Color: blue was removed', 'struct Receipt: field item has another default'],
    },
    {
      what: 'enumerants were renumbered',
      edits: [['red @0; green @1;', 'red @1; green @0;']],
      faults: [
        'enum Color: red was @0 and is @1',
        'enum Color: green was @1 and is @0',
        'struct Item: field color has another default',
        'struct Receipt: field item has another default',
      ],
    },
    {
      what: 'a superclass was removed',
      edits: [['extends(Named, Closable)', 'extends(Named)']],
      faults: ['interface Shop does not extend Closable any more'],
    },
    {
      what: 'an interface was removed',
      edits: [
        ['extends(Named, Closable)', 'extends(Named)'],
        ['interface Closable { close @0 (); }', ''],
      ],
      faults: ['interface Closable was removed', 'interface Shop does not extend Closable any more'],
    },
  ])('cannot take the place of another where $what, and is told where', ({ edits, faults }) => {
    expect(faultsOf(...edits).sort()).toEqual([...faults].sort());
  });

  describe('with a type that no interface reaches', () => {
    const shelf = (value: string, types: string) => `@0xf0c2a57b3e9d184a;
      interface Shelf { put @0 (value :${value}); take @1 (many :UInt32) -> (value :Text); }
      ${types}`;
    const NOTE = 'struct Note { text @0 :Text; kind @1 :Kind; } enum Kind { plain @0; loud @1; }';
    const between = (before: string, after: string) => incompatibilities(graphOf(before), graphOf(after));

    it.each(['AnyPointer', 'List(Holder)', 'Box'])(
      'keeps it where a message can have it in it: as %s',
      (value) => {
        const more = 'struct Holder { any @0 :AnyPointer; } struct Box(T) { value @0 :T; }';
        const from = shelf(value, `${NOTE} ${more}`);
        expect(between(from, from)).toEqual([]);
        expect(between(from, from.replace('kind @1', 'more @2 :Text; kind @1'))).toEqual([]);
        expect(between(from, from.replace('text @0 :Text', 'text @0 :Data'))).toEqual([
          'struct Note: field text was Text and is Data',
        ]);
        expect(between(from, from.replace('loud @1', 'quiet @1'))).toEqual(['enum Kind: loud was removed']);
        expect(between(from, from.replace(/struct Note \{.*?\}/, ''))).toEqual([
          'struct Note was removed, and an AnyPointer can be one',
        ]);
      },
    );

    it('lets go of it where none can', () => {
      const from = shelf('Text', NOTE);
      expect(between(from, from.replace('text @0 :Text', 'text @0 :Data'))).toEqual([]);
      expect(between(from, from.replace(/struct Note \{.*?\}/, ''))).toEqual([]);
    });

    it('does not take params that are declared in place for one', () => {
      const from = shelf('AnyPointer', NOTE);
      const named = from.replace('(many :UInt32)', 'Many');
      expect(between(from, `${named} struct Many { many @0 :UInt32; }`)).toEqual([]);
    });
  });

  it('whose brands grow without end is not compared without end, nor allowed', () => {
    const growing = (more: string) =>
      graphOf(`@0xf0c2a57b3e9d1848;
        interface Tree { root @0 () -> (root :Growing(Text)); }
        struct Pair(T) { one @0 :T; other @1 :T; }
        struct Growing(T) { value @0 :T; next @1 :Growing(Pair(T)); ${more} }`);
    expect(incompatibilities(growing(''), growing('more @2 :Text;'))).toEqual([
      'Growing has more brands than can be compared',
    ]);
  });

  it('that breaks very much is told some of it', () => {
    const many = (type: string) =>
      graphOf(`@0xf0c2a57b3e9d1849;
        interface Wide { put @0 (${Array.from({ length: 30 }, (_, i) => `f${i} :${type}`)}); }`);
    expect(incompatibilities(many('Text'), many('Data'))).toHaveLength(20);
  });

  it('of another id is another, by the same names', () => {
    const faults = faultsOf(['@0xf0c2a57b3e9d1846', '@0xf0c2a57b3e9d1847']);
    expect(faults).toEqual(
      ['Named', 'Closable', 'Watcher', 'Shop'].map((name) =>
        expect.stringContaining(`interface ${name} was`),
      ),
    );
  });
});
