import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SturdyRef } from 'sturdy/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI } from '../../examples/ledger/place.js';
import { LEDGER_DOMAIN, ledgerGraph, Running, testDomain } from '../broker/running.js';

let running: Running;
let operator: string;

beforeAll(async () => {
  running = await Running.start();
  operator = running.broker.operatorRefPath;
});
afterAll(() => running.stop());

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Files of references are for nobody else. */
const PRIVATE = { mode: 0o600 };

/** Runs the command line as a process, in the broker's folder. */
function sturdy(args: readonly string[], input = ''): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [CLI, ...args], { cwd: running.folder });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      err += text;
    });
    child.once('close', (code) => resolve({ code, out, err }));
    child.stdin.on('error', () => {}).end(input);
  });
}

const asOperator = (...args: string[]) => sturdy([...args, '--operator', operator]);

async function minted(name: string, ...args: string[]): Promise<{ grant: string; ref: string }> {
  const file = join(running.folder, `${name}.ref`);
  const { code, out, err } = await asOperator('mint', 'ledger', ...args, '--json', '--out', file);
  expect([code, err]).toEqual([0, '']);
  return { grant: JSON.parse(out).grant, ref: `@${file}` };
}

const open = async (ledger: string, name: string) =>
  expect((await sturdy(['call', ledger, 'open', JSON.stringify({ name })])).code).toBe(0);

describe('sturdy mint', () => {
  it('writes the reference to a new file that only its owner can read, and prints no secret', async () => {
    const { grant, ref } = await minted('whole');
    const path = ref.slice(1);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(SturdyRef.parse((await readFile(path, 'utf8')).trim()).address).toMatchObject({
      transport: 'unix',
    });
    expect(grant).toMatch(/^[0-9a-z]{26}$/);
    const again = await asOperator('mint', 'ledger', '--out', path);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining('exists already')]);
  });

  it('makes no grant where its reference cannot be written, and no file where there is no grant', async () => {
    const { ref } = await minted('taken');
    const all = async () => JSON.parse((await asOperator('grants', '--json')).out).length;
    const before = await all();
    const nowhere = join(running.folder, 'nowhere/new.ref');
    expect((await asOperator('mint', 'ledger', '--out', ref.slice(1))).code).toBe(2);
    expect(await asOperator('mint', 'ledger', '--out', nowhere)).toMatchObject({
      code: 2,
      err: `sturdy: cannot write ${nowhere}: ENOENT\n`,
    });
    expect((await sturdy(['attenuate', ref, '--out', ref.slice(1)])).code).toBe(2);
    expect(await all()).toBe(before);
    const unused = join(running.folder, 'unused.ref');
    expect((await asOperator('mint', 'nobody', '--out', unused)).code).toBe(1);
    await expect(stat(unused)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(() => SturdyRef.parse(readFileSync(ref.slice(1), 'utf8').trim())).not.toThrow();
  });

  it('prints the reference where no file is named', async () => {
    const { code, out } = await asOperator('mint', 'ledger');
    expect(code).toBe(0);
    expect(() => SturdyRef.parse(out.trim())).not.toThrow();
  });

  it('says which methods there are where one is named that there is not', async () => {
    const { code, err } = await asOperator('mint', 'ledger', '--allow', 'Ledger.steal');
    expect(code).toBe(1);
    expect(err).toBe('sturdy: Ledger has no method steal; it has open, find, accounts, transfer\n');
  });

  it.each([
    [['mint', 'nobody'], 1, 'there is no domain "nobody"; there are ledger'],
    [['mint', 'ledger', '--expires', 'tomorrow'], 2, '--expires: expected a date and time such as'],
    [['mint', 'ledger', '--expires', '2001-01-01T00:00:00Z'], 2, 'is in the past'],
    [
      ['mint', 'ledger', '--where', 'Account.withdraw'],
      2,
      '--where: expected such as Account.transfer.amount<=100',
    ],
    [
      ['mint', 'ledger', '--where', 'Account.withdraw.cent<=1'],
      2,
      '--where: Account.withdraw has no field "cent"',
    ],
    [
      ['mint', 'ledger', '--where', 'Account.withdraw.cents within /a'],
      2,
      '--where: Account.withdraw.cents, an Int64',
    ],
    [
      ['mint', 'ledger', '--where', 'Account.withdraw.cents<=x'],
      2,
      '--where: expected an integer, found "x"',
    ],
    [
      ['mint', 'ledger', '--max-calls', '0'],
      2,
      '--max-calls: expected a number of calls, 1 or more, found "0"',
    ],
    [['mint', 'ledger', '--max-bytes', '1MB'], 2, '--max-bytes: expected a number of bytes, 1 or more'],
    [['mint', 'ledger', '--rate', '10'], 2, '--rate: expected such as 10/s, or 10/s:20'],
    [['mint', 'ledger', '--rate', '1/s:999999'], 1, 'a burst of 999999 would take longer than a day'],
    [
      ['mint', 'ledger', '--seal-for', 'me'],
      2,
      '--seal-for: expected domain:ID or certificate:HEX (a SHA-256, 64 digits), found "me"',
    ],
    [['mint', 'ledger', '', '--label', 'x'.repeat(201)], 1, 'at most 200'],
    [['mint'], 2, "missing required argument 'domain'"],
    [['mint', 'ledger', '--bogus'], 2, "unknown option '--bogus'"],
  ])('refuses what is wrong, with the reason: %j', async (args, code, reason) => {
    const ended = await asOperator(...args);
    expect([ended.code, ended.out]).toEqual([code, '']);
    expect(ended.err).toContain(reason);
  });
});

describe('sturdy call', () => {
  it('takes JSON and prints JSON, by the schema: 64-bit integers, lists, unions, data, capabilities', async () => {
    const { ref } = await minted('books');
    await open(ref, 'alice');
    await open(ref, 'bob');
    const alice = (await minted('alice', 'alice')).ref;
    const bob = (await minted('bob', 'bob')).ref;
    const deposit = await sturdy(
      ['call', alice, 'deposit', '-', '--json'],
      '{"cents": "9007199254740993", "memo": "much", "attachment": "AAEC"}',
    );
    expect(JSON.parse(deposit.out).entry).toMatchObject({
      kind: 'deposit',
      cents: '9007199254740993',
      attachment: 'AAEC',
    });
    const transfer = await sturdy([
      'call',
      ref,
      'Ledger.transfer',
      JSON.stringify({ from: alice, to: bob, cents: 3 }),
    ]);
    expect(JSON.parse(transfer.out).entry).toMatchObject({ cents: '-3', other: { account: 'bob' } });
    const found = await sturdy(['call', ref, 'find', '{"name": "alice"}']);
    expect(JSON.parse(found.out)).toEqual({ account: { capability: 'Account' } });
  });

  it('lists the methods of the object where none is named', async () => {
    const { ref } = await minted('methods');
    const { out } = await sturdy(['call', ref]);
    expect(out.split('\n').slice(0, 4)).toEqual([
      'Ledger.open',
      'Ledger.find',
      'Ledger.accounts',
      'Ledger.transfer',
    ]);
  });

  it('reads a reference from standard input, and one of several by its name', async () => {
    const { ref } = await minted('input');
    const text = await readFile(ref.slice(1), 'utf8');
    expect((await sturdy(['call', '-', 'accounts'], text)).code).toBe(0);
    await writeFile(join(running.folder, 'many.refs'), `one ${text}two ${text}`, PRIVATE);
    expect((await sturdy(['call', '@many.refs:two', 'accounts'])).code).toBe(0);
    expect(await sturdy(['call', '@many.refs', 'accounts'])).toMatchObject({
      code: 2,
      err: 'sturdy: many.refs has 2 references; name one as @many.refs:NAME: one, two\n',
    });
  });

  it.each([
    ['a ref in an argument', ['call', 'sturdy+unix:///x#AQ'], 2, 'never as an argument'],
    ['a file that there is not', ['call', '@nothing.ref'], 2, 'cannot read nothing.ref: ENOENT'],
    ['params that are no JSON', ['call', '@whole.ref', 'open', '{'], 2, 'the params are not JSON'],
    ['params that are no object', ['call', '@whole.ref', 'open', '[]'], 1, 'Ledger.open: expected an object'],
    [
      'a number that is no text',
      ['call', '@whole.ref', 'open', '{"name": 1}'],
      1,
      'Ledger.open.name: expected a string',
    ],
    ['an unknown field', ['call', '@whole.ref', 'open', '{"nmae": "x"}'], 1, 'unknown field "nmae"'],
    [
      'a number that JSON does not hold',
      ['call', '@alice.ref', 'deposit', '{"cents": 9007199254740993}'],
      1,
      'give it as a string',
    ],
    [
      'a method that there is not',
      ['call', '@whole.ref', 'steal'],
      1,
      'Ledger has no method steal; it has Ledger.open',
    ],
    [
      'a call that takes too long',
      ['call', '@alice.ref', 'next', '{"after": 1000}', '--timeout', '0.2'],
      1,
      'did not return before its deadline',
    ],
  ])('refuses %s', async (_what, args, code, reason) => {
    const ended = await sturdy(args);
    expect([ended.code, ended.out]).toEqual([code, '']);
    expect(ended.err).toContain(reason);
  });

  it('prints errors as JSON where it is asked to', async () => {
    const { code, out, err } = await sturdy(['call', '@whole.ref', 'find', '{"name": "nobody"}', '--json']);
    expect([code, out]).toEqual([1, '']);
    expect(JSON.parse(err)).toMatchObject({ error: { type: 'failed', message: expect.any(String) } });
  });

  it('does not wait for ever for a broker that takes connections and says nothing', async () => {
    const server = createServer().listen(join(running.folder, 'silent.sock'));
    await once(server, 'listening');
    const secret = (await readFile(join(running.folder, 'whole.ref'), 'utf8')).split('#')[1];
    await writeFile(
      join(running.folder, 'silent.ref'),
      `sturdy+unix://${running.folder}/silent.sock#${secret}`,
      PRIVATE,
    );
    const silent = ['--operator', 'silent.ref'];
    try {
      expect(await sturdy(['health', ...silent])).toMatchObject({
        code: 3,
        err: 'sturdy: the broker did not answer within 5 s\n',
      });
      for (const command of [['domains'], ['mint', 'ledger'], ['call', '@silent.ref', 'accounts']]) {
        expect(await sturdy([...command, ...silent, '--timeout', '0.5'])).toMatchObject({
          code: 3,
          err: 'sturdy: the broker did not answer within 0.5 s\n',
        });
      }
      expect((await sturdy(['health', ...silent, '--timeout', 'soon'])).code).toBe(2);
    } finally {
      server.close();
    }
  });

  it('says so with an exit code of its own where no broker answers', async () => {
    const secret = (await readFile(join(running.folder, 'whole.ref'), 'utf8')).split('#')[1];
    await writeFile(
      join(running.folder, 'gone.ref'),
      `sturdy+unix://${running.folder}/gone.sock#${secret}`,
      PRIVATE,
    );
    const { code, err } = await sturdy(['call', '@gone.ref', 'accounts']);
    expect([code, err]).toEqual([3, `sturdy: cannot connect to ${running.folder}/gone.sock: ENOENT\n`]);
  });
});

describe('sturdy attenuate and revoke', () => {
  it('make a weaker reference, and end it', async () => {
    const file = join(running.folder, 'reader.ref');
    const allow = ['--allow', 'Account.balance,Account.statement', '--expires', '1h', '--no-delegable'];
    const { out } = await sturdy(['attenuate', '@alice.ref', ...allow, '--label', 'reader', '--out', file]);
    const grant = /^grant ([0-9a-z]{26}); its reference is in /.exec(out)![1]!;
    expect((await sturdy(['call', '@reader.ref', 'balance'])).code).toBe(0);
    expect(await sturdy(['call', '@reader.ref', 'withdraw', '{"cents": 1}'])).toMatchObject({
      code: 1,
      err: 'sturdy: the grant does not allow Account.withdraw\n',
    });
    expect((await sturdy(['attenuate', '@reader.ref'])).err).toBe('sturdy: the grant is not delegable\n');

    const listed = await asOperator('grants', '--live');
    const line = listed.out.split('\n').find((each) => each.startsWith(grant));
    expect(line).toMatch(
      /live +ledger\/alice +[0-9a-z]{26} +balance,statement; until .*; not delegable +anyone +reader$/,
    );

    expect((await asOperator('revoke', grant)).out).toBe('1 grant revoked\n');
    expect((await sturdy(['call', '@reader.ref', 'balance'])).err).toBe('sturdy: no such reference\n');
    const all = JSON.parse((await asOperator('grants', '--json')).out);
    expect(all.find(({ id }: { id: string }) => id === grant).state).toBe('revoked');
    expect((await asOperator('grants', '--live')).out).not.toContain(grant);
  });

  it('make a reference that is constrained, counted and slow, and list it as such', async () => {
    const file = join(running.folder, 'bounded.ref');
    const bounds = [
      '--where',
      'Account.withdraw.cents<=100',
      '--where',
      'Account.withdraw.memo in [rent, "the bill"]',
      '--max-calls',
      '3',
      '--max-bytes',
      '10MiB',
      '--rate',
      '1000/s:2000',
    ];
    const { out } = await sturdy(['attenuate', '@alice.ref', ...bounds, '--out', file]);
    const grant = /^grant ([0-9a-z]{26}); /.exec(out)![1]!;
    const withdraw = (params: string) => sturdy(['call', '@bounded.ref', 'withdraw', params]);
    expect((await withdraw('{"cents": 100, "memo": "the bill"}')).code).toBe(0);
    expect(await withdraw('{"cents": 101, "memo": "rent"}')).toMatchObject({
      code: 1,
      err: 'sturdy: the grant allows Account.withdraw only where withdraw.cents <= 100\n',
    });
    expect((await withdraw('{"cents": 1, "memo": "fun"}')).err).toContain(
      'withdraw.memo in ["rent", "the bill"]',
    );
    expect((await sturdy(['call', '@bounded.ref', 'balance'])).code).toBe(0);
    expect((await sturdy(['call', '@bounded.ref', 'balance'])).code).toBe(0);
    expect((await sturdy(['call', '@bounded.ref', 'balance'])).err).toBe(
      `sturdy: the grant's 3 calls are used up (${grant})\n`,
    );
    const listed = await asOperator('grants', '--live');
    expect(listed.out.split('\n').find((each) => each.startsWith(grant))).toMatch(
      / {2}all; where withdraw\.cents <= 100; where withdraw\.memo in \["rent", "the bill"\]; at most 3 calls \(0 left\); at most 10MiB \(\d{8} bytes left\); 1000\/s:2000 {2}/,
    );
  });

  it('say so where there is no such grant', async () => {
    const { code, err } = await asOperator('revoke', 'nonsense');
    expect([code, err]).toEqual([1, 'sturdy: there is no grant "nonsense"; `sturdy grants` lists them\n']);
  });
});

describe('sturdy grants', () => {
  const first = (text: string) => text.split('\n')[0];

  it('draws who holds what from whom, page by page, and says what a revocation would cut before it does', {
    timeout: 120_000,
  }, async () => {
    const { grant, ref } = await minted('tree', '--label', 'the top');
    const below = async (from: string, name: string, ...args: string[]): Promise<string> => {
      const out = join(running.folder, `${name}.ref`);
      const made = await sturdy(['attenuate', from, '--json', '--label', name, ...args, '--out', out]);
      expect([made.code, made.err]).toEqual([0, '']);
      return JSON.parse(made.out).grant;
    };
    const left = await below(ref, 'left', '--allow', 'Ledger.accounts');
    const leaf = await below(`@${join(running.folder, 'left.ref')}`, 'leaf', '--no-delegable');
    const right = await below(ref, 'right', '--once');
    const client = await running.connect();
    const leafRef = SturdyRef.parse((await readFile(join(running.folder, 'leaf.ref'), 'utf8')).trim());
    const held = await client.restore(leafRef.secret(), ledgerGraph.interface('Ledger'));

    const { out } = await asOperator('grants', 'tree', grant);
    expect(out.split('\n').map((line) => line.replaceAll(/ +/g, ' ').trim())).toEqual([
      'GRANT STATE OBJECT ALLOWS FOR LIVE CALLS LABEL',
      `${grant} live ledger all anyone 0 0 the top`,
      `${left} live ledger accounts anyone 0 0 left`,
      `${leaf} live ledger all; not delegable anyone 1 0 leaf`,
      `${right} live, once ledger all anyone 0 0 right`,
      '',
    ]);
    expect(
      out
        .split('\n')
        .map((line) => line.search(/\S/))
        .slice(1, 5),
    ).toEqual([0, 2, 4, 2]);

    const page = await asOperator('grants', 'tree', ref, '--limit', '2', '--json');
    expect(JSON.parse(page.out)).toMatchObject({
      nodes: [
        { depth: 0, id: grant },
        { depth: 1, id: left, label: 'left', capabilities: 0 },
      ],
      after: left,
    });
    const rest = await asOperator('grants', 'tree', '--limit', '1', '--after', left);
    expect(rest.out).toMatch(new RegExp(`\n {4}${leaf} .*\nthere are more: --after ${leaf}\n$`));
    expect((await asOperator('grants', 'tree', grant, '--limit', 'all')).code).toBe(2);

    for (const command of [['revoke'], ['grants', 'revoke']]) {
      const dry = await asOperator(...command, left, '--dry-run');
      expect(dry.out).toMatch(
        new RegExp(
          `^GRANT .*\n${left} .*\n {2}${leaf} .*\n2 grants would be revoked, 1 live capability and 0 calls in flight cut; nothing was revoked\n$`,
        ),
      );
    }
    expect(JSON.parse((await asOperator('revoke', left, '--dry-run', '--json')).out)).toMatchObject({
      grants: 2,
      capabilities: 1,
      calls: 0,
      nodes: [{ id: left, state: 'live' }, { id: leaf }],
    });
    // What it gives is live as well, from here on.
    expect(await held.accounts({})).toBeDefined();
    expect((await asOperator('grants', 'revoke', left, '--drain', '1s')).out).toBe('2 grants revoked\n');
    await expect(held.accounts({})).rejects.toThrow('the grant was revoked');
    expect((await asOperator('revoke', left, '--dry-run')).out).toBe(
      '0 grants would be revoked, 0 live capabilities and 0 calls in flight cut; nothing was revoked\n',
    );
    const live = await asOperator('grants', 'tree', grant, '--live', '--json');
    expect(JSON.parse(live.out).nodes.map(({ id }: { id: string }) => id)).toEqual([grant, right]);
    expect((await asOperator('revoke', grant, '--drain', 'soon')).code).toBe(2);
  });

  it('lets a reference made with --once restore one time', async () => {
    const { ref, grant } = await minted('once', '--once');
    expect((await sturdy(['call', ref, 'accounts'])).code).toBe(0);
    expect(await sturdy(['call', ref, 'accounts'])).toMatchObject({
      code: 1,
      err: 'sturdy: no such reference\n',
    });
    expect((await asOperator('grants')).out).toMatch(new RegExp(`\n${grant} +live, used `));
  });

  it('narrow and extend a grant, and rotate its reference', { timeout: 120_000 }, async () => {
    const { ref, grant } = await minted('amended', '--allow', 'Ledger.accounts,Ledger.find');
    const narrowed = await asOperator('grants', 'narrow', grant, '--allow', 'Ledger.find', '--no-delegable');
    expect(narrowed.out).toBe(`grant ${grant} allows: find; not delegable\n`);
    expect((await sturdy(['call', ref, 'accounts'])).err).toBe(
      'sturdy: the grant does not allow Ledger.accounts\n',
    );
    const extended = await asOperator('grants', 'extend', ref, '--json');
    expect(JSON.parse(extended.out)).toMatchObject({ grant, policy: { methods: { all: null } } });
    expect((await sturdy(['call', ref, 'accounts'])).code).toBe(0);
    const wrong = await asOperator('grants', 'narrow', grant, '--allow', 'Ledger.steal');
    expect(wrong.err).toBe('sturdy: Ledger has no method steal; it has open, find, accounts, transfer\n');

    const next = join(running.folder, 'rotated.ref');
    const rotated = await asOperator('grants', 'rotate', grant, '--overlap', '1h', '--out', next);
    expect(first(rotated.out)).toBe(`grant ${grant}; its reference is in ${next}`);
    expect((await stat(next)).mode & 0o777).toBe(0o600);
    for (const each of [ref, `@${next}`]) expect((await sturdy(['call', each, 'accounts'])).code).toBe(0);
    const last = JSON.parse((await asOperator('grants', 'rotate', grant, '--json')).out);
    expect(last.grant).toBe(grant);
    for (const each of [ref, `@${next}`])
      expect((await sturdy(['call', each, 'accounts'])).err).toBe('sturdy: no such reference\n');
    expect((await sturdy(['call', '-', 'accounts'], last.ref)).code).toBe(0);
    expect((await asOperator('grants', 'rotate', grant, '--overlap', 'long')).code).toBe(2);
  });
});

describe('sturdy domains and health', () => {
  it('list, stop and start a domain', async () => {
    expect((await asOperator('domains', 'start', 'ledger')).out).toMatch(
      /^NAME +TIER +STATE.*\nledger +thread +running/,
    );
    expect(JSON.parse((await asOperator('domains', 'stop', 'ledger', '--json')).out)).toMatchObject({
      state: 'stopped',
      detail: 'stopped by the operator',
    });
    expect((await asOperator('domains')).out).toMatch(/ledger +thread +stopped/);
    expect((await asOperator('domains', 'start', 'nobody')).code).toBe(1);
  });

  it('upgrade a domain to another module, and refuse what is no module, no schema of it, or no span', async () => {
    const upgrade = (...args: string[]) => asOperator('domains', 'upgrade', 'ledger', ...args);
    await open((await minted('upgrading')).ref, 'upgraded');
    const { ref } = await minted('upgraded', 'upgraded');
    // A relative path is one of where the command was given.
    await writeFile(
      join(running.folder, 'next.ts'),
      `export default (world) => ({
         main: {},
         restore: (id) => world.object('Account', id, { balance: () => ({ cents: 42n }) }),
       });\n`,
    );
    expect(await upgrade('--module', 'next.ts', '--drain', '1s')).toEqual({
      code: 0,
      out: 'ledger was upgraded\n',
      err: '',
    });
    expect(JSON.parse((await sturdy(['call', ref, 'balance'])).out)).toEqual({ cents: '42' });
    expect((await asOperator('domains')).out).toMatch(
      /^NAME .* CODE .*\nledger .* [0-9a-f]{12} upgraded \d{4}-\d\d-\d\dT[0-9:.]+Z$/m,
    );
    for (const [args, code, reason] of [
      [['--module', 'nothing.ts'], 1, 'the program of domain ledger cannot be made'],
      [['--schema', 'next.ts'], 1, 'next.ts is not a CodeGeneratorRequest'],
      [['--drain', 'long'], 2, '--drain: expected a span such as 30s, found long'],
    ] as const) {
      const ended = await upgrade(...args);
      expect([ended.code, ended.out]).toEqual([code, '']);
      expect(ended.err).toContain(reason);
    }
    expect(JSON.parse((await sturdy(['call', ref, 'balance'])).out)).toEqual({ cents: '42' });
    expect(JSON.parse((await upgrade('--json')).out)).toEqual({ cut: 0 });
    expect(JSON.parse((await sturdy(['call', ref, 'balance'])).out)).toEqual({ cents: '0' });
  });

  it('say whether the broker is ready', async () => {
    const { code, out } = await asOperator('health');
    expect([code, out]).toEqual([0, expect.stringMatching(/^ready, up \d+ s, \d+ connections\n$/)]);
  });

  it('ask whose broker is meant where nothing says so', async () => {
    const { code, err } = await sturdy(['domains']);
    expect([code, err]).toEqual([2, expect.stringContaining('--operator DATA/operator.ref')]);
  });
});

describe('what others write', () => {
  it('makes no line of its own on a terminal: not the name of a method, and not an error', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sturdy-forged-'));
    const schema = join(folder, 'forged.cgr');
    const bytes = await readFile(LEDGER_DOMAIN!.schema, 'latin1');
    await writeFile(schema, bytes.replaceAll('statement', 'state\nmen'), 'latin1');
    const forged = await Running.start({
      named: testDomain('counter', { schema }),
      thrown: testDomain('counter'),
    });
    try {
      const mint = (...args: string[]) =>
        sturdy(['mint', ...args, '--operator', forged.broker.operatorRefPath]);
      expect(await mint('named', 'a')).toMatchObject({
        code: 1,
        err: expect.stringMatching(/^sturdy: the schema has the name "state\\+nmen".*\n$/),
      });
      expect(await mint('thrown', 'forger')).toMatchObject({
        code: 1,
        err: 'sturdy: no\\nsturdy: 3 grants revoked\n',
      });
    } finally {
      await forged.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
