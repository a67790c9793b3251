/**
 * The gate: the bootstrap capability of every connection, which can do nothing but restore a reference that it is shown.
 *
 * Every refusal is raised in one place, after the same look-ups, in the same words: a caller learns nothing from it, not
 * even whether the reference ever existed.
 */
import { type CallContext, RpcError, type Stub, serve, stubFor } from '../rpc/index.js';
import { sturdySchema } from '../schema/index.js';
import type { Grants } from './grants.js';
import type { Home } from './home.js';
import { Membrane, type MembraneServices } from './membrane.js';
import type { Refusals } from './refusals.js';
import type { GrantOwner } from './store/store.js';

export interface GateOptions {
  readonly grants: Grants;
  readonly homeOf: (domainId: string) => Home | undefined;
  readonly services: MembraneServices;
  /** Who is at the other end, as far as it is known. */
  readonly holder: GrantOwner;
  readonly refusals: Refusals;
}

export function gate(options: GateOptions): Stub {
  return serve(sturdySchema().interface('Gate'), new GateServer(options));
}

class GateServer {
  readonly #options: GateOptions;
  /** One membrane for each grant that was restored here: what this holder passes in, it gets back as its own. */
  readonly #membranes = new Map<string, Membrane>();

  constructor(options: GateOptions) {
    this.#options = options;
  }

  async restore(
    { ref }: { ref: { secret: Uint8Array } | null },
    context: CallContext,
  ): Promise<{ cap: Stub }> {
    const { grants, homeOf, services, holder, refusals } = this.#options;
    const grant = grants.find(ref?.secret ?? new Uint8Array(0), holder);
    const home = grant === null ? undefined : homeOf(grant.row.domainId);
    if (grant === null || home === undefined) {
      refusals.add();
      throw new RpcError('failed', 'no such reference', { code: 'ERR_NO_SUCH_REFERENCE' });
    }
    const object = await home.restore(grant.row.object, context.signal);
    let membrane = this.#membranes.get(grant.row.id);
    if (membrane === undefined) {
      membrane = new Membrane(grant, services, () => this.#membranes.delete(grant.row.id));
      this.#membranes.set(grant.row.id, membrane);
    }
    return { cap: context.use(stubFor(membrane.outward(object), null)) };
  }
}
