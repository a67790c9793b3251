/**
 * As much of a broker as a domain's thread needs to live: a private unix socket with a Threshold behind it, and a
 * supervisor with real hosts. The tests of worker/ play the rest.
 */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CpuShare } from '../../broker/cpu-share.js';
import { type Placement, Supervisor } from '../../broker/supervisor.js';
import type { Tier } from '../../broker/tier.js';
import { type Listener, listenSocket, Session, StreamTransport, type Stub, serve } from '../../rpc/index.js';
import { SchemaGraph, sturdySchema, sturdySchemaBytes } from '../../schema/index.js';
import { bundle } from '../../worker/bundle.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
export const probeSchema = new Uint8Array(readFileSync(here('./domains/probe.cgr')));
export const probeGraph = SchemaGraph.load(probeSchema);

export interface Launch {
  /** A module, or a program as `bundle` would have made it. */
  readonly module?: string;
  readonly source?: string;
  readonly group?: string;
  readonly tier?: Tier;
  readonly heapMebibytes?: number;
  readonly offHeapMebibytes?: number;
  readonly turnMillis?: number;
  readonly cpuShare?: number;
  readonly cpuWindowMillis?: number;
  readonly grants?: readonly { readonly name: string; readonly interfaceId: bigint; readonly cap: Stub }[];
}

// biome-ignore lint/suspicious/noExplicitAny: the stub of an interface that is only known at run time
export type AnyStub = any;

/** A domain that is ready. */
export interface Domain {
  readonly main: AnyStub;
  readonly restorer: AnyStub;
  readonly placement: Placement;
  readonly ended: Promise<string>;
  /** How often `onEnd` was called. */
  readonly ends: readonly string[];
}

const bundles = new Map<string, Promise<string>>();
function bundled(module: string): Promise<string> {
  const known = bundles.get(module) ?? bundle(here(module));
  bundles.set(module, known);
  return known;
}

interface Expected {
  readonly program: object;
  ready(restorer: Stub): void;
  failed(message: string): void;
}

export class Doorway {
  readonly lines: Record<string, unknown>[] = [];
  readonly supervisor: Supervisor;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sturdy-doorway-'));
  readonly #expected = new Map<string, Expected>();
  readonly #sessions = new Set<Session>();
  #listener: Listener | null = null;

  constructor(options: { warm?: number; maxThreads?: number; hostModule?: string } = {}) {
    const log = (fields: object, message: string) => this.lines.push({ ...fields, message });
    this.supervisor = new Supervisor({
      socket: this.socket,
      accept: (socket) => this.#accept(socket),
      log: { debug: log, info: log, warn: log },
      hostModule: here('../../dist/worker/host.js'),
      ...options,
    });
  }

  get socket(): string {
    return join(this.#folder, 'private.sock');
  }

  async open(): Promise<void> {
    this.#listener = await listenSocket({ path: this.socket }, (socket) => this.#accept(socket));
  }

  #accept(socket: Socket): void {
    const bootstrap = serve(sturdySchema().interface('Threshold'), {
      enter: async ({ token }: { token: Uint8Array }) => {
        const key = Buffer.from(token).toString('hex');
        const expected = this.#expected.get(key);
        if (expected === undefined) throw new Error('no such token');
        this.#expected.delete(key);
        return { admission: admissionFor(expected) };
      },
    });
    this.#sessions.add(new Session(new StreamTransport(socket), { bootstrap }));
  }

  /** Starts a domain. Rejects with the message where it could not be started. */
  async start(launch: Launch): Promise<Domain> {
    const token = randomBytes(32);
    const ends: string[] = [];
    let end: (reason: string) => void = () => {};
    const ended = new Promise<string>((resolve) => {
      end = resolve;
    });
    const program = {
      name: 'probe',
      source: launch.source ?? (await bundled(launch.module ?? './domains/probe.ts')),
      schemas: [probeSchema, sturdySchemaBytes()],
      mainInterface: probeGraph.interface('Probe').id,
      grants: launch.grants ?? [],
    };
    const restorer = new Promise<Stub>((ready, reject) => {
      const failed = (message: string) => reject(new Error(message));
      this.#expected.set(token.toString('hex'), { program, ready, failed });
      void ended.then((reason) => failed(`ended: ${reason}`));
    });
    restorer.catch(() => {});
    const placement = await this.supervisor.start({
      domain: 'probe',
      tier: launch.tier ?? 'thread',
      group: launch.group ?? 'probe',
      limits: {
        heapMebibytes: launch.heapMebibytes ?? 64,
        offHeapMebibytes: launch.offHeapMebibytes ?? 256,
        turnMillis: launch.turnMillis ?? 1000,
      },
      cpu: new CpuShare(launch.cpuShare ?? 2, launch.cpuWindowMillis ?? 10_000),
      token,
      onEnd: (reason) => {
        ends.push(reason);
        end(reason);
      },
    });
    const found = (await restorer) as AnyStub;
    const { cap } = await found.restore({ object: new Uint8Array(0) });
    return { main: cap.as(probeGraph.interface('Probe')), restorer: found, placement, ended, ends };
  }

  async close(): Promise<void> {
    await this.supervisor.close();
    for (const session of this.#sessions) session.close();
    await this.#listener?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function admissionFor({ program, ready, failed }: Expected): object {
  const identified = sturdySchema().interface('Identified');
  return {
    load: async () => ({ program }),
    ready: async ({ restorer }: { restorer: Stub }) => {
      ready(restorer.dup());
      return {};
    },
    failed: async ({ message }: { message: string }) => {
      failed(message);
      return {};
    },
    own: async ({ cap }: { cap: Stub }) => {
      const asked = cap.as<AnyStub>(identified);
      try {
        const { object, interfaceId } = await asked.identify();
        const only = [{ interface: probeGraph.interface('Item').id, methods: ['id'] }];
        return { result: { mine: { object, interfaceId, policy: { methods: { only } } } } };
      } catch {
        return { result: { foreign: null } };
      } finally {
        asked[Symbol.dispose]();
      }
    },
  };
}
