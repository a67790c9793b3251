import { parseConfig } from 'sturdy/broker';
import { type DrivenAttempt, escapeClass } from '../harness/escape-class.js';

const DOMAIN = { module: 'x.ts', schema: 'x.cgr', interface: 'X' };
const BASE = { data: 'data', listen: { unix: 'x.sock' } };

/** A reader of configurations that takes what it knows, in the order in which it comes, and lets the rest be. */
function lenient(config: object): boolean {
  const { data, domains } = { ...BASE, domains: {}, ...config };
  return typeof data === 'string' && typeof domains === 'object';
}

function configuration(config: object): DrivenAttempt {
  return {
    async behind() {
      try {
        parseConfig({ ...BASE, ...config }, '/');
        return 'out';
      } catch (error) {
        return (error as Error).message;
      }
    },
    without: async () => lenient(config),
  };
}

export default escapeClass({
  name: 'contradictory configuration',
  from: 'vm2: options that undo one another (nesting without require)',
  rules: ['R8', 'R9'],
  out: 'a configuration is taken that says two things at once, or something that nobody reads',
  notIn: {
    process: 'it is refused before there is a tier',
    sandbox: 'it is refused before there is a tier',
  },
  attempts: {
    'always there, and asleep': configuration({
      domains: { x: { ...DOMAIN, start: 'eager', idleMillis: 1000 } },
    }),
    'a grant by the name of a power': configuration({
      domains: { x: { ...DOMAIN, grants: { clock: { domain: 'x', interface: 'X', methods: 'all' } } } },
    }),
    'a grant of nobody': configuration({
      domains: { x: { ...DOMAIN, grants: { y: { domain: 'y', interface: 'X', methods: 'all' } } } },
    }),
    'a domain by the name of the broker': configuration({ domains: { sturdy: DOMAIN } }),
    'a power that there is not': configuration({ domains: { x: { ...DOMAIN, powers: { process: true } } } }),
    'a tier that there is not': configuration({ domains: { x: { ...DOMAIN, tier: 'none' } } }),
    'a grant that does not say of what': configuration({
      domains: { x: { ...DOMAIN, grants: { y: { domain: 'x', interface: 'X' } } } },
    }),
    'a key that nobody reads': configuration({ domains: { x: { ...DOMAIN, sandbox: true } } }),
    'a limit that is none': configuration({ domains: { x: { ...DOMAIN, limits: { heapMiB: Infinity } } } }),
  },
});
