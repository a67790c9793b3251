/** What is said: messages, the schema graph, and codecs between JavaScript values and Cap'n Proto. */
export { ListBuilder, MessageBuilder, PointerBuilder, StructBuilder } from './message-builder.js';
export {
  ElementSize,
  ListReader,
  MessageError,
  MessageReader,
  PointerReader,
  type ReadLimits,
  StructReader,
} from './message-reader.js';
