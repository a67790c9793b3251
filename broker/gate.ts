/**
 * The gate: the bootstrap capability of every connection, which can do nothing but restore a reference that it is shown.
 *
 * Every refusal is raised in one place, after the same look-ups, in the same words: a caller learns nothing from it, not
 * even whether the reference ever existed.
 */
import {
  type CallContext,
  type CallSignal,
  type Capability,
  QueuedCapability,
  RpcError,
  type Stub,
  serve,
  stubFor,
} from '../rpc/index.js';
import { NO_CAPABILITIES, type PointerReader, sturdySchema } from '../schema/index.js';
import type { Audit } from './audit.js';
import type { FlowPolicy } from './flow/flow-policy.js';
import type { Grants } from './grants.js';
import type { Home } from './home.js';
import type { LiveGrant } from './live-grant.js';
import { Membrane, type MembraneServices } from './membrane.js';
import type { ClientPace, Lane } from './pace.js';
import type { Peer } from './peer.js';
import type { Refusals } from './refusals.js';
import type { GrantOwner } from './store/store.js';

export interface GateOptions {
  readonly grants: Grants;
  readonly homeOf: (domainId: string) => Home | undefined;
  readonly services: MembraneServices;
  /** Who is at the other end, as far as it is known. */
  readonly holder: GrantOwner;
  /** The same, for the audit log. */
  readonly peer: Peer;
  readonly refusals: Refusals;
  /** How far its calls may be ahead of the domains. */
  readonly pace: ClientPace;
  readonly audit: Audit;
  /** Null: there are no flow labels. */
  readonly flow: FlowPolicy | null;
}

/** What a connection gets at first. */
export interface Gate {
  /** Its bootstrap capability. The caller disposes it. */
  readonly bootstrap: Stub;
  /** For peers that restore by `Bootstrap.deprecatedObjectId`: the secret as Data, or a SturdyRef. Gives a new reference. */
  restore(objectId: PointerReader): Capability;
}

export function gate(options: GateOptions): Gate {
  const door = new Door(options);
  return {
    bootstrap: serve(sturdySchema().interface('Gate'), new GateServer(door)),
    restore: (objectId) => QueuedCapability.of(door.restore(secretIn(objectId))),
  };
}

/** Empty, which is no secret, where there is none. */
function secretIn(objectId: PointerReader): Uint8Array {
  try {
    return objectId.kind === 'list'
      ? new Uint8Array(objectId.data())
      : sturdySchema().struct('SturdyRef').decode(objectId, NO_CAPABILITIES).secret;
  } catch {
    return new Uint8Array(0);
  }
}

class GateServer {
  constructor(private readonly door: Door) {}

  async restore({ ref }: { ref: { secret: Uint8Array } }, context: CallContext): Promise<{ cap: Stub }> {
    return { cap: context.use(stubFor(await this.door.restore(ref.secret, context.signal), null)) };
  }
}

class Door {
  readonly #options: GateOptions;
  /** One membrane for each grant that was restored here: what this holder passes in, it gets back as its own. */
  readonly #membranes = new Map<string, Membrane>();
  readonly #lanes = new Map<Home, Lane | null>();

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** The object behind the reference with this secret, under its grant: a new reference. */
  async restore(secret: Uint8Array, signal?: CallSignal): Promise<Capability> {
    const { grants, homeOf, holder, peer, audit } = this.#options;
    const grant = grants.find(secret, holder);
    const home = grant === null ? undefined : homeOf(grant.row.domainId);
    if (grant === null || home === undefined || this.#forbids(grant)) throw this.#refusal(secret);
    const object = await home.restore(grant.row.object, signal, peer);
    let mayRestore = false;
    try {
      // The object comes first: what cannot be had, or is not waited for any more, uses nothing up.
      signal?.throwIfAborted();
      mayRestore = await grants.mayRestore(grant, secret, peer);
    } finally {
      if (!mayRestore) object.release();
    }
    if (!mayRestore) throw this.#refusal(secret);
    const membrane = this.#membraneOf(grant, home);
    const outward = membrane.outward(object);
    audit.restored(grant.row.id, peer);
    // What is broken, or came when the grant had died, is not wrapped.
    if (!membrane.inUse) this.#membranes.delete(grant.row.id);
    return outward;
  }

  /** Whether the flow policy keeps what the grant is to from this holder: then it is nothing to it, and nobody is woken. */
  #forbids({ row }: LiveGrant): boolean {
    const { flow, peer, audit } = this.#options;
    const from = flow?.ofDomain(row.domain) ?? null;
    if (flow === null || from === null || peer.label === null || flow.permits(from, peer.label)) return false;
    audit.flowRefused(row.id, peer, from.text, peer.label.text);
    return true;
  }

  #refusal(secret: Uint8Array): RpcError {
    const { grants, peer, refusals, audit } = this.#options;
    refusals.add();
    audit.refused(grants.idOf(secret), peer);
    return new RpcError('failed', 'no such reference', { code: 'ERR_NO_SUCH_REFERENCE' });
  }

  #membraneOf(grant: LiveGrant, home: Home): Membrane {
    const known = this.#membranes.get(grant.row.id);
    if (known !== undefined) return known;
    const idle = () => {
      if (this.#membranes.get(grant.row.id) === made) this.#membranes.delete(grant.row.id);
    };
    const made = new Membrane(grant, this.#options.services, idle, this.#laneAt(home), this.#options.peer);
    this.#membranes.set(grant.row.id, made);
    return made;
  }

  #laneAt(home: Home): Lane | null {
    const known = this.#lanes.get(home);
    if (known !== undefined) return known;
    const made = home.lane(this.#options.pace);
    this.#lanes.set(home, made);
    return made;
  }
}
