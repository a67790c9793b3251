/** An object with the schema of these tests behind a connection: it keeps what it was given, and gives it back. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { capabilityOf, serve } from '../../rpc/index.js';
import { type InterfaceType, SchemaGraph } from '../../schema/index.js';
import { HostilePeer } from './peer.js';

export const hostileSchema: Uint8Array = await readFile(
  fileURLToPath(new URL('./hostile.cgr', import.meta.url)),
);
export const hostileGraph: SchemaGraph = SchemaGraph.load(hostileSchema);
export const TARGET: InterfaceType = hostileGraph.interface('Target');

/** Method numbers of `Target`. */
export const TAKE = 0;
export const NAMES = 1;

/** The pointers of `Shapes`, by its fields. */
export const SHAPES = {
  voids: 0,
  bools: 1,
  numbers: 2,
  texts: 3,
  items: 4,
  lists: 5,
  nested: 6,
  text: 7,
  data: 8,
  any: 9,
  cap: 10,
  empties: 11,
} as const;
export const SHAPES_POINTERS = 12;

export class Taker {
  readonly taken: unknown[] = [];

  take(params: object): object {
    this.taken.push(params);
    return params;
  }

  names(params: object): object {
    this.taken.push(params);
    return params;
  }
}

/** A peer at a Taker, which is the export 0. */
export function takerPeer(): { taker: Taker; peer: HostilePeer } {
  const taker = new Taker();
  using stub = serve(TARGET, taker);
  const peer = new HostilePeer({ bootstrap: capabilityOf(stub).retain() });
  return { taker, peer: peer.greet() };
}
