/**
 * The home of the powers: what a grant of a power is to. The object `DOMAIN/NAME` is the power that the domain DOMAIN is granted
 * under that name, as it is configured now: a domain that is granted it no more has none, whoever shows a grant to it.
 */
import { type Capability, RpcError, served, settled } from '../../rpc/index.js';
import { type SchemaGraph, sturdySchema, sturdySchemaBytes } from '../../schema/index.js';
import { POWERS_HOME } from '../broker-name.js';
import type { Home, Identity } from '../home.js';
import type { Powers } from './powers.js';

export class PowersHome implements Home {
  readonly id = POWERS_HOME;
  readonly name = POWERS_HOME;
  readonly graph: SchemaGraph = sturdySchema();
  readonly schema: Uint8Array = sturdySchemaBytes();
  readonly #powers = new Map<string, Powers>();
  readonly #given = new WeakMap<Capability, Identity>();

  add(domain: string, powers: Powers): void {
    this.#powers.set(domain, powers);
  }

  static objectOf(domain: string, name: string): string {
    return `${domain}/${name}`;
  }

  /** What a call of one costs is bounded by the power itself. */
  lane(): null {
    return null;
  }

  async restore(object: string): Promise<Capability> {
    const slash = object.indexOf('/');
    const [domain, name] = [object.slice(0, slash), object.slice(slash + 1)];
    const power = this.#powers.get(domain)?.get(name);
    if (power === undefined) {
      throw new RpcError('failed', `no domain ${domain} is granted a power ${name} any more`, {
        code: 'ERR_NO_SUCH_POWER',
      });
    }
    const type = this.graph.interface(power.interface);
    const capability = served(type, power.implement());
    this.#given.set(capability, { object, interfaceId: type.id, persistent: true });
    return capability;
  }

  async identify(capability: Capability): Promise<Identity | null> {
    return this.#given.get(settled(capability)) ?? null;
  }
}
