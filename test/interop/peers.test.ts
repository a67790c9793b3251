import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../examples/ledger/place.js';
import type { Running } from '../broker/running.js';
import {
  ARRANGEMENTS,
  type Language,
  nameOf,
  peerIn,
  runList,
  startSwitchboard,
  WAYS,
} from './arrangements.js';
import { CHECKS } from './checks.js';
import { page, type Ran, read } from './table.js';

const PAGE = join(ROOT, 'docs/interop.md');

/** A machine without a peer is good for everything else, but not to say that all is well. */
const REQUIRED = process.env['CI'] === 'true';

const ran: Ran[] = [];
const missing = new Map<Language, string>();
let switchboard: Running;

beforeAll(async () => {
  for (const [language, find] of Object.entries(peerIn)) {
    const peer = await find();
    if ('missing' in peer) missing.set(language as Language, peer.missing);
  }
  switchboard = await startSwitchboard();
}, 900_000);
afterAll(() => switchboard?.stop());

describe.each(ARRANGEMENTS.map((arrangement) => [WAYS[arrangement.way], nameOf(arrangement), arrangement]))(
  '%s: %s',
  (_way, _name, arrangement) => {
    let lacking: string | undefined;
    let result: Ran;

    beforeAll(async () => {
      lacking = missing.get(arrangement.client) ?? missing.get(arrangement.server as Language);
      if (lacking !== undefined) return;
      result = read(arrangement, await runList(arrangement, switchboard));
      ran.push(result);
    }, 400_000);

    test.for(Object.keys(CHECKS))('%s', (check, { skip }) => {
      if (lacking !== undefined) {
        if (REQUIRED) throw new Error(lacking);
        return skip(lacking);
      }
      const outcome = result.outcomes.get(check)!;
      expect(outcome.is === 'not ok' ? outcome.why : 'passed, or known to be impossible').toBe(
        'passed, or known to be impossible',
      );
    });
  },
);

describe('the page of docs', () => {
  test('says what came out', async ({ skip }) => {
    if (ran.length < ARRANGEMENTS.length) {
      if (REQUIRED) throw new Error(`only ${ran.length} of ${ARRANGEMENTS.length} arrangements were run`);
      return skip('not every peer is there');
    }
    const made = page(ran);
    if (process.env['INTEROP_TABLE'] === 'write') await writeFile(PAGE, made);
    expect(await readFile(PAGE, 'utf8')).toBe(made);
  });
});
