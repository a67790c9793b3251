/**
 * A domain's own objects: which implementation has which id, and how the broker finds one again (`Restorer`) or asks one
 * who it is (`Identified`).
 *
 * Ids are the only thing remembered, and by the identity of the implementation: a value of the guest's is never read here.
 */

import { RpcError, type Stub, serve } from '../rpc/index.js';
import type { InterfaceType, SchemaGraph } from '../schema/index.js';

const MAX_ID_BYTES = 1024;
const encoder = new TextEncoder();
/** Of two ids that are not the same bytes none may become the other: no byte order mark is dropped, nothing is replaced. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

interface Identity {
  readonly objectId: string;
  readonly type: InterfaceType;
}

/** How the program is asked for an object. Gives a value of the guest's. */
export type Recall = (objectId: string) => unknown;

export class OwnObjects {
  readonly #identities = new WeakMap<object, Identity>();
  #main: { readonly implementation: object; readonly recall: Recall | null } | null = null;

  constructor(
    private readonly graph: SchemaGraph,
    private readonly mainType: InterfaceType,
  ) {}

  /** Gives `implementation` its id. All three come from the guest. */
  name(interfaceName: unknown, objectId: unknown, implementation: unknown): void {
    if (typeof interfaceName !== 'string')
      throw new TypeError('world.object: the interface name must be a string');
    if (typeof objectId !== 'string') throw new TypeError('world.object: the object id must be a string');
    const bytes = encoder.encode(objectId);
    if (bytes.length === 0 || bytes.length > MAX_ID_BYTES) {
      throw new RangeError(
        `world.object: an object id has 1 to ${MAX_ID_BYTES} bytes; this one has ${bytes.length}`,
      );
    }
    // Half a surrogate pair would be encoded as U+FFFD, and be another object's id.
    if (decoder.decode(bytes) !== objectId) {
      throw new RangeError(
        `world.object: the object id ${JSON.stringify(objectId)} is not well-formed Unicode`,
      );
    }
    if (typeof implementation !== 'object' || implementation === null) {
      throw new TypeError(
        'world.object: the implementation must be an object with the methods of the interface',
      );
    }
    const type = this.graph.interface(interfaceName);
    const known = this.#identities.get(implementation);
    if (known !== undefined && (known.objectId !== objectId || known.type !== type)) {
      throw new Error(
        `world.object: the object is ${known.type.name} ${JSON.stringify(known.objectId)} already`,
      );
    }
    this.#identities.set(implementation, { objectId, type });
  }

  /** The program has started. */
  start(implementation: object, recall: Recall | null): void {
    this.#identities.set(implementation, { objectId: '', type: this.mainType });
    this.#main = { implementation, recall };
  }

  /** What an object that is served as `type` says to Identified.identify. */
  identify(
    implementation: object,
    type: InterfaceType,
  ): { object: Uint8Array; interfaceId: bigint; persistent: boolean } {
    const known = this.#identities.get(implementation);
    if (known === undefined || known.type !== type) {
      return { object: new Uint8Array(0), interfaceId: type.id, persistent: false };
    }
    return { object: encoder.encode(known.objectId), interfaceId: type.id, persistent: true };
  }

  /** Restorer.restore. The caller disposes the stub. */
  async restore(object: Uint8Array): Promise<Stub> {
    const main = this.#main;
    if (main === null) throw new RpcError('failed', 'the program has not started');
    if (object.length === 0) return serve(this.mainType, main.implementation);
    const objectId = idOf(object);
    const shown = JSON.stringify(objectId);
    if (main.recall === null) {
      throw new RpcError(
        'failed',
        `there is no object ${shown}: the program has no restore, only a main object`,
      );
    }
    const found: unknown = await main.recall(objectId);
    const identity = typeof found === 'object' && found !== null ? this.#identities.get(found) : undefined;
    if (identity === undefined || identity.objectId !== objectId) {
      throw new RpcError(
        'failed',
        `there is no object ${shown}: what restore(${shown}) gave is not made by world.object(..., ${shown}, ...)`,
      );
    }
    return serve(identity.type, found as object);
  }
}

/** The text of an object id that came over the wire. */
export function idOf(object: Uint8Array): string {
  if (object.length > MAX_ID_BYTES)
    throw new RpcError('failed', 'there is no such object: its id is too long');
  try {
    return decoder.decode(object);
  } catch {
    throw new RpcError('failed', 'there is no such object: its id is not UTF-8');
  }
}
