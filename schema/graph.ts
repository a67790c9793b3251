/**
 * The schema graph: the nodes of one or more CodeGeneratorRequests, as the types that codecs and stubs are made from.
 *
 * A type is made when it is first asked for, once for each brand (the bindings of its generic parameters). What is loaded
 * comes from the operator or from a peer's tool, so names are checked: they become properties of objects.
 */

import type { CapabilityDecoder, CapabilityEncoder } from './capabilities.js';
import {
  type Brand,
  Brand_Binding,
  Brand_Scope,
  CodeGeneratorRequest,
  type Field,
  Message,
  type Node,
  Struct,
  Type,
  Type_AnyPointer,
  Type_AnyPointer_Unconstrained,
  type Value,
  Value_Which,
} from './capnp-ts.js';
import { compileStruct, decodeConstant, type StructCodec } from './codec.js';
import type { PointerBuilder } from './message-builder.js';
import { MessageReader, type PointerReader } from './message-reader.js';
import { copyRequest } from './request.js';

/** A type as a field, a list element or a brand's binding has it. */
export type ValueType =
  | { readonly kind: PrimitiveKind }
  | { readonly kind: 'text' | 'data' }
  | { readonly kind: 'enum'; readonly enum: EnumType }
  | { readonly kind: 'struct'; readonly struct: StructType }
  | { readonly kind: 'list'; readonly element: ValueType }
  | { readonly kind: 'interface'; readonly interface: InterfaceType }
  /** An unconstrained pointer, or an unbound generic parameter. */
  | { readonly kind: 'anyPointer' }
  /** The type `Capability`. */
  | { readonly kind: 'capability' };

export type PrimitiveKind =
  | 'void'
  | 'bool'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'float32'
  | 'float64';

/** A default or the value of a constant, as the schema stores it. */
export type StoredValue = number | bigint | boolean | PointerReader | null;

/** A field that is not in a union has this discriminant. */
export const NO_DISCRIMINANT = 0xffff;

export interface FieldType {
  readonly name: string;
  /** The value of the union's tag that makes it the active member; NO_DISCRIMINANT for a field outside of the union. */
  readonly discriminant: number;
  readonly at:
    | {
        readonly kind: 'slot';
        readonly type: ValueType;
        /** In units of the type: bits for bool, elements of its size for other data, pointers for pointers. */
        readonly offset: number;
        /** Of data: what XOR gives the value. Of pointers: what a null pointer means, or null. */
        readonly default: StoredValue;
      }
    | { readonly kind: 'group'; readonly group: StructType };
}

/** The schema does not have what was asked of it, or is not one. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
  readonly code = 'ERR_SCHEMA';
}

/** Runs `read`, which reads nodes: what does not have the form that it should is a SchemaError, whatever noticed it. */
function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof SchemaError) throw cause;
    const reason = cause instanceof Error ? cause.message : 'it is unreadable';
    throw new SchemaError(`not a CodeGeneratorRequest: ${reason}`, { cause });
  }
}

type Kind = 'interface' | 'struct' | 'enum' | 'const';

interface Constant {
  readonly name: string;
  readonly type: ValueType;
  readonly stored: StoredValue;
}

type Bindings = ReadonlyMap<bigint, readonly ValueType[]>;
const NO_BINDINGS: Bindings = new Map();

export class EnumType {
  readonly id: bigint;
  readonly name: string;
  /** By their numbers. */
  readonly enumerants: readonly string[];
  readonly #numbers: ReadonlyMap<string, number>;

  constructor(node: Node, name: string) {
    this.id = node.getId();
    this.name = name;
    this.enumerants = node
      .getEnum()
      .getEnumerants()
      .toArray()
      .map((enumerant) => checkName(enumerant.getName()));
    this.#numbers = new Map(this.enumerants.map((enumerant, number) => [enumerant, number]));
  }

  number(enumerant: string): number | undefined {
    return this.#numbers.get(enumerant);
  }
}

/** A field of results that can be pipelined on. */
export type PipelineField =
  | {
      readonly name: string;
      readonly path: readonly number[];
      readonly kind: 'capability';
      readonly interface: InterfaceType | null;
    }
  | {
      readonly name: string;
      readonly path: readonly number[];
      readonly kind: 'struct';
      readonly struct: StructType;
    };

export class StructType {
  readonly id: bigint;
  readonly isGroup: boolean;
  readonly dataWords: number;
  readonly pointers: number;
  readonly discriminantCount: number;
  /** Of the union's tag, in bytes. */
  readonly discriminantOffset: number;
  readonly #graph: SchemaGraph;
  readonly #node: Node;
  readonly #bindings: Bindings;
  #fields: readonly FieldType[] | null = null;
  #codec: StructCodec | null = null;
  #holdsCapabilities: boolean | null = null;
  #pipeline: readonly PipelineField[] | null = null;

  constructor(
    graph: SchemaGraph,
    node: Node,
    readonly name: string,
    bindings: Bindings,
    /** Tells it from the same struct with another brand. */
    readonly key: string,
  ) {
    const struct = node.getStruct();
    this.#graph = graph;
    this.#node = node;
    this.#bindings = bindings;
    this.id = node.getId();
    this.isGroup = struct.getIsGroup();
    this.dataWords = struct.getDataWordCount();
    this.pointers = struct.getPointerCount();
    this.discriminantCount = struct.getDiscriminantCount();
    this.discriminantOffset = struct.getDiscriminantOffset() * 2;
  }

  /** In the order of the schema's text. */
  get fields(): readonly FieldType[] {
    this.#fields ??= reading(() =>
      this.#node
        .getStruct()
        .getFields()
        .toArray()
        .sort((a, b) => a.getCodeOrder() - b.getCodeOrder())
        .map((field) => this.#field(field)),
    );
    return this.#fields;
  }

  /** Codecs rely on it that a field is within its struct, and its default of its type. */
  #field(field: Field): FieldType {
    const name = checkName(field.getName());
    const where = `${this.name}.${name}`;
    const discriminant = field.getDiscriminantValue();
    if (discriminant !== NO_DISCRIMINANT && this.discriminantOffset + 2 > this.dataWords * 8) {
      throw new SchemaError(`the schema has ${where} in a union whose tag lies outside of the struct`);
    }
    if (field.isGroup()) {
      const group = this.#graph.groupType(field.getGroup().getTypeId(), this.#bindings, this.id);
      if (group.dataWords > this.dataWords || group.pointers > this.pointers) {
        throw new SchemaError(`the schema has the group ${where}, which is larger than the struct around it`);
      }
      return { name, discriminant, at: { kind: 'group', group } };
    }
    const slot = field.getSlot();
    const type = this.#graph.valueType(slot.getType(), this.#bindings);
    const offset = slot.getOffset();
    const bits = DATA_BITS[type.kind];
    if (bits === undefined ? offset >= this.pointers : (offset + 1) * bits > this.dataWords * 64) {
      throw new SchemaError(`the schema has the field ${where} outside of its struct`);
    }
    const stored = this.#graph.defaultOf(slot.getDefaultValue());
    checkStored(type, stored, where);
    return { name, discriminant, at: { kind: 'slot', type, offset, default: stored } };
  }

  /** What can be pipelined on: capabilities and structs that are not in a union. */
  pipelineFields(): readonly PipelineField[] {
    this.#pipeline ??= this.fields.flatMap((field): PipelineField[] => {
      const { name, at } = field;
      if (field.discriminant !== NO_DISCRIMINANT) return [];
      if (at.kind === 'group') return [{ name, path: [], kind: 'struct', struct: at.group }];
      if (at.type.kind === 'struct')
        return [{ name, path: [at.offset], kind: 'struct', struct: at.type.struct }];
      if (at.type.kind === 'interface')
        return [{ name, path: [at.offset], kind: 'capability', interface: at.type.interface }];
      if (at.type.kind === 'capability' || at.type.kind === 'anyPointer') {
        return [{ name, path: [at.offset], kind: 'capability', interface: null }];
      }
      return [];
    });
    return this.#pipeline;
  }

  /** Whether a value of this type can have a capability anywhere in it. */
  get holdsCapabilities(): boolean {
    this.#holdsCapabilities ??= reaches(this, new Set());
    return this.#holdsCapabilities;
  }

  get codec(): StructCodec {
    this.#codec ??= compileStruct(this);
    return this.#codec;
  }

  /** Writes `value` as a struct of this type. Throws CodecError, with a path that begins with `path`. */
  encode(value: unknown, into: PointerBuilder, capabilities: CapabilityEncoder, path = this.name): void {
    this.codec.encode(value, into, capabilities, path);
  }

  /** Reads a struct of this type. Throws CodecError or MessageError. */
  // biome-ignore lint/suspicious/noExplicitAny: what comes out is what the schema says.
  decode(from: PointerReader, capabilities: CapabilityDecoder, path = this.name): any {
    return this.codec.decode(from, capabilities, path);
  }
}

/** Whether there is a capability in `type`, or in a struct that is not in `seen` and can be in it. */
function reaches(type: StructType, seen: Set<StructType>): boolean {
  if (seen.has(type)) return false;
  // Brands can grow from level to level without end.
  if (seen.size > MAX_TYPES_SEEN) return true;
  seen.add(type);
  return type.fields.some(({ at }) => {
    if (at.kind === 'group') return reaches(at.group, seen);
    let value = at.type;
    while (value.kind === 'list') value = value.element;
    if (value.kind === 'struct') return reaches(value.struct, seen);
    return value.kind === 'interface' || value.kind === 'capability' || value.kind === 'anyPointer';
  });
}

const MAX_TYPES_SEEN = 1000;

export interface MethodType {
  readonly interface: InterfaceType;
  /** Its ordinal in that interface. */
  readonly id: number;
  readonly name: string;
  /** For errors: the name with that of the interface, and the names of its params and its results. */
  readonly title: string;
  readonly paramsTitle: string;
  readonly resultsTitle: string;
  /** Whether every object has something of that name. */
  readonly isInherited: boolean;
  readonly params: StructType;
  readonly results: StructType;
  /** Declared `-> stream`. */
  readonly streaming: boolean;
}

const STREAM_RESULT = 0x995f9a3377c0b16en;

export class InterfaceType {
  readonly id: bigint;
  readonly graph: SchemaGraph;
  readonly #node: Node;
  readonly #bindings: Bindings;
  #methods: readonly MethodType[] | null = null;
  #superclasses: readonly InterfaceType[] | null = null;
  #lineage: ReadonlyMap<bigint, InterfaceType> | null = null;
  /** What `methodById` was asked for last, and what that is. */
  #askedId: bigint | null = null;
  #asked: InterfaceType | undefined;

  constructor(
    graph: SchemaGraph,
    node: Node,
    readonly name: string,
    bindings: Bindings,
    /** Tells it from the same interface with another brand. */
    readonly key: string,
  ) {
    this.graph = graph;
    this.#node = node;
    this.#bindings = bindings;
    this.id = node.getId();
  }

  /** Its own, by their ordinals. */
  get methods(): readonly MethodType[] {
    this.#methods ??= reading(() =>
      this.#node
        .getInterface()
        .getMethods()
        .toArray()
        .map((method, id) => {
          const results = method.getResultStructType();
          const name = checkName(method.getName());
          return {
            interface: this,
            id,
            name,
            title: `${this.name}.${name}`,
            paramsTitle: `${name}.params`,
            resultsTitle: `${name}.results`,
            isInherited: name in Object.prototype,
            params: this.#struct(method.getParamStructType(), method.getParamBrand()),
            results: this.#struct(results, method.getResultBrand()),
            streaming: results === STREAM_RESULT,
          };
        }),
    );
    return this.#methods;
  }

  #struct(id: bigint, brand: Brand): StructType {
    // Params and results that the method declares in place live in the interface's own scope.
    const bindings = new Map([...this.#bindings, ...this.graph.bindings(brand, this.#bindings)]);
    return this.graph.structType(id, bindings);
  }

  get superclasses(): readonly InterfaceType[] {
    this.#superclasses ??= reading(() =>
      this.#node
        .getInterface()
        .getSuperclasses()
        .toArray()
        .map((superclass) =>
          this.graph.interfaceType(
            superclass.getId(),
            this.graph.bindings(superclass.getBrand(), this.#bindings),
          ),
        ),
    );
    return this.#superclasses;
  }

  /** Itself and everything that it inherits from, by their ids; itself first. */
  get #ancestry(): ReadonlyMap<bigint, InterfaceType> {
    if (this.#lineage === null) {
      const lineage = new Map<bigint, InterfaceType>();
      const visit = (type: InterfaceType) => {
        if (lineage.has(type.id)) return;
        lineage.set(type.id, type);
        for (const superclass of type.superclasses) visit(superclass);
      };
      visit(this);
      this.#lineage = lineage;
    }
    return this.#lineage;
  }

  /** Whether an object of this type is one of the interface `id` as well. */
  extends(id: bigint): boolean {
    return this.#ancestry.has(id);
  }

  /** Own and inherited; of two with one name, the one that is nearer. */
  allMethods(): readonly MethodType[] {
    const found = new Map<string, MethodType>();
    for (const type of this.#ancestry.values()) {
      for (const method of type.methods) if (!found.has(method.name)) found.set(method.name, method);
    }
    return [...found.values()];
  }

  method(name: string): MethodType | undefined {
    for (const type of this.#ancestry.values()) {
      const found = type.methods.find((method) => method.name === name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  methodById(interfaceId: bigint, methodId: number): MethodType | undefined {
    // Nearly every call is of the interface that the one before was of, and a bigint is looked up slowly.
    if (interfaceId !== this.#askedId) {
      // In this order: where a program has used up the stack, the look-up throws.
      this.#asked = this.#ancestry.get(interfaceId);
      this.#askedId = interfaceId;
    }
    return this.#asked?.methods[methodId];
  }
}

export class SchemaGraph {
  readonly #nodes = new Map<bigint, Node>();
  /** What has a name, by its kind and that. Read once: capnp-ts allows only so much reading of a message in all. */
  readonly #ids: Readonly<Record<Kind, Map<string, bigint[]>>> = {
    interface: new Map(),
    struct: new Map(),
    enum: new Map(),
    const: new Map(),
  };
  readonly #kinds = new Map<bigint, Kind>();
  readonly #constants = new Map<bigint, Constant>();
  /** The message that each request became, for our own reader. */
  readonly #readers = new WeakMap<object, MessageReader>();
  readonly #types = new Map<string, StructType | InterfaceType | EnumType>();

  private constructor() {}

  /** Loads CodeGeneratorRequests: what `capnp compile -o-` prints. Throws SchemaError where one is not. */
  static load(requests: Uint8Array | readonly Uint8Array[]): SchemaGraph {
    const graph = new SchemaGraph();
    for (const bytes of requests instanceof Uint8Array ? [requests] : requests)
      reading(() => graph.#add(bytes));
    reading(() => graph.#nameNodes());
    return graph;
  }

  #add(bytes: Uint8Array): void {
    const segment = copyRequest(bytes);
    const message = new Message(segment, false, true);
    this.#readers.set(message, new MessageReader([segment], { traversalWords: Number.MAX_SAFE_INTEGER }));
    const nodes = message.getRoot(CodeGeneratorRequest).getNodes().toArray();
    if (nodes.length === 0) throw new SchemaError('not a CodeGeneratorRequest: it has no nodes');
    for (const node of nodes) this.#nodes.set(node.getId(), node);
  }

  #nameNodes(): void {
    for (const [id, node] of this.#nodes) {
      const kind = kindOf(node);
      if (kind === null) continue;
      this.#kinds.set(id, kind);
      const name = shortName(node);
      const same = this.#ids[kind].get(name);
      if (same === undefined) this.#ids[kind].set(name, [id]);
      else same.push(id);
    }
  }

  has(id: bigint): boolean {
    return this.#nodes.has(id);
  }

  hasInterface(id: bigint): boolean {
    return this.#kinds.get(id) === 'interface';
  }

  interfaceIds(): bigint[] {
    return [...this.#kinds].flatMap(([id, kind]) => (kind === 'interface' ? [id] : []));
  }

  hasStruct(id: bigint): boolean {
    return this.#kinds.get(id) === 'struct';
  }

  /** Of those that a program can name: not of what methods declare in place, which has no scope. */
  structIds(): bigint[] {
    return [...this.#kinds].flatMap(([id, kind]) =>
      kind === 'struct' && this.#node(id).getScopeId() !== 0n ? [id] : [],
    );
  }

  /** The names of everything of this kind. */
  names(kind: Kind = 'interface'): string[] {
    return [...this.#ids[kind]].flatMap(([name, ids]) => ids.map(() => name)).sort();
  }

  /** By its name without the file (`Account`, `Policy.Allowed`) or its id. */
  interface(which: string | bigint): InterfaceType {
    return this.interfaceType(this.#find(which, 'interface'), NO_BINDINGS);
  }

  struct(which: string | bigint): StructType {
    return this.structType(this.#find(which, 'struct'), NO_BINDINGS);
  }

  enum(which: string | bigint): EnumType {
    return this.enumType(this.#find(which, 'enum'));
  }

  /** The value of a constant, frozen. */
  constant(which: string | bigint): unknown {
    const id = this.#find(which, 'const');
    let constant = this.#constants.get(id);
    if (constant === undefined) {
      constant = reading(() => this.#constant(this.#node(id)));
      this.#constants.set(id, constant);
    }
    return decodeConstant(constant.type, constant.stored, constant.name);
  }

  #constant(node: Node): Constant {
    const name = shortName(node);
    const type = this.valueType(node.getConst().getType(), NO_BINDINGS);
    const stored = this.defaultOf(node.getConst().getValue());
    checkStored(type, stored, name);
    return { name, type, stored };
  }

  #find(which: string | bigint, kind: Kind): bigint {
    if (typeof which === 'bigint') {
      if (this.#kinds.get(which) === kind) return which;
      const id = `0x${which.toString(16).padStart(16, '0')}`;
      throw new SchemaError(`the schema has no ${kind} ${id}; it has ${list(this.names(kind))}`);
    }
    const found = this.#ids[kind].get(which) ?? [];
    if (found.length === 1) return found[0]!;
    if (found.length === 0) {
      throw new SchemaError(
        `the schema has no ${kind} ${JSON.stringify(which)}; it has ${list(this.names(kind))}`,
      );
    }
    const ids = found.map((id) => `0x${id.toString(16)} (${this.#node(id).getDisplayName()})`);
    throw new SchemaError(
      `the schema has ${found.length} times the ${kind} ${which}: name one by its id: ${ids.join(', ')}`,
    );
  }

  #node(id: bigint): Node {
    const node = this.#nodes.get(id);
    if (node === undefined)
      throw new SchemaError(
        `the schema refers to 0x${id.toString(16).padStart(16, '0')}, which it does not contain`,
      );
    return node;
  }

  // ---- types, from their places in other types ------------------------------------------------------------------

  structType(id: bigint, bindings: Bindings): StructType {
    return this.#type(
      id,
      bindings,
      'struct',
      (node, name, key) => new StructType(this, node, name, bindings, key),
    );
  }

  /** The group `id` of the struct or group `parent`: only there can a group be, so that none contains itself. */
  groupType(id: bigint, bindings: Bindings, parent: bigint): StructType {
    const group = this.#type(
      id,
      bindings,
      'group',
      (node, name, key) => new StructType(this, node, name, bindings, key),
    );
    if (this.#node(id).getScopeId() !== parent) {
      throw new SchemaError(`${group.name} is used as a group of a struct that it is not in`);
    }
    return group;
  }

  interfaceType(id: bigint, bindings: Bindings): InterfaceType {
    return this.#type(
      id,
      bindings,
      'interface',
      (node, name, key) => new InterfaceType(this, node, name, bindings, key),
    );
  }

  enumType(id: bigint): EnumType {
    return this.#type(id, NO_BINDINGS, 'enum', (node, name) => new EnumType(node, name));
  }

  #type<T extends StructType | InterfaceType | EnumType>(
    id: bigint,
    bindings: Bindings,
    kind: 'struct' | 'group' | 'interface' | 'enum',
    make: (node: Node, name: string, key: string) => T,
  ): T {
    const brand = `${kind} ${id}${brandOf(bindings)}`;
    const known = this.#types.get(brand);
    if (known !== undefined) return known as T;
    return reading(() => {
      const node = this.#node(id);
      if ((kindOf(node) ?? 'group') !== kind || (kind === 'group' && !node.isStruct())) {
        throw new SchemaError(`${node.getDisplayName()} is used as ${kind}, which it is not`);
      }
      // A number, not the brand itself: brands can be in brands, and would double in length from one to the next.
      const made = make(node, shortName(node), `${this.#types.size}`);
      this.#types.set(brand, made);
      return made;
    });
  }

  /** What a brand binds, where `outer` is what is bound around it. */
  bindings(brand: Brand, outer: Bindings): Bindings {
    const result = new Map<bigint, readonly ValueType[]>();
    for (const scope of brand.getScopes().toArray()) {
      const id = scope.getScopeId();
      if (scope.which() === Brand_Scope.INHERIT) {
        const inherited = outer.get(id);
        if (inherited !== undefined) result.set(id, inherited);
      } else {
        result.set(
          id,
          scope
            .getBind()
            .toArray()
            .map(
              (binding): ValueType =>
                binding.which() === Brand_Binding.TYPE
                  ? this.valueType(binding.getType(), outer)
                  : { kind: 'anyPointer' },
            ),
        );
      }
    }
    return result;
  }

  valueType(type: Type, bindings: Bindings): ValueType {
    switch (type.which()) {
      case Type.TEXT:
        return { kind: 'text' };
      case Type.DATA:
        return { kind: 'data' };
      case Type.LIST:
        return { kind: 'list', element: this.valueType(type.getList().getElementType(), bindings) };
      case Type.ENUM:
        return { kind: 'enum', enum: this.enumType(type.getEnum().getTypeId()) };
      case Type.STRUCT: {
        const struct = type.getStruct();
        return {
          kind: 'struct',
          struct: this.structType(struct.getTypeId(), this.bindings(struct.getBrand(), bindings)),
        };
      }
      case Type.INTERFACE: {
        const face = type.getInterface();
        return {
          kind: 'interface',
          interface: this.interfaceType(face.getTypeId(), this.bindings(face.getBrand(), bindings)),
        };
      }
      case Type.ANY_POINTER: {
        const any = type.getAnyPointer();
        if (any.which() === Type_AnyPointer.PARAMETER) {
          const parameter = any.getParameter();
          return (
            bindings.get(parameter.getScopeId())?.[parameter.getParameterIndex()] ?? { kind: 'anyPointer' }
          );
        }
        const capability =
          any.which() === Type_AnyPointer.UNCONSTRAINED &&
          any.getUnconstrained().which() === Type_AnyPointer_Unconstrained.CAPABILITY;
        return { kind: capability ? 'capability' : 'anyPointer' };
      }
      default: {
        const kind = PRIMITIVES[type.which()];
        if (kind === undefined)
          throw new SchemaError(`the schema has a type of the unknown kind ${type.which()}`);
        return { kind };
      }
    }
  }

  defaultOf(value: Value): StoredValue {
    switch (value.which()) {
      case Value_Which.VOID:
      case Value_Which.INTERFACE:
        return null;
      case Value_Which.BOOL:
        return value.getBool();
      case Value_Which.INT8:
        return value.getInt8();
      case Value_Which.INT16:
        return value.getInt16();
      case Value_Which.INT32:
        return value.getInt32();
      case Value_Which.INT64:
        return value.getInt64();
      case Value_Which.UINT8:
        return value.getUint8();
      case Value_Which.UINT16:
        return value.getUint16();
      case Value_Which.UINT32:
        return value.getUint32();
      case Value_Which.UINT64:
        return value.getUint64();
      case Value_Which.FLOAT32:
        return value.getFloat32();
      case Value_Which.FLOAT64:
        return value.getFloat64();
      case Value_Which.ENUM:
        return value.getEnum();
      default: {
        // Text, data, lists, structs and pointers all stand in the one pointer of Value.
        const pointer = this.#pointerOf(value);
        return pointer.isNull ? null : pointer;
      }
    }
  }

  /** The one pointer of a Value, for our own reader. */
  #pointerOf(value: Value): PointerReader {
    const slot = Struct.getPointer(0, value);
    const reader = this.#readers.get(slot.segment.message)!;
    return reader.pointerAt(slot.segment.id, slot.byteOffset / 8);
  }
}

const PRIMITIVES: Readonly<Record<number, PrimitiveKind>> = {
  [Type.VOID]: 'void',
  [Type.BOOL]: 'bool',
  [Type.INT8]: 'int8',
  [Type.INT16]: 'int16',
  [Type.INT32]: 'int32',
  [Type.INT64]: 'int64',
  [Type.UINT8]: 'uint8',
  [Type.UINT16]: 'uint16',
  [Type.UINT32]: 'uint32',
  [Type.UINT64]: 'uint64',
  [Type.FLOAT32]: 'float32',
  [Type.FLOAT64]: 'float64',
};

/** Fields, methods and enumerants become names of properties: nothing but what the language allows may be one. */
function checkName(name: string): string {
  if (!/^[A-Za-z][A-Za-z0-9]*$/.test(name)) {
    throw new SchemaError(`the schema has the name ${JSON.stringify(name)}; letters and digits are allowed`);
  }
  return name;
}

/** `Policy.Allowed` of `sturdy.capnp:Policy.Allowed`. */
function shortName(node: Node): string {
  const name = node.getDisplayName();
  return name.slice(name.indexOf(':') + 1);
}

/** Null: it has no name of its own here. */
function kindOf(node: Node): Kind | null {
  if (node.isInterface()) return 'interface';
  if (node.isEnum()) return 'enum';
  if (node.isConst()) return 'const';
  return node.isStruct() && !node.getStruct().getIsGroup() ? 'struct' : null;
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ');
}

/** Bits that a value takes in the data section of a struct. What is not here stands behind a pointer. */
const DATA_BITS: Readonly<Partial<Record<ValueType['kind'], number>>> = {
  void: 0,
  bool: 1,
  int8: 8,
  uint8: 8,
  int16: 16,
  uint16: 16,
  enum: 16,
  int32: 32,
  uint32: 32,
  float32: 32,
  int64: 64,
  uint64: 64,
  float64: 64,
};

/** A default, or the value of a constant, has to be of its type: nobody but the compiler has looked at it. */
function checkStored(type: ValueType, stored: StoredValue, where: string): void {
  const expected =
    type.kind === 'void' || DATA_BITS[type.kind] === undefined
      ? 'object'
      : type.kind === 'bool'
        ? 'boolean'
        : DATA_BITS[type.kind] === 64 && type.kind !== 'float64'
          ? 'bigint'
          : 'number';
  if (typeof stored !== expected)
    throw new SchemaError(`the schema has ${where} with a value of another type`);
}

/** Tells brands apart. */
function brandOf(bindings: Bindings): string {
  if (bindings.size === 0) return '';
  return [...bindings]
    .map(([scope, types]) => `|${scope}:${types.map(keyOf).join()}`)
    .sort()
    .join('');
}

function keyOf(type: ValueType): string {
  switch (type.kind) {
    case 'enum':
      return `e${type.enum.id}`;
    case 'struct':
      return `s${type.struct.key}`;
    case 'interface':
      return `i${type.interface.key}`;
    case 'list':
      return `l(${keyOf(type.element)})`;
    default:
      return type.kind;
  }
}
