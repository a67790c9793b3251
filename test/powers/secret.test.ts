import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSecret, SecretPower } from '../../broker/powers/secret.js';
import { SecretUses } from '../../broker/powers/secret-uses.js';
import { Guest } from './guest.js';

const VALUE = 'Bearer uXe7-the-value-of-the-secret-93Fq';

let guest: Guest;
let folder: string;
let here: string;
let other: string;
const received: string[] = [];
const servers: Server[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sturdy-secret-'));
  const start = () =>
    new Promise<string>((resolve) => {
      const server = createServer((request, response) => {
        received.push(request.headers['authorization'] ?? request.headers['x-key']?.toString() ?? 'none');
        if (request.url === '/echo') response.end(request.headers['authorization']);
        else if (request.url === '/away') response.writeHead(307, { location: `${other}/` }).end();
        else response.end('thanks');
      });
      servers.push(server);
      server.listen(0, '127.0.0.1', () =>
        resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
      );
    });
  here = await start();
  other = await start();
  const file = join(folder, 'key');
  writeFileSync(file, `${VALUE}\n`, { mode: 0o600 });
  const secret = { file, origins: [here], headers: ['authorization'] };
  const http = {
    origins: [here, other],
    addresses: ['127.0.0.1'],
    methods: ['GET' as const],
    timeoutMillis: 3000,
  };
  guest = await Guest.start(
    {
      guest: {
        powers: {
          http,
          secret: { key: secret, scarce: { ...secret, policy: { maxCalls: 1 } } },
          log: true,
          storage: true,
        },
      },
      other: { powers: { http, secret: { late: secret } } },
    },
    join(folder, 'broker'),
  );
});
afterAll(async () => {
  await guest?.stop();
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A request with this header, as source. */
const sent = (url: string, header: string) =>
  `(await grants.http.request({ request: { method: 'GET', url: '${url}', headers: [${header}],
    body: bytes(''), redirects: 5 } })).response`;

describe('a secret', () => {
  it('is sent in the header and to the origin that it is for', async () => {
    const { value } = await guest.run(
      `return ${sent(`${here}/`, `{ name: 'Authorization', secret: grants.key }`)}.body;`,
    );
    expect(value).toBe('thanks');
    expect(received.at(-1)).toBe(VALUE);
  });

  it('is not sent elsewhere, and the error says where it may be', async () => {
    const before = received.length;
    const elsewhere = await guest.run(
      `return ${sent(`${other}/`, `{ name: 'authorization', secret: grants.key }`)};`,
    );
    expect(elsewhere.refused).toBe(`the secret key is not for ${other}; it is for ${here}`);
    const otherwise = await guest.run(`return ${sent(`${here}/`, `{ name: 'x-key', secret: grants.key }`)};`);
    expect(otherwise.refused).toBe('the secret key is not for a header x-key; it is for authorization');
    expect(received).toHaveLength(before);
  });

  it('does not follow a redirect to another origin', async () => {
    const { value } = await guest.run(
      `return ${sent(`${here}/away`, `{ name: 'authorization', secret: grants.key }`)};`,
    );
    expect(value).toMatchObject({ status: 200, url: `${other}/` });
    expect(received.slice(-2)).toEqual([VALUE, 'none']);
  });

  it('is given by no method, whatever is called on it or made of it', async () => {
    const { value } = await guest.run(`
      const said = [String(grants.key), JSON.stringify(grants.key) ?? ''];
      for (const name of ['toString', 'value', 'get', 'read', 'save', 'describe', 'constructor', 'valueOf', 'redeem'])
        try { said.push(JSON.stringify(await grants.key[name]({ ticket: bytes('x'.repeat(32)) }))); }
        catch (error) { said.push(error.message + error.stack); }
      return said;`);
    expect(value.join(' ')).not.toContain(VALUE.slice(7));
    expect(value.join(' ')).toContain('ticket: of no use that is under way');
  });

  it('counts its uses, and is refused over the policy of its grant', async () => {
    const once = sent(`${here}/`, `{ name: 'authorization', secret: grants.scarce }`);
    expect((await guest.run(`return ${once}.status;`)).value).toBe(200);
    expect((await guest.run(`return ${once}.status;`)).refused).toMatch(/calls/);
  });

  it('is nothing that a domain can play: what it makes itself is none, and learns of no value', async () => {
    const { refused } = await guest.run(
      `return ${sent(`${here}/`, `{ name: 'authorization', secret: { redeem: () => ({}) } }`)};`,
    );
    expect(refused).toBe('it is no secret of this broker');
    const late = await guest.run(
      `return ${sent(`${here}/`, `{ name: 'authorization', secret: { redeem: () => new Promise(() => {}) } }`)};`,
    );
    expect(late.refused).toMatch(/powers.http.timeoutMillis/);
    const none = await guest.run(`return ${sent(`${here}/`, `{ name: 'authorization', secret: null }`)};`);
    expect(none.refused).toBe('headers[0]: expected text or secret');
  });

  it('is asked by a domain in the middle for nothing but what it is for', async () => {
    // Whoever gets the ticket can redeem it only by a secret, for the origin and the header of the ticket.
    const relay = (url: string) =>
      guest.run(
        `const relay = { redeem: ({ ticket }) => grants.key.redeem({ ticket }) };
         return ${sent(url, `{ name: 'authorization', secret: relay }`)}.status;`,
      );
    expect((await relay(`${here}/`)).value).toBe(200);
    expect(received.at(-1)).toBe(VALUE);
    expect((await relay(`${other}/`)).refused).toMatch(/the secret key is not for/);
    const again = await guest.run(
      `let kept;
       const relay = { redeem: ({ ticket }) => { kept = ticket; return grants.key.redeem({ ticket }); } };
       await ${sent(`${here}/`, `{ name: 'authorization', secret: relay }`)};
       return grants.key.redeem({ ticket: kept });`,
    );
    expect(again.refused).toMatch(/^ticket: /);
  });

  it('is of no use when its grant was revoked', async () => {
    const id = await guest.grantOf('late', 'other');
    await guest.revoke('late', 'other');
    const { refused } = await guest.run(
      `return ${sent(`${here}/`, `{ name: 'authorization', secret: grants.late }`)};`,
      'other',
    );
    expect(refused).toBe(`the grant was revoked (${id})`);
  });

  it('is not inspected, printed or logged, and does not stand in the audit log or in a listing', async () => {
    // What a server sends back is its own affair, and the domain's.
    const echo = await guest.run(
      `return ${sent(`${here}/echo`, `{ name: 'authorization', secret: grants.key }`)}.body;`,
    );
    expect(echo.value).toBe(VALUE);
    const settings = { file: join(folder, 'key'), origins: [here], headers: ['authorization'] };
    const uses = new SecretUses();
    const power = new SecretPower('key', await readSecret(settings.file, 'x'), settings, uses);
    const { entries } = await guest.operator.audit({ after: 0n, limit: 0 });
    const { grants } = await guest.operator.grants({});
    const shown = [
      inspect(power, { depth: 9, showHidden: true }),
      JSON.stringify(power),
      String(power),
      inspect(entries, { depth: 9 }),
      inspect(grants, { depth: 9 }),
      inspect(guest, { depth: 9, showHidden: true }),
      guest.lines.join(),
    ].join();
    expect(guest.lines.length).toBeGreaterThan(0);
    expect(shown).not.toContain(VALUE.slice(7));
  });
});

describe('the file of a secret', () => {
  const refusal = async (content: string, mode = 0o600) => {
    const file = join(folder, 'other');
    writeFileSync(file, content);
    chmodSync(file, mode);
    return readSecret(file, 'domains.x.powers.secret.key').catch((error: Error) => error.message);
  };

  it.each([0o640, 0o604, 0o660, 0o622])("has to be its owner's alone: mode %o", async (mode) => {
    expect(await refusal('a-secret', mode)).toMatch(/^domains.x.powers.secret.key.file: .* expected 0600$/);
  });

  it.each(['', '\n', 'two\nlines', ' blank', 'tab\t', 'ünicode', 'nul\0', 'a\r\nb: c'])(
    'has to be one line of printable ASCII, and is not repeated: %j',
    async (content) => {
      const message = await refusal(content);
      expect(message).toMatch(/expected one line of printable ASCII/);
      if (content.length > 1) expect(message).not.toContain(content);
    },
  );

  it('has to be there, a file, and no longer than a header may be', async () => {
    expect(await refusal('x'.repeat(9000))).toMatch(/9000 bytes; at most 8192/);
    await expect(readSecret(join(folder, 'none'), 'x')).rejects.toThrow(/ENOENT/);
    await expect(readSecret(folder, 'x')).rejects.toThrow(/is not a file/);
    expect(await refusal('a-secret\r\n')).toBe('a-secret');
  });
});
