import { decode, encode } from '@msgpack/msgpack';
import { program } from '../program.js';

export default program('encodes and decodes MessagePack', () => {
  const bytes = encode({ a: [1, -2.5, 'ü'], b: new Uint8Array([1]) });
  return [[...bytes], decode(bytes).a];
});
