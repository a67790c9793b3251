/**
 * What is used of capnp-ts: the classes of the schema of schemas. Its files are many, and of another module system: one by one
 * they were half of what a command, a host or a thread loaded. So the build makes one module of this one and of them.
 */
export { Message, Struct } from 'capnp-ts';
export {
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
  Type_AnyPointer,
  Type_AnyPointer_Unconstrained,
  Value,
  Value_Which,
} from 'capnp-ts/src/std/schema.capnp.js';
