/**
 * Whether one schema can take the place of another while programs that know the old one go on: what was there stays where it was and
 * means what it meant, and there may be more. Names count as well as numbers, for policies and JavaScript go by them. It needs Node, and
 * so is no part of what index.ts gives to every platform.
 *
 * What is compared is what a message can have in it: whatever an interface reaches by params and results. Where that is an AnyPointer
 * anywhere, it can be any struct, for whoever reads one says which (AnyPointer.as), and so all of them are compared. Else a type that
 * no interface reaches is nobody's: what is stored for a domain is bytes of its own program's, and an object's id is text.
 */
import { isDeepStrictEqual } from 'node:util';
import { decodeConstant } from './codec.js';
import {
  type FieldType,
  type InterfaceType,
  NO_DISCRIMINANT,
  type SchemaGraph,
  type StoredValue,
  type StructType,
  type ValueType,
} from './graph.js';

/** So many faults are told. */
const MOST_TOLD = 20;

/** Brands can grow from level to level without end: of one generic type so many are compared. */
const MOST_BRANDS = 100;

/** What of `before` is gone or another in `after`, each with its type and its name; empty where nothing is. */
export function incompatibilities(before: SchemaGraph, after: SchemaGraph): string[] {
  return new Comparison().run(before, after);
}

class Comparison {
  readonly #faults = new Set<string>();
  readonly #seen = new Set<string>();
  /** How many brands of two nodes were compared. */
  readonly #brands = new Map<string, number>();
  /** Whether there was an AnyPointer in what was compared. */
  #isOpen = false;
  /** What is compared is what an AnyPointer can be, which is read without brands: those that come up below it need not all be. */
  #isInAny = false;

  run(before: SchemaGraph, after: SchemaGraph): string[] {
    for (const id of before.interfaceIds()) {
      const type = before.interface(id);
      if (!after.hasInterface(id)) this.#fault(`interface ${type.name} was removed`);
      else this.#interface(type, after.interface(id));
    }
    if (this.#isOpen) this.#structs(before, after);
    return [...this.#faults].slice(0, MOST_TOLD);
  }

  #structs(before: SchemaGraph, after: SchemaGraph): void {
    this.#isInAny = true;
    for (const id of before.structIds()) {
      const type = before.struct(id);
      if (!after.hasStruct(id)) this.#fault(`struct ${type.name} was removed, and an AnyPointer can be one`);
      else this.#struct(`struct ${type.name}`, type, after.struct(id));
    }
  }

  #fault(text: string): void {
    this.#faults.add(text);
  }

  /** Whether these two are to be compared: they were not before. */
  #isNew(before: InterfaceType | StructType, after: InterfaceType | StructType): boolean {
    const pair = `${before.key} ${after.key}`;
    if (this.#seen.has(pair)) return false;
    this.#seen.add(pair);
    const nodes = `${before.id} ${after.id}`;
    const brands = (this.#brands.get(nodes) ?? 0) + 1;
    this.#brands.set(nodes, brands);
    if (brands > MOST_BRANDS && !this.#isInAny)
      this.#fault(`${before.name} has more brands than can be compared`);
    return brands <= MOST_BRANDS;
  }

  #interface(before: InterfaceType, after: InterfaceType): void {
    if (!this.#isNew(before, after)) return;
    const { name } = before;
    for (const superclass of before.superclasses) {
      const found = ancestor(after, superclass.id);
      if (found === undefined) this.#fault(`interface ${name} does not extend ${superclass.name} any more`);
      else this.#interface(superclass, found);
    }
    for (const method of before.methods) {
      const at = `${name}.${method.name}`;
      const found = after.methods.find((each) => each.name === method.name);
      if (found === undefined) this.#fault(`method ${at} was removed`);
      else if (found.id !== method.id) this.#fault(`method ${at} was @${method.id} and is @${found.id}`);
      else {
        if (found.streaming !== method.streaming)
          this.#fault(
            `method ${at} ${found.streaming ? 'became a streaming one' : 'is no streaming one any more'}`,
          );
        this.#struct(`params of ${at}`, method.params, found.params);
        if (!method.streaming && !found.streaming)
          this.#struct(`results of ${at}`, method.results, found.results);
      }
    }
  }

  /** `at`: how its fields are told. */
  #struct(at: string, before: StructType, after: StructType): void {
    if (!this.#isNew(before, after)) return;
    if (before.discriminantCount > 0) {
      if (after.discriminantCount === 0) this.#fault(`${at} has no union any more`);
      else if (after.discriminantOffset !== before.discriminantOffset)
        this.#fault(`${at}: the tag of the union was moved`);
    }
    for (const field of before.fields) {
      const found = after.fields.find(({ name }) => name === field.name);
      if (found === undefined) this.#fault(`${at}: field ${field.name} was removed`);
      else this.#field(at, field, found);
    }
  }

  #field(at: string, before: FieldType, after: FieldType): void {
    const where = `${at}: field ${before.name}`;
    if (before.discriminant !== after.discriminant) {
      const of = ({ discriminant }: FieldType) =>
        discriminant === NO_DISCRIMINANT ? 'not in a union' : `member ${discriminant} of the union`;
      this.#fault(`${where} was ${of(before)} and is ${of(after)}`);
    }
    if (before.at.kind !== after.at.kind) {
      this.#fault(`${where} was ${article(before.at.kind)} and is ${article(after.at.kind)}`);
    } else if (before.at.kind === 'group' && after.at.kind === 'group') {
      this.#struct(`${at}.${before.name}`, before.at.group, after.at.group);
    } else if (before.at.kind === 'slot' && after.at.kind === 'slot') {
      const [old, now] = [before.at, after.at];
      if (!this.#type(where, old.type, now.type)) {
        const [was, is] = [typeName(old.type), typeName(now.type)];
        this.#fault(`${where} was ${was} and is ${was === is ? `another ${is}` : is}`);
      } else if (old.offset !== now.offset) {
        this.#fault(`${where} was moved, from slot ${old.offset} to slot ${now.offset}`);
      } else if (!sameDefault(old.type, old.default, now.default)) {
        this.#fault(`${where} has another default`);
      }
    }
  }

  /** Whether the one is the other, as far as the bytes of a message go; what differs inside of it is told here. */
  #type(where: string, before: ValueType, after: ValueType): boolean {
    if (before.kind === 'anyPointer') this.#isOpen = true;
    if (before.kind === 'struct' && after.kind === 'struct') {
      this.#struct(`struct ${before.struct.name}`, before.struct, after.struct);
      return true;
    }
    if (before.kind === 'interface' && after.kind === 'interface') {
      if (before.interface.id !== after.interface.id) return false;
      this.#interface(before.interface, after.interface);
      return true;
    }
    if (before.kind === 'list' && after.kind === 'list')
      return this.#type(where, before.element, after.element);
    if (before.kind === 'enum' && after.kind === 'enum') {
      for (const [number, enumerant] of before.enum.enumerants.entries()) {
        const found = after.enum.number(enumerant);
        const at = `enum ${before.enum.name}: ${enumerant}`;
        if (found === undefined) this.#fault(`${at} was removed`);
        else if (found !== number) this.#fault(`${at} was @${number} and is @${found}`);
      }
      return true;
    }
    return before.kind === after.kind;
  }
}

function article(kind: 'slot' | 'group'): string {
  return kind === 'group' ? 'a group' : 'a field of its own';
}

/** As the schema's language has it. */
function typeName(type: ValueType): string {
  switch (type.kind) {
    case 'enum':
      return type.enum.name;
    case 'struct':
      return type.struct.name;
    case 'interface':
      return type.interface.name;
    case 'list':
      return `List(${typeName(type.element)})`;
    case 'uint8':
    case 'uint16':
    case 'uint32':
    case 'uint64':
      return `UInt${type.kind.slice(4)}`;
    default:
      return `${type.kind[0]!.toUpperCase()}${type.kind.slice(1)}`;
  }
}

/** `type` itself, or what it inherits from, that has this id. */
function ancestor(type: InterfaceType, id: bigint): InterfaceType | undefined {
  if (type.id === id) return type;
  // One that is inherited twice is asked once.
  if (!type.extends(id)) return undefined;
  for (const superclass of type.superclasses) {
    const found = ancestor(superclass, id);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Those behind pointers are compared as they are read: their bytes may lie otherwise and be the same. */
function sameDefault(type: ValueType, before: StoredValue, after: StoredValue): boolean {
  const isNone = (stored: StoredValue) => stored === null || (typeof stored === 'object' && stored.isNull);
  // A struct of which nothing is given would be read with all that it could have in it.
  if (isNone(before) && isNone(after)) return true;
  const read = (stored: StoredValue) => decodeConstant(type, stored, 'the default');
  return isDeepStrictEqual(read(before), read(after));
}
