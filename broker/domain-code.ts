/**
 * Which code a domain runs: that of the configuration, or what it was upgraded to, which is kept in the store, program and schema, until
 * the domain is upgraded again or the configuration has another code than it had by then. What the configuration says wins, and never in
 * silence. Where it cannot be told whether that is another, what the operator did last goes on.
 */
import { hash } from 'node:crypto';
import type { Logger } from 'pino';
import type { DomainConfig } from './config.js';
import type { Program } from './instance.js';
import { bundlerRelease } from './release.js';
import type { AuditEvent, ConfiguredCode, Store, UpgradedCode } from './store/store.js';
import { type Code, readSchema, type Version, versionOf } from './version.js';

export interface DomainCodeOptions {
  readonly id: string;
  readonly name: string;
  readonly config: Pick<DomainConfig, 'module' | 'schema' | 'interface'>;
  readonly store: Pick<Store, 'upgradedCode' | 'setUpgradedCode'>;
  readonly log: Logger;
  now(): number;
  /** The program of the module in this file. */
  bundle(module: string): Promise<string>;
  /** What an instance is given that runs this. */
  program(source: string, schema: Uint8Array): Promise<Program>;
}

/** What is to be written down of an upgrade when it is done. */
export interface Upgraded {
  readonly version: Version;
  /** Null: it is what the configuration has. */
  readonly kept: UpgradedCode | null;
}

export class DomainCode {
  constructor(private readonly options: DomainCodeOptions) {}

  /** What the domain runs to begin with. `schema` is that of the configuration. */
  async initial(schema: Uint8Array): Promise<Version> {
    const { id, name, store, log } = this.options;
    const kept = store.upgradedCode(id);
    if (kept === null) return this.#configured(schema);
    const { source, configured, fault } = await this.#look(schema);
    const domain = { domain: name };
    const changed = difference(kept.configured, configured);
    if (changed !== null) {
      await this.keep(null, { by: 'the configuration', detail: `ended: ${changed} has changed` });
      log.warn(
        domain,
        `${changed} of the configuration has changed since the domain was upgraded: the configuration is what it runs, and what it was upgraded to is dropped`,
      );
      return this.#configured(schema, source);
    }
    if (fault !== null) log.warn(domain, `the program of the configuration cannot be made: ${fault}`);
    else if (kept.configured.bundler !== configured.bundler) {
      log.warn(
        domain,
        `whether the program of the configuration has changed since the domain was upgraded cannot be told: it was compared by ${kept.configured.bundler}, and is now by ${configured.bundler}`,
      );
      await this.keep({ ...kept, configured }, { by: 'the broker', detail: 'kept: another bundler' });
    }
    const program = digestOf(kept.source);
    log.info(
      { ...domain, program: program.toString('hex'), since: kept.since },
      'domain runs what it was upgraded to',
    );
    return this.#version(kept.source, kept.schema, { program, origin: 'upgrade', since: kept.since });
  }

  /** `isConfigured`: these were made of the files of the configuration, just now. */
  async upgraded(source: string, schema: Uint8Array, isConfigured: boolean): Promise<Upgraded> {
    const since = this.options.now();
    const program = digestOf(source);
    const version = (origin: Code['origin']) => this.#version(source, schema, { program, origin, since });
    if (isConfigured) return { version: version('configuration'), kept: null };
    const { config } = this.options;
    const { configured } = await this.#look(
      await readSchema(config.schema, config.interface).catch(() => null),
    );
    const same = { ...configured, program, schema: digestOf(schema) };
    if (difference(configured, same) === null && configured.program !== null)
      return { version: version('configuration'), kept: null };
    return { version: version('upgrade'), kept: { source, schema, since, configured } };
  }

  /** Writes down what the domain runs from now on, and who had it do so. */
  keep(kept: UpgradedCode | null, note: Pick<AuditEvent, 'by' | 'peer' | 'detail'>): Promise<void> {
    const { id, name, store } = this.options;
    return store.setUpgradedCode(id, kept, { action: 'domain.upgrade', domain: name, ...note });
  }

  /** Made when it is first needed, again where that failed. */
  #configured(schema: Uint8Array, made: string | null = null): Version {
    let source = made === null ? null : Promise.resolve(made);
    let code: Code = { program: null, origin: 'configuration', since: 0 };
    const is = (text: string) => {
      code = { program: digestOf(text), origin: 'configuration', since: this.options.now() };
    };
    if (made !== null) is(made);
    return versionOf(
      schema,
      () => code,
      async () => {
        source ??= this.options.bundle(this.options.config.module).then((text) => {
          is(text);
          return text;
        });
        source.catch(() => {
          source = null;
        });
        return this.options.program(await source, schema);
      },
    );
  }

  #version(source: string, schema: Uint8Array, code: Code): Version {
    return versionOf(
      schema,
      () => code,
      () => this.options.program(source, schema),
    );
  }

  /** What the configuration has, as its files are now. */
  async #look(
    schema: Uint8Array | null,
  ): Promise<{ source: string | null; configured: ConfiguredCode; fault: string | null }> {
    const { config, bundle } = this.options;
    let source: string | null = null;
    let fault: string | null = null;
    try {
      source = await bundle(config.module);
    } catch (error) {
      fault = (error as Error).message;
    }
    const configured = {
      program: source === null ? null : digestOf(source),
      schema: schema === null ? null : digestOf(schema),
      interface: config.interface,
      bundler: bundlerRelease(),
    };
    return { source, configured, fault };
  }
}

/** What is another now, as far as it can be told; null: nothing. */
function difference(before: ConfiguredCode, now: ConfiguredCode): string | null {
  if (before.interface !== now.interface) return 'the interface';
  if (!isSame(before.schema, now.schema)) return 'the schema';
  const isComparable = now.program !== null && before.bundler === now.bundler;
  return isComparable && !isSame(before.program, now.program) ? 'the program' : null;
}

function isSame(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a !== null && b !== null && Buffer.compare(a, b) === 0;
}

function digestOf(what: string | Uint8Array): Buffer {
  return hash('sha256', what, 'buffer');
}
