/** A policy as the configuration has it, for a grant of an object or of a power: its form, and the policy that it stands for. */
import { z } from 'zod';
import { RpcError } from '../../rpc/index.js';
import type { SchemaGraph } from '../../schema/index.js';
import type { StoredPolicy } from '../store/store.js';
import { writtenConstraint } from './constraint.js';
import { ConstraintTextError } from './constraint-text.js';
import { methodsNamed } from './methods.js';
import { parseRate, RATE_EXPECTED } from './rate.js';
import { BYTES_EXPECTED, parseBytes } from './size.js';

const methodName = z.string().regex(/^[A-Za-z][A-Za-z0-9.]*\.[a-zA-Z][A-Za-z0-9]*$/, {
  message: "expected a method with its interface, such as 'Account.balance'",
});

const rate = z.string({ message: RATE_EXPECTED }).refine((text) => parseRate(text) !== null, {
  error: ({ input }) => `${RATE_EXPECTED}; found ${JSON.stringify(input)}`,
});

const DATE_EXPECTED = "expected a date and time such as '2030-01-31T00:00:00Z'";

/** A number of bytes: a number, or such as '10MiB'. */
export const bytes = z.union(
  [
    z.int().min(1),
    z.string().refine((text) => parseBytes(text) !== null, {
      error: ({ input }) => `${BYTES_EXPECTED}; found ${JSON.stringify(input)}`,
    }),
  ],
  { message: BYTES_EXPECTED },
);

export const methods = z.union([z.literal('all'), z.array(methodName)], {
  message: "expected 'all' or a list of methods, such as ['Account.balance']",
});

/** All of a policy but its methods, for which what is written differs in its default. */
export const policyFields = {
  /** What params have to be, such as 'Account.withdraw.cents<=100'. All of them hold. */
  where: z
    .array(z.string(), { message: "expected a list such as ['Account.withdraw.cents<=100']" })
    .optional(),
  /** Calls in all. */
  maxCalls: z.int().min(1).optional(),
  /** Bytes of params and results in all. */
  maxBytes: bytes.optional(),
  /** '10/s', '10/s:20' with 20 at once; a list where several hold. */
  rate: z.union([rate, z.array(rate)], { message: RATE_EXPECTED }).optional(),
  /** An ISO date and time. Never, without it. */
  expires: z
    .union([z.iso.datetime({ offset: true, message: DATE_EXPECTED }), z.date()], { message: DATE_EXPECTED })
    .transform((date) => (date instanceof Date ? date.toISOString() : date))
    .optional(),
};

const written = z.strictObject({ methods, ...policyFields });

export type WrittenPolicy = z.output<typeof written>;

/**
 * The policy that is written, by the names of `graph`. What is written was checked by its form above. `at` is where it stands in the
 * configuration.
 * @throws RpcError where it names what the schema does not have
 */
export function policyWritten(
  { methods: named, where = [], maxCalls, maxBytes, rate: rates = [], expires }: WrittenPolicy,
  graph: SchemaGraph,
  at: string,
): StoredPolicy {
  return {
    methods: named === 'all' ? 'all' : methodsNamed(named, graph),
    expires: expires === undefined ? 0 : Date.parse(expires),
    delegable: false,
    constraints: where.map((text, i) => {
      try {
        return writtenConstraint(text, graph);
      } catch (cause) {
        if (!(cause instanceof ConstraintTextError)) throw cause;
        throw new RpcError('failed', `${at}.where[${i}]: ${cause.message}`, {
          code: 'ERR_POLICY_CONSTRAINT',
          cause,
        });
      }
    }),
    ...(maxCalls !== undefined && { maxCalls }),
    ...(maxBytes !== undefined && { maxBytes: parseBytes(String(maxBytes))! }),
    rates: [rates].flat().map((text) => parseRate(text)!),
  };
}
