import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Guest } from './guest.js';

const MIB = 1 << 20;

/** A request that the server has taken, in whose hands its response is. */
interface Taken {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

let guest: Guest;
let server: Server;
let here: string;
/** By their paths; each path is asked for once. */
const taken = new Map<string, (taken: Taken) => void>();

const takes = (path: string): Promise<Taken> => new Promise((resolve) => taken.set(path, resolve));
const closed = ({ response }: Taken): Promise<unknown> =>
  response.destroyed ? Promise.resolve() : once(response, 'close');
const bodyOf = async (request: IncomingMessage): Promise<Buffer> =>
  Buffer.concat((await request.toArray()) as Buffer[]);

beforeAll(async () => {
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://x');
    const take = taken.get(pathname);
    taken.delete(pathname);
    if (take !== undefined) return take({ request, response });
    switch (pathname) {
      case '/bytes':
        response.end(Buffer.alloc(300_000, 'x'));
        return;
      case '/echo':
        request.pipe(response);
        return;
      case '/told':
        void bodyOf(request).then(
          (body) =>
            response.end(
              JSON.stringify({
                bytes: body.length,
                sum: body.reduce((a, b) => a + b, 0),
                ...request.headers,
              }),
            ),
          () => {},
        );
        return;
      case '/redirect':
        response.writeHead(Number(new URL(request.url!, 'http://x').searchParams.get('status')), {
          location: '/bytes',
        });
        response.end();
        return;
      default:
        response.writeHead(404).end();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  here = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const http = {
    origins: [here],
    addresses: ['127.0.0.1'],
    methods: ['GET' as const, 'HEAD' as const, 'POST' as const, 'PUT' as const],
    maxResponseBytes: 1000,
    maxRequestBytes: 1000,
    // What ends sooner ends by something else.
    bodyIdleMillis: 600_000,
    maxStreamedRequestBytes: 1024 * MIB,
    maxStreamedResponseBytes: 1024 * MIB,
  };
  const short = { ...http, bodyIdleMillis: 400 };
  guest = await Guest.start({
    guest: { powers: { http } },
    impatient: { powers: { http: { ...short, maxBodies: 2, timeoutMillis: 100 } } },
    small: {
      powers: {
        http: {
          ...http,
          maxResponseBytes: 200_000,
          maxStreamedRequestBytes: 500,
          maxStreamedResponseBytes: undefined,
        },
      },
    },
    metered: { powers: { http: { ...http, policy: { maxBytes: 400_000 } } } },
    counted: { powers: { http: { ...http, policy: { maxCalls: 3 } } } },
    bound: {
      powers: {
        http: {
          ...http,
          maxRedirects: 0,
          policy: { methods: ['Http.request'], where: [`Http.request.request.url prefix ${here}/open/`] },
        },
      },
    },
    cut: { powers: { http } },
    ended: { powers: { http } },
  });
});
afterAll(async () => {
  await guest?.stop();
  server?.closeAllConnections();
  server?.close();
});

/** Has the domain run this, with `open(path, more)`, `readAll(stream)` and `sourceOf(chunks)`. */
const run = (source: string, domain = 'guest') =>
  guest.run(
    `const plainly = { method: 'GET', headers: [], body: bytes(''), redirects: 0 };
     const request = async (path, more = {}) =>
       (await grants.http.request({ request: { ...plainly, url: '${here}' + path, ...more } })).response;
     const open = (path, more = {}) => request(path, { stream: true, ...more });
     const readAll = async (stream, maxBytes = 0) => {
       const sizes = [];
       for (;;) {
         const { chunk, end } = await stream.read({ maxBytes });
         sizes.push(chunk.length);
         if (end) return sizes;
       }
     };
     const total = (sizes) => sizes.reduce((a, b) => a + b, 0);
     const sourceOf = (chunks) => ({ read: () => ({ chunk: bytes(chunks.shift()), end: chunks.length === 0 }) });
     const refusal = (promise) => promise.then(() => 'none', ({ message }) => message);
     ${source}`,
    domain,
  );

/** Writes until the other end takes no more, and gives how much that was. */
async function fill({ response }: Taken, most = 256 * MIB): Promise<number> {
  const chunk = Buffer.alloc(MIB / 4, 'x');
  let written = 0;
  while (written < most && !response.destroyed) {
    written += chunk.length;
    if (response.write(chunk)) continue;
    const drained = await Promise.race([
      once(response, 'drain').then(() => true),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 500)),
    ]);
    if (!drained) break;
  }
  return written;
}

describe('the body of a response that is streamed', () => {
  it('is read in chunks of the size that was asked for, to its end', async () => {
    const { value } = await run(`
      const { status, body, stream, url } = await open('/bytes');
      const first = await stream.read({ maxBytes: 7 });
      const sizes = await readAll(stream, 50_000);
      const behind = await stream.read({ maxBytes: 0 });
      return { status, body, url, first: first.chunk.length, sizes, total: total(sizes), behind };`);
    expect(value).toMatchObject({ status: 200, body: '', url: `${here}/bytes`, first: 7, total: 299_993 });
    expect(value.sizes.slice(0, -1).every((size: number) => size > 0 && size <= 50_000)).toBe(true);
    expect(value.behind).toEqual({ chunk: '', end: true });
    const { value: large } = await run(`return readAll((await open('/bytes')).stream, 4_000_000_000);`);
    expect(Math.max(...large)).toBeLessThanOrEqual(65_536);
  });

  it('is there with the headers, and what has come of it before the rest', async () => {
    const path = '/slowly';
    const come = takes(path);
    const reading = run(`
      const { stream } = await open('${path}');
      self.head = true;
      const first = await stream.read({ maxBytes: 0 });
      await request('/first');
      return [first, await stream.read({ maxBytes: 0 }), await stream.read({ maxBytes: 0 })];`);
    const { response } = await come;
    const asked = takes('/first');
    response.write('one');
    (await asked).response.end();
    response.end('two');
    const { value } = await reading;
    expect(value.map(({ chunk }: { chunk: string }) => chunk).join('')).toBe('onetwo');
    expect(value[0]).toEqual({ chunk: 'one', end: false });
    expect(value[2].end).toBe(true);
  });

  it('that is empty has its end at once', async () => {
    const { value } = await run(`
      const { stream, status } = await open('/nothing');
      const head = await open('/bytes', { method: 'HEAD' });
      return [status, await stream.read({ maxBytes: 0 }), await head.stream.read({ maxBytes: 0 })];`);
    expect(value).toEqual([404, { chunk: '', end: true }, { chunk: '', end: true }]);
  });

  it('answers reads that were made together in their order', async () => {
    const path = '/together';
    const come = takes(path);
    const reading = run(`
      const { stream } = await open('${path}');
      const reads = [3, 4, 5, 6].map((maxBytes) => stream.read({ maxBytes }));
      return (await Promise.all(reads)).map(({ chunk }) => text(chunk));`);
    (await come).response.end('aaabbbbcccccdddddd');
    expect((await reading).value).toEqual(['aaa', 'bbbb', 'ccccc', 'dddddd']);
  });

  it('comes no faster than it is read: the rest waits at the other end', async () => {
    const path = '/endless';
    const come = takes(path);
    const opened = run(`
      const { stream } = await open('${path}');
      self.stream = stream;
      return (await stream.read({ maxBytes: 1 })).chunk.length;`);
    const there = await come;
    // What is under way is in the sockets of the system, and no more than those hold.
    const first = await fill(there);
    expect((await opened).value).toBe(1);
    expect(first).toBeLessThan(64 * MIB);
    expect(there.response.destroyed).toBe(false);
    expect(await fill(there)).toBeLessThanOrEqual(MIB);
    const { value, refused } = await run(`
      let read = 0;
      while (read <= ${first / 2}) read += (await self.stream.read({ maxBytes: 0 })).chunk.length;
      return read;`);
    expect(refused).toBeUndefined();
    expect(value).toBeGreaterThan(first / 2);
    expect(await fill(there)).toBeGreaterThan(MIB / 4);
    const over = closed(there);
    await run(`self.stream[Symbol.dispose](); return null;`);
    await over;
  });

  it('ends the request where it is let go of, also when it waits', async () => {
    for (const [path, read] of [
      ['/dropped', ''],
      ['/dropped-waiting', 'const waiting = refusal(stream.read({ maxBytes: 0 }));'],
    ] as const) {
      const come = takes(path);
      const dropped = run(
        `const { stream } = await open('${path}'); ${read} stream[Symbol.dispose](); return null;`,
      );
      const there = await come;
      const over = closed(there);
      there.response.flushHeaders();
      await dropped;
      if (read === '') await over;
      else {
        // The read holds it until it is answered.
        there.response.end('x');
        await over;
      }
    }
  });

  /** Has a domain hold a body of which a byte has come; `over` is when its connection is gone. */
  async function keptOpen(path: string, domain: string): Promise<{ over: Promise<unknown> }> {
    const come = takes(path);
    const opened = run(`self.stream = (await open('${path}')).stream; return null;`, domain);
    const there = await come;
    const over = closed(there);
    there.response.write('x');
    await opened;
    return { over };
  }

  it('ends with the domain', async () => {
    const { over } = await keptOpen('/ended', 'ended');
    await guest.operator.stop({ domain: 'ended' });
    await over;
  });

  it('ends with the grant', async () => {
    const { over } = await keptOpen('/revoked', 'cut');
    const id = await guest.grantOf('http', 'cut');
    await guest.revoke('http', 'cut');
    await over;
    expect((await run(`return refusal(self.stream.read({ maxBytes: 0 }));`, 'cut')).value).toBe(
      `the grant was revoked (${id})`,
    );
  });

  it('is cut where nobody reads it, and its place is free again', async () => {
    const comes = [takes('/idle/1'), takes('/idle/2')];
    const opened = run(
      `self.streams = [await open('/idle/1'), await open('/idle/2')].map(({ stream }) => stream);
       return refusal(open('/idle/3'));`,
      'impatient',
    );
    const cut: Promise<unknown>[] = [];
    for (const come of comes) {
      const there = await come;
      cut.push(closed(there));
      there.response.write('x');
    }
    expect((await opened).value).toBe('2 bodies are open (powers.http.maxBodies)');
    await Promise.all(cut);
    const { value } = await run(
      `return [await refusal(self.streams[0].read({ maxBytes: 0 })), total(await readAll((await open('/bytes')).stream))];`,
      'impatient',
    );
    expect(value).toEqual([
      `${here}: nobody read its response for 400 ms (powers.http.bodyIdleMillis)`,
      300_000,
    ]);
  });

  it('is cut where nothing more of it comes, and not by the time that a request may take', async () => {
    const come = takes('/stalls');
    const reading = run(
      `const { stream } = await open('/stalls');
       const chunks = [];
       for (let i = 0; i < 4; i++) chunks.push(text((await stream.read({ maxBytes: 0 })).chunk));
       return [chunks.join(''), await refusal(stream.read({ maxBytes: 0 })), await refusal(stream.read({ maxBytes: 0 }))];`,
      'impatient',
    );
    const there = await come;
    for (const part of ['a', 'b', 'c', 'd']) {
      there.response.write(part);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const over = closed(there);
    const why = `${here}: nothing more of its response came for 400 ms (powers.http.bodyIdleMillis)`;
    expect((await reading).value).toEqual(['abcd', why, why]);
    await over;
  });

  it('leaves its place when it was read to its end, was cut short, or never began', async () => {
    const { value } = await run(
      `const sizes = [];
       for (let i = 0; i < 5; i++) sizes.push(total(await readAll((await open('/bytes')).stream)));
       const failures = [];
       for (let i = 0; i < 5; i++) failures.push(await refusal(open('/bytes', { method: 'DELETE' })));
       const held = [];
       for (let i = 0; i < 3; i++) held.push(await refusal(open('/never/' + i)));
       return { sizes, failures, held };`,
      'impatient',
    );
    expect(value.sizes).toEqual(Array(5).fill(300_000));
    expect(new Set(value.failures).size).toBe(1);
    expect(value.held).toEqual(['none', 'none', '2 bodies are open (powers.http.maxBodies)']);
  });

  it('that takes too long to begin has no place', async () => {
    const comes = Promise.all([takes('/late/1'), takes('/late/2'), takes('/late/3')]);
    // The three that the test before has left are cut first.
    await expect
      .poll(
        async () =>
          (await run(`return refusal(open('/bytes').then(({ stream }) => readAll(stream)));`, 'impatient'))
            .value,
      )
      .toBe('none');
    const { value } = await run(
      `const late = [];
       for (let i = 1; i <= 3; i++) late.push(await refusal(open('/late/' + i)));
       return late;`,
      'impatient',
    );
    expect(value).toEqual(Array(3).fill(`${here}: no response within 100 ms (powers.http.timeoutMillis)`));
    await comes;
  });

  it('has no more bytes than may be: those of a whole one, where nothing else is set', async () => {
    const { value } = await run(
      `const { stream } = await open('/bytes');
       let read = 0;
       const message = await refusal((async () => { for (;;) read += (await stream.read({ maxBytes: 0 })).chunk.length; })());
       return { read, message };`,
      'small',
    );
    expect(value.message).toBe(
      `${here}: its response has more than 200000 bytes (powers.http.maxResponseBytes)`,
    );
    expect(value.read).toBeLessThanOrEqual(200_000);
    expect((await run(`return refusal(request('/bytes'));`)).value).toBe(
      `${here}: its response has more than 1000 bytes (powers.http.maxResponseBytes)`,
    );
  });

  it('that is cut short gives what came, and then fails', async () => {
    const come = takes('/short');
    const reading = run(`
      const { stream } = await open('/short');
      const { chunk } = await stream.read({ maxBytes: 0 });
      await request('/shortened');
      return [text(chunk), await refusal(stream.read({ maxBytes: 0 }))];`);
    const { response } = await come;
    response.setHeader('content-length', 100).write('some');
    const asked = takes('/shortened');
    const { response: other } = await asked;
    response.socket!.destroy();
    other.end();
    expect((await reading).value).toEqual(['some', `${here}: no response (ECONNRESET)`]);
  });

  it('counts under the policy of the grant: its bytes, and each read as a call', async () => {
    const read = `
      const { stream } = await open('/bytes');
      let read = 0;
      const message = await refusal((async () => { for (let end = false; !end;) {
        const found = await stream.read({ maxBytes: 0 });
        read += found.chunk.length;
        end = found.end;
      } })());
      return { read, message };`;
    expect((await run(read, 'metered')).value).toEqual({ read: 300_000, message: 'none' });
    const second = (await run(read, 'metered')).value;
    expect(second.read).toBeLessThan(100_000);
    expect(second.message).toMatch(/bytes/);
    const { value } = await run(
      `const { stream } = await open('/bytes');
       return [await refusal(stream.read({ maxBytes: 1 })), await refusal(stream.read({ maxBytes: 1 })),
         await refusal(stream.read({ maxBytes: 1 }))];`,
      'counted',
    );
    expect(value.slice(0, 2)).toEqual(['none', 'none']);
    expect(value[2]).toMatch(/calls/);
  });

  it('is bound by what the policy says of a request, and by the methods that it lists', async () => {
    expect((await run(`return refusal(open('/bytes'));`, 'bound')).value).toMatch(/url/);
    const { value } = await run(
      `const { status, stream } = await open('/open/x');
       return [status, await refusal(stream.read({ maxBytes: 0 }))];`,
      'bound',
    );
    expect(value[0]).toBe(404);
    expect(value[1]).toMatch(/read/);
  });

  it('is that of where a redirect leads, of which no body is read', async () => {
    const { value } = await run(`
      const { stream, url } = await open('/redirect?status=302', { redirects: 1 });
      return [url, total(await readAll(stream))];`);
    expect(value).toEqual([`${here}/bytes`, 300_000]);
  });
});

describe('the body of a request that is streamed', () => {
  it('is sent as its source gives it, in the chunks of HTTP, or with its length', async () => {
    const { value } = await run(`
      const post = async (more) =>
        JSON.parse(text((await request('/told', { method: 'POST', source: sourceOf(['ab', 'cd', 'e']), ...more })).body));
      return [await post({}), await post({ length: 5n })];`);
    expect(value).toMatchObject([
      { bytes: 5, sum: 495, 'transfer-encoding': 'chunked' },
      { bytes: 5, sum: 495, 'content-length': '5' },
    ]);
    expect(value[0]['content-length']).toBeUndefined();
    expect(value[1]['transfer-encoding']).toBeUndefined();
  });

  it('may be empty', async () => {
    const { value } = await run(`
      return JSON.parse(text((await request('/told', { method: 'POST', source: sourceOf(['']) })).body)).bytes;`);
    expect(value).toBe(0);
  });

  it('is asked of its source no faster than the other end takes it', async () => {
    const come = takes('/slow-taker');
    const sending = run(`
      self.reads = 0;
      const chunk = new Uint8Array(65_536);
      const source = { read: () => ({ chunk, end: ++self.reads === 800 }) };
      const { status } = await request('/slow-taker', { method: 'PUT', source });
      return [status, self.reads];`);
    const { request, response } = await come;
    const reads = async () => (await run('return self.reads;')).value as number;
    let last = -1;
    await expect
      .poll(
        async () => {
          const now = await reads();
          const isStill = now === last;
          last = now;
          return isStill;
        },
        { interval: 500, timeout: 20_000 },
      )
      .toBe(true);
    // 50 MiB would be sent: what is under way is in the sockets of the system.
    expect(last).toBeLessThan(600);
    const body = await bodyOf(request);
    response.end();
    expect(body.length).toBe(800 * 65_536);
    expect((await sending).value).toEqual([200, 800]);
  });

  it('may be the body of a response, and may be answered while it is sent', async () => {
    const { value } = await run(`
      const { stream } = await open('/bytes');
      const echo = await open('/echo', { method: 'POST', source: stream });
      return total(await readAll(echo.stream));`);
    expect(value).toBe(300_000);
  });

  it('is not asked for any more when the response was read, and its source is let go of', async () => {
    const come = takes('/early');
    const sending = run(`
      let gone;
      const over = new Promise((resolve) => { gone = resolve; });
      let reads = 0;
      const source = {
        read: (_, { signal }) => (++reads === 1
          ? { chunk: bytes('x'), end: false }
          : new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('over'))))),
        [Symbol.dispose]: () => gone(),
      };
      const { status, body } = await request('/early', { method: 'POST', source });
      await over;
      return [status, text(body), reads];`);
    (await come).response.writeHead(413).end('no');
    expect((await sending).value).toEqual([413, 'no', 2]);
  });

  it.each([
    [
      'more than its length',
      `source: sourceOf(['abc', 'def']), length: 5n`,
      'source: it gave more than its length, 5 bytes',
    ],
    [
      'less than its length',
      `source: sourceOf(['abc']), length: 5n`,
      'source: it gave less than its length, 5 bytes',
    ],
    [
      'nothing, without an end',
      `source: { read: () => ({ chunk: bytes(''), end: false }) }`,
      'source: its read gave nothing, and it is not the end',
    ],
    [
      'more than was asked for',
      `source: { read: () => ({ chunk: new Uint8Array(65_537), end: true }) }`,
      'source: its read gave 65537 bytes, and was asked for at most 65536',
    ],
    ['an error', `source: { read: () => { throw new Error('no more paper'); } }`, 'no more paper'],
  ])('fails where its source gives %s, and no whole request arrives', async (_what, more, message) => {
    const come = takes('/failing');
    const sending = run(`return refusal(request('/failing', { method: 'POST', ${more} }));`);
    const aborted = Promise.race([
      come.then(({ request }) =>
        bodyOf(request).then(
          () => 'whole',
          () => 'cut',
        ),
      ),
      sending.then(() => 'never begun'),
    ]);
    expect((await sending).value).toBe(message);
    expect(await aborted).not.toBe('whole');
    taken.delete('/failing');
  });

  it.each([
    [
      'a body besides',
      `method: 'POST', body: bytes('x'), source: sourceOf(['x'])`,
      /^body: there is a source, too/,
    ],
    ['a method without one', `source: sourceOf(['x'])`, /^body: a request of the method GET has none/],
    ['a length and no source', `method: 'POST', length: 4n`, /^length: it is that of a source/],
    [
      'too great a length',
      `method: 'POST', source: sourceOf(['x']), length: 2000000000n`,
      /^length: 2000000000 bytes; at most 1073741824 are sent \(powers.http.maxStreamedRequestBytes\)/,
    ],
  ])('is refused with %s', async (_what, more, message) => {
    expect((await run(`return refusal(request('/told', { ${more} }));`)).value).toMatch(message);
  });

  it('has no more bytes than may be sent', async () => {
    const { value } = await run(
      `const source = { read: () => ({ chunk: new Uint8Array(100), end: false }) };
       return refusal(request('/told', { method: 'POST', source }));`,
      'small',
    );
    expect(value).toBe('source: more than 500 bytes; so many are sent (powers.http.maxStreamedRequestBytes)');
  });

  it('may take its time as long as there is some, and is given up where its source stands still', async () => {
    const { value } = await run(
      `const tick = async () => { for (let i = 0; i < 20; i++) await refusal(request('/told')); };
       let gone = 0;
       const chunks = ['a', 'b', 'c', 'd'];
       const slow = { read: async () => { await tick(); return { chunk: bytes(chunks.shift()), end: chunks.length === 0 }; } };
       const sent = JSON.parse(text((await (await open('/told', { method: 'POST', source: slow })).stream.read({ maxBytes: 0 })).chunk));
       const still = { read: () => new Promise(() => {}) };
       return [sent.bytes, await refusal(request('/told', { method: 'POST', source: still }))];`,
      'impatient',
    );
    expect(value).toEqual([
      4,
      `${here}: the source of the body gave nothing for 400 ms (powers.http.bodyIdleMillis)`,
    ]);
  });

  it('counts under the policy of the grant', async () => {
    const { value } = await run(
      `let reads = 0;
       const source = { read: () => ({ chunk: new Uint8Array(60_000), end: ++reads === 20 }) };
       return [await refusal(request('/told', { method: 'POST', source })), reads];`,
      'metered',
    );
    expect(value[0]).toMatch(/bytes/);
    expect(value[1]).toBeLessThan(10);
  });

  it('is not sent a second time: a redirect that would have it so is an error, and one that would not is followed', async () => {
    const { value } = await run(`
      const put = (status) =>
        open('/redirect?status=' + status, { method: 'POST', source: sourceOf(['x']), redirects: 1 });
      const { stream, url } = await put(303);
      return [url, total(await readAll(stream)), await refusal(put(307))];`);
    expect(value).toEqual([
      `${here}/bytes`,
      300_000,
      `${here}: it redirects, and the body would be sent again; that of a source is read once`,
    ]);
  });
});
