/** The schemas of the broker's own protocols, loaded once. */
import { fromBase64 } from './base64.js';
import { SchemaGraph } from './graph.js';
import * as compiled from './protocols.generated.js';

let bytes: Uint8Array | null = null;
let graph: SchemaGraph | null = null;

/** The CodeGeneratorRequest of the public protocol, schema/sturdy.capnp. */
export function sturdySchemaBytes(): Uint8Array {
  bytes ??= fromBase64(compiled.sturdy);
  return bytes;
}

/** The public protocol, and those between the broker and its domains (domain.capnp) and hosts (host.capnp). */
export function sturdySchema(): SchemaGraph {
  graph ??= SchemaGraph.load([sturdySchemaBytes(), fromBase64(compiled.domain), fromBase64(compiled.host)]);
  return graph;
}
