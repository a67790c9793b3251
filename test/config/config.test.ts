import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, type ConfigInput, loadConfig, parseConfig } from '../../broker/config.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sturdy-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ledger = { module: './ledger.ts', schema: './ledger.cgr', interface: 'Ledger' };
/** A grant of all that there is. */
const all = { domain: 'ledger', interface: 'Account', methods: 'all' };
const good: ConfigInput = { data: './data', listen: { unix: './s.sock' }, domains: { ledger } };

const DEFAULT_LIMITS = {
  heapMiB: 64,
  offHeapMiB: 256,
  turnMillis: 1000,
  cpuShare: 2,
  cpuWindowMillis: 10_000,
  callsInFlight: 1024,
  exports: 131_072,
  queuedMiB: 256,
  logLinesPerSecond: 100,
  restartsPerMinute: 30,
};

/** `good`, with what stands at a path like `domains.ledger.tier` replaced. */
function changed(path: string, value: unknown): unknown {
  const copy = structuredClone(good) as Record<string, unknown>;
  const parts = path.split('.');
  let at = copy;
  for (const part of parts.slice(0, -1)) {
    at[part] ??= {};
    at = at[part] as Record<string, unknown>;
  }
  at[parts.at(-1)!] = value;
  return copy;
}

function problems(value: unknown): readonly string[] {
  try {
    parseConfig(value, '/etc/sturdy');
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('a configuration', () => {
  it('does not put to sleep what is always to be there', () => {
    const eager = changed('domains.ledger', { ...ledger, start: 'eager', idleMillis: 60_000 });
    expect(problems(eager)).toEqual([
      "domains.ledger.idleMillis: a domain with start: 'eager' is always there, and never sleeps; leave out one of the two",
    ]);
    expect(problems(changed('domains.ledger.idleMillis', 50))).toHaveLength(1);
    expect(problems(changed('domains.ledger.idleMillis', 60_000))).toEqual([]);
  });

  it('gets its defaults, and paths relative to its folder', () => {
    expect(parseConfig(good, '/etc/sturdy')).toEqual({
      data: '/etc/sturdy/data',
      listen: {
        unix: '/etc/sturdy/s.sock',
        keepAliveMillis: 120_000,
        silenceMillis: 900_000,
        stallMillis: 60_000,
        limits: { connections: 1024, messageMiB: 128 },
      },
      hosts: { warm: 1, maxThreads: 256 },
      log: { level: 'info' },
      domains: {
        ledger: {
          module: '/etc/sturdy/ledger.ts',
          schema: '/etc/sturdy/ledger.cgr',
          interface: 'Ledger',
          trusted: false,
          tier: 'thread',
          powers: {},
          grants: {},
          limits: DEFAULT_LIMITS,
          start: 'onDemand',
        },
      },
    });
  });

  it('takes all that there is', () => {
    const account = { domain: 'ledger', object: 'alice', interface: 'Account' };
    const full: ConfigInput = {
      data: '/var/lib/sturdy',
      listen: { unix: '/run/s.sock', tcp: { host: '127.0.0.1', port: 7447 } },
      log: { level: 'debug' },
      domains: {
        ledger: {
          ...ledger,
          trusted: true,
          group: 'bank',
          start: 'eager',
          powers: { clock: true, storage: true },
        },
        statement: {
          ...ledger,
          tier: 'thread',
          limits: { heapMiB: 32 },
          grants: {
            account: { ...account, methods: ['Account.balance'], expires: '2030-01-31T12:00:00+01:00' },
            again: { ...account, methods: 'all', expires: new Date(5) },
            bounded: {
              ...account,
              methods: 'all',
              where: ['Account.withdraw.cents<=100'],
              maxCalls: 1000,
              maxBytes: '10MiB',
              rate: ['10/s:20', '100/h'],
            },
          },
        },
      },
    };
    const config = parseConfig(full, '/x');
    expect(config.data).toBe('/var/lib/sturdy');
    expect(config.domains['statement']).toMatchObject({
      limits: { ...DEFAULT_LIMITS, heapMiB: 32 },
      grants: {
        account: { methods: ['Account.balance'], expires: '2030-01-31T12:00:00+01:00' },
        again: { expires: '1970-01-01T00:00:00.005Z' },
      },
    });
    // It can be written down and read again.
    expect(parseConfig(JSON.parse(JSON.stringify(config)), '/elsewhere')).toEqual(config);
    expect(config.domains['ledger']!.powers).toEqual({
      clock: {},
      storage: { maxBytes: 1 << 30, maxKeys: 1_000_000 },
    });
  });

  it.each([
    [
      changed('domains.ledger.powres', {}),
      'domains.ledger.powres: unknown key; allowed are module, schema, interface, label, trusted, group, tier, powers, grants, limits, start, idleMillis (did you mean powers?)',
    ],
    [
      changed('dta', 1),
      'dta: unknown key; allowed are data, listen, hosts, log, flow, domains (did you mean data?)',
    ],
    [
      changed('domains.ledger.powers', { files: true }),
      'domains.ledger.powers.files: unknown key; allowed are clock, random, log, storage, timers, http, directory, secret',
    ],
    [
      changed('domains.ledger.powers', { http: { origins: ['https://example.com/'] } }),
      "domains.ledger.powers.http.origins[0]: expected an origin such as 'https://api.example.com' or 'http://127.0.0.1:8080', and no more, found \"https://example.com/\"",
    ],
    [
      changed('domains.ledger.powers', { http: { origins: [] } }),
      'domains.ledger.powers.http.origins: expected at least one origin, found a list',
    ],
    [
      changed('domains.ledger.powers', {
        http: { origins: ['https://example.com'], addresses: ['10.0.0.0/33'] },
      }),
      'domains.ledger.powers.http.addresses[0]: expected an IP address or a range of them such as \'10.1.0.0/16\', found "10.0.0.0/33"',
    ],
    [
      changed('domains.ledger.powers', {
        http: { origins: ['https://example.com'], policy: { where: ['Http.request.request.url == x'] } },
      }),
      'domains.ledger.powers.http.maxRedirects: a policy with `where` does not see where a redirect leads; expected maxRedirects: 0 beside it, found 5',
    ],
    [
      changed('domains.ledger.powers', { directory: { clock: { root: '.' } } }),
      "domains.ledger.powers.directory.clock: 'clock' is the name of another power; this one needs a name of its own",
    ],
    [
      changed('domains.ledger.powers', { storage: { maxByte: 1 } }),
      'domains.ledger.powers.storage.maxByte: unknown key; allowed are maxBytes, maxKeys, policy (did you mean maxBytes?)',
    ],
    [
      changed('domains.ledger.powers', { clock: 'yes' }),
      'domains.ledger.powers.clock: expected true, false or its settings, found "yes"',
    ],
    [changed('data', undefined), 'data: missing; expected a string'],
    [changed('data', ''), 'data: expected a path, found ""'],
    [changed('domains.ledger', 5), 'domains.ledger: expected an object, found 5'],
    [changed('domains', undefined), 'domains: missing; expected an object'],
    [
      changed('domains.ledger.tier', 'sandbx'),
      'domains.ledger.tier: expected "thread", "process" or "sandbox", found "sandbx" (did you mean \'sandbox\'?)',
    ],
    [
      changed('domains.ledger', { ...ledger, tier: 'sandbox', group: 'bank' }),
      "domains.ledger.group: it says which domains share a host, and a domain of the tier 'sandbox' has one of its own; leave out one of the two",
    ],
    [
      changed('domains.ledger', { ...ledger, tier: 'process', trusted: true }),
      "domains.ledger.trusted: it says which domains share a host, and a domain of the tier 'process' has one of its own; leave out one of the two",
    ],
    [
      changed('domains.ledger.start', 'ondemand'),
      'domains.ledger.start: expected "eager" or "onDemand", found "ondemand" (did you mean \'onDemand\'?)',
    ],
    [
      changed('listen.tcp', { host: '0.0.0.0', port: 1 }),
      'listen.tcp.host: "0.0.0.0" is not loopback: without TLS only 127.0.0.1 or ::1 can be listened on; use listen.tls',
    ],
    [
      changed('listen.tcp', { host: '127.0.0.1', port: 70000 }),
      'listen.tcp.port: expected at most 65535, found 70000',
    ],
    [
      changed('listen.tcp', { host: '127.0.0.1', port: 1.5 }),
      'listen.tcp.port: expected a whole number, found 1.5',
    ],
    [
      changed('listen.webSocket', { host: '0.0.0.0', port: 1 }),
      'listen.webSocket: without TLS only 127.0.0.1 or ::1 can be listened on; add tls: {}, or tls: { certificate, key } of a certificate that browsers know',
    ],
    [
      changed('listen.webSocket', { host: '127.0.0.1', port: 1, origins: ['https://app.example/'] }),
      "listen.webSocket.origins[0]: \"https://app.example/\" is no origin; expected such as 'https://app.example' or 'http://127.0.0.1:8080', with nothing behind it",
    ],
    [
      changed('listen.webSocket', { host: '127.0.0.1', port: 1, origins: ['*'] }),
      "listen.webSocket.origins[0]: \"*\" is no origin; expected such as 'https://app.example' or 'http://127.0.0.1:8080', with nothing behind it",
    ],
    [
      changed('listen.webSocket', { host: '127.0.0.1', port: 1, path: 'sturdy' }),
      "listen.webSocket.path: expected a path such as '/sturdy': letters, digits and - . _ ~ /, 128 at most",
    ],
    [
      changed('listen', {}),
      'listen: expected one of unix, tcp, tls and webSocket, or several: nobody could connect otherwise',
    ],
    [
      changed('domains.a b', ledger),
      'domains["a b"]: a name begins with a letter and goes on with letters, digits, - and _, 64 at most',
    ],
    [
      changed('domains.ledger.grants', { account: { domain: 'ledger', interface: 'Account' } }),
      "domains.ledger.grants.account.methods: expected 'all' or a list of methods, such as ['Account.balance'], found undefined",
    ],
    [
      changed('domains.ledger.grants', {
        account: { domain: 'leger', interface: 'Account', methods: 'all' },
      }),
      "domains.ledger.grants.account.domain: there is no domain 'leger'; there are 'ledger'",
    ],
    [
      changed('domains.sturdy', { module: './m.ts', schema: './s.cgr', interface: 'S' }),
      "domains.sturdy: 'sturdy' is the name of the broker itself; a domain needs another",
    ],
    [
      changed('domains.ledger.grants', { clock: { domain: 'ledger', interface: 'Account', methods: 'all' } }),
      "domains.ledger.grants.clock: 'clock' is the name of a power; a grant needs another",
    ],
    [
      changed('domains.ledger.grants', {
        a: { domain: 'ledger', interface: 'Account', methods: ['balance'] },
      }),
      'domains.ledger.grants.a.methods[0]: expected a method with its interface, such as \'Account.balance\', found "balance"',
    ],
    [
      changed('domains.ledger.grants', {
        a: { domain: 'ledger', interface: 'Account', methods: 'all', expires: 'tomorrow' },
      }),
      'domains.ledger.grants.a.expires: expected a date and time such as \'2030-01-31T00:00:00Z\', found "tomorrow"',
    ],
    [
      changed('domains.ledger.grants', {
        a: { domain: 'ledger', interface: 'Account', methods: 'all', where: 'Account.withdraw.cents<=1' },
      }),
      'domains.ledger.grants.a.where: expected a list, found "Account.withdraw.cents<=1"',
    ],
    [
      changed('domains.ledger.grants', { a: { ...all, maxCalls: 0 } }),
      'domains.ledger.grants.a.maxCalls: expected at least 1, found 0',
    ],
    [
      changed('domains.ledger.grants', { a: { ...all, maxBytes: '10MB' } }),
      'domains.ledger.grants.a.maxBytes: expected a number of bytes, 1 or more, such as 4096, 64KiB or 10MiB; found "10MB"',
    ],
    [
      changed('domains.ledger.grants', { a: { ...all, rate: '10' } }),
      'domains.ledger.grants.a.rate: expected such as 10/s, or 10/s:20 where 20 may be made at once; s, m, h or d; found "10"',
    ],
    [
      changed('domains.ledger.grants', { a: { ...all, rate: ['10/s', 5] } }),
      'domains.ledger.grants.a.rate: expected such as 10/s, or 10/s:20 where 20 may be made at once; s, m, h or d, found a list',
    ],
    [
      changed('domains.ledger.limits', { heapMiB: 1 }),
      'domains.ledger.limits.heapMiB: expected at least 8, found 1',
    ],
    [null, 'the whole: expected an object, found null'],
    [() => good, 'the whole: expected an object, found a function'],
  ])('that is wrong is refused with its path, what was found and what is allowed: %#', (wrong, problem) => {
    expect(problems(wrong)).toEqual([problem]);
  });

  it('has all its problems listed at once', () => {
    const wrong = {
      data: 1,
      listen: { unix: 's', udp: 1 },
      domains: { ledger: { ...ledger, tire: 'x', tier: 'proces' } },
    };
    expect(problems(wrong)).toHaveLength(4);
    expect(() => parseConfig(wrong, '/', 'my.json')).toThrow(/^my\.json:\n {2}data: .*\n {2}listen\.udp: /);
  });

  it('does not take a name of Object.prototype for a domain', () => {
    expect(
      problems(
        changed('domains.ledger.grants', { a: { domain: 'constructor', interface: 'A', methods: 'all' } }),
      )[0],
    ).toMatch(/there is no domain 'constructor'/);
  });
});

describe('a configuration file', () => {
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const body = JSON.stringify(good);

  it.each([
    ['a.json', body],
    ['a.mjs', `export default ${body}`],
    ['a.js', `export default ${body}`],
    ['a.ts', `import { defineConfig } from 'sturdy/broker';\nexport default defineConfig(${body} as const);`],
    ['a.mts', `const config: object = ${body}; export default config;`],
  ])('is loaded: %s', async (name, text) => {
    const config = await loadConfig(write(name, text));
    expect(config.data).toBe(join(folder, 'data'));
    expect(config.domains['ledger']!.module).toBe(join(folder, 'ledger.ts'));
  });

  it('may import its neighbours and modules of Node, and knows where it is', async () => {
    write('names.ts', "export const data: string = './elsewhere';");
    mkdirSync(join(folder, 'node_modules/dependency'), { recursive: true });
    writeFileSync(
      join(folder, 'node_modules/dependency/index.js'),
      "exports.socket = require('node:path').join('/run', 's.sock');",
    );
    const file = write(
      'b.ts',
      `import { basename } from 'node:path';
       import { fileURLToPath } from 'node:url';
       import dependency from 'dependency';
       import { data } from './names.js';
       export default { data: data + basename(fileURLToPath(import.meta.url)), listen: { unix: dependency.socket }, domains: {} };`,
    );
    expect(await loadConfig(file)).toMatchObject({
      data: join(folder, 'elsewhereb.ts'),
      listen: { unix: '/run/s.sock' },
    });
  });

  it('is run anew each time, and leaves nothing behind', async () => {
    const file = write(
      'c.ts',
      `export default { ...${body}, data: process.env['STURDY_TEST_DATA'] as string };`,
    );
    const before = [readdirSync(folder), readdirSync(tmpdir()).filter((name) => name.includes('esbuild'))];
    for (const data of ['/one', '/two']) {
      process.env['STURDY_TEST_DATA'] = data;
      expect((await loadConfig(file)).data).toBe(data);
    }
    delete process.env['STURDY_TEST_DATA'];
    expect([readdirSync(folder), readdirSync(tmpdir()).filter((name) => name.includes('esbuild'))]).toEqual(
      before,
    );
  });

  it.each([
    ['none.ts', null, /none\.ts: it cannot be read \(ENOENT\)/],
    ['d.json', '{', /d\.json: it is not JSON/],
    ['d.yaml', '', /a \.ts, \.mts, \.js, \.mjs or \.json file, not '\.yaml'/],
    ['d.ts', 'export const config = {};', /no default export; expected export default defineConfig/],
    ['e.ts', '\nexport default {{;', /e\.ts:2:17: Expected identifier/],
    [
      'f.ts',
      "import x from './missing.js'; export default x;",
      /f\.ts:1:15: Could not resolve "\.\/missing\.js"/,
    ],
    ['g.ts', "throw new Error('no luck');", /g\.ts: it threw while it ran: no luck/],
    ['h.ts', 'export default { dta: 1 };', /h\.ts:\n {2}data: missing/],
  ])('that cannot be used is refused, with the reason: %s', async (name, text, reason) => {
    const file = text === null ? join(folder, name) : write(name, text);
    await expect(loadConfig(file)).rejects.toThrow(ConfigError);
    await expect(loadConfig(file)).rejects.toThrow(reason);
  });
});
