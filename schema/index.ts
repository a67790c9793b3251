/** What is said: messages, the schema graph, and codecs between JavaScript values and Cap'n Proto. */

export { AnyPointer } from './any-pointer.js';
export { fromBase64, toBase64Url } from './base64.js';
export {
  type CapabilityDecoder,
  type CapabilityEncoder,
  CodecError,
  NO_CAPABILITIES,
} from './capabilities.js';
export { dataReader } from './codec.js';
export {
  EnumType,
  type FieldType,
  InterfaceType,
  type MethodType,
  NO_DISCRIMINANT,
  type PipelineField,
  SchemaError,
  SchemaGraph,
  StructType,
  type ValueType,
} from './graph.js';
export { readU32, writeU32 } from './little-endian.js';
export { Memory } from './memory.js';
export { PooledBuffer } from './memory-pool.js';
export { ListBuilder, MessageBuilder, PointerBuilder, StructBuilder } from './message-builder.js';
export {
  ElementSize,
  ListReader,
  type MemoryPart,
  MessageError,
  MessageReader,
  PointerReader,
  type ReadLimits,
  StructReader,
  type Watcher,
} from './message-reader.js';
export { sturdySchema, sturdySchemaBytes } from './protocol.js';
export { freezeWhole, seal } from './seal.js';
