/** The broker: the store, the domains and the listeners, brought up in order and taken down in the reverse of it. */
import { mkdtemp, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { type SturdyAddress, SturdyRef } from '../client/sturdyref.js';
import { type Listener, listenSocket, Session, type SocketAddress, StreamTransport } from '../rpc/index.js';
import { SchemaGraph, sturdySchemaBytes } from '../schema/index.js';
import { Entrance } from './admission.js';
import { Bundler } from './bundler.js';
import type { Config, DomainConfig } from './config.js';
import { Delegation } from './delegable.js';
import { Domain } from './domain.js';
import { DomainGrants } from './domain-grants.js';
import { gate } from './gate.js';
import { Grants } from './grants.js';
import type { Home } from './home.js';
import { createLogger } from './log.js';
import { BROKER_HOME, BrokerHome, OPERATOR_OBJECT } from './operator.js';
import { Refusals } from './refusals.js';
import { StartupError } from './startup-error.js';
import { LmdbStore } from './store/lmdb-store.js';
import type { Store } from './store/store.js';
import { Supervisor } from './supervisor.js';

/** How long the calls in flight may take to end when the broker is stopped, in milliseconds. */
const DRAIN_LIMIT = 5_000;

export class Broker {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #domains = new Map<string, Domain>();
  readonly #homes = new Map<string, Home>();
  readonly #sessions = new Set<Session>();
  readonly #started = Date.now();
  readonly #refusals: Refusals;
  readonly #bundler: Bundler;
  #store!: Store;
  #grants!: Grants;
  #delegation!: Delegation;
  #supervisor!: Supervisor;
  #entrance!: Entrance;
  #private: { folder: string; listener: Listener } | null = null;
  #listeners: Listener[] = [];
  #state: { is: 'starting' } | { is: 'ready' } | { is: 'stopping'; done: Promise<void> } = { is: 'starting' };

  private constructor(config: Config, log: Logger) {
    this.#config = config;
    this.#log = log;
    this.#refusals = new Refusals(log);
    this.#bundler = new Bundler({ withheld: [config.data] });
  }

  /**
   * Starts a broker. Ready when this resolves. Rejects with StartupError, saying what is wrong and what would be right; what
   * was brought up by then is taken down again.
   */
  static async start(config: Config, options: { log?: Logger } = {}): Promise<Broker> {
    const broker = new Broker(config, options.log ?? createLogger(config.log));
    try {
      await broker.#start();
    } catch (error) {
      await broker.stop();
      throw error;
    }
    return broker;
  }

  /** Where clients connect. */
  get addresses(): readonly SocketAddress[] {
    return this.#listeners.map(({ address }) => address);
  }

  /** The file (mode 0600) with the operator's reference. */
  get operatorRefPath(): string {
    return join(this.#config.data, 'operator.ref');
  }

  async #start(): Promise<void> {
    this.#store = await LmdbStore.open(this.#config.data);
    this.#grants = new Grants(this.#store, this.#homeOf);
    this.#delegation = new Delegation(this.#grants, this.#homeOf);
    const { listener, entrance } = await this.#openEntrance();
    this.#entrance = entrance;
    this.#supervisor = new Supervisor({
      socket: (listener.address as { path: string }).path,
      log: this.#log,
    });
    this.#homes.set(
      BROKER_HOME,
      new BrokerHome({
        grants: this.#grants,
        domains: this.#domains,
        homeOf: this.#homeOf,
        health: () => this.health(),
      }),
    );
    for (const [name, config] of Object.entries(this.#config.domains)) await this.#addDomain(name, config);
    await this.#listen();
    await this.#writeOperatorRef();
    this.#state = { is: 'ready' };
    this.#log.info({ addresses: this.addresses }, 'the broker is ready');
    for (const domain of this.#domains.values()) {
      if (this.#config.domains[domain.name]!.start === 'eager') void domain.running().catch(() => {});
    }
  }

  readonly #homeOf = (domainId: string): Home | undefined => this.#homes.get(domainId);

  /** The private socket: in a folder of its own, because a path of a unix socket is at most 107 bytes long. */
  async #openEntrance(): Promise<{ listener: Listener; entrance: Entrance }> {
    const folder = await mkdtemp(join(tmpdir(), 'sturdy-'));
    const entrance = new Entrance({});
    const listener = await listenSocket({ path: join(folder, 'domains.sock') }, (socket) =>
      entrance.accept(socket),
    );
    this.#private = { folder, listener };
    return { listener, entrance };
  }

  async #addDomain(name: string, config: DomainConfig): Promise<void> {
    const at = `domains.${name}`;
    let schema: Uint8Array;
    try {
      schema = await readFile(config.schema);
    } catch (cause) {
      throw new StartupError(
        `${at}.schema: cannot read ${config.schema}: ${(cause as NodeJS.ErrnoException).code}`,
        { cause },
      );
    }
    let own: SchemaGraph;
    try {
      own = SchemaGraph.load(schema);
    } catch (cause) {
      throw new StartupError(
        `${at}.schema: ${config.schema} is not a CodeGeneratorRequest: ${(cause as Error).message}`,
        { cause },
      );
    }
    try {
      own.interface(config.interface);
    } catch (cause) {
      throw new StartupError(`${at}.interface: ${config.schema}: ${(cause as Error).message}`, { cause });
    }
    const graph = SchemaGraph.load([schema, sturdySchemaBytes()]);
    const id = await this.#store.domainId(name);
    const grants = new DomainGrants({
      id,
      name,
      config,
      graph,
      at,
      store: this.#store,
      grants: this.#grants,
      domains: this.#domains,
      services: this.#delegation,
      log: this.#log,
    });
    let source: Promise<string> | null = null;
    const domain = new Domain({
      id,
      name,
      config,
      graph,
      schema,
      program: async () => {
        source ??= this.#bundler.bundle(config.module);
        source.catch(() => {
          source = null;
        });
        return { source: await source, schemas: grants.schemas(schema), grants: await grants.forInstance() };
      },
      supervisor: this.#supervisor,
      entrance: this.#entrance,
      log: this.#log,
    });
    this.#domains.set(name, domain);
    this.#homes.set(id, domain);
  }

  // ---- clients ----------------------------------------------------------------------------------------------------

  async #listen(): Promise<void> {
    const { unix, tcp } = this.#config.listen;
    if (unix !== undefined) {
      await removeStaleSocket(unix);
      await this.#listenOn({ path: unix }, 'listen.unix');
    }
    if (tcp !== undefined) await this.#listenOn({ host: tcp.host, port: tcp.port }, 'listen.tcp');
  }

  async #listenOn(address: SocketAddress, at: string): Promise<void> {
    const where = 'path' in address ? address.path : `${address.host}:${address.port}`;
    try {
      this.#listeners.push(await listenSocket(address, (socket) => this.#accept(socket)));
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      const why = code === 'EADDRINUSE' ? 'it is in use by another program; choose another' : message;
      throw new StartupError(`${at}: cannot listen on ${where}: ${why}`, { cause });
    }
  }

  #accept(socket: Socket): void {
    const peer = socket.remoteAddress ?? 'unix';
    const log = this.#log.child({ peer });
    const bootstrap = gate({
      grants: this.#grants,
      homeOf: this.#homeOf,
      services: this.#delegation,
      holder: { kind: 'anyone' },
      refusals: this.#refusals,
    });
    const session = new Session(new StreamTransport(socket), { bootstrap });
    bootstrap[Symbol.dispose]();
    this.#sessions.add(session);
    void session.closed.then((reason) => {
      this.#sessions.delete(session);
      if (reason.code === 'ERR_RPC_CLOSED') log.debug(reason.message);
      else log.warn({ code: reason.code }, reason.message);
    });
  }

  health(): { ready: boolean; uptimeMillis: bigint; connections: number; detail: string } {
    const failed = [...this.#domains.values()]
      .filter(({ info }) => info.state === 'failed')
      .map(({ name }) => name);
    return {
      ready: this.#state.is === 'ready',
      uptimeMillis: BigInt(Date.now() - this.#started),
      connections: this.#sessions.size,
      detail:
        this.#state.is !== 'ready'
          ? `the broker is ${this.#state.is}`
          : failed.length > 0
            ? `failed: ${failed.join(', ')}`
            : '',
    };
  }

  /** A reference that is minted for the operator at the first start, in a file that only the broker's user can read. */
  async #writeOperatorRef(): Promise<void> {
    const path = this.operatorRefPath;
    const address = this.addresses[0];
    const known = await readFile(path, 'utf8').catch(() => null);
    const old = known === null ? null : parseOrNull(known);
    const live = old === null ? null : this.#grants.find(old.secret(), { kind: 'anyone' });
    let secret = live === null ? null : old!.secret();
    if (secret === null) {
      const home = this.#homes.get(BROKER_HOME)!;
      ({ secret } = await this.#grants.mint({
        parent: null,
        home,
        object: OPERATOR_OBJECT,
        label: 'the operator',
        by: 'first start',
      }));
    }
    if (address === undefined) return;
    const text = SturdyRef.of(secret!, sturdyAddress(address)).format();
    await writeFile(path, `${text}\n`, { mode: 0o600 });
  }

  // ---- the end ----------------------------------------------------------------------------------------------------

  /**
   * Stops: takes no new connections, lets the calls in flight end (for 5 seconds at most), ends the domains, and closes the
   * store. Safe to call again.
   */
  stop(): Promise<void> {
    if (this.#state.is === 'stopping') return this.#state.done;
    const done = this.#stop();
    this.#state = { is: 'stopping', done };
    return done;
  }

  async #stop(): Promise<void> {
    this.#log.info('the broker stops');
    const closing = this.#listeners.map((listener) => listener.close());
    await this.#drain();
    this.#bundler.close();
    for (const session of this.#sessions) session.close('the broker stops');
    await Promise.all([...this.#domains.values()].map((domain) => domain.close()));
    await this.#supervisor?.close();
    this.#entrance?.close();
    await this.#private?.listener.close();
    if (this.#private !== null) await rm(this.#private.folder, { recursive: true, force: true });
    await Promise.all(closing);
    await this.#store?.close();
    this.#log.info('the broker has stopped');
    this.#log.flush();
  }

  async #drain(): Promise<void> {
    const deadline = Date.now() + DRAIN_LIMIT;
    const busy = () => [...this.#sessions].some(({ connection }) => connection.callsRunning > 0);
    while (busy() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function sturdyAddress(address: SocketAddress): SturdyAddress {
  return 'path' in address
    ? { transport: 'unix', path: address.path }
    : { transport: 'tcp', host: address.host, port: address.port, key: null };
}

function parseOrNull(text: string): SturdyRef | null {
  try {
    return SturdyRef.parse(text.trim());
  } catch {
    return null;
  }
}

/** A socket that a killed broker left behind is in the way; one that somebody listens on is not ours to remove. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null) return;
  if (!found.isSocket())
    throw new StartupError(
      `listen.unix: ${path} exists and is not a socket; remove it or choose another path`,
    );
  const alive = await new Promise<boolean>((resolve) => {
    const probe = createConnection({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (alive)
    throw new StartupError(
      `listen.unix: cannot listen on ${path}: it is in use by another program; choose another`,
    );
  await unlink(path);
}
