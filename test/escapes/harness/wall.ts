/**
 * What an attempt is run behind: real domains of a real broker, one for each tier, each in a host of its own. They are the
 * probe of test/worker, which evaluates what it is told to. All attempts share them, because none of them may leave a trace;
 * `check` says so after each class.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InterfaceType } from 'sturdy/schema';
import { SchemaGraph } from 'sturdy/schema';
import { ROOT } from '../../../examples/ledger/place.js';
import { type AnyStub, type Client, type Domains, Running } from '../../broker/running.js';
import { asProgram } from './escape-class.js';
import type { Tier } from './tiers.js';

const FOLDER = join(ROOT, 'test/worker/domains');
export const probeGraph: SchemaGraph = SchemaGraph.load(await readFile(join(FOLDER, 'probe.cgr')));
export const PROBE: InterfaceType = probeGraph.interface('Probe');

/** A domain that does what it is told to. */
export function probeDomain(rest: Partial<Domains[string]> = {}): Domains[string] {
  return {
    module: join(FOLDER, 'probe.ts'),
    schema: join(FOLDER, 'probe.cgr'),
    interface: 'Probe',
    ...rest,
  };
}

/** An object of another domain, of which two methods may be called. */
export const NEIGHBOUR = { domain: 'neighbour', interface: 'Probe', methods: ['Probe.echo', 'Probe.tell'] };
/** The same, for texts that are paths in one folder. */
const REPORTS = { ...NEIGHBOUR, methods: ['Probe.echo'], where: ['Probe.echo.text within /reports'] };

export interface DomainInfo {
  readonly state: string;
  readonly detail: string;
  readonly hostPid: number;
  readonly starts: number;
}

/** What the operator sees of a domain. */
export async function infoOf(operator: AnyStub, domain: string): Promise<DomainInfo> {
  const { domains } = (await operator['domains']()) as { domains: (DomainInfo & { name: string })[] };
  return domains.find(({ name }) => name === domain)!;
}

/** A broker with a domain for each of the tiers, and a neighbour of them all. */
export class Walls {
  private constructor(
    readonly running: Running,
    readonly client: Client,
    readonly operator: AnyStub,
    readonly byTier: ReadonlyMap<Tier, Wall>,
  ) {}

  static async start(tiers: readonly Tier[]): Promise<Walls> {
    const domains: Domains = { neighbour: probeDomain() };
    for (const tier of tiers) {
      domains[tier] = probeDomain({
        tier,
        powers: { log: true, storage: true, random: true },
        grants: { neighbour: NEIGHBOUR, reports: REPORTS },
        limits: { turnMillis: 5000 },
      } as Partial<Domains[string]>);
    }
    const running = await Running.start(domains);
    const client = await running.connect();
    const operator = await running.operator(client);
    const byTier = new Map<Tier, Wall>();
    for (const tier of tiers) byTier.set(tier, await Wall.to(tier, tier, client, operator, running));
    return new Walls(running, client, operator, byTier);
  }

  async stop(): Promise<void> {
    await this.running.stop();
  }
}

/** One domain, seen by a client of it and by the operator. */
export class Wall {
  private constructor(
    readonly tier: Tier,
    readonly domain: string,
    readonly main: AnyStub,
    readonly client: Client,
    readonly operator: AnyStub,
    readonly running: Running,
  ) {}

  static async to(
    domain: string,
    tier: Tier,
    client: Client,
    operator: AnyStub,
    running: Running,
  ): Promise<Wall> {
    const { ref } = await operator.mint({ domain, object: '' });
    return new Wall(tier, domain, await client.restore(ref.secret, PROBE), client, operator, running);
  }

  /** Runs an attempt in the domain: 'out', or what held it. */
  async escapes(body: string): Promise<string> {
    return this.outcome(asProgram(body));
  }

  /** Runs any program in the domain, and gives the text that it returned, or what it threw. */
  async outcome(program: string): Promise<string> {
    try {
      return (await this.main.evaluate({ source: program })).outcome;
    } catch (error) {
      return `threw ${(error as Error).message}`;
    }
  }

  /** What the operator sees of it. */
  info(): Promise<DomainInfo> {
    return infoOf(this.operator, this.domain);
  }

  /** Whether the domain is as it was: never ended, and nothing in it changed for those who come after. */
  async check(): Promise<{ starts: number; intact: string }> {
    const { starts } = await this.info();
    return { starts, intact: await this.outcome(INTACT) };
  }
}

/** What an attempt might have left behind. */
const INTACT = `
  const frozen = [Object, Function.prototype, Array.prototype, Promise.prototype, RegExp.prototype, Error.prototype, globalThis, world, world.grants]
    .every((each) => Object.isFrozen(each));
  const clean = [{}, [], () => {}].every((each) => { for (const key in each) if (!Object.hasOwn(each, key)) return false; return true; });
  const { text } = await world.grants.neighbour.echo({ text: 'is there' });
  return [frozen, clean, text].join();`;
export const IS_INTACT = 'true,true,is there';
