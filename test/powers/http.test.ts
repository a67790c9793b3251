import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createSocketServer, type Server as SocketServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpPower, type HttpRequest, type Resolve } from '../../broker/powers/http.js';
import { SecretUses } from '../../broker/powers/secret-uses.js';
import { powers } from '../../broker/powers/settings.js';
import { selfSigned } from '../../broker/self-signed.js';
import type { CallContext } from '../../rpc/index.js';
import { Guest } from './guest.js';

/** What the servers were asked. */
const asked: { method: string; url: string; headers: IncomingMessage['rawHeaders']; body: string }[] = [];
const servers: (Server | SocketServer)[] = [];
let guest: Guest;
let folder: string;
let here: string;
let other: string;
let ungranted: string;
let secure: string;
let stranger: string;
let raw: string;

const listening = (server: Server | SocketServer, scheme = 'http', host = '127.0.0.1'): Promise<string> =>
  new Promise((resolve) => {
    servers.push(server);
    server.listen(0, host, () => resolve(`${scheme}://${host}:${(server.address() as AddressInfo).port}`));
  });

const answer: RequestListener = (request, response) => {
  let body = '';
  request.on('data', (chunk) => {
    body += chunk;
  });
  request.on('end', () => {
    const { method = '', url = '' } = request;
    asked.push({ method, url, headers: request.rawHeaders, body });
    const at = new URL(url, 'http://x');
    const to = at.searchParams.get('to');
    switch (at.pathname) {
      case '/redirect':
        response.writeHead(Number(at.searchParams.get('status') ?? 302), { location: to! }).end();
        return;
      case '/loop':
        response.writeHead(302, { location: '/loop' }).end();
        return;
      case '/large':
        response.write(Buffer.alloc(600));
        response.end(Buffer.alloc(600));
        return;
      case '/endless':
        setInterval(() => response.write('more'), 5).unref();
        return;
      case '/never':
        return;
      case '/headers':
        for (let i = 0; i < Number(at.searchParams.get('count')); i++) response.setHeader(`x-${i}`, 'y');
        response.end();
        return;
      case '/wide':
        response.setHeader('x-wide', 'y'.repeat(5000)).end();
        return;
      case '/gzip':
        response.setHeader('content-encoding', 'gzip').end(gzipSync('bomb'.repeat(10_000)));
        return;
      case '/cookie':
        response.setHeader('set-cookie', ['a=1', 'b=2']).end();
        return;
      default:
        response.end(`hello from ${at.pathname}`);
    }
  });
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sturdy-http-'));
  here = await listening(createServer(answer));
  other = await listening(createServer(answer));
  ungranted = await listening(createServer(answer));
  const { certificate, key } = selfSigned('localhost');
  const tls = await listening(createTlsServer({ cert: certificate, key }, answer), 'https');
  secure = tls.replace('127.0.0.1', 'localhost');
  stranger = tls;
  raw = await listening(
    createSocketServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort'));
    }),
  );
  writeFileSync(join(folder, 'authorities.pem'), certificate);
  const http = {
    origins: [here, other, secure, stranger, raw, 'http://10.1.2.3', 'http://[::ffff:7f00:1]'],
    addresses: ['127.0.0.1', '::1'],
  };
  guest = await Guest.start(
    {
      guest: {
        powers: {
          http: {
            ...http,
            methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
            authorities: join(folder, 'authorities.pem'),
            maxConcurrent: 3,
            maxRequestBytes: 1000,
            maxResponseBytes: 1000,
            maxHeaders: 20,
            maxHeaderBytes: 4096,
            timeoutMillis: 2000,
            maxRedirects: 3,
          },
        },
      },
      plain: { powers: { http: { origins: [secure], addresses: ['127.0.0.1', '::1'] } } },
      cut: { powers: { http: { origins: [here], addresses: ['127.0.0.1'] } } },
      bound: {
        powers: {
          http: {
            ...http,
            maxRedirects: 0,
            policy: { where: [`Http.request.request.url prefix ${here}/open/`], maxCalls: 2 },
          },
        },
      },
    },
    join(folder, 'broker'),
  );
});
afterAll(async () => {
  await guest?.stop();
  for (const server of servers) {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

/** Has the domain make a request. */
const request = (wanted: Partial<HttpRequest> & { url: string }, domain = 'guest') =>
  guest.run(
    `const request = ${JSON.stringify({ method: 'GET', headers: [], redirects: 0, ...wanted, body: undefined })};
     request.body = bytes(${JSON.stringify(wanted.body === undefined ? '' : Buffer.from(wanted.body).toString('latin1'))});
     return (await grants.http.request({ request })).response;`,
    domain,
  );

/** Nothing of it is streamed. */
const PLAIN = { stream: false, source: null, length: 0n };

const text = (name: string, value: string) => ({ name, text: value });

describe('a request of a domain', () => {
  it('goes to an origin that was granted, and its response comes back whole', async () => {
    const { value } = await request({
      url: `${here}/a?b=c`,
      headers: [text('X-Mine', 'a'), text('x-mine', 'b')],
    });
    expect(value).toMatchObject({ status: 200, body: 'hello from /a', url: `${here}/a?b=c` });
    expect(value.headers).toContainEqual({ name: 'content-length', value: '13' });
    const { headers } = asked.at(-1)!;
    expect(headers.join(' ')).toContain('x-mine a x-mine b');
    expect(headers.join(' ')).toContain(`host ${here.slice(7)}`);
  });

  it('carries a body of the methods that have one', async () => {
    for (const method of ['POST', 'PUT', 'DELETE']) {
      await request({ url: `${here}/`, method, body: Buffer.from('the body') });
      expect(asked.at(-1)).toMatchObject({ method, body: 'the body' });
      expect(asked.at(-1)!.headers).toContain('content-length');
      expect(asked.at(-1)!.headers).not.toContain('transfer-encoding');
    }
    await request({ url: `${here}/`, method: 'POST' });
    expect(asked.at(-1)!.headers.join(' ')).toContain('content-length 0');
    expect((await request({ url: `${here}/`, body: Buffer.from('x') })).refused).toBe(
      'body: a request of the method GET has none',
    );
  });

  it.each([
    ['another origin', () => ({ url: `${ungranted}/` }), /^url: .* is not granted; granted are .*origins/],
    ['another port', () => ({ url: 'http://127.0.0.1:1/' }), /is not granted/],
    ['another scheme', () => ({ url: `${here.replace('http', 'https')}/` }), /is not granted/],
    ['a file', () => ({ url: 'file:///etc/passwd' }), /null is not granted/],
    ['data', () => ({ url: 'data:text/plain,x' }), /null is not granted/],
    ['no URL', () => ({ url: 'x' }), /^url: expected an absolute URL/],
    ['a URL in another form', () => ({ url: `${here}/a/../b` }), /^url: expected as a URL parser prints it/],
    ['a URL in another form', () => ({ url: here }), /^url: expected as a URL parser prints it/],
    [
      'the address in another form',
      () => ({ url: `${here.replace('127.0.0.1', '0x7f.1')}/` }),
      /^url: expected as a URL/,
    ],
    ['a line end', () => ({ url: `${here}/\r\nX: y` }), /^url: expected as a URL parser prints it/],
    ['a fragment', () => ({ url: `${here}/#x` }), /without a fragment/],
    ['a password', () => ({ url: `${here.replace('//', '//me:pass@')}/` }), /it has a user or a password/],
    ['another method', () => ({ url: `${here}/`, method: 'PATCH' }), /^method: "PATCH" is not granted/],
    ['a method in lower case', () => ({ url: `${here}/`, method: 'get' }), /^method: "get" is not granted/],
    ['CONNECT', () => ({ url: `${here}/`, method: 'CONNECT' }), /^method: "CONNECT" is not granted/],
    [
      'a method with a line end',
      () => ({ url: `${here}/`, method: 'GET /x HTTP/1.1\r\n' }),
      /^method: .* is not granted/,
    ],
    [
      'a private address',
      () => ({ url: 'http://10.1.2.3/' }),
      /address that is not public.*powers.http.addresses/,
    ],
    [
      'too many redirects',
      () => ({ url: `${here}/`, redirects: 4 }),
      /^redirects: 4; at most 3 .*maxRedirects/,
    ],
    [
      'too large a body',
      () => ({ url: `${here}/`, method: 'POST', body: Buffer.alloc(1001) }),
      /^body: 1001 bytes; at most 1000 are sent \(powers.http.maxRequestBytes\)/,
    ],
    [
      'too many headers',
      () => ({ url: `${here}/`, headers: Array.from({ length: 21 }, () => text('a', 'b')) }),
      /^headers: 21 of them; at most 20 are sent \(powers.http.maxHeaders\)/,
    ],
    [
      'too large headers',
      () => ({ url: `${here}/`, headers: [text('a', 'b'.repeat(4096))] }),
      /^headers: more than 4096 bytes.*maxHeaderBytes/,
    ],
  ] as const)('is not sent with %s, and the error names it: %#', async (_what, wanted, message) => {
    const before = asked.length;
    expect((await request(wanted() as HttpRequest)).refused).toMatch(message);
    expect(asked).toHaveLength(before);
  });

  it.each([
    'Host',
    'connection',
    'Transfer-Encoding',
    'content-length',
    'Proxy-Authorization',
    'proxy-connection',
    'TE',
    'upgrade',
    'Expect',
    'Keep-Alive',
  ])('sets no header that says where it goes or how it is framed: %s', async (name) => {
    expect((await request({ url: `${here}/`, headers: [text(name, 'x')] })).refused).toBe(
      `headers[0].name: ${name.toLowerCase()} is not for a request to set`,
    );
  });

  it.each([
    text('a b', 'x'),
    text('a:', 'x'),
    text('', 'x'),
    text('a\r\nb', 'x'),
    text('a', 'x\r\nhost: y'),
    text('a', 'x\ny'),
    text('a', 'x\0'),
    text('a', 'x\u0100'),
  ])('has no header that is read as another: %j', async (header) => {
    expect((await request({ url: `${here}/`, headers: [header] })).refused).toMatch(
      /^headers\[0\]\.(name|text): /,
    );
  });

  it('is bound by the policy of its grant, and constraints see the URL as it is sent', async () => {
    expect((await request({ url: `${here}/open/x` }, 'bound')).value.status).toBe(200);
    expect((await request({ url: `${here}/closed` }, 'bound')).refused).toMatch(/url/);
    expect((await request({ url: `${here}/open/../closed` }, 'bound')).refused).toMatch(/URL parser/);
    // Two calls passed the grant; the second one did not pass the power.
    expect((await request({ url: `${here}/open/x` }, 'bound')).refused).toMatch(/calls/);
  });

  it('is cut with its grant, while it waits', async () => {
    const closed = new Promise<void>((resolve) => {
      servers[0]!.once('request', (received) => received.once('close', resolve));
    });
    const waiting = request({ url: `${here}/never` }, 'cut');
    await expect.poll(() => asked.at(-1)!.url).toBe('/never');
    const id = await guest.grantOf('http', 'cut');
    await guest.revoke('http', 'cut');
    expect((await waiting).refused).toBe(`the grant was revoked (${id})`);
    await closed;
    expect((await request({ url: `${here}/` }, 'cut')).refused).toBe(`the grant was revoked (${id})`);
  });
});

describe('the response', () => {
  it.each([
    ['/large', /more than 1000 bytes \(powers.http.maxResponseBytes\)/],
    ['/endless', /maxResponseBytes|no response within 2000 ms/],
    ['/headers?count=30', /more than 20 headers came back \(powers.http.maxHeaders\)/],
    ['/wide', /its headers have more than 4096 bytes \(powers.http.maxHeaderBytes\)/],
    ['/never', /no response within 2000 ms \(powers.http.timeoutMillis\)/],
  ])('is bounded: %s', async (path, message) => {
    expect((await request({ url: `${here}${path}` })).refused).toMatch(message);
  });

  it('is not decompressed, and no cookie is kept', async () => {
    const { value } = await request({ url: `${here}/gzip` });
    expect(value.headers).toContainEqual({ name: 'content-encoding', value: 'gzip' });
    expect(value.body).toHaveLength(gzipSync('bomb'.repeat(10_000)).length);
    expect((await request({ url: `${here}/cookie` })).value.headers).toEqual(
      expect.arrayContaining([
        { name: 'set-cookie', value: 'a=1' },
        { name: 'set-cookie', value: 'b=2' },
      ]),
    );
    await request({ url: `${here}/` });
    expect(asked.at(-1)!.headers.join(' ').toLowerCase()).not.toContain('cookie');
  });

  it('that is cut short is none', async () => {
    expect((await request({ url: `${raw}/` })).refused).toMatch(/^http:.*: no response \(ECONNRESET\)$/);
  });

  it('is waited for by so many requests at a time, and more are overloaded', async () => {
    const { value } = await guest.run(`
      const request = { method: 'GET', url: '${here}/never', headers: [], body: bytes(''), redirects: 0 };
      const ended = await Promise.allSettled(Array.from({ length: 5 }, () => grants.http.request({ request })));
      return ended.map(({ reason }) => reason.message);`);
    expect(value.filter((message: string) => message.includes('maxConcurrent'))).toHaveLength(2);
    expect((await request({ url: `${here}/` })).value.status).toBe(200);
  });
});

describe('a redirect', () => {
  const to = (target: string, status = 302) =>
    `${here}/redirect?status=${status}&to=${encodeURIComponent(target)}`;

  it('is the response, unless it is to be followed', async () => {
    const { value } = await request({ url: to('/b') });
    expect(value.status).toBe(302);
    expect(value.headers).toContainEqual({ name: 'location', value: '/b' });
    expect((await request({ url: to('/b'), redirects: 1 })).value).toMatchObject({
      status: 200,
      url: `${here}/b`,
      body: 'hello from /b',
    });
  });

  it.each([
    [() => `${ungranted}/`, /^the redirect from .* is not granted/],
    [() => 'file:///etc/passwd', /is not granted/],
    [() => `//${ungranted.slice(7)}/x`, /is not granted/],
    [() => 'http://10.1.2.3/', /not public/],
    [() => `${other.replace('//', '//me@')}/`, /a user or a password/],
    [() => 'http://[', /it redirects to what is not a URL/],
  ])('is checked like a request: %#', async (target, message) => {
    const before = asked.length;
    expect((await request({ url: to(target()), redirects: 3 })).refused).toMatch(message);
    expect(asked).toHaveLength(before + 1);
  });

  it('is followed so many times', async () => {
    const before = asked.length;
    expect((await request({ url: `${here}/loop`, redirects: 3 })).refused).toMatch(/more than 3 redirects/);
    expect(asked).toHaveLength(before + 4);
  });

  it('leaves what tells who asks behind where it leads to another origin', async () => {
    const headers = [text('authorization', 'mine'), text('cookie', 'mine'), text('x-other', 'mine')];
    await request({ url: to('/b'), headers, redirects: 1 });
    expect(asked.at(-1)!.headers).toContain('authorization');
    await request({ url: to(`${other}/b`), headers, redirects: 1 });
    expect(asked.at(-1)!.url).toBe('/b');
    expect(asked.at(-1)!.headers).toContain('x-other');
    expect(asked.at(-1)!.headers).not.toContain('authorization');
    expect(asked.at(-1)!.headers).not.toContain('cookie');
  });

  it.each([
    [301, 'GET', ''],
    [302, 'GET', ''],
    [303, 'GET', ''],
    [307, 'POST', 'body'],
    [308, 'POST', 'body'],
  ])('of the status %i makes a POST a %s', async (status, method, body) => {
    await request({ url: to('/b', status), method: 'POST', body: Buffer.from('body'), redirects: 1 });
    expect(asked.at(-1)).toMatchObject({ method, url: '/b', body });
  });
});

describe('TLS', () => {
  it('is believed by the authorities that are configured, for the name that was asked', async () => {
    expect((await request({ url: `${secure}/` })).value.body).toBe('hello from /');
    expect((await request({ url: `${stranger}/` })).refused).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID/);
  });

  it('is not weakened by the environment', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      expect((await request({ url: `${secure}/` }, 'plain')).refused).toMatch(/SELF_SIGNED_CERT/);
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    }
  });
});

describe('a name', () => {
  const settings = powers.parse({
    http: { origins: ['http://name.example:8', 'http://[::1]:8'], timeoutMillis: 500 },
  }).http!;
  const context = { signal: new AbortController().signal } as unknown as CallContext;

  /** What a request fails with where the name has these addresses, one list after the other. */
  async function failure(...answers: string[][]): Promise<{ code: string; questions: number }> {
    let questions = 0;
    const resolve: Resolve = async () =>
      (answers[questions++] ?? answers.at(-1)!).map((address) => ({ address }));
    const http = new HttpPower({ settings, authorities: null, uses: new SecretUses(), resolve });
    const wanted = { method: 'GET', headers: [], body: new Uint8Array(), redirects: 0, ...PLAIN };
    const url = 'http://name.example:8/';
    const code = await http.request({ request: { ...wanted, url } }, context).then(
      () => 'none',
      (error) => error.code,
    );
    return { code, questions };
  }

  it.each([
    '127.0.0.1',
    '0.0.0.0',
    '10.0.0.1',
    '100.64.0.1',
    '169.254.169.254',
    '172.31.255.255',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:93.184.216.34',
    '64:ff9b::7f00:1',
    '64:ff9b:1::a00:1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    'fc00::1',
    'fd12::1',
    'fe80::1',
    'fe80::1%lo',
    'fec0::1',
    'ff02::1',
    '5f00::1',
    'no address',
  ])('that is at an address which is not public is refused: %s', async (address) => {
    expect(await failure([address])).toEqual({ code: 'ERR_HTTP_ADDRESS', questions: 1 });
  });

  it('is refused for any one of its addresses', async () => {
    expect((await failure(['93.184.216.34', '127.0.0.1'])).code).toBe('ERR_HTTP_ADDRESS');
    expect((await failure(['127.0.0.1', '2606:2800:220:1::1'])).code).toBe('ERR_HTTP_ADDRESS');
    expect((await failure([])).code).toBe('ERR_HTTP_UNREACHABLE');
  });

  it('is resolved once: what it answers the next time leads nowhere', async () => {
    const port = Number(new URL(here).port);
    const origin = `http://name.example:${port}`;
    const answers = [['127.0.0.1'], ['127.0.0.2'], ['10.0.0.1']];
    let questions = 0;
    const resolve: Resolve = async () => answers[questions++]!.map((address) => ({ address }));
    const granted = powers.parse({ http: { origins: [origin], addresses: ['127.0.0.0/8'] } }).http!;
    const http = new HttpPower({ settings: granted, authorities: null, uses: new SecretUses(), resolve });
    const wanted = { method: 'GET', headers: [], body: new Uint8Array(), redirects: 0, ...PLAIN };
    const { response } = await http.request({ request: { ...wanted, url: `${origin}/first` } }, context);
    expect(response.status).toBe(200);
    expect(questions).toBe(1);
    expect(asked.at(-1)!.headers.join(' ')).toContain(`host name.example:${port}`);
    // The next request asks again, checks again, and goes where it was told then: nobody listens there.
    await expect(http.request({ request: { ...wanted, url: `${origin}/` } }, context)).rejects.toMatchObject({
      code: 'ERR_HTTP_UNREACHABLE',
    });
    await expect(http.request({ request: { ...wanted, url: `${origin}/` } }, context)).rejects.toMatchObject({
      code: 'ERR_HTTP_ADDRESS',
    });
    expect(questions).toBe(3);
  });

  it('that is never resolved is waited for no longer than a response', async () => {
    const resolve: Resolve = () => new Promise(() => {});
    const http = new HttpPower({ settings, authorities: null, uses: new SecretUses(), resolve });
    const wanted = { method: 'GET', headers: [], body: new Uint8Array(), redirects: 0, ...PLAIN };
    await expect(
      http.request({ request: { ...wanted, url: 'http://name.example:8/' } }, context),
    ).rejects.toMatchObject({ code: 'ERR_HTTP_TIMEOUT' });
  });
});
