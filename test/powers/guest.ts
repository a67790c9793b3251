/** A hostile domain in a broker, both real: it does what a test tells it, with the powers that the configuration gives it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { Broker, type BrokerOptions, type ConfigInput, parseConfig } from 'sturdy/broker';
import { SturdyRef } from 'sturdy/client';
import { connectSocket, type Session } from 'sturdy/rpc';
import { type InterfaceType, SchemaGraph, sturdySchema } from 'sturdy/schema';
import type { AnyStub } from '../broker/running.js';

const DOMAINS = fileURLToPath(new URL('../worker/domains/', import.meta.url));
const probe = SchemaGraph.load(await readFile(join(DOMAINS, 'probe.cgr')));

export type Powers = NonNullable<ConfigInput['domains'][string]['powers']>;

export type Domains = Record<string, { powers: Powers }>;

/** What the domain says of what it did: a value, or the error that it got. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the source gives
export type Outcome = { value: any; refused?: undefined } | { refused: string; value?: undefined };

/** In front of every source: what a domain has no globals for. */
const PRELUDE = `
const grants = world.grants;
const bytes = (text) => Uint8Array.from(text, (unit) => unit.charCodeAt(0));
const text = (data) => Array.from(data, (byte) => String.fromCharCode(byte)).join('');
`;

export class Guest {
  /** What the broker has logged. */
  readonly lines: string[] = [];
  operator!: AnyStub;
  #broker!: Broker;
  #session!: Session;
  restore!: (secret: Uint8Array, type: InterfaceType) => Promise<AnyStub>;
  readonly #domains = new Map<string, AnyStub>();

  private constructor(
    readonly folder: string,
    private readonly options: BrokerOptions,
  ) {}

  /** A broker with these domains. */
  static async start(domains: Domains, folder?: string, options: BrokerOptions = {}): Promise<Guest> {
    const guest = new Guest(folder ?? (await mkdtemp(join(tmpdir(), 'sturdy-powers-'))), options);
    await guest.#begin(domains);
    return guest;
  }

  async #begin(domains: Domains): Promise<void> {
    const config = parseConfig(
      {
        data: 'data',
        listen: { unix: 'broker.sock' },
        domains: Object.fromEntries(
          Object.entries(domains).map(([name, rest]) => [
            name,
            {
              module: join(DOMAINS, 'probe.ts'),
              schema: join(DOMAINS, 'probe.cgr'),
              interface: 'Probe',
              ...rest,
            },
          ]),
        ),
      },
      this.folder,
    );
    const log = pino({ level: 'trace' }, { write: (line: string) => this.lines.push(line) });
    this.#broker = await Broker.start(config, { ...this.options, log });
    this.#session = await connectSocket({ path: join(this.folder, 'broker.sock') });
    const gate = this.#session.bootstrap<AnyStub>(sturdySchema().interface('Gate'));
    this.restore = async (secret, type) =>
      ((await gate.restore({ ref: { secret } })).cap as AnyStub).as<AnyStub>(type);
    const ref = SturdyRef.parse((await readFile(this.#broker.operatorRefPath, 'utf8')).trim());
    this.operator = await this.restore(ref.secret(), sturdySchema().interface('Operator'));
    for (const domain of Object.keys(domains)) await this.renew(domain);
  }

  /** A reference to a domain that was started anew. */
  async renew(domain: string): Promise<void> {
    const minted = await this.operator.mint({ domain });
    this.#domains.set(domain, await this.restore(minted.ref.secret, probe.interface('Probe')));
  }

  /** Has the domain run this, as the body of an async function of `world` and `self`. */
  async run(source: string, domain = 'guest'): Promise<Outcome> {
    const { outcome } = await this.#domains.get(domain)!.evaluate({
      source: `${PRELUDE}
        const plain = (key, value) =>
          typeof value === 'bigint' ? String(value) : value instanceof Uint8Array ? text(value) : value;
        try {
          const value = await (async () => { ${source} })();
          return JSON.stringify({ value: value === undefined ? null : value }, plain);
        } catch (error) {
          return JSON.stringify({ refused: String(error.message) });
        }`,
    });
    return JSON.parse(outcome) as Outcome;
  }

  /** The id of the grant through which the domain has a power. */
  async grantOf(power: string, domain = 'guest'): Promise<string> {
    const { grants } = await this.operator.grants({});
    return grants.find(
      ({ label, state }: { label: string; state: string }) =>
        label === `configured: ${domain}.${power}` && state === 'live',
    ).id;
  }

  async revoke(power: string, domain = 'guest'): Promise<void> {
    const { grant } = await this.operator.grant({ id: await this.grantOf(power, domain) });
    await grant.revoke({});
  }

  /** Stops the broker, and starts another on the same folder. */
  async restart(domains: Domains): Promise<void> {
    await this.#end();
    await this.#begin(domains);
  }

  async #end(): Promise<void> {
    this.#session.close();
    await this.#broker.stop();
  }

  async stop(): Promise<void> {
    await this.#end();
    await rm(this.folder, { recursive: true, force: true });
  }
}
