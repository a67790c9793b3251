/** The broker: the store, the domains and the listeners, brought up in order and taken down in the reverse of it. */
import { mkdir, stat, unlink } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Logger } from 'pino';
import type { SturdyAddress } from '../client/address.js';
import {
  Budgets,
  type ConnectionLimits,
  clientOf,
  DEFAULT_BUDGETS,
  describeAddress,
  type Listener,
  listenSocket,
  RpcError,
  Session,
  type SocketAddress,
  StreamTransport,
  watchPeer,
} from '../rpc/index.js';
import { Entrance } from './admission.js';
import { Audit } from './audit.js';
import { BROKER_HOME, POWERS_HOME } from './broker-name.js';
import { Bundler } from './bundler.js';
import { type Clock, SYSTEM_CLOCK } from './clock.js';
import type { Config, DomainConfig } from './config.js';
import { Delegation } from './delegable.js';
import { Domain } from './domain.js';
import { DomainCode } from './domain-code.js';
import { DomainGrants } from './domain-grants.js';
import { FlowPolicy, type ListenerKind } from './flow/flow-policy.js';
import { gate } from './gate.js';
import { Grants } from './grants.js';
import type { Home } from './home.js';
import { LineRate } from './line-rate.js';
import { isListening } from './listening.js';
import { createLogger } from './log.js';
import { BrokerHome, type DomainUpgrade } from './operator.js';
import { keepOthersOut, OPERATOR_REF, provideOperatorRef } from './operator-ref.js';
import { ClientPace } from './pace.js';
import { peerOf } from './peer.js';
import type { Resolve } from './powers/http.js';
import { openPowers } from './powers/powers.js';
import { PowersHome } from './powers/powers-home.js';
import { SecretUses } from './powers/secret-uses.js';
import { openPrivateSocket, type PrivateSocket } from './private-socket.js';
import { Refusals } from './refusals.js';
import { StartupError } from './startup-error.js';
import { LmdbStore } from './store/lmdb-store.js';
import { type GrantOwner, type Store, StoreError } from './store/store.js';
import { Supervisor } from './supervisor.js';
import { Tally } from './tally.js';
import { type Tier, TierError } from './tier.js';
import { type BrokerTls, provideTls } from './tls-identity.js';
import { UPGRADE_DRAIN, Upgrades } from './upgrade.js';
import { readSchema, SchemaFileError } from './version.js';

/** How long the calls in flight may take to end when the broker is stopped, in milliseconds. */
const DRAIN_LIMIT = 5_000;

/**
 * What one client may hold, within what all of them may hold together. All together that is less than the connection to one
 * domain can take.
 */
const CLIENT_LIMITS: Partial<ConnectionLimits> = {
  questions: 16_384,
  answers: 16_384,
  exports: 16_384,
  imports: 4096,
  embargoes: 256,
  bytesInFlight: 66 * 1024 * 1024,
  bytesQueued: 66 * 1024 * 1024,
  messagesPerTurn: 128,
};

/** What one domain may hold by its calls, to what its clients and the broker gave it. What it is called with has the limits of clients. */
const DOMAIN_LIMITS: Partial<ConnectionLimits> = {
  answers: 16_384,
  bytesInFlight: 66 * 1024 * 1024,
};

/** What a program that runs a broker may have its own of. No configuration reaches it. */
export interface BrokerOptions {
  /** Default: as the configuration says. */
  readonly log?: Logger;
  readonly clock?: Clock;
  /** How the names of origins are resolved. Default: by the system. */
  readonly resolve?: Resolve;
}

export class Broker {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #resolve: Resolve | undefined;
  readonly #domains = new Map<string, Domain>();
  readonly #homes = new Map<string, Home>();
  readonly #code = new Map<Domain, DomainCode>();
  readonly #sessions = new Set<Session>();
  /** How many connections there have been. */
  #accepted = 0;
  readonly #started = Date.now();
  readonly #refusals: Refusals;
  readonly #budgets: Budgets;
  /** Connections that did not end as they should: a peer that breaks the protocol, or is gone in the middle of a message. */
  readonly #broken: Tally;
  readonly #bundler: Bundler;
  readonly #powersHome = new PowersHome();
  /** What secrets are being used for. */
  readonly #uses = new SecretUses();
  /** Null: there are no flow labels. */
  readonly #flow: FlowPolicy | null;
  #store!: Store;
  #audit!: Audit;
  #grants!: Grants;
  #delegation!: Delegation;
  #supervisor!: Supervisor;
  #entrance!: Entrance;
  #private: PrivateSocket | null = null;
  #listeners: Listener[] = [];
  /** Where clients connect, listener by listener. */
  readonly #addresses: SturdyAddress[] = [];
  #tls: BrokerTls | null = null;
  #state: { is: 'starting' } | { is: 'ready' } | { is: 'stopping'; done: Promise<void> } = { is: 'starting' };

  private constructor(
    config: Config,
    { log = createLogger(config.log), clock = SYSTEM_CLOCK, resolve }: BrokerOptions,
  ) {
    this.#config = config;
    this.#log = log;
    this.#clock = clock;
    this.#resolve = resolve;
    this.#refusals = new Refusals(log);
    const pool = config.listen.limits.messageMiB * 1024 * 1024;
    this.#budgets = new Budgets({ bytes: { ...DEFAULT_BUDGETS.bytes, pool } });
    this.#broken = new Tally(log, 'connections were broken off', (connections, code) => ({
      code,
      connections,
    }));
    this.#bundler = new Bundler({ withheld: [config.data] });
    this.#flow = flowOf(config);
  }

  /**
   * Starts a broker. Ready when this resolves. Rejects with StartupError, saying what is wrong and what would be right; what
   * was brought up by then is taken down again.
   */
  static async start(config: Config, options: BrokerOptions = {}): Promise<Broker> {
    const broker = new Broker(config, options);
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

  /** The same as it stands in sturdyrefs, in that order: with the digest of the broker's key where it is reached by TLS. */
  get sturdyAddresses(): readonly SturdyAddress[] {
    return this.#addresses;
  }

  /** The file (mode 0600) with the operator's reference. */
  get operatorRefPath(): string {
    return join(this.#config.data, OPERATOR_REF);
  }

  async #start(): Promise<void> {
    await mkdir(this.#config.data, { recursive: true, mode: 0o700 });
    await keepOthersOut(this.#config.data, this.#log);
    this.#store = await this.#openStore();
    this.#audit = new Audit(this.#store, this.#log, this.#clock);
    const { tls } = this.#config.listen;
    if (tls !== undefined) this.#tls = await provideTls(this.#config.data, tls);
    this.#grants = new Grants(this.#store, this.#homeOf, this.#clock, tls !== undefined);
    this.#delegation = new Delegation(this.#grants, this.#homeOf, this.#audit, this.#flow);
    this.#entrance = new Entrance(DOMAIN_LIMITS);
    this.#private = await openPrivateSocket((socket) => this.#entrance.accept(socket));
    this.#supervisor = new Supervisor({
      socket: this.#private.path,
      accept: (connection, token) => this.#entrance.accept(connection, token),
      log: this.#log,
      warm: this.#config.hosts.warm,
      maxThreads: this.#config.hosts.maxThreads,
    });
    await this.#tryTiers();
    this.#homes.set(
      BROKER_HOME,
      new BrokerHome({
        grants: this.#grants,
        domains: this.#domains,
        store: this.#store,
        homeOf: this.#homeOf,
        health: () => this.health(),
        upgrade: (domain, request) => this.#upgrade(domain, request),
      }),
    );
    this.#homes.set(POWERS_HOME, this.#powersHome);
    const configured: DomainGrants[] = [];
    for (const [name, config] of Object.entries(this.#config.domains)) {
      configured.push(await this.#addDomain(name, config));
    }
    await DomainGrants.revokeLeftOver(configured, this.#grants);
    await this.#listen();
    await provideOperatorRef({
      folder: this.#config.data,
      address: this.sturdyAddresses[0]!,
      grants: this.#grants,
      home: this.#homes.get(BROKER_HOME)!,
      log: this.#log,
    });
    this.#state = { is: 'ready' };
    this.#log.info({ addresses: this.addresses }, 'the broker is ready');
    for (const domain of this.#domains.values()) {
      if (this.#config.domains[domain.name]!.start === 'eager') void domain.running().catch(() => {});
    }
  }

  /** No domain is ever given another tier than its own: a broker that cannot give it does not start. */
  async #tryTiers(): Promise<void> {
    const first = new Map<Tier, string>();
    for (const [name, { tier }] of Object.entries(this.#config.domains)) {
      if (tier !== 'thread' && !first.has(tier)) first.set(tier, name);
    }
    for (const [tier, name] of first) {
      try {
        await this.#supervisor.tryTier(tier);
      } catch (cause) {
        if (!(cause instanceof TierError)) throw cause;
        throw new StartupError(
          `domains.${name}.tier: ${cause.message}. \`sturdy tiers\` says which tiers it can give`,
          { cause },
        );
      }
    }
  }

  async #openStore(): Promise<Store> {
    try {
      return await LmdbStore.open(this.#config.data, {
        now: () => this.#clock.now(),
        scanning: () => this.#log.warn('the store is not as it was closed, or was not closed: it is scanned'),
      });
    } catch (cause) {
      if (!(cause instanceof StoreError && cause.code === 'ERR_STORE_DAMAGED')) throw cause;
      throw new StartupError(
        `${cause.message}. Nothing was changed. \`sturdy store restore BACKUP\` puts a backup in its place, and keeps it aside`,
        { cause },
      );
    }
  }

  readonly #homeOf = (domainId: string): Home | undefined => this.#homes.get(domainId);

  async #addDomain(name: string, config: DomainConfig): Promise<DomainGrants> {
    const at = `domains.${name}`;
    const schema = await readSchema(config.schema, config.interface).catch((cause: unknown) => {
      if (!(cause instanceof SchemaFileError)) throw cause;
      throw new StartupError(`${at}.${cause.key}: ${cause.message}`, { cause });
    });
    const id = await this.#store.domainId(name);
    const lines = new LineRate(config.limits.logLinesPerSecond, () => this.#clock.now());
    const powers = await openPowers({
      domainId: id,
      domain: name,
      settings: config.powers,
      at,
      uses: this.#uses,
      store: this.#store,
      log: this.#log,
      now: () => this.#clock.now(),
      lines,
      ...(this.#resolve && { resolve: this.#resolve }),
    });
    this.#powersHome.add(name, powers);
    const grants = new DomainGrants({
      id,
      name,
      config,
      at,
      store: this.#store,
      grants: this.#grants,
      domains: this.#domains,
      services: this.#delegation,
      powers,
      powersHome: this.#powersHome,
      flow: this.#flow,
    });
    const code = new DomainCode({
      id,
      name,
      config,
      store: this.#store,
      log: this.#log,
      now: () => this.#clock.now(),
      bundle: (module) => this.#bundler.bundle(module),
      program: async (source, own) => ({
        source,
        schemas: grants.schemas(own),
        grants: await grants.forInstance(),
      }),
    });
    const domain = new Domain({
      id,
      name,
      config,
      version: await code.initial(schema),
      supervisor: this.#supervisor,
      entrance: this.#entrance,
      lines,
      log: this.#log,
      clock: this.#clock,
    });
    this.#domains.set(name, domain);
    this.#homes.set(id, domain);
    this.#code.set(domain, code);
    return grants;
  }

  /** Where no files are named, by those of the configuration, as they are now. */
  #upgrade(domain: Domain, { module, schema, drain, peer }: DomainUpgrade): Promise<{ cut: number }> {
    const config = this.#config.domains[domain.name]!;
    const upgrades = new Upgrades({
      grants: this.#grants,
      store: this.#store,
      bundle: (file) => this.#bundler.bundle(file),
    });
    return upgrades.upgrade(domain, this.#code.get(domain)!, {
      module: module === '' ? config.module : module,
      schema: schema === '' ? config.schema : schema,
      isConfigured: module === '' && schema === '',
      interface: config.interface,
      drain: drain === 0 ? UPGRADE_DRAIN : drain,
      peer,
    });
  }

  // ---- clients ----------------------------------------------------------------------------------------------------

  async #listen(): Promise<void> {
    const { unix, tcp, tls } = this.#config.listen;
    if (unix !== undefined) {
      await removeStaleSocket(unix);
      await this.#listenOn({ path: unix }, 'listen.unix');
    }
    if (tcp !== undefined) await this.#listenOn({ host: tcp.host, port: tcp.port }, 'listen.tcp');
    if (tls !== undefined) await this.#listenOn({ host: tls.host, port: tls.port }, 'listen.tls', this.#tls);
    await this.#listenForWebSockets();
  }

  async #listenOn(address: SocketAddress, at: string, tls: BrokerTls | null = null): Promise<void> {
    const kind = tls !== null ? 'tls' : 'path' in address ? 'unix' : 'tcp';
    const { keepAliveMillis } = this.#config.listen;
    const listener = await listenSocket(address, (socket) => this.#accept(socket, kind), {
      keepAliveMillis,
      ...(tls !== null && { tls }),
    }).catch(notListening(at, describeAddress(address)));
    this.#listeners.push(listener);
    this.#addresses.push(sturdyAddress(listener.address, tls?.digest ?? null));
  }

  /** Its clients are asked for no certificate: a browser that is asked for one by a WebSocket gives up. */
  async #listenForWebSockets(): Promise<void> {
    const { webSocket, keepAliveMillis } = this.#config.listen;
    if (webSocket === undefined) return;
    const at = 'listen.webSocket';
    const { host, port, path, origins } = webSocket;
    // Loaded where it is needed: a broker begins sooner without it.
    const { listenWebSocket } = await import('../rpc/web-sockets.js');
    const tls = await this.#webSocketTls(`${at}.tls`);
    const refused = new Tally(this.#log, 'WebSockets were refused', (count, reason) => ({
      refused: count,
      reason,
    }));
    const listener = await listenWebSocket(
      { host, port, path },
      (stream, socket) => this.#accept(socket, 'webSocket', stream),
      {
        origins,
        keepAliveMillis,
        refused: (reason) => refused.add(reason),
        ...(tls !== null && { tls: { identity: tls.identity, asksClients: false } }),
      },
    ).catch(notListening(at, describeAddress({ host, port })));
    this.#listeners.push(listener);
    const found = listener.address as { host: string; port: number };
    this.#addresses.push({ transport: 'webSocket', ...found, path, key: tls?.digest ?? null });
  }

  async #webSocketTls(at: string): Promise<BrokerTls | null> {
    const { webSocket, tls } = this.#config.listen;
    if (webSocket?.tls === undefined) return null;
    if (webSocket.tls.certificate !== undefined) return provideTls(this.#config.data, webSocket.tls, at);
    return this.#tls ?? provideTls(this.#config.data, tls ?? {}, at);
  }

  /** `stream` is what runs over `socket`, where that is not the stream itself. */
  #accept(socket: Socket, listener: ListenerKind, stream: Duplex = socket): void {
    const isTls = listener === 'tls';
    const client = isTls ? clientOf(socket as TLSSocket) : null;
    const holder: GrantOwner =
      client instanceof Uint8Array ? { kind: 'certificate', fingerprint: client } : { kind: 'anyone' };
    const label = this.#flow?.ofClient(listener, holder) ?? null;
    const peer = peerOf(holder, socket.remoteAddress, ++this.#accepted, label);
    const pace = new ClientPace();
    const entry = gate({
      grants: this.#grants,
      homeOf: this.#homeOf,
      services: this.#delegation,
      holder,
      peer,
      refusals: this.#refusals,
      pace,
      audit: this.#audit,
      flow: this.#flow,
    });
    const accounts = this.#budgets.accounts();
    const transport = new StreamTransport(stream, CLIENT_LIMITS, { account: accounts.bytes, throttle: pace });
    const session = new Session(transport, {
      ...entry,
      limits: CLIENT_LIMITS,
      accounts,
      whenPassedOn: this.#entrance.whenPassedOn,
    });
    entry.bootstrap[Symbol.dispose]();
    watchPeer(session, transport, this.#config.listen);
    if (client instanceof RpcError) session.connection.abort(client.message);
    else if (client === null && isTls && this.#config.listen.tls?.clients === 'certified')
      session.connection.abort('a client of this broker needs a certificate (listen.tls.clients)');
    const { connections } = this.#config.listen.limits;
    if (this.#sessions.size >= connections) {
      session.connection.abort(
        `${connections} connections are open, which is the limit (listen.limits.connections)`,
      );
    }
    this.#sessions.add(session);
    void session.closed.then((reason) => {
      this.#sessions.delete(session);
      // The code is ours; the message may be the peer's own, and is nobody's to keep.
      this.#log.debug(
        { peer: peer.who, connection: peer.connection, code: reason.code },
        'a connection ended',
      );
      if (reason.code !== 'ERR_RPC_CLOSED') this.#broken.add(reason.code);
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
    await this.#private?.close();
    await Promise.all(closing);
    await this.#audit?.close();
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

function notListening(at: string, where: string) {
  return (cause: NodeJS.ErrnoException): never => {
    const { code, message } = cause;
    const why = code === 'EADDRINUSE' ? 'it is in use by another program; choose another' : message;
    throw new StartupError(`${at}: cannot listen on ${where}: ${why}`, { cause });
  };
}

/** A configuration with flow labels has one for each domain: see config.ts. */
function flowOf({ flow, domains }: Config): FlowPolicy | null {
  if (flow === undefined) return null;
  const labels = Object.entries(domains).map(([name, { label }]) => [name, label!] as const);
  return new FlowPolicy(flow, Object.fromEntries(labels));
}

function sturdyAddress(address: SocketAddress, key: string | null): SturdyAddress {
  return 'path' in address
    ? { transport: 'unix', path: address.path }
    : { transport: 'tcp', host: address.host, port: address.port, key };
}

/** A socket that a killed broker left behind is in the way; one that somebody listens on is not ours to remove. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null) return;
  if (!found.isSocket())
    throw new StartupError(
      `listen.unix: ${path} exists and is not a socket; remove it or choose another path`,
    );
  if (await isListening(path))
    throw new StartupError(
      `listen.unix: cannot listen on ${path}: it is in use by another program; choose another`,
    );
  await unlink(path);
}
