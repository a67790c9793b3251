/** The domains of the model test, all of one program: one that is granted an object of another, and one that sleeps. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ConfigInput } from 'sturdy/broker';
import { SchemaGraph } from 'sturdy/schema';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const SCHEMA = here('model.cgr');
export const CELL = SchemaGraph.load(readFileSync(SCHEMA)).interface('Cell');

const domain = {
  // Compiled, where this was.
  module: existsSync(here('domains/cell.ts')) ? here('domains/cell.ts') : here('domains/cell.js'),
  schema: SCHEMA,
  interface: 'Cell',
  powers: { log: true },
} as const;

/** By what clients come: a unix socket, or TCP. */
export const PARTIES = ['near', 'far'] as const;

/** From whom capabilities may pass to whom, where there are flow labels: then each party has one of its own. */
export const PAIRS = [
  ...['alpha near', 'beta near', 'gamma near', 'near alpha', 'near beta', 'near gamma'],
  ...['alpha far', 'gamma far', 'far alpha', 'far near'],
  ...['beta alpha', 'gamma alpha', 'beta gamma'],
];

export const MODEL_FLOW: NonNullable<ConfigInput['flow']> = {
  levels: [...PARTIES, 'alpha', 'beta', 'gamma'],
  allow: PAIRS.map((pair) => {
    const [from, to] = pair.split(' ') as [string, string];
    return { from: { level: from }, to: { level: to } };
  }),
  clients: { unix: { level: 'near' }, tcp: { level: 'far' } },
};

/** What alpha is granted of beta. */
export const PEER = { domain: 'beta', object: 'shared', methods: ['read', 'open', 'echo', 'keep'] } as const;

/** The domain that is put to sleep when it is idle. */
export const SLEEPER = 'gamma';

export const MODEL_DOMAINS: ConfigInput['domains'] = {
  alpha: {
    ...domain,
    grants: {
      peer: {
        domain: PEER.domain,
        object: PEER.object,
        interface: 'Cell',
        methods: PEER.methods.map((name) => `Cell.${name}`),
      },
    },
  },
  beta: domain,
  [SLEEPER]: { ...domain, idleMillis: 150 },
};

/** The same, each with the label of its own name. */
export const LABELLED_DOMAINS: ConfigInput['domains'] = Object.fromEntries(
  Object.entries(MODEL_DOMAINS).map(([name, each]) => [name, { ...each, label: { level: name } }]),
);
