/**
 * Where the target of a grant lives: something that can find its objects again by their ids. A domain is a home, and the
 * broker is one, for its own objects.
 */
import type { CallSignal, Capability } from '../rpc/index.js';
import type { SchemaGraph } from '../schema/index.js';
import type { ClientPace, Lane } from './pace.js';
import type { Peer } from './peer.js';

/** What an object says of itself. */
export interface Identity {
  readonly object: string;
  readonly interfaceId: bigint;
  /** False: it has no id, and cannot be saved. */
  readonly persistent: boolean;
}

export interface Home {
  readonly id: string;
  readonly name: string;
  /** Every interface that its objects speak. */
  readonly graph: SchemaGraph;
  /** The same, as the CodeGeneratorRequest that it was loaded from. */
  readonly schema: Uint8Array;
  /** For a new client: what it may have in flight here, within what all of them may. Null: there is no bound. */
  lane(client: ClientPace): Lane | null;
  /**
   * The object of this id: a new reference. Starts what must be started. Rejects with RpcError. `signal` is that of the call for
   * which it is asked: what nobody waits for any more is not asked of a domain any longer. `peer` is who asks.
   */
  restore(object: string, signal?: CallSignal, peer?: Peer): Promise<Capability>;
  /** Who `capability`, an object as it comes from here, is. Null: it is none of this home. */
  identify(capability: Capability, signal?: CallSignal): Promise<Identity | null>;
  /** Ends what its objects run in, where that can be ended: live capabilities to them break, references stay good. */
  stop?(reason: string): Promise<void>;
}
