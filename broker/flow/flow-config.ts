/** How flow labels stand in the configuration, and what is wrong where a label is none of those that there are. */
import { z } from 'zod';
import { FlowPolicy } from './flow-policy.js';

const word = z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, {
  message: 'a level or a category begins with a letter and goes on with letters, digits, - and _, 64 at most',
});

export const label = z.strictObject({
  level: z.string().min(1),
  categories: z.array(z.string()).default([]),
});

const FLOW_EXPECTED = "expected 'upward', 'downward' or a pair such as { from: { level }, to: { level } }";

export const flow = z.strictObject({
  /** The lowest first. */
  levels: z.array(word).min(1, { message: 'expected a list of levels, the lowest first' }).max(64),
  categories: z.array(word).max(64).default([]),
  /** Which way capabilities may pass between labels that are not equal. */
  allow: z
    .array(
      z.union([z.enum(['upward', 'downward']), z.strictObject({ from: label, to: label })], {
        message: FLOW_EXPECTED,
      }),
      { message: `expected a list: ${FLOW_EXPECTED}` },
    )
    .default([]),
  /** The labels of clients, by the listener that they come by, and by their certificate. The lowest, without one. */
  clients: z
    .strictObject({
      unix: label.optional(),
      tcp: label.optional(),
      tls: label.optional(),
      webSocket: label.optional(),
      /** By the SHA-256 of the certificate, in hex. */
      certificates: z
        .record(
          z.string().regex(/^[0-9a-f]{64}$/, {
            message: 'expected the SHA-256 of a certificate: 64 digits of hex, small letters',
          }),
          label,
        )
        .default({}),
    })
    .prefault({}),
});

export type FlowConfig = z.output<typeof flow>;

interface Labelled {
  readonly flow?: FlowConfig | undefined;
  readonly domains: Readonly<
    Record<
      string,
      {
        readonly label?: z.output<typeof label> | undefined;
        readonly grants: Readonly<Record<string, { readonly domain: string }>>;
      }
    >
  >;
}

/** What is wrong with the labels of a configuration: each with where it is. */
export function labelFaults({ flow, domains }: Labelled): { path: (string | number)[]; message: string }[] {
  const faults: { path: (string | number)[]; message: string }[] = [];
  const named = Object.entries(domains);
  if (flow === undefined) {
    for (const [name, { label }] of named) {
      if (label === undefined) continue;
      faults.push({
        path: ['domains', name, 'label'],
        message: 'there are no labels without flow.levels; add flow, or leave out the label',
      });
    }
    return faults;
  }
  const check = (path: (string | number)[], { level, categories }: z.output<typeof label>) => {
    if (!flow.levels.includes(level)) {
      faults.push({
        path: [...path, 'level'],
        message: `there is no level ${JSON.stringify(level)}; there are ${list(flow.levels)}`,
      });
    }
    for (const [i, category] of categories.entries()) {
      if (flow.categories.includes(category)) continue;
      faults.push({
        path: [...path, 'categories', i],
        message: `there is no category ${JSON.stringify(category)}; there are ${list(flow.categories)}`,
      });
    }
  };
  for (const [i, each] of flow.allow.entries()) {
    if (typeof each === 'string') continue;
    check(['flow', 'allow', i, 'from'], each.from);
    check(['flow', 'allow', i, 'to'], each.to);
  }
  const { certificates, ...listeners } = flow.clients;
  for (const [by, each] of Object.entries(listeners))
    if (each !== undefined) check(['flow', 'clients', by], each);
  for (const [hex, each] of Object.entries(certificates))
    check(['flow', 'clients', 'certificates', hex], each);
  for (const [name, { label }] of named) {
    if (label !== undefined) check(['domains', name, 'label'], label);
    else {
      faults.push({
        path: ['domains', name, 'label'],
        message: 'missing: where there are flow labels, every domain has one, such as { level: ... }',
      });
    }
  }
  return faults.length > 0 ? faults : grantFaults(flow, domains);
}

/** A grant of the configuration that could never be used is a mistake of it. */
function grantFaults(
  flow: FlowConfig,
  domains: Labelled['domains'],
): { path: (string | number)[]; message: string }[] {
  const named = Object.entries(domains);
  const policy = new FlowPolicy(flow, Object.fromEntries(named.map(([name, { label }]) => [name, label!])));
  return named.flatMap(([holder, { grants }]) =>
    Object.entries(grants).flatMap(([as, { domain }]) => {
      const [from, to] = [policy.ofDomain(domain), policy.ofDomain(holder)!];
      if (from === null || policy.permits(from, to)) return [];
      return {
        path: ['domains', holder, 'grants', as],
        message: `capabilities do not pass from ${from.text} (${domain}) to ${to.text} (${holder}); allow it in flow.allow, or leave out the grant`,
      };
    }),
  );
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map((name) => `'${name}'`).join(', ');
}
