/**
 * A CodeGeneratorRequest as capnp-ts can be given it. capnp-ts believes every pointer: one that leads to something else
 * than the schema of schemas says can keep it busy for minutes. So what the graph needs of a request, its nodes, is copied
 * by our own reader, each pointer as what it has to be and each struct in the size that capnp-ts expects.
 */
import {
  Brand,
  Brand_Binding,
  Brand_Scope,
  CodeGeneratorRequest,
  Enumerant,
  Field,
  Method,
  Node,
  Superclass,
  Type,
  Value,
} from './capnp-ts.js';
import { MessageBuilder, type PointerBuilder, type StructBuilder } from './message-builder.js';
import {
  ElementSize,
  MessageError,
  MessageReader,
  type PointerReader,
  type StructReader,
} from './message-reader.js';

/** The nodes of a request, as a request in one segment. Throws MessageError where it is not one. */
export function copyRequest(bytes: Uint8Array): Uint8Array {
  // A request is a tree: no honest one needs its words twice.
  const traversalWords = bytes.length / 4 + 65_536;
  const from = new MessageReader(segmentsOf(bytes), { traversalWords });
  const message = new MessageBuilder(bytes.length / 8 + 1);
  copySlot({ struct: request }, from.root, message.root);
  return message.segment();
}

/** What a pointer leads to; null: nothing that is needed. */
type Slot = 'text' | 'any' | { readonly struct: Form } | { readonly list: Form } | null;

interface Form {
  readonly dataWords: number;
  readonly pointers: number;
  /** Its pointers, as far as one of them is needed. */
  slots(struct: StructReader): readonly Slot[];
}

function form(
  {
    _capnp: { size },
  }: { readonly _capnp: { readonly size: { dataByteLength: number; pointerLength: number } } },
  slots: (struct: StructReader) => readonly Slot[],
): Form {
  return { dataWords: size.dataByteLength / 8, pointers: size.pointerLength, slots };
}

const request = form(CodeGeneratorRequest, () => [{ list: node }]);

const node = form(Node, (struct) => {
  const [displayName, nestedNodes, annotations] = ['text', null, null] as const;
  switch (struct.u16(12)) {
    case Node.STRUCT:
      return [displayName, nestedNodes, annotations, { list: field }];
    case Node.ENUM:
      return [displayName, nestedNodes, annotations, { list: enumerant }];
    case Node.INTERFACE:
      return [displayName, nestedNodes, annotations, { list: method }, { list: superclass }];
    case Node.CONST:
      return [displayName, nestedNodes, annotations, { struct: type }, { struct: value }];
    default:
      return [displayName];
  }
});

const field = form(Field, (struct) => {
  const isSlot = struct.u16(8) === Field.SLOT;
  return isSlot ? ['text', null, { struct: type }, { struct: value }] : ['text'];
});

const enumerant = form(Enumerant, () => ['text']);

const superclass = form(Superclass, () => [{ struct: brand }]);

const method = form(Method, () => ['text', null, { struct: brand }, { struct: brand }]);

const type = form(Type, (struct) => {
  switch (struct.u16(0)) {
    case Type.LIST:
      return [{ struct: type }];
    case Type.STRUCT:
    case Type.INTERFACE:
      return [{ struct: brand }];
    default:
      return [];
  }
});

const brand = form(Brand, () => [{ list: scope }]);

const scope = form(Brand_Scope, (struct) => (struct.u16(8) === Brand_Scope.BIND ? [{ list: binding }] : []));

const binding = form(Brand_Binding, (struct) =>
  struct.u16(0) === Brand_Binding.TYPE ? [{ struct: type }] : [],
);

const value = form(Value, () => ['any']);

/** Leaves no pointer null that capnp-ts would want to fill. */
function copySlot(slot: Slot, from: PointerReader, into: PointerBuilder): void {
  if (slot === null) return;
  if (slot === 'text') return into.setText(from.text());
  if (slot === 'any') return into.copy(from);
  if ('struct' in slot) {
    const { struct } = slot;
    return copyStruct(struct, from.struct(), into.struct(struct.dataWords, struct.pointers));
  }
  const { list } = slot;
  const elements = from.list(ElementSize.composite);
  if (elements.length > 0 && elements.elementSize !== ElementSize.composite)
    throw new MessageError('expected a list of structs, found one of something else');
  const copies = into.structList(elements.length, list.dataWords, list.pointers);
  for (let i = 0; i < elements.length; i++) copyStruct(list, elements.struct(i), copies.struct(i));
}

function copyStruct(form: Form, from: StructReader, into: StructBuilder): void {
  for (let offset = 0; offset < form.dataWords * 8; offset += 8) into.setU64(offset, from.u64(offset));
  for (const [i, slot] of form.slots(from).entries()) copySlot(slot, from.pointer(i), into.pointer(i));
}

/** The segments of a message in stream framing. */
function segmentsOf(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const truncated = new MessageError(`${bytes.length} bytes, in which its message is not complete`);
  if (bytes.length < 8) throw truncated;
  const count = view.getUint32(0, true) + 1;
  let offset = 8 * Math.ceil((4 + 4 * count) / 8);
  if (offset > bytes.length) throw truncated;
  const segments: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const length = view.getUint32(4 + 4 * i, true) * 8;
    if (offset + length > bytes.length) throw truncated;
    segments.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  return segments;
}
