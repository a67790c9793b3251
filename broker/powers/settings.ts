/**
 * What the configuration says of a domain's powers: `powers` of a domain. A power is granted by `true`, or by its settings; its
 * `policy` is that of the grant through which the domain has it. Every limit has its default here.
 *
 * Directories and secrets are granted by names of their own; whatever else is, by the name of its kind.
 */
import { z } from 'zod';
import { methods, policyFields } from '../policy/written-policy.js';
import { isAddressRange } from './address-rules.js';
import { STORAGE_QUOTA } from './storage.js';

const policy = z.strictObject({ methods: methods.default('all'), ...policyFields }).optional();
const path = z.string().min(1, { message: 'expected a path' });
const name = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,63}$/, {
  message: 'the name of a power begins with a letter and goes on with letters, digits and _, 64 at most',
});

/** `true`: with every setting at its default. */
function switched<Shape extends z.ZodRawShape>(shape: Shape) {
  const granted = z.strictObject({ ...shape, policy });
  type Written = boolean | z.input<typeof granted>;
  return z
    .preprocess((value: Written, context) => {
      if (value === true) return {};
      if (value === false) return undefined;
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
      context.issues.push({
        code: 'custom',
        input: value,
        message: `expected true, false or its settings, found ${JSON.stringify(value)}`,
      });
      return z.NEVER;
    }, granted.optional())
    .optional();
}

export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

const ORIGIN_EXPECTED = "expected an origin such as 'https://api.example.com' or 'http://127.0.0.1:8080'";
const origin = z.string({ message: ORIGIN_EXPECTED }).refine(
  (text) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    return url !== null && ['http:', 'https:'].includes(url.protocol) && url.origin === text;
  },
  { error: ({ input }) => `${ORIGIN_EXPECTED}, and no more, found ${JSON.stringify(input)}` },
);
const origins = z.array(origin).min(1, { message: 'expected at least one origin' });

const addressRange = z.string().refine(isAddressRange, {
  error: ({ input }) =>
    `expected an IP address or a range of them such as '10.1.0.0/16', found ${JSON.stringify(input)}`,
});

const MIB = 1 << 20;

const http = z.strictObject({
  /** Where requests may go to. */
  origins,
  methods: z.array(z.enum(METHODS)).min(1).default(['GET', 'HEAD']),
  /** Of those that are not public, which may be connected to. */
  addresses: z.array(addressRange).default([]),
  /** A file in PEM, with the authorities that are believed in instead of Node's. */
  authorities: path.optional(),
  maxRedirects: z.int().min(0).max(20).default(5),
  maxConcurrent: z.int().min(1).max(1024).default(16),
  maxRequestBytes: z
    .int()
    .min(0)
    .max(32 * MIB)
    .default(MIB),
  maxResponseBytes: z
    .int()
    .min(0)
    .max(32 * MIB)
    .default(8 * MIB),
  /** Of a request, and of a response. */
  maxHeaders: z.int().min(1).max(1000).default(100),
  maxHeaderBytes: z.int().min(256).max(262_144).default(16_384),
  /** From the call to the whole response, with all redirects. */
  timeoutMillis: z.int().min(1).max(600_000).default(30_000),
  /** Of responses that are read in chunks: how many may be open. */
  maxBodies: z.int().min(1).max(1024).default(16),
  /** How long a body that is streamed may stand still, either way. */
  bodyIdleMillis: z.int().min(1).max(600_000).default(30_000),
  /** Of a body that is streamed. Default: as of one that is not. */
  maxStreamedRequestBytes: z
    .int()
    .min(0)
    .max(2 ** 50)
    .optional(),
  maxStreamedResponseBytes: z
    .int()
    .min(0)
    .max(2 ** 50)
    .optional(),
  policy,
});

const HEADER_EXPECTED = "expected the name of a header, in lower case, such as 'authorization'";

const secret = z.strictObject({
  /** A file of mode 0600. What is in it, without the line end behind it, is the value. */
  file: path,
  /** Where it may be sent to, and in which headers. */
  origins,
  headers: z
    .array(z.string().regex(/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/, { message: HEADER_EXPECTED }))
    .min(1, { message: HEADER_EXPECTED }),
  policy,
});

const directory = z.strictObject({
  root: path,
  mode: z.enum(['read', 'readWrite']).default('read'),
  /** Of what is in it, directories and files together, to be written to; of what is in one directory, to be listed. */
  maxEntries: z.int().min(1).max(1_000_000).default(10_000),
  /** Of its files together. */
  maxBytes: z
    .int()
    .min(1)
    .max(2 ** 50)
    .default(1 << 30),
  /** Directories that are held by it and its subdirectories. */
  maxOpen: z.int().min(1).max(1024).default(64),
  /** Calls that are at work at a time; others wait, 16 times as many. */
  maxConcurrent: z.int().min(1).max(64).default(4),
  policy,
});

export const powers = z
  .strictObject({
    clock: switched({}),
    random: switched({}),
    log: switched({}),
    storage: switched({
      /** Of keys and values together. */
      maxBytes: z
        .int()
        .min(1)
        .max(2 ** 50)
        .default(STORAGE_QUOTA.bytes),
      maxKeys: z.int().min(1).max(1_000_000_000).default(STORAGE_QUOTA.entries),
    }),
    timers: switched({
      /** How many may be alive. */
      maxTimers: z.int().min(1).max(100_000).default(1000),
      /** The shortest time. */
      minMillis: z.int().min(1).max(86_400_000).default(10),
    }),
    http: http.optional(),
    directory: z.record(name, directory).optional(),
    secret: z.record(name, secret).optional(),
  })
  .superRefine((settings, context) => {
    const taken = new Set(Object.keys(powers.shape));
    for (const kind of ['directory', 'secret'] as const) {
      for (const each of Object.keys(settings[kind] ?? {})) {
        if (taken.has(each)) {
          context.addIssue({
            code: 'custom',
            path: [kind, each],
            message: `'${each}' is the name of another power; this one needs a name of its own`,
          });
        }
        taken.add(each);
      }
    }
    if (settings.http?.policy?.where !== undefined && settings.http.maxRedirects > 0) {
      context.addIssue({
        code: 'custom',
        path: ['http', 'maxRedirects'],
        message:
          'a policy with `where` does not see where a redirect leads; expected maxRedirects: 0 beside it, found ' +
          `${settings.http.maxRedirects}`,
      });
    }
  });

export type PowerSettings = z.output<typeof powers>;
export type HttpSettings = z.output<typeof http>;
export type SecretSettings = z.output<typeof secret>;
export type DirectorySettings = z.output<typeof directory>;
export type PolicySettings = NonNullable<z.output<typeof policy>>;

/** The names that a domain's other grants cannot have: of every kind of power, and of the powers that have a name of their own. */
export function powerNames(settings: PowerSettings): Set<string> {
  const { directory = {}, secret = {} } = settings;
  return new Set([...Object.keys(powers.shape), ...Object.keys(directory), ...Object.keys(secret)]);
}

/** With paths that were relative to the configuration made absolute. */
export function withAbsolutePaths(
  settings: PowerSettings,
  absolute: (path: string) => string,
): PowerSettings {
  const { http, directory, secret } = settings;
  const each = <T>(record: Record<string, T>, change: (value: T) => T): Record<string, T> =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
  return {
    ...settings,
    ...(http?.authorities !== undefined && {
      http: { ...http, authorities: absolute(http.authorities) },
    }),
    ...(directory && { directory: each(directory, (one) => ({ ...one, root: absolute(one.root) })) }),
    ...(secret && { secret: each(secret, (one) => ({ ...one, file: absolute(one.file) })) }),
  };
}
