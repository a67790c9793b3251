/** The page of examples/browser in a real browser, with a broker of its own. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { Broker, type ConfigInput, parseConfig } from 'sturdy/broker';
import { connect, type Operator, SturdyRef } from 'sturdy/client';
import { sturdySchema } from 'sturdy/schema';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Page, servePage } from '../../examples/browser/serve.js';
import { ROOT } from '../../examples/ledger/place.js';
import { LEDGER_DOMAIN } from '../broker/running.js';
import { Chromium, findChromium, type Tab } from './chromium.js';

const PROGRAM = findChromium();

let page: Page;
let stranger: Page;
beforeAll(async () => {
  [page, stranger] = await Promise.all([servePage(), servePage()]);
});
afterAll(async () => {
  await Promise.all([page?.close(), stranger?.close()]);
});

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Started {
  readonly broker: Broker;
  /** To the bank. */
  readonly ref: SturdyRef;
  readonly log: string[];
}

/** A broker that lets in the page, and not the stranger's. */
async function start(webSocket: Partial<NonNullable<ConfigInput['listen']['webSocket']>>): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), 'sturdy-browser-'));
  ends.push(() => rm(folder, { recursive: true, force: true }));
  const config = parseConfig(
    {
      data: 'data',
      listen: {
        webSocket: { host: '127.0.0.1', port: 0, path: '/sturdy', origins: [page.origin], ...webSocket },
      },
      domains: { ledger: LEDGER_DOMAIN },
    },
    folder,
  );
  const log: string[] = [];
  const broker = await Broker.start(config, {
    log: pino({ level: 'info' }, { write: (line) => log.push(line) }),
  });
  ends.push(() => broker.stop());
  const operatorRef = SturdyRef.parse((await readFile(broker.operatorRefPath, 'utf8')).trim());
  const session = await connect(operatorRef);
  const operator = session.restore<Operator>(operatorRef, sturdySchema().interface('Operator'));
  const minted = await operator.mint({ domain: 'ledger', policy: { methods: { all: null } } });
  session.close();
  return { broker, ref: SturdyRef.of(minted.ref.secret, operatorRef.address), log };
}

async function chromium(trusts: readonly string[] = []): Promise<Chromium> {
  const browser = await Chromium.start(PROGRAM!, trusts);
  ends.push(() => browser.close());
  return browser;
}

const state = (tab: Tab) => tab.evaluate("document.getElementById('state').dataset.is");
const shown = (tab: Tab, id: string) => tab.evaluate(`document.getElementById('${id}').textContent`);
const PATIENCE = { timeout: 20_000 };

test('there is a Chromium', ({ skip }) => {
  if (PROGRAM !== null) return;
  const missing = 'no chromium-headless-shell or chromium: the page was not run in a browser';
  if (process.env['CI'] === 'true') throw new Error(missing);
  skip(missing);
});

describe.skipIf(PROGRAM === null)('a page in a browser', () => {
  test.each([
    ['a WebSocket', {}],
    ['a WebSocket over TLS', { tls: {} }],
  ])('over %s restores, calls what it has not got yet, and is called back', async (_name, listen) => {
    const { broker, ref } = await start(listen);
    const { key } = broker.sturdyAddresses[0] as { key: string | null };
    expect(ref.format()).toContain(key === null ? 'sturdy+ws://127' : `sturdy+wss://sha-256:${key}@127`);
    const browser = await chromium(key === null ? [] : [Buffer.from(key, 'base64url').toString('base64')]);
    const tab = await browser.open(`${page.origin}/#${ref.format()}`);
    await expect.poll(() => shown(tab, 'state'), PATIENCE).toBe(`connected to ${ref}`);
    expect(await shown(tab, 'balance')).toBe('0.00');
    for (const balance of ['1.00', '2.00']) {
      await tab.evaluate("document.getElementById('deposit').click()");
      await expect.poll(() => shown(tab, 'balance'), PATIENCE).toBe(balance);
    }
    expect(await shown(tab, 'entries')).toBe('2from a browser1.001from a browser1.00');
    expect(await tab.evaluate('location.href')).toBe(`${page.origin}/`);
    if (process.env['BROWSER_SCREENSHOT'] === 'write' && key !== null)
      await writeFile(join(ROOT, 'docs/clients/browser.png'), await tab.screenshot());
  });

  test('that is of an origin which is not listed is told so, and others go on', async () => {
    const { broker, ref, log } = await start({});
    const browser = await chromium();
    const tab = await browser.open(`${page.origin}/#${ref.format()}`);
    await expect.poll(() => state(tab), PATIENCE).toBe('connected');
    const refused = await browser.open(`${stranger.origin}/#${ref.format()}`);
    await expect.poll(() => state(refused), PATIENCE).toBe('failed');
    expect(await shown(refused, 'state')).toMatch(
      /^cannot connect to sturdy\+ws:\/\/127.*its broker does not let in pages of this origin$/,
    );
    expect(log.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({
        msg: 'WebSockets were refused',
        reason: 'pages of this origin are not allowed',
        refused: 1,
      }),
    );
    expect(broker.health().connections).toBe(1);
    await tab.evaluate("document.getElementById('deposit').click()");
    await expect.poll(() => shown(tab, 'balance'), PATIENCE).toBe('1.00');
  });
});
