/**
 * Packages of npm, unmodified, in domains: each program of programs/ gives in a domain what it gives in plain Node, or
 * cannot, for the reason that docs/compatibility.md states.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../worker/bundle.js';
import { Doorway } from '../worker/doorway.js';
import { page, type Ran } from './table.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const PAGE = here('../../docs/compatibility.md');

/** Programs that are not named as their package is. */
const PACKAGES: Readonly<Record<string, string>> = {
  'babel-parser': '@babel/parser',
  msgpack: '@msgpack/msgpack',
  'noble-hashes': '@noble/hashes',
};

/** What a domain does not have, what is said where a program asks for it, and what the table says of it. */
const LACKING = {
  time: [/SharedDate/, 'asks for the time: a domain has it by the power `clock` alone'],
  random: [
    /SharedMath%\.random|getRandomValues/,
    'asks for a random number: a domain has them by the power `random` alone',
  ],
  text: [/Text(En|De)coder is not/, 'needs TextEncoder or TextDecoder, which are not of the language'],
  console: [/console is not defined/, 'needs `console`'],
  page: [/'document'|'createElement'/, 'its build for browsers needs a page'],
  intl: [/'DateTimeFormat'/, 'needs `Intl`, which tells of the machine and its zone'],
  with: [/with statement/, 'makes programs of sloppy mode, with `with`; a domain is strict'],
  mutable: [
    /read only property|not extensible/,
    'changes what all share: an intrinsic object, or the global one',
  ],
  sloppy: [
    /reading '(Promise|prototype)'/,
    'looks for the global object, or for a function that only some hosts have, without asking whether it is there',
  ],
} as const;

/** They do their work in plain Node, and cannot in a domain. */
const CANNOT: Readonly<Record<string, keyof typeof LACKING>> = {
  'bignumber.js': 'random',
  diff: 'time',
  ejs: 'sloppy',
  fflate: 'time',
  immutable: 'random',
  joi: 'sloppy',
  json5: 'page',
  jsonata: 'time',
  liquidjs: 'time',
  lodash: 'time',
  luxon: 'intl',
  mathjs: 'mutable',
  micromark: 'page',
  msgpack: 'text',
  nanoid: 'random',
  nunjucks: 'mutable',
  pako: 'text',
  postcss: 'random',
  protobufjs: 'text',
  showdown: 'console',
  underscore: 'with',
  zod: 'mutable',
};

const installed = existsSync(here('./node_modules'));
if (!installed && process.env['CI'])
  throw new Error('the packages of test/compat are missing: npm ci --prefix test/compat');

const SKIPPED = installed ? '' : ' (skipped: it needs npm ci --prefix test/compat)';

describe.skipIf(!installed)(`a package of npm in a domain${SKIPPED}`, () => {
  const doorway = new Doorway();
  const ran: Ran[] = [];
  let reference: Record<string, { readonly what: string; readonly outcome: string }> = {};

  beforeAll(async () => {
    await doorway.open();
    // It keeps their host alive from one to the next.
    await doorway.start({});
    const { stdout } = await promisify(execFile)(process.execPath, [here('./reference.js')], {
      maxBuffer: 16 * 1024 * 1024,
    });
    reference = JSON.parse(stdout);
  });
  afterAll(() => doorway.close());

  it('does its work as it does in plain Node, or says why it cannot', { timeout: 600_000 }, async () => {
    const wrong: string[] = [];
    for (const [program, { what, outcome }] of Object.entries(reference)) {
      const name = PACKAGES[program] ?? program;
      const { version } = JSON.parse(readFileSync(here(`./node_modules/${name}/package.json`), 'utf8'));
      const [says, why] = CANNOT[program] === undefined ? [null, null] : LACKING[CANNOT[program]];
      const got = await inDomain(program).catch((error: Error) => error);
      const expected =
        got instanceof Error ? says?.test(got.message) === true : says === null && got === outcome;
      if (!expected) wrong.push(`${program}: ${got instanceof Error ? got.message : `gave ${got}`}`);
      ran.push({ name, version, what, cannot: why });
    }
    expect(wrong).toEqual([]);
    expect(ran.filter(({ cannot }) => cannot === null).length).toBeGreaterThanOrEqual(40);
  });

  it('stands in the table of the documentation', () => {
    const made = page(ran);
    if (process.env['COMPAT_TABLE'] === 'write') writeFileSync(PAGE, made);
    expect(readFileSync(PAGE, 'utf8')).toBe(made);
  });

  async function inDomain(program: string): Promise<string> {
    const source = await bundle(here(`./programs/${program}.js`));
    const domain = await doorway.start({ source, heapMebibytes: 256, turnMillis: 20_000 });
    try {
      return (await domain.main.evaluate({ source: '' })).outcome;
    } finally {
      await domain.placement.terminate('it has done its work');
    }
  }
});
