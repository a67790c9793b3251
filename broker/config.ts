/**
 * The configuration of a broker: one file, `sturdy.config.ts` (or .mts, .js, .mjs, .json), whose default export is checked
 * here, strictly. What is wrong is said with its path, what was found and what is allowed; all of it at once.
 *
 * A `.ts` or `.js` file is a program of the operator's own, and runs in this process with all its authority. It is bundled in memory
 * and leaves no file behind. Its import of `defineConfig` is answered by the identity function, so that a
 * configuration does not load a second broker.
 */

import { access, readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { z } from 'zod';
import { isLoopback, isWebSocketPath } from '../client/address.js';
import { BROKER_HOME } from './broker-name.js';
import { describeIssue } from './config-error.js';
import { flow, label, labelFaults } from './flow/flow-config.js';
import { methods, policyFields } from './policy/written-policy.js';
import { LOG_RATE } from './powers/log.js';
import { powerNames, powers, withAbsolutePaths } from './powers/settings.js';
import { TIERS } from './tier.js';

const name = z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, {
  message: 'a name begins with a letter and goes on with letters, digits, - and _, 64 at most',
});
/** The name of a property in the domain's `world.grants`. */
const grantName = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/, {
  message: 'the name of a grant begins with a letter and goes on with letters, digits and _, 64 at most',
});
const path = z.string().min(1, { message: 'expected a path' });
const notAnAddress = ({ input }: { input?: unknown }): string =>
  `${JSON.stringify(input)} is no IP address; expected one of this machine's, or 0.0.0.0 or :: for all of them`;

/** As a browser writes it in the header `Origin`. */
const isOrigin = (text: string): boolean =>
  /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
const notAnOrigin = ({ input }: { input?: unknown }): string =>
  `${JSON.stringify(input)} is no origin; expected such as 'https://app.example' or 'http://127.0.0.1:8080', with nothing behind it`;

const BOTH_OR_NEITHER = [
  ({ certificate, key }: { certificate?: string | undefined; key?: string | undefined }) =>
    (certificate === undefined) === (key === undefined),
  { error: 'expected certificate and key together, or neither' },
] as const;

const grant = z.strictObject({
  /** The domain whose object it is. */
  domain: name,
  /** The object's id there; the main object without it. */
  object: z.string().max(1024).default(''),
  interface: z.string().min(1),
  /** What may be called. There is no default: all of an object has to be granted in so many words. */
  methods,
  ...policyFields,
});

const domain = z.strictObject({
  module: path,
  schema: path,
  interface: z.string().min(1),
  /** Its flow label: whom its capabilities may pass to, and whose to it. */
  label: label.optional(),
  trusted: z.boolean().default(false),
  group: name.optional(),
  tier: z.enum(TIERS).default('thread'),
  powers: powers.prefault({}),
  grants: z.record(grantName, grant).default({}),
  limits: z
    .strictObject({
      /** The heap of the domain's thread. */
      heapMiB: z.int().min(8).max(16_384).default(64),
      /** What it may have in memory outside of its heap: ArrayBuffers. */
      offHeapMiB: z.int().min(8).max(65_536).default(256),
      /** How long one turn of the domain's code may take. */
      turnMillis: z.int().min(10).max(600_000).default(1000),
      /** What it may use of a processor on average, 2 being two of them, and over how long that is looked at. */
      cpuShare: z.number().min(0.01).max(64).default(2),
      cpuWindowMillis: z.int().min(500).max(3_600_000).default(10_000),
      /** Calls of all its clients that it may have in flight. */
      callsInFlight: z.int().min(16).max(1_000_000).default(1024),
      /** Capabilities of its own that others may hold. */
      exports: z.int().min(16).max(1_000_000).default(131_072),
      /** What may wait to be read by it. */
      queuedMiB: z.int().min(1).max(4096).default(256),
      logLinesPerSecond: z.int().min(1).max(100_000).default(LOG_RATE),
      /** How often it may be started again after it ended by itself. */
      restartsPerMinute: z.int().min(1).max(1000).default(30),
    })
    .prefault({}),
  start: z.enum(['eager', 'onDemand']).default('onDemand'),
  /** How long it has to be idle to be put to sleep. Never, without it. */
  idleMillis: z.int().min(100).max(86_400_000).optional(),
});

const schema = z
  .strictObject({
    data: path,
    listen: z
      .strictObject({
        unix: path.optional(),
        tcp: z
          .strictObject({
            host: z.string().refine(isLoopback, {
              error: ({ input }) =>
                `${JSON.stringify(input)} is not loopback: without TLS only 127.0.0.1 or ::1 can be listened on; use listen.tls`,
            }),
            port: z.int().min(0).max(65_535),
          })
          .optional(),
        /** TLS 1.3. Clients are known by their certificate, if they show one. */
        tls: z
          .strictObject({
            /** What is listened on. */
            host: z.string().refine((text) => isIP(text) !== 0, { error: notAnAddress }),
            port: z.int().min(0).max(65_535),
            /** Files in PEM, both of them or neither: without them the broker makes its own, in the data folder. */
            certificate: path.optional(),
            key: path.optional(),
            /** Whether a client has to have a certificate. */
            clients: z.enum(['any', 'certified']).default('any'),
          })
          .refine(...BOTH_OR_NEITHER)
          .optional(),
        /** WebSockets: from programs, and from pages in browsers. */
        webSocket: z
          .strictObject({
            host: z.string().refine((text) => isIP(text) !== 0, { error: notAnAddress }),
            port: z.int().min(0).max(65_535),
            path: z
              .string()
              .refine(isWebSocketPath, {
                message: "expected a path such as '/sturdy': letters, digits and - . _ ~ /, 128 at most",
              })
              .default('/'),
            /** Where pages are let in from. A client that names no origin is a program. */
            origins: z
              .array(z.string().refine(isOrigin, { error: notAnOrigin }), {
                message: "expected a list of origins, such as ['https://app.example']",
              })
              .default([]),
            /** Over TLS: with these files in PEM; without them, as `listen.tls`. */
            tls: z
              .strictObject({ certificate: path.optional(), key: path.optional() })
              .refine(...BOTH_OR_NEITHER)
              .optional(),
          })
          .refine(({ host, tls }) => tls !== undefined || isLoopback(host), {
            error:
              'without TLS only 127.0.0.1 or ::1 can be listened on; add tls: {}, or tls: { certificate, key } of a ' +
              'certificate that browsers know',
          })
          .optional(),
        /** How long a connection of TCP is silent before the system asks whether its peer is still there. */
        keepAliveMillis: z.int().min(1000).max(86_400_000).default(120_000),
        /** How long a peer may be silent before it is asked whether it is there, and then without an answer. */
        silenceMillis: z.int().min(1000).max(86_400_000).default(900_000),
        /** How long nothing more may come of a message that has begun. */
        stallMillis: z.int().min(100).max(86_400_000).default(60_000),
        limits: z
          .strictObject({
            /** How many connections are open at a time, on all listeners together. */
            connections: z.int().min(1).max(65_535).default(1024),
            /** What their messages may take up together, beyond 256 KiB for each: 66 MiB for one of the largest. */
            messageMiB: z.int().min(66).max(65_536).default(128),
          })
          .prefault({}),
      })
      .refine(
        ({ unix, tcp, tls, webSocket }) =>
          [unix, tcp, tls, webSocket].some((listener) => listener !== undefined),
        { error: 'expected one of unix, tcp, tls and webSocket, or several: nobody could connect otherwise' },
      ),
    hosts: z
      .strictObject({
        /** Hosts and threads that are kept ready. */
        warm: z.int().min(0).max(64).default(1),
        /** Threads of one host, with the same heap. */
        maxThreads: z.int().min(1).max(4096).default(256),
      })
      .prefault({}),
    log: z
      .strictObject({
        level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
      })
      .prefault({}),
    flow: flow.optional(),
    domains: z.record(name, domain),
  })
  .superRefine((config, context) => {
    const names = Object.keys(config.domains);
    for (const { path: at, message } of labelFaults(config))
      context.addIssue({ code: 'custom', path: at, message });
    if (names.includes(BROKER_HOME)) {
      context.addIssue({
        code: 'custom',
        path: ['domains', BROKER_HOME],
        message: `'${BROKER_HOME}' is the name of the broker itself; a domain needs another`,
      });
    }
    for (const [from, { grants, powers: granted, start, idleMillis, tier, ...sharing }] of Object.entries(
      config.domains,
    )) {
      for (const key of ['group', 'trusted'] as const) {
        if (tier === 'thread' || sharing[key] === undefined || sharing[key] === false) continue;
        context.addIssue({
          code: 'custom',
          path: ['domains', from, key],
          message: `it says which domains share a host, and a domain of the tier '${tier}' has one of its own; leave out one of the two`,
        });
      }
      if (start === 'eager' && idleMillis !== undefined) {
        context.addIssue({
          code: 'custom',
          path: ['domains', from, 'idleMillis'],
          message: "a domain with start: 'eager' is always there, and never sleeps; leave out one of the two",
        });
      }
      for (const [as, { domain: to }] of Object.entries(grants)) {
        const at = ['domains', from, 'grants', as];
        if (!Object.hasOwn(config.domains, to)) {
          const allowed = names.map((known) => `'${known}'`).join(', ');
          context.addIssue({
            code: 'custom',
            path: [...at, 'domain'],
            message: `there is no domain '${to}'; there are ${allowed}`,
          });
        }
        if (powerNames(granted).has(as)) {
          context.addIssue({
            code: 'custom',
            path: at,
            message: `'${as}' is the name of a power; a grant needs another`,
          });
        }
      }
    }
  });

/** As it is written. */
export type ConfigInput = z.input<typeof schema>;
/** As it is used: checked, with every default in its place and every path absolute. */
export type Config = z.output<typeof schema>;
export type DomainConfig = Config['domains'][string];

/** What is wrong with a configuration: a line for each problem, with the file in front of them. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly code = 'ERR_CONFIG';
  constructor(
    file: string,
    readonly problems: readonly string[],
    options: { readonly cause?: unknown } = {},
  ) {
    const list =
      problems.length === 1 ? `: ${problems[0]}` : `:\n${problems.map((line) => `  ${line}`).join('\n')}`;
    super(`${file}${list}`, options.cause === undefined ? undefined : { cause: options.cause });
  }
}

/** Does nothing but give an editor the types of what is written. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}

/**
 * Checks a configuration; its paths are relative to `folder`. `file` is what errors call it.
 * @throws ConfigError
 */
export function parseConfig(value: unknown, folder: string, file = 'the configuration'): Config {
  const result = schema.safeParse(value, { reportInput: true });
  if (!result.success) {
    throw new ConfigError(
      file,
      result.error.issues.flatMap((issue) => describeIssue(issue, schema)),
    );
  }
  const config = result.data;
  const absolute = (relative: string) => resolve(folder, relative);
  return {
    ...config,
    data: absolute(config.data),
    listen: {
      ...config.listen,
      ...(config.listen.unix !== undefined && { unix: absolute(config.listen.unix) }),
      ...(config.listen.tls !== undefined && { tls: withFiles(config.listen.tls, absolute) }),
      ...(config.listen.webSocket?.tls !== undefined && {
        webSocket: { ...config.listen.webSocket, tls: withFiles(config.listen.webSocket.tls, absolute) },
      }),
    },
    domains: Object.fromEntries(
      Object.entries(config.domains).map(([key, value]) => [
        key,
        {
          ...value,
          module: absolute(value.module),
          schema: absolute(value.schema),
          powers: withAbsolutePaths(value.powers, absolute),
        },
      ]),
    ),
  };
}

function withFiles<T extends { certificate?: string | undefined; key?: string | undefined }>(
  tls: T,
  absolute: (relative: string) => string,
): T {
  const { certificate, key } = tls;
  if (certificate === undefined || key === undefined) return tls;
  return { ...tls, certificate: absolute(certificate), key: absolute(key) };
}

/**
 * Reads, runs and checks the configuration in the file at `file`.
 * @throws ConfigError
 */
export async function loadConfig(file: string): Promise<Config> {
  const full = resolve(file);
  try {
    await access(full);
  } catch (cause) {
    throw new ConfigError(full, [`it cannot be read (${(cause as NodeJS.ErrnoException).code})`], { cause });
  }
  return parseConfig(await read(full), dirname(full), full);
}

async function read(file: string): Promise<unknown> {
  const kind = extname(file);
  if (kind === '.json') {
    try {
      return JSON.parse(await readFile(file, 'utf8'));
    } catch (cause) {
      throw new ConfigError(file, [`it is not JSON: ${(cause as Error).message}`], { cause });
    }
  }
  if (!['.ts', '.mts', '.js', '.mjs'].includes(kind)) {
    throw new ConfigError(file, [`a configuration is a .ts, .mts, .js, .mjs or .json file, not '${kind}'`]);
  }
  const source = await bundleConfig(file);
  let loaded: { default?: unknown };
  try {
    loaded = await import(`data:text/javascript;base64,${Buffer.from(source).toString('base64')}`);
  } catch (cause) {
    throw new ConfigError(file, [`it threw while it ran: ${(cause as Error)?.message ?? String(cause)}`], {
      cause,
    });
  }
  if (loaded.default === undefined) {
    throw new ConfigError(file, ['it has no default export; expected export default defineConfig({ ... })']);
  }
  return loaded.default;
}

let loads = 0;

async function bundleConfig(file: string): Promise<string> {
  const url = pathToFileURL(file).href;
  try {
    const { outputFiles } = await build({
      entryPoints: [file],
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      logLevel: 'silent',
      absWorkingDir: dirname(file),
      // An empty one: the operator's own tsconfig.json may ask for what does not concern us.
      tsconfigRaw: {},
      define: {
        'import.meta.url': JSON.stringify(url),
        'import.meta.filename': JSON.stringify(file),
        'import.meta.dirname': JSON.stringify(dirname(file)),
      },
      // A module of the same text is loaded once only; a number makes the text another.
      banner: {
        js: `// ${++loads}\nimport { createRequire as sturdyCreateRequire } from 'node:module';
const require = sturdyCreateRequire(${JSON.stringify(url)});`,
      },
      plugins: [defineConfigIsIdentity],
    });
    return outputFiles[0]!.text;
  } catch (cause) {
    const { errors } = cause as {
      errors?: { text: string; location: { file: string; line: number; column: number } | null }[];
    };
    if (errors === undefined) throw cause;
    throw new ConfigError(
      file,
      errors.map(({ text, location }) =>
        location === null
          ? text
          : `${placeOf(location.file, file)}:${location.line}:${location.column + 1}: ${text}`,
      ),
      { cause },
    );
  }
}

function placeOf(reported: string, file: string): string {
  return isAbsolute(reported) ? reported : join(dirname(file), reported);
}

const defineConfigIsIdentity: Plugin = {
  name: 'define-config',
  setup(builder) {
    builder.onResolve({ filter: /^sturdy\/broker$/ }, ({ path }) => ({ path, namespace: 'define-config' }));
    builder.onLoad({ filter: /.*/, namespace: 'define-config' }, () => ({
      contents: 'export const defineConfig = (config) => config;',
      loader: 'js',
    }));
  },
};
