/**
 * A domain's own objects: which implementation has which id, and how the broker finds one again (`Restorer`) or asks one
 * who it is (`Identified`).
 *
 * Of an object that somebody holds there is one instance: who restores its id gets that one, and the program is not asked for
 * another. Where several ask at once for one that nobody holds, the program is asked once.
 *
 * Ids are the only thing remembered, and by the identity of the implementation: a value of the guest's is never read here.
 */

import { isServed, RpcError, type Stub, serve } from '../rpc/index.js';
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

/** An id for which the program is being asked. */
interface Recalling {
  /** Held until the last of those who wait has a reference of its own: the object is not let go of in between. */
  readonly stub: Promise<Stub>;
  waiting: number;
}

/** Taken when the module is loaded, before lockdown. */
const Weak = WeakRef;
const Collected = FinalizationRegistry;

export class OwnObjects {
  readonly #identities = new WeakMap<object, Identity>();
  /** The implementation of an id that was named first, of those that are in use; which they are, rpc/ knows. */
  readonly #named = new Map<string, WeakRef<object>>();
  readonly #collected = new Collected<string>((objectId) => {
    if (this.#named.get(objectId)?.deref() === undefined) this.#named.delete(objectId);
  });
  readonly #recalling = new Map<string, Recalling>();
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
    if (this.#inUse(objectId) === null) this.#named.set(objectId, new Weak(implementation));
    if (known === undefined) this.#collected.register(implementation, objectId);
  }

  /** The instance of this id that somebody holds, if there is one. */
  #inUse(objectId: string): { implementation: object; type: InterfaceType } | null {
    const implementation = this.#named.get(objectId)?.deref();
    if (implementation === undefined) return null;
    const { type } = this.#identities.get(implementation)!;
    return isServed(type, implementation) ? { implementation, type } : null;
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
    // What the program could not be asked for again cannot be saved, whatever id it has.
    const persistent = known.objectId === '' || this.#main?.recall !== null;
    return { object: encoder.encode(known.objectId), interfaceId: type.id, persistent };
  }

  /** Restorer.restore. The caller disposes the stub. */
  async restore(object: Uint8Array): Promise<Stub> {
    const main = this.#main;
    if (main === null) throw new RpcError('failed', 'the program has not started');
    if (object.length === 0) return serve(this.mainType, main.implementation);
    const objectId = idOf(object);
    if (main.recall === null) {
      throw new RpcError(
        'failed',
        `there is no object ${JSON.stringify(objectId)}: the program has no restore, only a main object`,
      );
    }
    const used = this.#inUse(objectId);
    if (used !== null) return serve(used.type, used.implementation);
    const recalling = this.#recalling.get(objectId) ?? {
      stub: this.#recall(main.recall, objectId),
      waiting: 0,
    };
    this.#recalling.set(objectId, recalling);
    recalling.waiting++;
    try {
      return (await recalling.stub).dup();
    } finally {
      if (--recalling.waiting === 0) {
        this.#recalling.delete(objectId);
        recalling.stub.then(
          (stub) => stub[Symbol.dispose](),
          () => {},
        );
      }
    }
  }

  async #recall(recall: Recall, objectId: string): Promise<Stub> {
    const shown = JSON.stringify(objectId);
    const found: unknown = await recall(objectId);
    const identity = typeof found === 'object' && found !== null ? this.#identities.get(found) : undefined;
    if (identity === undefined || identity.objectId !== objectId) {
      throw new RpcError(
        'failed',
        `there is no object ${shown}: what restore(${shown}) gave is not made by world.object(..., ${shown}, ...)`,
      );
    }
    // Somebody may have come by another instance in the meantime.
    const used = this.#inUse(objectId);
    return used === null ? serve(identity.type, found as object) : serve(used.type, used.implementation);
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
