import protobuf from 'protobufjs';
import { program } from '../program.js';

export default program('reads a schema, and encodes and decodes by it', () => {
  const { root } = protobuf.parse('syntax = "proto3"; message A { string b = 1; repeated int32 c = 2; }');
  const A = root.lookupType('A');
  const bytes = A.encode(A.create({ b: 'x', c: [1, 300] })).finish();
  return [[...bytes], A.toObject(A.decode(bytes))];
});
