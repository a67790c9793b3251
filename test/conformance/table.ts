/**
 * Runs what is run over each transport, and writes how much that was into docs/rpc.md: `npm run conformance:table`. It writes
 * nothing where a test failed.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { markdownTable } from '../../bench/report/markdown-table.js';
import { ROOT } from '../../examples/ledger/place.js';
import { KINDS } from '../transport/ends.js';

const PAGE = join(ROOT, 'docs/rpc.md');
const BEGIN = '<!-- Made by `npm run conformance:table` of what was run. -->\n\n';
const END = '\n\n<!-- The end of it. -->';

/** The folders whose tests say over what they run, each with the head of its column. */
const SUITES = {
  'test/conformance': 'conformance (`test/conformance/`)',
  'test/transport': 'transport (`test/transport/`)',
};

interface Results {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

function run(): Results {
  const folder = mkdtempSync(join(tmpdir(), 'sturdy-conformance-'));
  const output = join(folder, 'results.json');
  const over = `\\bover '?(${KINDS.join('|')})\\b`;
  try {
    execFileSync(
      'npx',
      ['vitest', 'run', ...Object.keys(SUITES), '-t', over, '--reporter=json', `--outputFile=${output}`],
      { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    return JSON.parse(readFileSync(output, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const { testResults } = run();
const passed = (suite: string, kind: string): string => {
  const count = testResults
    .filter(({ name }) => name.startsWith(join(ROOT, suite)))
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(
      ({ fullName, status }) => status === 'passed' && new RegExp(`\\bover '?${kind}\\b`).test(fullName),
    ).length;
  return count === 0 ? '' : `${count}`;
};
const rows = KINDS.map((kind) => [kind, ...Object.keys(SUITES).map((suite) => passed(suite, kind))]);
const table = markdownTable(['tests passed over', ...Object.values(SUITES)], rows);
const text = readFileSync(PAGE, 'utf8');
const begin = text.indexOf(BEGIN) + BEGIN.length;
writeFileSync(PAGE, text.slice(0, begin) + table + text.slice(text.indexOf(END, begin)));
console.log(table);
