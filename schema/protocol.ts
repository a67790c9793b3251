/** The schemas of the broker's own protocols, loaded once. */
import { readFileSync } from 'node:fs';
import { SchemaGraph } from './graph.js';

let bytes: Uint8Array | null = null;
let graph: SchemaGraph | null = null;

/** The CodeGeneratorRequest of the public protocol, schema/sturdy.capnp. */
export function sturdySchemaBytes(): Uint8Array {
  bytes ??= compiled('sturdy');
  return bytes;
}

/** The public protocol, and those between the broker and its domains (domain.capnp) and hosts (host.capnp). */
export function sturdySchema(): SchemaGraph {
  graph ??= SchemaGraph.load([sturdySchemaBytes(), compiled('domain'), compiled('host')]);
  return graph;
}

function compiled(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`./${name}.cgr`, import.meta.url)));
}
