/**
 * The upgrade of a domain, as the operator asks for it: what is new is looked at as a whole before anything of the old stops. Its
 * schema has to be one that clients of the old go on with, every grant to the domain has to mean what it meant, and its program has to
 * be one. Only then the domain takes it, and keeps what it has where the new does not start.
 */
import { RpcError } from '../rpc/index.js';
import { incompatibilities } from '../schema/compatibility.js';
import { SchemaGraph, sturdySchemaBytes } from '../schema/index.js';
import type { Domain } from './domain.js';
import type { DomainGrants } from './domain-grants.js';
import type { Grants } from './grants.js';
import type { Program } from './instance.js';
import { type Peer, peerNote } from './peer.js';
import { checkedPolicy } from './policy/checked-policy.js';
import type { Store } from './store/store.js';
import { readSchema, versionOf } from './version.js';

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
type Stage = 'the schema' | 'the grants' | 'the program' | 'the start';

export class Upgrades {
  constructor(private readonly services: UpgradeServices) {}

  /** Resolves when `domain` runs it, with how many calls were cut. Rejects with why not; then nothing has changed. */
  async upgrade(domain: Domain, given: DomainGrants, request: UpgradeRequest): Promise<{ cut: number }> {
    let stage: Stage = 'the schema';
    let outcome: { cut: number };
    try {
      const { drain } = request;
      if (drain > LONGEST_UPGRADE_DRAIN)
        throw refused(`drain: ${drain} ms; at most ${LONGEST_UPGRADE_DRAIN} are waited`);
      const schema = await this.#schema(domain, request);
      const source = { is: '' };
      const version = versionOf(
        schema,
        async (own): Promise<Program> => ({
          source: source.is,
          schemas: given.schemas(own),
          grants: await given.forInstance(),
        }),
      );
      stage = 'the grants';
      this.#checkGrants(domain, version.graph);
      stage = 'the program';
      source.is = await this.#program(domain, request.module);
      stage = 'the start';
      outcome = await domain.upgrade(version, drain);
    } catch (error) {
      await this.#audit(domain, request, `not done: ${stage}`);
      throw error;
    }
    this.services.grants.rebind(domain);
    await this.#audit(domain, request, outcome.cut === 0 ? '' : `${outcome.cut} calls cut`);
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
    const after = SchemaGraph.load([schema, sturdySchemaBytes()]);
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

  #audit({ name }: Domain, { peer }: UpgradeRequest, detail: string): Promise<void> {
    const event = { action: 'domain.upgrade', domain: name, by: 'operator', ...peerNote(peer) };
    return this.services.store.appendAudit(detail === '' ? event : { ...event, detail });
  }
}

function refused(message: string, cause?: unknown): RpcError {
  return new RpcError('failed', message, { code: 'ERR_UPGRADE', cause });
}

function lines(faults: readonly string[]): string {
  return faults.map((fault) => `  ${fault}`).join('\n');
}
