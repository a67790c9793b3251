/**
 * The upgrade of a domain, as the operator asks for it: what is new is looked at as a whole before anything of the old stops. Its
 * schema has to be one that clients of the old go on with, every grant to the domain has to mean what it meant, and its program has to
 * be one. Only then the domain takes it, and keeps what it has where the new does not start. What it takes is written down when the
 * new has started, before anything is sent there: a broker that is killed on the way runs the old or the new when it is started again.
 */
import { RpcError } from '../rpc/index.js';
import { incompatibilities } from '../schema/compatibility.js';
import { SchemaGraph } from '../schema/index.js';
import type { Domain } from './domain.js';
import type { DomainCode } from './domain-code.js';
import type { Grants } from './grants.js';
import { type Peer, peerNote } from './peer.js';
import { checkedPolicy } from './policy/checked-policy.js';
import type { Store } from './store/store.js';
import { graphOf, readSchema } from './version.js';

/** How long calls may go on that are under way, at most, in milliseconds. */
export const LONGEST_UPGRADE_DRAIN = 600_000;

/** The same, where nothing else is asked for. */
export const UPGRADE_DRAIN = 10_000;

/** So many grants are named. */
const MOST_GRANTS_TOLD = 20;

export interface UpgradeRequest {
  /** The file of the module. */
  readonly module: string;
  /** The file of the schema. */
  readonly schema: string;
  /** Both are those of the configuration. */
  readonly isConfigured: boolean;
  /** The interface of the main object. */
  readonly interface: string;
  /** How long calls may go on that are under way, in milliseconds. */
  readonly drain: number;
  readonly peer: Peer | null;
}

export interface UpgradeServices {
  readonly grants: Grants;
  readonly store: Pick<Store, 'appendAudit'>;
  bundle(module: string): Promise<string>;
}

/** How far an upgrade came that came to nothing: for the audit log, which has no word of a guest's in it. */
type Stage = 'the schema' | 'the grants' | 'the program' | 'the start' | 'the store';

export class Upgrades {
  constructor(private readonly services: UpgradeServices) {}

  /** Resolves when `domain` runs it, with how many calls were cut. Rejects with why not; then nothing has changed. */
  async upgrade(domain: Domain, code: DomainCode, request: UpgradeRequest): Promise<{ cut: number }> {
    let stage: Stage = 'the schema';
    let outcome: { cut: number };
    try {
      const { drain, isConfigured } = request;
      if (drain > LONGEST_UPGRADE_DRAIN)
        throw refused(`drain: ${drain} ms; at most ${LONGEST_UPGRADE_DRAIN} are waited`);
      const schema = await this.#schema(domain, request);
      stage = 'the grants';
      this.#checkGrants(domain, graphOf(schema));
      stage = 'the program';
      const source = await this.#program(domain, request.module);
      const { version, kept } = await code.upgraded(source, schema, isConfigured);
      stage = 'the start';
      outcome = await domain.upgrade(version, drain, (cut) => {
        stage = 'the store';
        return code.keep(kept, { ...noteOf(request), ...(cut > 0 && { detail: `${cut} calls cut` }) });
      });
    } catch (error) {
      // A store that does not take the one takes nothing else.
      if ((stage as Stage) !== 'the store') await this.#auditFailure(domain, request, stage);
      throw error;
    }
    this.services.grants.rebind(domain);
    return outcome;
  }

  async #schema(domain: Domain, { schema: file, interface: main }: UpgradeRequest): Promise<Uint8Array> {
    let schema: Uint8Array;
    try {
      schema = await readSchema(file, main);
    } catch (cause) {
      throw refused(`schema: ${(cause as Error).message}`, cause);
    }
    if (Buffer.compare(schema, domain.schema) === 0) return schema;
    // What it had from the public protocol is there whether it refers to it any more or not.
    const after = graphOf(schema);
    const faults = incompatibilities(SchemaGraph.load(domain.schema), after);
    if (faults.length === 0) return schema;
    throw new RpcError(
      'failed',
      `the schema breaks what clients of domain ${domain.name} rely on:\n${lines(faults)}`,
      { code: 'ERR_UPGRADE_SCHEMA' },
    );
  }

  /** A policy that names what is gone would allow less than it says, or more. */
  #checkGrants({ id, name }: Domain, graph: SchemaGraph): void {
    const faults: string[] = [];
    for (let after = ''; faults.length < MOST_GRANTS_TOLD; ) {
      const rows = this.services.grants.rows(after, 1000);
      if (rows.length === 0) break;
      after = rows.at(-1)!.id;
      for (const row of rows) {
        if (row.domainId !== id || row.revoked !== null) continue;
        try {
          checkedPolicy(row.policy, graph);
        } catch (error) {
          faults.push(`grant ${row.id}: ${(error as Error).message}`);
        }
      }
    }
    if (faults.length === 0) return;
    throw new RpcError(
      'failed',
      `grants to objects of domain ${name} name what the schema does not have; revoke them, or narrow or extend them first:\n` +
        lines(faults.slice(0, MOST_GRANTS_TOLD)),
      { code: 'ERR_UPGRADE_GRANTS' },
    );
  }

  async #program({ name }: Domain, module: string): Promise<string> {
    try {
      return await this.services.bundle(module);
    } catch (cause) {
      throw new RpcError(
        'failed',
        `the program of domain ${name} cannot be made: ${(cause as Error).message}`,
        {
          code: 'ERR_UPGRADE_PROGRAM',
          cause,
        },
      );
    }
  }

  #auditFailure({ name }: Domain, request: UpgradeRequest, stage: Stage): Promise<void> {
    const detail = `not done: ${stage}`;
    return this.services.store.appendAudit({
      action: 'domain.upgrade',
      domain: name,
      detail,
      ...noteOf(request),
    });
  }
}

function noteOf({ peer }: UpgradeRequest) {
  return { by: 'operator', ...peerNote(peer) };
}

function refused(message: string, cause?: unknown): RpcError {
  return new RpcError('failed', message, { code: 'ERR_UPGRADE', cause });
}

function lines(faults: readonly string[]): string {
  return faults.map((fault) => `  ${fault}`).join('\n');
}
