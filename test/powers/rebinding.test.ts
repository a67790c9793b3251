/**
 * A hostile domain, and a hostile owner of the name that it was granted: the name is at an allowed address when the broker first asks,
 * and at one inside afterwards. What listens there is real, and is to be reached by nobody.
 */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Guest } from './guest.js';

/** Granted: it stands for an address that is public, which no test connects to. */
const OUTSIDE = '127.0.0.1';
const INSIDE = '127.0.0.2';

const servers: Server[] = [];
/** Where they were asked, and for what. */
const asked: string[] = [];
/** What each name is at, question by question; the last answer stays. */
const answers = new Map<string, string[][]>();
const questions: string[] = [];
let guest: Guest;
let rebound: string;
let second: string;

const answer =
  (where: string): RequestListener =>
  (request, response) => {
    asked.push(`${where}${request.url}`);
    const to = new URL(request.url!, 'http://x').searchParams.get('to');
    if (to !== null) response.writeHead(302, { location: to });
    response.end(where);
  };

beforeAll(async () => {
  const outside = createServer(answer('outside'));
  servers.push(outside);
  outside.listen(0, OUTSIDE);
  await once(outside, 'listening');
  const { port } = outside.address() as AddressInfo;
  const inside = createServer(answer('inside'));
  servers.push(inside);
  inside.listen(port, INSIDE);
  await once(inside, 'listening');
  rebound = `http://rebound.example:${port}`;
  second = `http://second.example:${port}`;
  guest = await Guest.start(
    {
      guest: {
        powers: { http: { origins: [rebound, second, `http://${INSIDE}:${port}`], addresses: [OUTSIDE] } },
      },
    },
    undefined,
    {
      async resolve(name) {
        questions.push(name);
        const known = answers.get(name);
        if (known === undefined) throw Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
        const found = known.length > 1 ? known.shift()! : known[0]!;
        return found.map((address) => ({ address }));
      },
    },
  );
});
afterEach(() => {
  asked.length = 0;
  questions.length = 0;
  answers.clear();
});
afterAll(async () => {
  await guest?.stop();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** Has the domain fetch one after the other; gives what came back, or the error. */
const fetched = async (urls: readonly string[], more: { redirects?: number; stream?: boolean } = {}) =>
  (
    await guest.run(`
      const found = [];
      for (const url of ${JSON.stringify(urls)}) {
        const request = { method: 'GET', url, headers: [], body: bytes(''), redirects: 0, ...${JSON.stringify(more)} };
        found.push(await grants.http.request({ request }).then(
          async ({ response }) => text(response.stream ? (await response.stream.read({ maxBytes: 0 })).chunk : response.body),
          ({ message }) => message,
        ));
      }
      return found;`)
  ).value as string[];

const refusal = (origin: string) =>
  `${origin} is at an address that is not public, and was not granted (powers.http.addresses)`;

it.each([{}, { stream: true }])(
  'a name that is at an address inside when it is asked for again is refused: %j',
  async (more) => {
    answers.set('rebound.example', [[OUTSIDE], [INSIDE]]);
    const urls = [`${rebound}/a`, `${rebound}/b`, `${rebound}/c`];
    expect(await fetched(urls, more)).toEqual(['outside', refusal(rebound), refusal(rebound)]);
    expect(asked).toEqual(['outside/a']);
    expect(questions).toHaveLength(3);
  },
);

it('a name that changes while a request is under way is asked for once, and so the change comes to nothing', async () => {
  answers.set('rebound.example', [[OUTSIDE], [INSIDE]]);
  expect(await fetched([`${rebound}/a`])).toEqual(['outside']);
  expect(questions).toEqual(['rebound.example']);
  expect(asked).toEqual(['outside/a']);
});

it.each([
  '10.0.0.1',
  '169.254.169.254',
  '192.168.1.1',
  '127.0.0.2',
  '::1',
  '::ffff:127.0.0.2',
  'fd00::1',
  '64:ff9b::7f00:2',
])('a name that is at %s is refused, also beside an address that is allowed', async (address) => {
  answers.set('rebound.example', [[address], [OUTSIDE, address], ['93.184.216.34', address]]);
  const urls = [`${rebound}/a`, `${rebound}/b`, `${rebound}/c`];
  expect(await fetched(urls)).toEqual(urls.map(() => refusal(rebound)));
  expect(asked).toEqual([]);
});

it.each([{ redirects: 2 }, { redirects: 2, stream: true }])(
  'a redirect leads to no address inside: %j',
  async (more) => {
    answers.set('rebound.example', [[OUTSIDE], [INSIDE], [OUTSIDE]]);
    answers.set('second.example', [[INSIDE]]);
    const { port } = new URL(rebound);
    const toItself = `${rebound}/self?to=${encodeURIComponent('/inner')}`;
    const toSecond = `${rebound}/second?to=${encodeURIComponent(`${second}/inner`)}`;
    const toAddress = `${rebound}/address?to=${encodeURIComponent(`http://${INSIDE}:${port}/inner`)}`;
    expect(await fetched([toItself], more)).toEqual([refusal(rebound)]);
    expect(await fetched([toSecond, toAddress], more)).toEqual([
      refusal(second),
      refusal(`http://${INSIDE}:${port}`),
    ]);
    expect(asked.map((each) => each.replace(/\?.*/, ''))).toEqual([
      'outside/self',
      'outside/second',
      'outside/address',
    ]);
  },
);

it('what listens inside would have answered', async () => {
  const response = await fetch(`http://${INSIDE}:${new URL(rebound).port}/`);
  expect(await response.text()).toBe('inside');
});
