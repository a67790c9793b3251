/** A broker of a test's own, in a folder of its own, with the ledger of the example; and clients of it over real sockets. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { Broker, type ConfigInput, createLogger, parseConfig } from 'sturdy/broker';
import { SturdyRef } from 'sturdy/client';
import { connectSocket, type Session, type Stub } from 'sturdy/rpc';
import { type InterfaceType, SchemaGraph, sturdySchema } from 'sturdy/schema';
import { note } from '../secrets/recorder.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const LEDGER = join(ROOT, 'examples/ledger');

export const sturdy: SchemaGraph = sturdySchema();
export const ledgerGraph: SchemaGraph = SchemaGraph.load(await readFile(join(LEDGER, 'ledger.cgr')));

// biome-ignore lint/suspicious/noExplicitAny: stubs of whatever interface a test restores
export type AnyStub = Stub & Record<string, any>;

export type Domains = ConfigInput['domains'];

export const LEDGER_DOMAIN: Domains[string] = {
  module: join(LEDGER, 'ledger.ts'),
  schema: join(LEDGER, 'ledger.cgr'),
  interface: 'Ledger',
  trusted: true,
  powers: { storage: true, log: true, clock: true },
};

/** A domain of test/broker/domains. */
export function testDomain(name: string, rest: Partial<Domains[string]> = {}): Domains[string] {
  return {
    ...LEDGER_DOMAIN,
    trusted: false,
    powers: {},
    module: join(ROOT, 'test/broker/domains', `${name}.ts`),
    ...rest,
  };
}

const PRINTED = { depth: 12, showHidden: true, maxArrayLength: null };

export class Running {
  readonly #sessions: Session[] = [];

  private constructor(
    readonly folder: string,
    readonly broker: Broker,
  ) {}

  static async start(
    domains: Domains = { ledger: LEDGER_DOMAIN },
    folder?: string,
    rest: Partial<Pick<ConfigInput, 'flow' | 'hosts' | 'listen'>> = {},
  ): Promise<Running> {
    const place = folder ?? (await mkdtemp(join(tmpdir(), 'sturdy-test-')));
    const config = parseConfig(
      {
        data: 'data',
        listen: { unix: 'broker.sock', tcp: { host: '127.0.0.1', port: 0 } },
        log: { level: 'trace' },
        ...rest,
        domains,
      },
      place,
    );
    // Printed by nobody, and looked at for secrets.
    const log = createLogger(config.log, { write: (line) => note('the log of a broker', line) });
    return new Running(place, await Broker.start(config, { log }));
  }

  /** A connection of its own: a client. */
  async connect(): Promise<Client> {
    const session = await connectSocket({ path: join(this.folder, 'broker.sock') });
    this.#sessions.push(session);
    return new Client(session);
  }

  async operator(client?: Client): Promise<AnyStub> {
    const ref = SturdyRef.parse((await readFile(this.broker.operatorRefPath, 'utf8')).trim());
    return (client ?? (await this.connect())).restore(ref.secret(), sturdy.interface('Operator'));
  }

  /** Ends everything, and with `keep` leaves the folder for another start. */
  async stop({ keep = false } = {}): Promise<void> {
    note('util.inspect of a broker', inspect(this.broker, PRINTED));
    note('util.inspect of clients', inspect(this.#sessions, PRINTED));
    for (const session of this.#sessions) session.close();
    await this.broker.stop();
    if (!keep) await rm(this.folder, { recursive: true, force: true });
  }
}

export class Client {
  readonly gate: AnyStub;

  constructor(readonly session: Session) {
    this.gate = session.bootstrap<AnyStub>(sturdy.interface('Gate'));
  }

  async restore(secret: Uint8Array, type: InterfaceType): Promise<AnyStub> {
    const { cap } = await this.gate.restore({ ref: { secret } });
    using untyped = cap as AnyStub;
    return untyped.as<AnyStub>(type);
  }
}

export const asDelegable = (stub: AnyStub): AnyStub => stub.as<AnyStub>(sturdy.interface('Delegable'));

/** A policy that allows these methods of the ledger's interfaces, by name: `Account.balance`. */
export function only(...names: string[]): object {
  const byInterface = new Map<bigint, string[]>();
  for (const name of names) {
    const [type, method] = name.split('.') as [string, string];
    const { id } = ledgerGraph.interface(type);
    byInterface.set(id, [...(byInterface.get(id) ?? []), method]);
  }
  return { methods: { only: [...byInterface].map(([id, methods]) => ({ interface: id, methods })) } };
}
